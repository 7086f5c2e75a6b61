import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type CircuitSystem,
  clerkDown,
  createCircuitSystem,
  created,
  ids,
} from "../../support/systems/circuit-system.ts";

let system: CircuitSystem;
beforeEach(async () => {
  system = await createCircuitSystem();
});
afterEach(() => system?.drop());

const hasWork = async () =>
  (await system.one("select clerk_sync.has_work($1) as work", [new Date(system.clock.now())]))?.["work"];

it("the probe is one call among all workers at once, and the rest is due when it succeeds", async () => {
  await system.openAuth(30);
  system.auth.failure = null;
  await system.passPause("auth");
  expect(await hasWork()).toBe(true);
  const batches = await Promise.all(Array.from({ length: 8 }, () => system.claim()));
  const probes = batches.flatMap((batch) => batch.mirror);
  expect(probes).toHaveLength(1);
  expect(await system.circuit("auth")).toMatchObject({ state: "half_open", waiting: 29 });
  expect((await system.claim()).mirror).toEqual([]);
  const prober = batches.find((batch) => batch.mirror.length === 1);
  const outcome = { job_id: probes[0]?.job_id ?? "", outcome: "completed", auth_user_id: null } as const;
  const calls = [{ name: "auth", successes: 1, failures: 0, streak: 0 }] as const;
  const settled = await system.timed.settleJobs(prober?.token ?? "", [outcome], calls);
  expect(settled.circuits).toMatchObject([{ name: "auth", state: "closed" }]);
  expect((await system.claim(10)).mirror).toHaveLength(10); // no more than a batch at a time
  expect((await system.claim(100)).mirror).toHaveLength(19);
});

it("a probe that fails keeps the circuit open for longer; the next one is another job, for it may be the job that is at fault", async () => {
  await system.openAuth();
  await system.passPause("auth");
  const opened = system.clock.now();
  await system.work();
  const { state, next_probe } = await system.circuit("auth");
  expect(state).toBe("open");
  expect(Date.parse(String(next_probe)) - opened).toBeGreaterThanOrEqual(48_000);
  const probed = async () =>
    (
      await system.one("select array_agg(clerk_id) as ids from public.job_queue where run_at = $1", [
        new Date(system.clock.now()),
      ])
    )?.["ids"];
  const first = await probed();
  await system.passPause("auth");
  await system.work();
  expect(first).toHaveLength(1);
  expect(await probed()).not.toEqual(first);
  expect(await system.one("select max(attempts) as n from public.job_queue")).toEqual({ n: 0 });
});

it("the probe is taken anew when its worker died, after its lease and not before", async () => {
  await system.openAuth();
  await system.passPause("auth");
  expect((await system.claim()).mirror).toHaveLength(1);
  system.clock.seconds += 59;
  expect((await system.claim()).mirror).toEqual([]);
  system.clock.seconds += 1;
  expect((await system.claim()).mirror).toHaveLength(1);
});

it("a probe that its worker answers after another worker has taken it decides nothing", async () => {
  await system.openAuth();
  await system.passPause("auth");
  const late = await system.claim();
  system.clock.seconds += 60;
  const probe = await system.claim();
  const answer = [{ name: "auth", successes: 1, failures: 0, streak: 0, any_user_worked: true }] as const;
  await system.timed.settleJobs(late.token, [], answer);
  expect(await system.circuit("auth")).toMatchObject({ state: "half_open" });
  await system.timed.settleJobs(probe.token, [], answer);
  expect(await system.circuit("auth")).toMatchObject({ state: "closed" });
});

it("a probe that is not made, because its worker was stopped, is due at once", async () => {
  await system.openAuth();
  await system.passPause("auth");
  const batch = await system.claim();
  await system.timed.settleJobs(batch.token, [{ job_id: batch.mirror[0]?.job_id ?? "", outcome: "released" }], []);
  expect(await system.circuit("auth")).toMatchObject({ state: "open" });
  expect((await system.claim()).mirror).toHaveLength(1);
});

it("a probe costs a job that is a day old an attempt, so that a job that alone is at fault ends as a dead letter", async () => {
  await system.openAuth(1);
  for (let hour = 0; hour < 60; hour++) {
    system.clock.seconds += 3600;
    await system.work();
  }
  expect(await system.jobOf("first_0")).toMatchObject({ status: "DEAD", attempts: 15 });
});

const requestAll = (ids: readonly string[]) =>
  system.one("select clerk_sync_request_refresh($1, 'test', $2)", [ids, new Date(system.clock.now())]);
const refreshes = async () =>
  (await system.pool.query("select * from public.job_queue where source = 'refresh' order by run_at, id")).rows;

it("while the circuit of Clerk's API is open refreshes wait without an attempt, everything else goes on, and the probe is one of them", async () => {
  await system.sendNow(...ids(12).map(created));
  await system.work();
  system.clerk.failure = clerkDown;
  await requestAll(ids(6));
  await system.work();
  expect(await system.circuit("clerk")).toMatchObject({ state: "open", last_error: "clerk_unavailable" });
  await requestAll(ids(12));
  await system.sendNow(created("user_new"));
  await system.work();
  expect(await system.jobOf("user_new")).toMatchObject({ status: "COMPLETED" });
  expect(system.clerk.callsInVain).toBe(6);
  expect(await refreshes()).toHaveLength(12);
  for (const job of await refreshes()) expect(job).toMatchObject({ attempts: 0, waits_for: "clerk" });

  system.clerk.failure = null;
  await system.passPause("clerk");
  await system.work();
  expect(await system.circuit("clerk")).toMatchObject({ state: "closed", waiting: 0 });
  for (const job of await refreshes()) expect(job).toMatchObject({ status: "COMPLETED", attempts: 1 });
  expect(await system.one("select count(*)::int as n from public.users")).toEqual({ n: 1 });
});
