import { afterEach, beforeEach, expect, it } from "vitest";
import { SyncError } from "#core/errors.ts";
import { type CircuitSystem, createCircuitSystem, created, ids } from "../../support/systems/circuit-system.ts";

let system: CircuitSystem;
beforeEach(async () => {
  system = await createCircuitSystem();
});
afterEach(() => system?.drop());

const hasWork = async () =>
  (await system.one("select clerk_sync.has_work($1) as work", [new Date(system.clock.now())]))?.["work"];

/** Settles a batch that saw so many calls, and answers the state of the circuit after it. */
async function record(successes: number, failures: number, streak = failures): Promise<string> {
  const code = "auth_unavailable";
  await system.timed.settleJobs(crypto.randomUUID(), [], [{ name: "auth", successes, failures, streak, code }]);
  return String((await system.circuit("auth"))["state"]);
}

/** As record, of a batch in which the calls of these users alone failed. */
async function recordFailedUsers(failed_users: string[], any_user_worked = false): Promise<string> {
  const answered = { name: "auth", successes: failed_users.length, failures: 0, streak: 0 } as const;
  const calls = { ...answered, failed_users, any_user_worked, code: "auth_user_failed" } as const;
  await system.timed.settleJobs(crypto.randomUUID(), [], [calls]);
  return String((await system.circuit("auth"))["state"]);
}

const pause = async () =>
  (Date.parse(String((await system.circuit("auth"))["next_probe"])) - system.clock.now()) / 1000;

it("a circuit opens after five failures in a row, over any number of batches and workers", async () => {
  expect(await record(0, 2)).toBe("closed");
  expect(await record(0, 2)).toBe("closed");
  expect(await record(0, 1)).toBe("open");
});

it("a circuit stays closed when a call between the failures succeeds", async () => {
  await record(0, 4);
  await record(1, 0);
  expect(await record(0, 4)).toBe("closed");
  expect(await record(5, 4, 0)).toBe("closed");
});

it("a circuit stays closed over any share of failures that are not five in a row", async () => {
  for (let call = 0; call < 30; call++) expect(await record(1, 4)).toBe("closed");
});

it("a circuit opens after twenty users in a row for whom alone the service fails, over any number of batches and hours", async () => {
  const users = ids(20, "failed");
  for (const user of users.slice(0, 19)) {
    expect(await recordFailedUsers([user])).toBe("closed");
    system.clock.seconds += 3600;
  }
  expect(await recordFailedUsers(users.slice(19))).toBe("open");
});

it("a circuit stays closed over users for whom alone the service fails, however often their jobs are tried", async () => {
  for (let attempt = 0; attempt < 30; attempt++) expect(await recordFailedUsers(ids(19, "failed"))).toBe("closed");
});

it("a circuit stays closed when a user's call succeeds between users for whom alone the service fails", async () => {
  await recordFailedUsers(ids(19, "failed"));
  expect(await recordFailedUsers(ids(19, "later"), true)).toBe("closed");
});

it("a circuit opens for 30 s, then a minute, at last five, less up to a fifth", async () => {
  await system.openAuth();
  for (const longest of [30, 60, 120, 240, 300, 300]) {
    expect(await pause()).toBeGreaterThanOrEqual(longest * 0.8 - 0.001);
    expect(await pause()).toBeLessThanOrEqual(longest);
    await system.passPause("auth");
    await system.work();
  }
});

it("a circuit opens for as long as the service asked", async () => {
  system.auth.failure = new SyncError("auth_rate_limited", "slow", { retryable: true, retryAfterSeconds: 900 });
  await system.sendNow(...ids(5).map(created));
  await system.work();
  expect(await pause()).toBe(900);
  expect(await system.circuit("auth")).toMatchObject({ last_error: "auth_rate_limited" });
});

it("a circuit opens for longer when it opens again soon after it closed", async () => {
  await system.openAuth();
  system.auth.failure = null;
  await system.passPause("auth");
  await system.work();
  expect(await system.circuit("auth")).toMatchObject({ state: "closed", failures: 0 });
  await record(0, 5);
  expect(await pause()).toBeGreaterThanOrEqual(48);
});

it("a circuit opens for 30 s again after five quiet minutes", async () => {
  await system.openAuth();
  system.auth.failure = null;
  await system.passPause("auth");
  await system.work();
  system.clock.seconds += 300;
  await record(0, 5);
  expect(await pause()).toBeLessThanOrEqual(30);
});

