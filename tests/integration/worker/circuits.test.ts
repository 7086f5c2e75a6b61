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

async function record(successes: number, failures: number, streak = failures): Promise<string> {
  const calls = [
    { name: "auth" as const, successes, failures, streak, tripped: false, code: "auth_unavailable" as const },
  ];
  await system.timed.settleJobs(crypto.randomUUID(), [], calls);
  return String((await system.circuit("auth"))["state"]);
}

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

it("a circuit opens when half of twenty calls within a minute failed, whatever their order, and not for such a share in an hour", async () => {
  for (let call = 0; call < 5; call++) {
    expect(await record(1, 1, 0)).toBe("closed");
    system.clock.seconds += 61;
  }
  for (let call = 0; call < 9; call++) expect(await record(1, 1, 0)).toBe("closed");
  expect(await record(1, 1, 0)).toBe("open");
});

it("a circuit opens for 30 s, then a minute, at last five, less up to a fifth", async () => {
  const { rows } = await system.pool.query<{ longest: number; shortest: number }>(
    `select extract(epoch from clerk_sync.circuit_pause(n, 0))::int as longest,
            extract(epoch from clerk_sync.circuit_pause(n, 0.999999))::float8 as shortest
     from generate_series(1, 6) as n order by n`,
  );
  expect(rows.map((row) => row.longest)).toEqual([30, 60, 120, 240, 300, 300]);
  expect(rows.map((row) => Math.round(row.shortest))).toEqual([24, 48, 96, 192, 240, 240]);
});

it("a circuit opens for as long as the service asked", async () => {
  system.auth.failure = new SyncError("auth_rate_limited", "slow", { retryable: true, retryAfterSeconds: 900 });
  await system.sendNow(...ids(5).map(created));
  await system.work();
  const { next_probe, last_error } = await system.circuit("auth");
  expect(Date.parse(String(next_probe)) - system.clock.now()).toBe(900_000);
  expect(last_error).toBe("auth_rate_limited");
});

it("a circuit opens for longer when it opens again soon after it closed", async () => {
  await system.openAuth();
  system.auth.failure = null;
  await system.passPause("auth");
  await system.work();
  expect(await system.circuit("auth")).toMatchObject({ state: "closed", failures: 0 });
  await record(0, 5);
  const { next_probe } = await system.circuit("auth");
  expect(Date.parse(String(next_probe)) - system.clock.now()).toBeGreaterThanOrEqual(48_000);
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
  const calls = [{ name: "auth", successes: 0, failures: 1, streak: 1, tripped: false }] as const;
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
