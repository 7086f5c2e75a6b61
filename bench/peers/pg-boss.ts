import pg from "pg";
import { type Job, PgBoss } from "pg-boss";
import type { NewJob } from "#core/database/database.ts";
import { atOnce, noPeer, type OpenPeer, type Peer, timed } from "./peer.ts";
import { queryOf, toUserRow, upsertUsers } from "./upsert-users.ts";

const queue = "clerk-events";
const batchSize = 500;
const pollSeconds = 0.5;

/** Fetches and completes in batches, as pg-boss recommends for throughput; no NOTIFY on what is sent. */
export const pgBoss: Peer = {
  name: "pg-boss",
  settings: `pg-boss, pool of 10; \`send\` for each event, \`insert\` to fill; each worker a loop of \`fetch\` (batchSize ${batchSize}), one multi-row upsert and one \`complete\` of the batch, without a pause. Quiet: \`work\` at its default interval of 2 s.`,
  open: async (url) => open(url, false),
};

/** The same with LISTEN/NOTIFY, which is how pg-boss is quick to begin. */
export const pgBossNotify: Peer = {
  name: "pg-boss with notify",
  settings: `pg-boss with \`useListenNotify\` and \`notify\` on the queue; \`work\` with batchSize ${batchSize}, \`burstWhenBatchFull\`, pollingIntervalSeconds ${pollSeconds}.`,
  open: async (url) => open(url, true),
};

async function open(url: string, notify: boolean): Promise<OpenPeer> {
  const boss = new PgBoss({ connectionString: url, max: 10, useListenNotify: notify });
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(queue, { notify });
  const apply = (jobs: readonly Job<NewJob>[]) =>
    upsertUsers(
      queryOf(pool),
      jobs.map(({ data }) => toUserRow(data)),
    );
  const waits = notify
    ? { batchSize, burstWhenBatchFull: true, pollingIntervalSeconds: pollSeconds }
    : { batchSize, burstWhenBatchFull: true };
  return {
    ...noPeer,
    take: (job) => boss.send(queue, job),
    fill: (jobs) =>
      boss.insert(
        queue,
        jobs.map((data) => ({ data })),
      ),
    drain: (workers, count) => drain(boss, apply, workers, count),
    work: () => boss.work<NewJob>(queue, waits, async (jobs) => void (await apply(jobs))),
    close: async () => {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}

async function drain(
  boss: PgBoss,
  apply: (jobs: readonly Job<NewJob>[]) => Promise<unknown>,
  workers: number,
  count: number,
): Promise<number> {
  let done = 0;
  const work = async () => {
    for (;;) {
      const jobs = await boss.fetch<NewJob>(queue, { batchSize });
      if (jobs.length === 0) break;
      await apply(jobs);
      await boss.complete(
        queue,
        jobs.map(({ id }) => id),
      );
      done += jobs.length;
    }
  };
  const seconds = await timed(() => atOnce(workers, work));
  if (done !== count) throw new RangeError(`pg-boss did ${done} of ${count} jobs`);
  return seconds;
}