it("a circuit stays closed over users whom Auth refuses", async () => {
  system.auth.failure = new SyncError("auth_rejected", "Supabase Auth refused the user: 422 weak_password.");
  await system.sendNow(...ids(30).map(created));
  await system.work();
  expect(await system.circuit("auth")).toMatchObject({ state: "closed", failures: 0 });
});

it("while the circuit of Auth is open rows are written at once and their jobs wait: no call, no attempt, no entry in their history, nothing due", async () => {
  await system.openAuth();
  const calls = system.auth.callsInVain;
  await system.sendNow(...ids(20).map(created));
  await system.work();
  await system.work();
  expect(await system.user("user_7")).toMatchObject({ email: "user_7@example.com" });
  expect(await system.jobOf("user_7")).toMatchObject({
    status: "PENDING",
    waits_for: "auth",
    attempts: 0,
    result: { applied: true },
  });
  expect((await system.jobOf("user_7"))?.["history"]).toHaveLength(1);
  expect(system.auth.callsInVain).toBe(calls);
  expect(await hasWork()).toBe(false);
});

it("while the circuit of Auth is open a worker that mirrors nothing completes what waits", async () => {
  await system.openAuth();
  await system.work({ mirrorUser: null });
  await system.work({ mirrorUser: null });
  expect(await system.one("select count(*)::int as n from public.job_queue where status <> 'COMPLETED'")).toEqual({
    n: 0,
  });
});

it("while the circuit of Auth is open a user read from Clerk's API is applied, and the mirror waits", async () => {
  await system.sendNow(created("user_gone"));
  await system.work();
  await system.openAuth();
  await system.one("select clerk_sync_request_refresh('{user_gone}', 'test', $1)", [new Date(system.clock.now())]);
  await system.work();
  expect(await system.user("user_gone")).toBeUndefined();
  const refresh = await system.one("select * from public.job_queue where source = 'refresh'");
  expect(refresh).toMatchObject({ status: "PENDING", waits_for: "auth", attempts: 0, job_type: "USER_DELETED" });
});

it("while the circuit of Auth is open a job that waits can be cancelled, and is forgotten then", async () => {
  await system.openAuth();
  await system.sendNow(created("user_stop"));
  await system.work();
  const { id } = (await system.jobOf("user_stop")) ?? {};
  await system.one("select clerk_sync_cancel_jobs(array[$1::uuid])", [id]);
  expect(await system.jobOf("user_stop")).toMatchObject({ status: "CANCELLED", waits_for: null });
});

it("while the circuit of Auth is open what failed before it opened in a batch of another worker waits as well, and counts for nothing", async () => {
  await system.sendNow(created("user_late"));
  const batch = await system.claim();
  await system.openAuth();
  const before = await system.circuit("auth");
  const [order] = batch.mirror;
  const outcome = {
    job_id: order?.job_id ?? "",
    outcome: "retry",
    circuit: "auth",
    error: "auth_unavailable: late",
  } as const;
  const calls = [{ name: "auth", successes: 0, failures: 1, streak: 1 }] as const;
  await system.timed.settleJobs(batch.token, [outcome], calls);
  expect(await system.jobOf("user_late")).toMatchObject({ status: "PENDING", waits_for: "auth", attempts: 0 });
  expect(await system.circuit("auth")).toMatchObject({
    next_probe: before["next_probe"],
    failures: before["failures"],
  });
});

it("an operator sees the circuits, and closes one by hand: what waits is due at once", async () => {
  await system.openAuth();
  expect(await system.circuit("auth")).toEqual({
    name: "auth",
    state: "open",
    since: expect.any(String),
    failures: 6,
    next_probe: expect.any(String),
    last_error: "auth_unavailable",
    waiting: 6,
  });
  expect(await system.circuit("clerk")).toMatchObject({ state: "closed", next_probe: null, waiting: 0 });
  system.auth.failure = null;
  expect(await system.one("select clerk_sync_reset_circuit('auth') as was_open")).toEqual({ was_open: true });
  expect(await system.one("select clerk_sync_reset_circuit('auth') as was_open")).toEqual({ was_open: false });
  await system.work();
  expect(await system.one("select count(*)::int as n from public.job_queue where status = 'COMPLETED'")).toEqual({
    n: 6,
  });
});

it("an operator is told when there is no such circuit", async () => {
  await expect(system.one("select clerk_sync_reset_circuit('svix')")).rejects.toMatchObject({
    code: "SY002",
    message: "there is no circuit svix, only auth and clerk",
  });
});
