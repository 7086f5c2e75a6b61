import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const rules = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;

async function send(name: string): Promise<string> {
  const enqueued = await queue.send(userEvent("user.created", { id: `user_${name}`, version: 1 }), `msg_${name}`);
  return enqueued.job_id ?? "";
}

/** A job in this state, as it would be after real attempts. */
async function jobIn(status: string, error: string | null, name: string = randomUUID()): Promise<string> {
  const id = await send(name);
  await queue.pool.query(
    "update job_queue set status = $2, attempts = 3, error = $3, run_at = now() + interval '1 hour' where id = $1",
    [id, status, error],
  );
  return id;
}

const call = async (name: string, ...args: unknown[]) =>
  (await queue.one(`select public.clerk_sync_${name}(${args.map((_, place) => `$${place + 1}`).join()}) as n`, args))?.[
    "n"
  ];
const statusOf = async (id: string) =>
  (await queue.one("select status from job_queue where id = $1", [id]))?.["status"];

it("one dead job tried again starts from zero attempts, and its history stays", async () => {
  const id = await jobIn("DEAD", "auth_rejected: 400", "again");
  expect(await call("retry_jobs", [id])).toBe(1);
  const job = await queue.job("msg_again");
  expect(job).toMatchObject({ status: "PENDING", attempts: 0, error: null, processed_at: null });
  expect(job.history.map((entry) => [entry.status, entry.error])).toEqual([
    ["PENDING", undefined],
    ["DEAD", "auth_rejected: 400"],
    ["PENDING", undefined],
  ]);
  await queue.run();
  expect(await call("retry_jobs", [id])).toBe(0);
});

it("selected jobs are tried again, others stay", async () => {
  const ids = [await jobIn("DEAD", "x: 1"), await jobIn("FAILED", "x: 2"), await jobIn("CANCELLED", null)];
  const other = await jobIn("DEAD", "x: 3");
  expect(await call("retry_jobs", ids)).toBe(3);
  for (const id of ids) expect(await statusOf(id)).toBe("PENDING");
  expect(await statusOf(other)).toBe("DEAD");
});

it("all jobs that match a filter are tried again, in steps, and no others", async () => {
  for (let place = 0; place < 5; place++) await jobIn("DEAD", "auth_unavailable: down");
  const others = [await jobIn("DEAD", "auth_rejected: 400"), await jobIn("CANCELLED", "auth_unavailable: down")];
  const filter = { code: "auth_unavailable", updated_before: new Date(Date.now() + 1000).toISOString() };
  expect(await call("count_jobs", { ...filter, status: "DEAD" })).toBe(5);
  expect([
    await call("retry_matching_jobs", filter, 3),
    await call("retry_matching_jobs", filter, 3),
    await call("retry_matching_jobs", filter, 3),
  ]).toEqual([3, 2, 0]);
  expect(await Promise.all(others.map(statusOf))).toEqual(["DEAD", "CANCELLED"]);
});

it("a job that fails again after it was retried does not match the filter of that run any more", async () => {
  const filter = { code: "auth_unavailable", updated_before: new Date(Date.now() + 60_000).toISOString() };
  const id = await jobIn("DEAD", "auth_unavailable: down");
  expect(await call("retry_matching_jobs", filter)).toBe(1);
  await queue.pool.query(
    "update job_queue set status = 'DEAD', attempts = 3, error = 'auth_unavailable: down', updated_at = now() + interval '2 minutes' where id = $1",
    [id],
  );
  expect(await call("retry_matching_jobs", filter)).toBe(0);
});

it.each([
  ["status", { status: "DEAD" }],
  ["job type", { job_type: "USER_CREATED" }],
  ["source", { source: "webhook" }],
  ["user", { clerk_id: "user_wanted" }],
  ["event", { event_id: "msg_wanted" }],
  ["error code", { code: "wanted" }],
  ["time", { created_after: "2020-01-01T00:00:00Z", created_before: "2100-01-01T00:00:00Z" }],
])("jobs are found by %s", async (_, filter) => {
  await jobIn("DEAD", "wanted: 1", "wanted");
  await jobIn("CANCELLED", null, "unwanted");
  await queue.pool.query(
    "update job_queue set job_type = 'USER_UPDATED', source = 'refresh', created_at = '2010-01-01' where event_id = 'msg_unwanted'",
  );
  expect(await call("count_jobs", filter)).toBe(1);
});

it("a filter with a key it does not know is refused, not taken for all jobs", async () => {
  await jobIn("DEAD", "x: 1");
  await expect(call("retry_matching_jobs", { stauts: "DEAD" })).rejects.toMatchObject({ code: "SY002" });
  await expect(call("cancel_matching_jobs", ["DEAD"])).rejects.toThrow();
});

it("a cancelled job is never run", async () => {
  const id = await send("cancelled");
  expect(await call("cancel_jobs", [id])).toBe(1);
  await queue.run();
  expect(await queue.user("user_cancelled")).toBeUndefined();
  expect(await queue.job("msg_cancelled")).toMatchObject({
    status: "CANCELLED",
    attempts: 0,
    processed_at: expect.any(Date),
  });
  expect(await call("cancel_jobs", [id])).toBe(0);
});

it("anything not finished can be cancelled, by id and by filter", async () => {
  const ids = [await jobIn("PENDING", null), await jobIn("FAILED", "x: 1"), await jobIn("DEAD", "x: 2")];
  expect(await call("cancel_jobs", [ids[0]])).toBe(1);
  expect(await call("cancel_matching_jobs", { code: "x" })).toBe(2);
  expect(await Promise.all(ids.map(statusOf))).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
});

it.each(["retry", "dead", "released"] as const)(
  "a job in a worker's hand that is cancelled ends as CANCELLED when its attempt ends with %s",
  async (outcome) => {
    const id = await send("leased");
    const { token } = await queue.database.runJobs(rules);
    expect(await call("cancel_jobs", [id])).toBe(1);
    expect(await statusOf(id)).toBe("PROCESSING");
    await queue.database.settleJobs(token, [{ job_id: id, outcome, error: "auth_unavailable: down" }]);
    expect(await queue.job("msg_leased")).toMatchObject({ status: "CANCELLED", cancel_requested_at: null });
    expect((await queue.database.runJobs(rules)).jobs).toEqual([]);
  },
);

it("a job in a worker's hand that is cancelled too late is completed", async () => {
  const id = await send("late");
  const { token } = await queue.database.runJobs(rules);
  await call("cancel_jobs", [id]);
  await queue.database.settleJobs(token, [{ job_id: id, outcome: "completed", mirror: { outcome: "created" } }]);
  expect(await statusOf(id)).toBe("COMPLETED");
});

it("a cancelled job whose worker died is CANCELLED when its lease has run out", async () => {
  const id = await send("died");
  await queue.database.runJobs(rules);
  await call("cancel_jobs", [id]);
  await queue.one("select clerk_sync_rescue_jobs(500, now() + interval '61 seconds')");
  expect(await statusOf(id)).toBe("CANCELLED");
});
