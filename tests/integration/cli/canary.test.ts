import { afterAll, beforeAll, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

const canary = "user_clerksync_canary_x";
const start = (clerkId: string | null, hoursAgo = 0) =>
  queue.one("select clerk_sync_start_canary($1, now() - make_interval(hours => $2)) as answer", [clerkId, hoursAgo]);
const remove = async (clerkId: string | null) =>
  (await queue.one("select clerk_sync_remove_canary($1) as answer", [clerkId]))?.["answer"];
const insertJob = (jobType: string, status: string, attempts = 1) =>
  queue.pool.query("insert into job_queue (job_type, clerk_id, status, attempts) values ($1, $2, $3, $4)", [
    jobType,
    canary,
    status,
    attempts,
  ]);

it.each(["user_2abc", "user_clerksync-canary_x", "", null])(
  "%j is no canary and is neither started nor removed",
  async (id) => {
    await expect(start(id)).rejects.toMatchObject({ code: "SY002" });
    await expect(remove(id)).rejects.toMatchObject({ code: "SY002" });
  },
);

it("a start names the canaries that began more than an hour ago", async () => {
  await start("user_clerksync_canary_old", 2);
  await start("user_clerksync_canary_new");
  expect((await start(canary))?.["answer"]).toEqual({ leftovers: ["user_clerksync_canary_old"] });
});

it("jobs that no worker ever took go at once: nothing can be in Auth", async () => {
  await insertJob("USER_CREATED", "PENDING", 0);
  expect(await remove(canary)).toEqual({ removed: true, rows: 0, states: 0, jobs: 1, waiting: [] });
});

it.each([
  [["USER_CREATED", "COMPLETED"]],
  [["USER_CREATED", "FAILED"]],
  [["USER_DELETED", "DEAD"]],
  [["USER_DELETED", "CANCELLED"]],
  [
    ["USER_DELETED", "COMPLETED"],
    ["USER_UPDATED", "FAILED"],
  ],
])("after %j the canary stays, for it may be in Auth", async (...jobs) => {
  await start(canary);
  for (const [jobType = "", status = ""] of jobs) await insertJob(jobType, status);
  const open = jobs.filter(([, status]) => status !== "COMPLETED").map(([job_type, status]) => ({ job_type, status }));
  expect(await remove(canary)).toMatchObject({ removed: false, jobs: 0, waiting: open });
  await insertJob("USER_DELETED", "COMPLETED");
  await queue.pool.query("update job_queue set status = 'COMPLETED' where status = 'FAILED'");
  expect(await remove(canary)).toMatchObject({ removed: true, jobs: jobs.length + 1 });
  expect(await queue.one("select 1 from clerk_sync.canary where clerk_id = $1", [canary])).toBeUndefined();
});

it("a job in a worker's hand is not waited for", async () => {
  await insertJob("USER_DELETED", "COMPLETED");
  const worker = await queue.pool.connect();
  await worker.query("begin");
  await worker.query("select 1 from job_queue where clerk_id = $1 for update", [canary]);
  expect(await remove(canary)).toMatchObject({ removed: false });
  await worker.query("rollback");
  worker.release();
  expect(await remove(canary)).toMatchObject({ removed: true });
});
