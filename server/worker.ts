import { setTimeout as delay } from "node:timers/promises";
import { errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import { runSlice, type SliceDependencies } from "#core/run-slice.ts";
import { runWork, type WorkDependencies } from "#core/run-work.ts";

export type WorkerDependencies = WorkDependencies & {
  retentionDays: number;
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
const purgeLimit = 5000;
const budgetMilliseconds = 60_000;
/** Runs are looked after at this interval, and for the first time so long after the start. */
const runsEveryMilliseconds = 600_000;
/** How long after the last run of its kind the next one is due; the first of these that is due begins. */
const runsDue = [
  { kind: "compare", idleSeconds: 24 * 3600 },
  { kind: "sweep", idleSeconds: 3600 },
] as const;

/** Makes the loop that works through the queue: at once when woken, and every second by itself. */
export function createWorker(dependencies: WorkerDependencies): Worker {
  const stopping = new AbortController();
  let alarm = new AbortController();
  const rescue = every(rescueEveryMilliseconds, dependencies.now, () => dependencies.database.rescueJobs());
  const purge = every(purgeEveryMilliseconds, dependencies.now, () =>
    dependencies.database.purgeJobs(dependencies.retentionDays, purgeLimit),
  );
  const runs = every(
    runsEveryMilliseconds,
    dependencies.now,
    () => openDueRun(dependencies.slices),
    dependencies.now() + runsEveryMilliseconds,
  );
  const loop = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const woken = alarm.signal;
      failures = (await runOnce(dependencies, [rescue, purge, runs], stopping.signal)) ? 0 : failures + 1;
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
    },
  };
}

async function runOnce(
  dependencies: WorkerDependencies,
  chores: readonly (() => Promise<void>)[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for (const chore of chores) await chore();
    await runWork(dependencies, { budgetMilliseconds, signal });
    return true;
  } catch (error) {
    logger.error("worker.failed", {
      code: error instanceof SyncError ? error.code : "internal",
      reason: errorMessage(error),
    });
    return false;
  }
}

/** A chore that does its work only when the interval has passed since it last succeeded. */
function every(interval: number, now: () => number, work: () => Promise<unknown>, first = now()): () => Promise<void> {
  let due = first;
  return async () => {
    if (now() < due) return;
    await work();
    due = now() + interval;
  };
}

/** Opens a run that is due; runWork walks it. What the schedule of pg_cron does on Supabase. */
async function openDueRun(slices: SliceDependencies | null): Promise<void> {
  if (slices === null) return;
  for (const due of runsDue) await runSlice(slices, { ...due, applies: true, budgetMilliseconds: 0 });
}
