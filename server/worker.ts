import { setTimeout as delay } from "node:timers/promises";
import { errorCode, errorMessage } from "#core/errors.ts";
import type { Supervision } from "#core/health/supervise-sync.ts";
import { logger } from "#core/logger.ts";
import type { RunKind } from "#core/reconcile/runs-database.ts";
import { type SliceDependencies, walkSlice } from "#core/reconcile/walk-run.ts";
import { processAlone, processQueue, type QueueResult } from "#core/worker/process-queue.ts";
import { type WorkDependencies, walkOpenRun } from "#core/worker/process-work.ts";

type WorkerDependencies = WorkDependencies & {
  retentionDays: number;
  supervision: Supervision;
};

export type Worker = {
  start: () => void;
  /** Says that a job was stored: the worker looks at once, or again right after the run in hand. */
  wake: () => void;
  /** Finishes the batch in hand and ends. */
  stop: () => Promise<void>;
};

const pollMilliseconds = 1000;
const rescueEveryMilliseconds = 5000;
const purgeEveryMilliseconds = 60_000;
const purgeLimit = 20_000;
const budgetMilliseconds = 60_000;
/**
 * How often, and how long after the start, the worker begins a run, and how long after the last one of its kind that is
 * due. Several servers ask Clerk no more often than one. A sweep is due every quarter of an hour, give or take a minute.
 */
const runsDue = [
  { kind: "sweep", everyMilliseconds: 60_000, idleSeconds: 14 * 60 }, // first: a compare that always fails must not keep it from beginning
  { kind: "compare", everyMilliseconds: 600_000, idleSeconds: 24 * 3600 },
] as const;
const beatEveryMilliseconds = 10_000;
const auditEveryMilliseconds = 5 * 60_000;
const alertsEveryMilliseconds = 30_000;

/** Makes the loop that works through the queue: at once when woken, and every second by itself. */
export function createWorker(dependencies: WorkerDependencies): Worker {
  const stopping = new AbortController();
  let alarm = new AbortController();
  const alerts = createAlertChore(dependencies);
  // First: a database that is down ends the round at the next chore, and is to be told of.
  const chores = [alerts.start, ...createChores(dependencies)];
  const runs = inBackground(() =>
    walkOpenRun(dependencies, { budgetMilliseconds, signal: stopping.signal }, async () => 0),
  );
  const suspects = inBackground(() => processAlone(dependencies, { budgetMilliseconds, signal: stopping.signal }));
  const loop = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const woken = alarm.signal;
      const result = await runOnce(dependencies, chores, stopping.signal);
      failures = result === null ? failures + 1 : 0;
      if (result !== null) await runs.start();
      if (result?.alone) await suspects.start();
      const pause = Math.min(pollMilliseconds * 2 ** failures, 30_000);
      await delay(pause, undefined, { signal: woken }).catch(() => undefined);
    }
  };
  const wake = () => {
    alarm.abort();
    alarm = new AbortController();
  };
  let ended: Promise<void> | undefined;
  return {
    start: () => {
      ended ??= loop();
    },
    wake,
    stop: async () => {
      stopping.abort();
      wake();
      await ended;
      await runs.ended();
      await alerts.ended();
      await suspects.ended();
    },
  };
}

/** Null when it failed. */
async function runOnce(
  dependencies: WorkerDependencies,
  chores: readonly Chore[],
  signal: AbortSignal,
): Promise<QueueResult | null> {
  try {
    for (const chore of chores) await chore();
    return await processQueue(dependencies, { budgetMilliseconds, signal });
  } catch (error) {
    logger.error("worker.failed", {
      code: errorCode(error),
      reason: errorMessage(error),
    });
    return null;
  }
}

type Chore = () => Promise<void>;

function createChores({ database, supervision, retentionDays, slices, now }: WorkerDependencies): Chore[] {
  return [
    atMostEvery(rescueEveryMilliseconds, now, () => database.rescueJobs()),
    atMostEvery(purgeEveryMilliseconds, now, () => database.purgeJobs(retentionDays, purgeLimit)),
    ...runsDue.map(({ everyMilliseconds, ...due }) =>
      atMostEvery(everyMilliseconds, now, () => openRun(slices, due), everyMilliseconds),
    ),
    atMostEvery(beatEveryMilliseconds, now, supervision.beat),
    atMostEvery(auditEveryMilliseconds, now, supervision.auditJobs),
  ];
}

type SideChore = { start: Chore; ended: () => Promise<void> };

function createAlertChore({ supervision, now }: WorkerDependencies): SideChore {
  const { start, ended } = inBackground(supervision.sendAlerts);
  return { start: atMostEvery(alertsEveryMilliseconds, now, start), ended };
}

/** Runs the work beside the loop, one run at a time. While another server hangs, the loop continues with the queue. */
function inBackground(work: () => Promise<unknown>): SideChore {
  let running: Promise<void> | null = null;
  const run = async () => {
    await work();
    running = null;
  };
  const start = async () => {
    running ??= run();
  };
  return { start, ended: async () => void (await running) };
}

/** A chore that does its work only when the interval has passed since it last succeeded; `first`: since it was made. */
function atMostEvery(interval: number, now: () => number, work: () => Promise<unknown>, first = 0): Chore {
  let due = now() + first;
  return async () => {
    if (now() < due) return;
    await work();
    due = now() + interval;
  };
}

/** Opens a run that is due; walkOpenRun walks it. What the schedule of pg_cron does on Supabase. */
async function openRun(slices: SliceDependencies | null, due: { kind: RunKind; idleSeconds: number }): Promise<void> {
  if (slices !== null) await walkSlice(slices, { ...due, applies: true, budgetMilliseconds: 0 });
}
