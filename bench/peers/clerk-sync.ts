import { createDatabase } from "#core/database/database.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { processQueue, type QueueDependencies } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { createPool } from "../../server/database.ts";
import { storedFields } from "../../tests/support/clerk/root-fields.ts";
import { atOnce, noPeer, type OpenPeer, type Peer, slices, timed } from "./peer.ts";

const maxAttempts = 15;

/** Ourselves: the loop of the worker, so many at once in one process. */
export const clerkSync: Peer = {
  name: "clerk-sync",
  settings:
    "This project: `clerk-sync serve`, pool of 10, all settings at their defaults but the limit of events per second, and without the mirror. Each worker of drain is the loop of the server's worker.",
  open: async (url) => open(url, null),
};

/** The same with the mirror in Supabase Auth, which `BENCH_AUTH_URL` says where it is. */
export const clerkSyncMirror: Peer = {
  name: "clerk-sync with mirror",
  settings: "The loop of the server's worker with the mirror, ten calls at once for each worker.",
  open: async (url) => open(url, process.env["BENCH_AUTH_URL"] ?? ""),
};

async function open(url: string, authUrl: string | null): Promise<OpenPeer> {
  const pool = createPool(url);
  const database = createDatabase(createCallFunction(pool));
  const auth = authUrl === null ? null : createAuthAdmin({ supabaseUrl: authUrl, secretKey: "sb_secret_bench" });
  const dependencies: QueueDependencies = {
    database,
    mirrorUser: auth === null ? null : createMirrorUser(auth),
    readUser: null,
    fields: storedFields,
    deleteBrake: null,
    now: Date.now,
  };
  return {
    ...noPeer,
    take: (job) => database.enqueue([job], maxAttempts),
    fill: async (jobs) => {
      for (const slice of slices(jobs, 500)) await database.enqueue(slice, maxAttempts);
    },
    drain: (workers, count) => drain(dependencies, workers, count),
    drainDue: async () => (await processQueue(dependencies, { budgetMilliseconds: 60_000 })).completed,
    close: () => pool.end(),
  };
}

/** Each worker ends when it finds nothing due; what was locked by another one just then is done afterwards. */
async function drain(dependencies: QueueDependencies, workers: number, count: number): Promise<number> {
  let left = count;
  const work = async () => {
    const { completed } = await processQueue(dependencies, { budgetMilliseconds: 120_000 });
    left -= completed;
  };
  const seconds = await timed(async () => {
    await atOnce(workers, work);
    if (left > 0) await work();
  });
  if (left !== 0) throw new RangeError(`clerk-sync left ${left} of ${count} jobs`);
  return seconds;
}
