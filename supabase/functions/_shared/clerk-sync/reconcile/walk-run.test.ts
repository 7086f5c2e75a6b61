import { describe, expect, test, vi } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import {
  createFakeClerk,
  createFakeRuns,
  newRun,
  noFakeRecords,
  pageOf,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import type { ClerkApi } from "../clerk/clerk-api.ts";
import { SyncError } from "../errors.ts";
import { mostOpenJobs, type Run } from "./runs-database.ts";
import { type SliceDependencies, walkSlice } from "./walk-run.ts";

function sliceOver(open: Run | null, clerk: ClerkApi, changes: Partial<SliceDependencies> = {}) {
  const fake = createFakeRuns(open);
  const clock = { now: 0 };
  const slept: number[] = [];
  const dependencies: SliceDependencies = {
    runs: fake.runs,
    clerk,
    records: noFakeRecords,
    fields: rootFields,
    auth: null,
    mostUnknownPercent: 20,
    deletesForeign: false,
    mirrors: true,
    checked: { runId: open?.id ?? null },
    withValues: false,
    watcher: {},
    now: () => clock.now,
    sleep: null,
    ...changes,
  };
  const waiting = { sleep: async (milliseconds: number) => void slept.push(milliseconds) };
  return { ...fake, clock, slept, dependencies, waiting };
}

const backfill = { kind: "backfill", applies: true, budgetMilliseconds: 1000 } as const;
const down = (retryAfterSeconds?: number) =>
  new SyncError("clerk_unavailable", "down", {
    retryable: true,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });

test("a run is checked, walked page by page, settled and completed", async () => {
  const { dependencies, state } = sliceOver(null, createFakeClerk([pageOf("user_a", "user_b"), pageOf("user_c")]));
  expect(await walkSlice(dependencies, backfill)).toMatchObject({ state: "done", steps: 5 });
  expect(state.steps.map(({ phase, jobs }) => phase ?? jobs?.map((job) => job.event_id))).toEqual([
    "walk",
    ["backfill_run-1_user_a_1763900000000", "backfill_run-1_user_b_1763900000000"],
    ["backfill_run-1_user_c_1763900000000"],
    "settle",
    "settled",
  ]);
  expect(state.ends).toEqual([{ status: "COMPLETED" }]);
});

test("the token of the lease is not part of what a slice returns", async () => {
  const { run } = await walkSlice(sliceOver(null, createFakeClerk([])).dependencies, backfill);
  expect(run).toHaveProperty("kind", "backfill");
  expect(run).not.toHaveProperty("token");
});

test("jobs carry the time their page was asked for, not that of its answer", async () => {
  const { dependencies, state } = sliceOver(null, createFakeClerk([pageOf("user_a")]));
  await walkSlice(dependencies, backfill);
  expect(state.steps[1]?.jobs).toMatchObject([{ read_at: "2026-01-01T00:00:01Z", source: "backfill" }]);
});

test("when time is up the run is given back, to be carried on at once", async () => {
  const clerk = createFakeClerk([pageOf("user_a"), pageOf("user_b")]);
  const { dependencies, state, clock } = sliceOver(null, clerk);
  const onStep = () => {
    clock.now += 600;
  };
  const watched = { ...dependencies, watcher: { onStep } };
  expect(await walkSlice(watched, backfill)).toMatchObject({ state: "paused", steps: 2 });
  expect(state.ends).toEqual([{ status: "RUNNING" }]);
  expect(state.open?.cursor).toMatchObject({ after: "user_a" });
});

test("without a run there is nothing to do", async () => {
  const { dependencies } = sliceOver(null, createFakeClerk([]));
  expect(await walkSlice(dependencies, { ...backfill, kind: null })).toEqual({ state: "none", run: null, steps: 0 });
});

describe("a queue that is full", () => {
  test("ends a slice that may not wait", async () => {
    const { dependencies, state } = sliceOver(
      newRun("backfill", { phase: "walk" }),
      createFakeClerk([pageOf("user_a")]),
    );
    state.openJobs = mostOpenJobs;
    expect(await walkSlice(dependencies, backfill)).toMatchObject({ state: "waiting", steps: 1 });
    expect(state.steps).toHaveLength(1);
  });

  test("makes a runner that may wait renew its lease until there is room", async () => {
    const run = newRun("backfill", { phase: "walk" });
    const { dependencies, state, waiting, slept } = sliceOver(
      run,
      createFakeClerk([pageOf("user_a"), pageOf("user_b")]),
    );
    state.openJobs = mostOpenJobs;
    const sleep = async (milliseconds: number) => {
      await waiting.sleep(milliseconds);
      if (slept.length === 3) state.openJobs = 0;
    };
    expect(await walkSlice({ ...dependencies, sleep }, backfill)).toMatchObject({ state: "done" });
    expect(slept).toEqual([500, 500, 500]);
  });
});

describe("while Clerk's API is away", () => {
  test.each([
    [undefined, 60],
    [90, 90],
  ])("a slice that may not wait is given back; Retry-After %s pauses the run %i s", async (retryAfter, pause) => {
    const clerk = createFakeClerk([], { countUsers: () => Promise.reject(down(retryAfter)) });
    const { dependencies, state } = sliceOver(null, clerk);
    expect(await walkSlice(dependencies, backfill)).toMatchObject({ state: "paused", steps: 0 });
    expect(state.ends).toEqual([{ status: "RUNNING", error: "clerk_unavailable: down", pauseSeconds: pause }]);
  });

  test("a runner that may wait does as it is asked, and renews its lease on the way", async () => {
    const answers = [() => Promise.reject(down(50)), async () => 1];
    const clerk = createFakeClerk([], { countUsers: () => (answers.shift() ?? (async () => 0))() });
    const { dependencies, state, waiting, slept } = sliceOver(null, clerk);
    expect(await walkSlice({ ...dependencies, ...waiting }, backfill)).toMatchObject({ state: "done" });
    expect(slept).toEqual([20_000, 20_000, 10_000]);
    expect(state.steps.slice(0, 4)).toEqual([{}, {}, {}, { phase: "walk", users_at_clerk: 1 }]);
  });

  test("it gives up after six waits that double, and the run can be carried on", async () => {
    const clerk = createFakeClerk([], { countUsers: () => Promise.reject(down()) });
    const { dependencies, state, waiting, slept } = sliceOver(null, clerk);
    await expect(walkSlice({ ...dependencies, ...waiting }, backfill)).rejects.toMatchObject({
      code: "clerk_unavailable",
    });
    expect(slept.reduce((sum, each) => sum + each, 0)).toBe(126_000);
    expect(state.open).not.toBeNull();
  });
});

test("a step whose answer was lost is stored again under its number, and the run goes on", async () => {
  const { dependencies, state, waiting, slept } = sliceOver(null, createFakeClerk([pageOf("user_a")]));
  state.failures.push(new SyncError("database_unavailable", "gone", { retryable: true }));
  expect(await walkSlice({ ...dependencies, ...waiting }, backfill)).toMatchObject({
    state: "done",
    run: { steps: 4 },
  });
  expect(slept).toEqual([2000]);
});

describe("a run that another process began", () => {
  const strangers = {
    sampleUsers: async () => Array.from({ length: 50 }, (_, place) => `user_${place}`),
  };

  test.each(["walk", "deleted"])("is checked again in phase %s before it goes on, once a process", async (phase) => {
    const { dependencies, state, runs } = sliceOver(newRun("compare", { phase }), createFakeClerk([]), {
      checked: { runId: null },
    });
    const sampleUsers = vi.fn(async () => []);
    Object.assign(runs, { sampleUsers });
    const compare = { ...backfill, kind: "compare", mostSteps: 1 } as const;
    await walkSlice(dependencies, compare);
    expect(state.steps).toHaveLength(1); // and goes on in the same call, however short its time is
    await walkSlice(dependencies, compare);
    expect(sampleUsers).toHaveBeenCalledOnce();
  });

  test.each(["walk", "deleted"])("is stopped in phase %s when this key knows none of our users", async (phase) => {
    const open = newRun("compare", { phase });
    const { dependencies, runs, state } = sliceOver(open, createFakeClerk([]), { checked: { runId: null } });
    const refused = walkSlice({ ...dependencies, runs: { ...runs, ...strangers } }, { ...backfill, kind: "compare" });
    await expect(refused).rejects.toMatchObject({ code: "clerk_instance_mismatch" });
    expect(state.steps).toEqual([]);
    expect(state.ends).toMatchObject([{ status: "FAILED" }]);
  });
});

test("what can never succeed ends the run, with its reason", async () => {
  const refuse = () => Promise.reject(new SyncError("clerk_rejected", "no"));
  const { dependencies, state } = sliceOver(null, createFakeClerk([], { countUsers: refuse }));
  await expect(walkSlice(dependencies, backfill)).rejects.toMatchObject({ code: "clerk_rejected" });
  expect(state.ends).toEqual([{ status: "FAILED", error: "clerk_rejected: no", pauseSeconds: 0 }]);
});

test("a dry run is not paused: whatever a person does next may begin at once", async () => {
  const clerk = createFakeClerk([], { countUsers: () => Promise.reject(down(90)) });
  const { dependencies, state } = sliceOver(newRun("compare", { applies: false }), clerk);
  await walkSlice(dependencies, { ...backfill, kind: "compare", applies: false });
  expect(state.ends).toMatchObject([{ status: "RUNNING", pauseSeconds: 0 }]);
});

test("a refused key is a person's to mend: not waited for, and the run stays", async () => {
  const refuse = () => Promise.reject(new SyncError("clerk_unauthorized", "no", { retryable: true }));
  const { dependencies, state, waiting, slept } = sliceOver(null, createFakeClerk([], { countUsers: refuse }));
  await expect(walkSlice({ ...dependencies, ...waiting }, backfill)).rejects.toMatchObject({
    code: "clerk_unauthorized",
  });
  expect(slept).toEqual([]);
  expect(state.ends).toMatchObject([{ status: "RUNNING" }]);
});

test("a run that was taken over is left to who has it", async () => {
  const { dependencies, state } = sliceOver(newRun("backfill"), createFakeClerk([]));
  state.isHeld = false;
  await expect(walkSlice(dependencies, backfill)).rejects.toMatchObject({ code: "run_lost" });
  expect(state.ends).toEqual([]);
});
