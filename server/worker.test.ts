import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Database } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import type { SliceDependencies } from "#core/reconcile/walk-run.ts";
import { createFakeQueue, type FakeJob } from "../tests/support/database/fake-queue.ts";
import { createFakeClerk, createFakeRuns } from "../tests/support/database/fake-runs-database.ts";
import { createWorker, type Worker } from "./worker.ts";

let worker: Worker | undefined;
afterEach(() => worker?.stop());

/** A worker that looks when it is woken, at the time the test says, and what it looked after. */
function workerWith(checkSilence: () => Promise<"none">, batches: FakeJob[][] = [], changes: Partial<Database> = {}) {
  const queue = createFakeQueue(batches);
  const clock = { now: 0 };
  const seen: string[] = [];
  const sent: number[] = [];
  const note = (name: string) => async () => void seen.push(name);
  const created = createWorker({
    database: { ...queue.database, ...changes },
    mirrorUser: null,
    readUser: null,
    deleteMode: "hard",
    deleteBrake: null,
    retentionDays: 30,
    slices: null,
    supervision: {
      beat: note("beat"),
      auditJobs: note("audit"),
      sendAlerts: async () => void sent.push(clock.now / 1000),
      checkSilence: (everySeconds) => {
        seen.push(`silence ${everySeconds}`);
        return checkSilence();
      },
    },
    now: () => clock.now,
  });
  worker = created;
  /** Lets it look once at this time. */
  const lookAt = async (seconds: number) => {
    clock.now = seconds * 1000;
    const claims = queue.claims.length;
    created.wake();
    while (queue.claims.length === claims) await setImmediate();
    return seen.splice(0);
  };
  created.start();
  return { lookAt, queue, sent, clock, created };
}

test("it beats every ten seconds, and asks Clerk after a minute and then every five", async () => {
  const { lookAt } = workerWith(async () => "none");
  expect(await lookAt(0)).toEqual(["beat", "audit"]);
  expect(await lookAt(9)).toEqual([]);
  expect(await lookAt(10)).toEqual(["beat"]);
  expect(await lookAt(60)).toEqual(["beat", "silence 270"]);
  expect(await lookAt(359)).toEqual(["beat", "audit"]);
  expect(await lookAt(360)).toEqual(["silence 270"]);
});

test("it looks for incidents every half minute", async () => {
  const { lookAt, sent } = workerWith(async () => "none");
  for (const seconds of [0, 29, 30, 59, 61]) await lookAt(seconds);
  expect(sent).toEqual([0, 30, 61]);
});

test("it does so although the database fails: that is to be told of", async () => {
  const rescueJobs = () => Promise.reject(new SyncError("database_unavailable", "gone"));
  const { sent, clock, created } = workerWith(async () => "none", [], { rescueJobs });
  await expect.poll(() => sent).toEqual([0]);
  clock.now = 30_000;
  created.wake();
  await expect.poll(() => sent).toEqual([0, 30]);
});

test("a check that hangs does not stop the queue, is not doubled, and is waited for at the end", async () => {
  const checks: ((result: "none") => void)[] = [];
  const { lookAt, queue } = workerWith(() => new Promise((resolve) => checks.push(resolve)));
  await lookAt(60);
  await lookAt(3600);
  expect([checks.length, queue.claims.length]).toEqual([1, expect.any(Number)]);
  const stopped = worker?.stop().then(() => "stopped");
  expect(await Promise.race([stopped, setImmediate("waits")])).toBe("waits");
  checks[0]?.("none");
  expect(await stopped).toBe("stopped");
});

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
    auth: null,
    mostUnknownPercent: 20,
    deletesForeign: false,
    mirrors: true,
    checked: { runId: null },
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
    supervision: {
      beat: async () => undefined,
      auditJobs: async () => undefined,
      checkSilence: async () => "skipped",
      sendAlerts: async () => undefined,
    },
  });
  const named = () => state.taken.filter(({ kind }) => kind !== null);
  worker.start();
  await expect.poll(() => state.taken.length).toBeGreaterThan(0); // it has looked for an open run
  expect(named()).toEqual([]);
  clock.now = 600_000;
  worker.wake();
  await expect.poll(() => named().length).toBe(2);
  expect(named()).toMatchObject([
    { kind: "sweep", applies: true, idleSeconds: 3600 },
    { kind: "compare", applies: true, idleSeconds: 86_400 },
  ]);
  await worker.stop();
});
