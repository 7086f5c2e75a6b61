import { expect, test } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { createFakeQueue, type FakeJob } from "../../../../../tests/support/database/fake-queue.ts";
import {
  createFakeClerk,
  createFakeRuns,
  newRun,
  noFakeRecords,
  pageOf,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import { SyncError } from "../errors.ts";
import { mostOpenJobs, type Run } from "../reconcile/runs-database.ts";
import type { SliceDependencies } from "../reconcile/walk-run.ts";
import { processWork } from "./process-work.ts";

function workOver(batches: FakeJob[][], open: Run | null, changes: Partial<SliceDependencies> = {}) {
  const queue = createFakeQueue(batches);
  const fake = createFakeRuns(open);
  const slices: SliceDependencies = {
    runs: fake.runs,
    clerk: createFakeClerk([pageOf("user_a")]),
    records: noFakeRecords,
    fields: rootFields,
    auth: null,
    mostUnknownPercent: 20,
    deletesForeign: false,
    mirrors: true,
    checked: { runId: open?.id ?? null },
    withValues: false,
    watcher: {},
    now: () => 0,
    sleep: null,
    ...changes,
  };
  const dependencies = {
    database: queue.database,
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now: () => 0,
    slices,
  } as const;
  return { queue, dependencies, state: fake.state };
}

const budget = { budgetMilliseconds: 60_000 };

test("an open run is walked to its end after the jobs", async () => {
  const { dependencies, state } = workOver([[{ id: "1" }]], newRun("backfill"));
  expect(await processWork(dependencies, budget)).toMatchObject({ processed: 1, completed: 1 });
  expect(state.ends).toEqual([{ status: "COMPLETED" }]);
});

test("jobs go between the slices of a run that waits for them", async () => {
  const { dependencies, state, queue } = workOver([[], [{ id: "1" }], []], newRun("backfill", { phase: "walk" }));
  state.openJobs = mostOpenJobs;
  expect(await processWork(dependencies, budget)).toMatchObject({ processed: 1 });
  expect(queue.claims.length).toBeGreaterThanOrEqual(3);
});

test("without an open run the one that is asked for begins, and without a wish none", async () => {
  const asked = workOver([], null);
  await processWork(asked.dependencies, { ...budget, kind: "sweep" });
  expect(asked.state.taken.map(({ kind }) => kind)).toEqual([null, "sweep"]);
  const quiet = workOver([], null);
  await processWork(quiet.dependencies, budget);
  expect(quiet.state.taken.map(({ kind }) => kind)).toEqual([null]);
});

test("a call walks no more steps than it may, and the run is carried on by the next", async () => {
  const { dependencies, state } = workOver([], newRun("backfill"));
  await processWork(dependencies, { ...budget, mostSteps: 2 });
  expect(state.steps).toHaveLength(2);
  expect(state.ends).toEqual([{ status: "RUNNING" }]);
});

test("a run that fails costs the jobs nothing", async () => {
  const countUsers = () => Promise.reject(new SyncError("clerk_rejected", "no"));
  const { dependencies } = workOver([[{ id: "1" }]], newRun("compare"), { clerk: createFakeClerk([], { countUsers }) });
  expect(await processWork(dependencies, budget)).toMatchObject({ processed: 1, completed: 1 });
});

test("without CLERK_SECRET_KEY runs wait", async () => {
  const { dependencies, state } = workOver([[{ id: "1" }]], newRun("compare"));
  expect(await processWork({ ...dependencies, slices: null }, { ...budget, kind: "sweep" })).toMatchObject({
    processed: 1,
  });
  expect(state.taken).toEqual([]);
});
