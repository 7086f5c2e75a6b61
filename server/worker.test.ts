import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Database } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import type { SliceDependencies } from "#core/reconcile/walk-run.ts";
import { rootFields } from "../tests/support/clerk/root-fields.ts";
import { createFakeQueue } from "../tests/support/database/fake-queue.ts";
import {
  createFakeClerk,
  createFakeRuns,
  createFakeSlices,
  newRun,
} from "../tests/support/database/fake-runs-database.ts";
import { createWorker, type Worker } from "./worker.ts";

let worker: Worker | undefined;
afterEach(() => worker?.stop());

/** A worker that looks when it is woken, at the time the test says, and what it looked after. */
function workerWith(changes: Partial<Database> = {}, slices: SliceDependencies | null = null) {
  const queue = createFakeQueue([]);
  const clock = { now: 0 };
  const seen: string[] = [];
  const sent: number[] = [];
  const note = (name: string) => async () => void seen.push(name);
  const created = createWorker({
    database: { ...queue.database, ...changes },
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    retentionDays: 30,
    slices,
    supervision: {
      beat: note("beat"),
      auditJobs: note("audit"),
      sendAlerts: async () => void sent.push(clock.now / 1000),
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

test("it beats every ten seconds, and looks through the jobs every five minutes", async () => {
  const { lookAt } = workerWith();
  expect(await lookAt(0)).toEqual(["beat", "audit"]);
  expect(await lookAt(9)).toEqual([]);
  expect(await lookAt(10)).toEqual(["beat"]);
  expect(await lookAt(299)).toEqual(["beat"]);
  expect(await lookAt(300)).toEqual(["audit"]);
});

test("it looks for incidents every half minute", async () => {
  const { lookAt, sent } = workerWith();
  for (const seconds of [0, 29, 30, 59, 61]) await lookAt(seconds);
  expect(sent).toEqual([0, 30, 61]);
});

test("it does so although the database fails: that is to be told of", async () => {
  const rescueJobs = () => Promise.reject(new SyncError("database_unavailable", "gone"));
  const { sent, clock, created } = workerWith({ rescueJobs });
  await expect.poll(() => sent).toEqual([0]);
  clock.now = 30_000;
  created.wake();
  await expect.poll(() => sent).toEqual([0, 30]);
});

test("a run that hangs at Clerk does not stop the queue, is not doubled, and is waited for at the end", async () => {
  const asked: ((count: number) => void)[] = [];
  const clerk = createFakeClerk([], { countUsers: () => new Promise((resolve) => asked.push(resolve)) });
  const { runs } = createFakeRuns(newRun("compare"));
  const { lookAt, queue } = workerWith({}, createFakeSlices(runs, { clerk }));
  await lookAt(0);
  await expect.poll(() => asked.length).toBe(1);
  const claims = queue.claims.length;
  await lookAt(30);
  expect([asked.length, queue.claims.length]).toEqual([1, claims + 1]);
  const stopped = worker?.stop().then(() => "stopped");
  expect(await Promise.race([stopped, setImmediate("waits")])).toBe("waits");
  asked[0]?.(0);
  expect(await stopped).toBe("stopped");
});

test("a minute after the start and every minute it asks for a sweep that is a quarter of an hour old, after ten for a compare that is a day old", async () => {
  const { runs, state } = createFakeRuns(null);
  const take: typeof runs.take = async (options) => {
    state.taken.push(options);
    return { outcome: "none" };
  };
  const { lookAt } = workerWith({}, createFakeSlices({ ...runs, take }));
  const namedAt = async (seconds: number) => {
    await lookAt(seconds);
    const named = state.taken.splice(0).filter(({ kind, applies }) => kind !== null && applies);
    return named.map(({ kind, idleSeconds }) => `${kind} ${idleSeconds}`);
  };
  expect(await namedAt(59)).toEqual([]);
  expect(await namedAt(60)).toEqual(["sweep 840"]);
  expect(await namedAt(119)).toEqual([]);
  expect(await namedAt(120)).toEqual(["sweep 840"]);
  expect(await namedAt(600)).toEqual(["sweep 840", "compare 86400"]);
});
