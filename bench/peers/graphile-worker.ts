import { Logger, makeWorkerUtils, type Runner, run, type TaskList, WorkerPreset } from "graphile-worker";
import pg from "pg";
import type { NewJob } from "#core/database/database.ts";
import { atOnce, noPeer, type OpenPeer, type Peer, slices } from "./peer.ts";
import { toUserRow, upsertUsers } from "./upsert-users.ts";

const task = "clerk-event";
const concurrentJobs = 24;
const localQueueSize = 500;
const poolSize = 10;
const quiet = new Logger(() => () => undefined);

/** In batches where it has them: of jobs fetched and of completions; tasks are given one job each. */
export const graphileWorker: Peer = {
  name: "graphile-worker",
  settings: `graphile-worker, pool of ${poolSize}; \`addJob\` for each event, \`addJobs\` to fill; each worker a \`run\` with concurrentJobs ${concurrentJobs}, localQueue of ${localQueueSize}, completeJobBatchDelay and failJobBatchDelay 0, timed from its first job begun to its last one done. Events and quiet: concurrentJobs ${concurrentJobs} without localQueue, which would wait.`,
  open: async (url) => open(url, {}),
};

/** The same for a queue that is full when it starts. */
export const graphileWorkerBatches: Peer = {
  name: "graphile-worker in batches",
  settings: `graphile-worker, pool of ${poolSize}; \`run\` with concurrentJobs ${concurrentJobs}, localQueue of ${localQueueSize}, completeJobBatchDelay and failJobBatchDelay 0.`,
  open: async (url) => open(url, inBatches),
};

const tasks: TaskList = {
  [task]: async (payload, { query }) => {
    await upsertUsers(query, [toUserRow(payload as NewJob)]);
  },
};

async function open(url: string, batches: Partial<typeof inBatches>): Promise<OpenPeer> {
  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  const runners: Runner[] = [];
  return {
    ...noPeer,
    take: (payload) => utils.addJob(task, payload),
    fill: async (jobs) => {
      for (const slice of slices(jobs, 1000)) {
        await utils.addJobs(slice.map((payload) => ({ identifier: task, payload })));
      }
    },
    drain: (workers, count) => drain(url, workers, count),
    work: async () => void runners.push(await start(url, batches)),
    close: async () => {
      await Promise.all(runners.map((runner) => runner.stop()));
      await utils.release();
      await pool.end();
    },
  };
}

const inBatches = { localQueue: { size: localQueueSize }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

function start(connectionString: string, batches: Partial<typeof inBatches>): Promise<Runner> {
  const worker = { connectionString, concurrentJobs, maxPoolSize: poolSize, ...batches };
  return run({ taskList: tasks, logger: quiet, noHandleSignals: true, preset: { extends: [WorkerPreset], worker } });
}

async function drain(url: string, workers: number, count: number): Promise<number> {
  const runners: Runner[] = [];
  const times = { begun: 0, done: 0 };
  const done = Promise.withResolvers<void>();
  let left = count;
  const end = () => {
    left -= 1;
    if (left > 0) return;
    times.done = performance.now();
    done.resolve();
  };
  const begin = async () => {
    const runner = await start(url, inBatches);
    runners.push(runner);
    runner.events.on("job:start", () => {
      times.begun ||= performance.now();
    });
    runner.events.on("job:success", end);
    runner.events.on("job:error", ({ error }) => done.reject(error));
  };
  try {
    await atOnce(workers, begin);
    await done.promise;
  } finally {
    await Promise.all(runners.map((runner) => runner.stop()));
  }
  return (times.done - times.begun) / 1000;
}
