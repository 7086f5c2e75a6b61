import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

const hour = 3600;

/** Claims under a lease at a moment of the test's choosing. */
async function claim(secondsFromNow = 0) {
  const row = await queue.one(
    "select public.clerk_sync_run_jobs(250, 60, p_now => now() + make_interval(secs => $1)) as batch",
    [secondsFromNow],
  );
  return row?.batch as { token: string; jobs: { id: string; status: string }[]; mirror: { job_id: string }[] };
}

async function settle(token: string, outcomes: object[], secondsFromNow = 0) {
  const row = await queue.one(
    "select public.clerk_sync_settle_jobs($1, $2, now() + make_interval(secs => $3)) as answer",
    [token, JSON.stringify(outcomes), secondsFromNow],
  );
  return row?.answer as { jobs: { status: string }[]; stale: number };
}

async function leased(eventId: string) {
  const enqueued = await queue.send(userEvent("user.created", { id: `user_${randomUUID()}`, version: 1 }), eventId);
  const batch = await claim();
  return { jobId: enqueued.job_id ?? "", token: batch.token };
}

it("the backoff doubles from 2 s to a cap of 15 minutes, with full jitter", async () => {
  const { rows } = await queue.pool.query<{ longest: number; shortest: number }>(
    `select extract(epoch from clerk_sync.backoff(a, 0.999999))::float8 as longest,
            extract(epoch from clerk_sync.backoff(a, 0))::float8 as shortest
     from generate_series(1, 12) as a order by a`,
  );
  expect(rows.map((row) => Math.round(row.longest))).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  expect(rows.every((row) => row.shortest === 0)).toBe(true);
});

it("a failed attempt is due again within its backoff, and the users row stays", async () => {
  const { jobId, token } = await leased("msg_retry");
  await settle(token, [{ job_id: jobId, outcome: "retry", error: "auth_unavailable: down" }]);
  const job = await queue.job("msg_retry");
  expect(job).toMatchObject({ status: "FAILED", attempts: 1, error: "auth_unavailable: down", processed_at: null });
  expect(job.run_at.getTime() - Date.now()).toBeLessThanOrEqual(2000);
  expect(await queue.user(String(job.payload.clerk_id))).toBeDefined();
});

it("a server that asks to wait is not called before that", async () => {
  const { jobId, token } = await leased("msg_wait");
  await settle(token, [{ job_id: jobId, outcome: "retry", error: "auth_rate_limited: slow", retry_after: 120 }]);
  expect((await queue.job("msg_wait")).run_at.getTime() - Date.now()).toBeGreaterThan(115_000);
});

it("after MAX_ATTEMPTS a job is a dead letter that names the error of every attempt", async () => {
  const enqueued = await queue.send(userEvent("user.created", { id: "user_doomed", version: 1 }), "msg_doomed");
  await queue.pool.query("update public.job_queue set max_attempts = 3 where event_id = 'msg_doomed'");
  for (let attempt = 1; attempt <= 3; attempt++) {
    const { token } = await claim(attempt * hour);
    await settle(
      token,
      [{ job_id: enqueued.job_id, outcome: "retry", error: `auth_unavailable: ${attempt}` }],
      attempt * hour,
    );
  }
  const job = await queue.job("msg_doomed");
  expect(job).toMatchObject({
    status: "DEAD",
    attempts: 3,
    processed_at: expect.any(Date),
    payload: { retry_count: 2 },
  });
  expect(job.history.filter((entry) => entry.error).map((entry) => entry.error)).toEqual([
    "auth_unavailable: 1",
    "auth_unavailable: 2",
    "auth_unavailable: 3",
  ]);
});

it("a permanent error is a dead letter at the first attempt", async () => {
  const { jobId, token } = await leased("msg_permanent");
  await settle(token, [{ job_id: jobId, outcome: "dead", error: "auth_rejected: 400" }]);
  expect(await queue.job("msg_permanent")).toMatchObject({ status: "DEAD", attempts: 1 });
});

it("a replay of a dead event is queued again from the start, any other repetition does nothing", async () => {
  const event = userEvent("user.created", { id: "user_replay", version: 1 });
  expect(await queue.send(event, "msg_replay")).toMatchObject({ outcome: "queued" });
  expect(await queue.send(event, "msg_replay")).toMatchObject({ outcome: "duplicate" });
  await queue.pool.query(
    "update public.job_queue set status = 'DEAD', attempts = 15, error = 'x' where event_id = 'msg_replay'",
  );
  expect(await queue.send(event, "msg_replay")).toMatchObject({ outcome: "requeued" });
  const job = await queue.job("msg_replay");
  expect(job).toMatchObject({ status: "PENDING", attempts: 0, error: null, processed_at: null });
  expect(job.history.map((entry) => entry.status)).toEqual(["PENDING", "DEAD", "PENDING"]);
  await queue.run();
  expect(await queue.send(event, "msg_replay")).toMatchObject({ outcome: "duplicate" });
});

it("a job given back for lack of time keeps its attempts", async () => {
  const { jobId, token } = await leased("msg_released");
  await settle(token, [{ job_id: jobId, outcome: "released" }]);
  expect(await queue.job("msg_released")).toMatchObject({ status: "PENDING", attempts: 0 });
  await queue.run();
});

it("the lease of a worker that died is freed after it ran out, not before", async () => {
  await leased("msg_crash");
  const rescue = (seconds: number) =>
    queue.one("select public.clerk_sync_rescue_jobs(500, now() + make_interval(secs => $1)) as count", [seconds]);
  await rescue(59);
  expect(await queue.job("msg_crash")).toMatchObject({ status: "PROCESSING" });
  await rescue(61);
  expect(await queue.job("msg_crash")).toMatchObject({
    status: "FAILED",
    error: expect.stringMatching(/^lease_expired/),
  });
});

it("a worker that comes back after its lease was given to another changes nothing", async () => {
  const { jobId, token } = await leased("msg_fence");
  await queue.one("select public.clerk_sync_rescue_jobs(500, now() + interval '61 seconds')");
  const second = await claim(2 * hour);
  expect(second.mirror.map((order) => order.job_id)).toContain(jobId);
  expect(await settle(token, [{ job_id: jobId, outcome: "completed" }])).toEqual({ jobs: [], stale: 1, circuits: [] });
  expect(await queue.job("msg_fence")).toMatchObject({ status: "PROCESSING" });
  await settle(second.token, [{ job_id: jobId, outcome: "completed", mirror: { outcome: "created" } }]);
  expect(await queue.job("msg_fence")).toMatchObject({
    status: "COMPLETED",
    result: { applied: true, mirror: { outcome: "created" } },
  });
});

it("the user of a worker that comes back too late is mirrored once more, for it may have written over another", async () => {
  const { jobId, token } = await leased("msg_frozen");
  await queue.one("select public.clerk_sync_rescue_jobs(500, now() + interval '61 seconds')");
  const second = await claim(2 * hour);
  await settle(second.token, [{ job_id: jobId, outcome: "completed", mirror: { outcome: "created" } }]);
  await settle(token, [{ job_id: jobId, outcome: "completed", mirror: { outcome: "updated" } }], 2 * hour);
  const third = await claim(3 * hour);
  const [order] = third.mirror;
  expect(await queue.one("select source, result from job_queue where id = $1", [order?.job_id])).toEqual({
    source: "lease_lost",
    result: { applied: true },
  });
});
