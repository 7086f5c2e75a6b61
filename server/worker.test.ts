import { expect, test } from "vitest";
import type { SliceDependencies } from "#core/run-slice.ts";
import { createFakeQueue } from "../tests/support/fake-queue.ts";
import { createFakeClerk, createFakeRuns } from "../tests/support/fake-sync-runs.ts";
import { createWorker } from "./worker.ts";

test("ten minutes after the start the worker asks for a compare that is a day old, and for a sweep that is an hour old", async () => {
  const clock = { now: 0 };
  const { runs, state } = createFakeRuns(null);
  const take: typeof runs.take = async (options) => {
    state.taken.push(options);
    return { outcome: "none" };
  };
  const slices: SliceDependencies = {
    runs: { ...runs, take },
    clerk: createFakeClerk([]),
    mostUnknownPercent: 20,
    deletesForeign: false,
    withValues: false,
    watcher: {},
    now: () => clock.now,
    sleep: null,
  };
  const { database } = createFakeQueue([]);
  const worker = createWorker({
    database,
    mirrorUser: null,
    readUser: null,
    deleteMode: "hard",
    deleteBrake: null,
    retentionDays: 30,
    now: () => clock.now,
    slices,
  });
  const named = () => state.taken.filter(({ kind }) => kind !== null);
  worker.start();
  await expect.poll(() => state.taken.length).toBeGreaterThan(0); // it has looked for an open run
  expect(named()).toEqual([]);
  clock.now = 600_000;
  worker.wake();
  await expect.poll(() => named().length).toBe(2);
  expect(named()).toMatchObject([
    { kind: "compare", applies: true, idleSeconds: 86_400 },
    { kind: "sweep", applies: true, idleSeconds: 3600 },
  ]);
  await worker.stop();
});
