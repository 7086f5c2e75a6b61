import { errorCode, errorMessage, SyncError } from "../errors.ts";
import { logger } from "../logger.ts";
import { backfillUsers } from "./backfill-users.ts";
import { checkInstance } from "./check-instance.ts";
import { compareAuthUsers, findMissingAuthUsers } from "./compare-auth-users.ts";
import { findDeletedUsers } from "./find-deleted-users.ts";
import { keepLease, runLost } from "./keep-lease.ts";
import { compareUsers, sweepChanges } from "./reconcile-users.ts";
import { mostOpenJobs, type Run, type RunKind, type RunStep, type TakeOptions } from "./runs-database.ts";
import type { HeldRun, Step, StepDependencies } from "./step.ts";

export type SliceDependencies = StepDependencies & {
  /** Unix milliseconds. */
  now: () => number;
  /** Waits for jobs and for Clerk's API; null: a slice that would have to wait ends instead. */
  sleep: ((milliseconds: number) => Promise<void>) | null;
  /** AUTH_MIRROR: when it was turned off, nobody is owed to Auth any more. */
  mirrors: boolean;
  /** The run whose users this process has looked up at Clerk, with the key it has now. */
  checked: { runId: string | null };
};

export type SliceOptions = TakeOptions & {
  budgetMilliseconds: number;
  /** Steps it makes at most. */
  mostSteps?: number;
  signal?: AbortSignal;
};

/**
 * How a slice ended: none (no run to work on), busy (another runner has it), paused (time is up, or Clerk's API does
 * not answer), waiting (for jobs), done (the run is complete).
 */
export type SliceResult = {
  state: "none" | "busy" | "paused" | "waiting" | "done";
  run: Run | null;
  /** Steps it made. */
  steps: number;
};

const walks: Readonly<Record<RunKind, Step>> = { backfill: backfillUsers, sweep: sweepChanges, compare: compareUsers };

/**
 * The last step of a run: waits until its jobs are through, then records how many users there are at Clerk and here.
 * Jobs that failed and wait for another attempt, deletions that wait for the delete brake and dead letters are counted
 * and not waited for.
 */
const settleRun: Step = async ({ run }, { runs, clerk, watcher }) => {
  if (!run.applies || run.phase === "settled") return "done";
  const { due, users, ...left } = await runs.jobsState(run.id);
  watcher.onJobs?.({ due, users, ...left });
  if (due > 0 || users === null) return "wait";
  return { phase: "settled", users_at_clerk: await clerk.countUsers(), counts: { users_here: users, ...left } };
};

const phases: Readonly<Record<string, Step>> = {
  check: checkInstance,
  deleted: findDeletedUsers,
  auth: compareAuthUsers,
  auth_missing: findMissingAuthUsers,
  settle: settleRun,
  settled: settleRun,
};

const waitMilliseconds = 500;
/** A schedule that finds Clerk's API down asks again after a minute at the earliest. */
const pauseSeconds = 60;
/** A runner that may wait gives up after about two minutes without an answer. */
const mostFailures = 6;
/** Longer waits renew the lease in between. */
const longestSleepMilliseconds = 20_000;

/**
 * Takes the open run, or starts one of `kind`, and walks it until it is complete, the time is up, or it would have to
 * wait. A run that is killed at any point is carried on by the next slice, whoever makes it.
 * Throws SyncError: what stopped the run for good (`clerk_instance_mismatch`, `clerk_rejected`), what a person has to
 * mend (`clerk_unauthorized`, or Clerk's API down for long), `run_lost` when another runner took it or it was cancelled.
 */
export async function runSlice(dependencies: SliceDependencies, options: SliceOptions): Promise<SliceResult> {
  const { kind, applies, idleSeconds } = options;
  const taken = await dependencies.runs.take({ kind, applies, ...(idleSeconds === undefined ? {} : { idleSeconds }) });
  if (taken.outcome === "none") return { state: "none", run: null, steps: 0 };
  if (taken.outcome === "busy") return { state: "busy", run: taken.run, steps: 0 };
  const { run, token, read_at, mirrors } = taken;
  const held: HeldRun = { run, token, readAt: read_at, mirrors: mirrors && dependencies.mirrors, openJobs: 0 };
  const { budgetMilliseconds, mostSteps = Number.POSITIVE_INFINITY, signal } = options;
  const slice = { deadline: dependencies.now() + budgetMilliseconds, mostSteps, signal, steps: 0 };
  const kept = keepLease(dependencies, held);
  const state = await walk(held, slice, kept).catch((error: unknown) => stop(held, error, kept));
  return { state, run: held.run, steps: slice.steps };
}

type Slice = { deadline: number; mostSteps: number; signal: AbortSignal | undefined; steps: number };

async function walk(held: HeldRun, slice: Slice, dependencies: SliceDependencies): Promise<SliceResult["state"]> {
  for (let failures = 0; ; ) {
    const isOver = dependencies.now() >= slice.deadline || slice.steps >= slice.mostSteps || slice.signal?.aborted;
    if (isOver) return await releaseRun(held, dependencies);
    const result = await takeStep(held, dependencies).catch((error: unknown) =>
      slice.signal?.aborted && isTemporary(error) ? "failed" : retryStep(error, ++failures, held, dependencies),
    );
    if (result === "done") return await complete(held, dependencies);
    if (result === "failed") continue;
    if (result === "wait") {
      if (dependencies.sleep === null) return await releaseRun(held, dependencies, "waiting");
      await dependencies.sleep(waitMilliseconds);
      await store(held, {}, dependencies);
      continue;
    }
    await store(held, result, dependencies);
    [failures, slice.steps] = [0, slice.steps + 1];
  }
}

async function takeStep(held: HeldRun, dependencies: SliceDependencies): ReturnType<Step> {
  const { kind, phase } = held.run;
  if (isUnchecked(held, dependencies)) await checkInstance(held, dependencies);
  dependencies.checked.runId = held.run.id;
  const step = phases[phase];
  if (step !== undefined) return await step(held, dependencies);
  if (held.run.applies && held.openJobs >= mostOpenJobs) return "wait";
  return await walks[kind](held, dependencies);
}

/** Who carries a run on may have the key of another instance than who began it. */
function isUnchecked({ run }: HeldRun, { checked }: SliceDependencies): boolean {
  return checked.runId !== run.id && run.phase !== "check" && !run.phase.startsWith("settle");
}

async function store(held: HeldRun, step: RunStep, dependencies: SliceDependencies): Promise<void> {
  const { runs, watcher } = dependencies;
  const isRenewal = Object.keys(step).length === 0;
  const numbered = isRenewal ? step : { ...step, number: held.run.steps + 1 };
  const advanced = await retryStore(() => runs.advance(held.run.id, held.token, numbered), dependencies);
  if (!advanced.held) throw runLost();
  Object.assign(held, { run: advanced.run, readAt: advanced.read_at, openJobs: advanced.open_jobs });
  watcher.onStep?.(advanced.run);
}

/** A runner that may wait asks a database that is away again: a step is stored once, whether its answer came or not. */
async function retryStore<Output>(work: () => Promise<Output>, { sleep, watcher }: SliceDependencies): Promise<Output> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (sleep === null || !isTemporary(error) || failures > mostFailures) throw error;
      const seconds = 2 ** failures;
      watcher.onWait?.(error, seconds);
      await sleep(seconds * 1000);
    }
  }
}

/** A runner that may wait does so while Clerk's API is away or asks to slow down; the lease is renewed meanwhile. */
async function retryStep(
  error: unknown,
  failures: number,
  held: HeldRun,
  dependencies: SliceDependencies,
): Promise<"failed"> {
  const { sleep } = dependencies;
  if (sleep === null || !isTemporary(error) || failures > mostFailures) throw error;
  let left = (error.retryAfterSeconds ?? 2 ** failures) * 1000;
  logger.warn("run.waits", { code: error.code, seconds: left / 1000 });
  dependencies.watcher.onWait?.(error, left / 1000);
  for (; left > 0; left -= longestSleepMilliseconds) {
    await sleep(Math.min(left, longestSleepMilliseconds));
    await store(held, {}, dependencies);
  }
  return "failed";
}

function isTemporary(error: unknown): error is SyncError {
  return error instanceof SyncError && error.retryable && error.code !== "clerk_unauthorized";
}

async function complete({ run, token }: HeldRun, { runs }: SliceDependencies): Promise<"done"> {
  if (!(await runs.end(run.id, token, { status: "COMPLETED" }))) throw runLost();
  logger.info("run.completed", { kind: run.kind, applies: run.applies, ...run.counts });
  return "done";
}

async function releaseRun<State extends SliceResult["state"]>(
  { run, token }: HeldRun,
  { runs }: SliceDependencies,
  state = "paused" as State,
): Promise<State> {
  await runs.end(run.id, token, { status: "RUNNING" });
  return state;
}

/** Ends the run, or gives it back when the reason may pass. If even that fails, the lease runs out. */
async function stop(held: HeldRun, error: unknown, { runs, sleep }: SliceDependencies): Promise<"paused"> {
  const code = errorCode(error);
  if (code === "run_lost") throw error;
  const isOver = error instanceof SyncError && !error.retryable;
  const retryAfter = error instanceof SyncError ? (error.retryAfterSeconds ?? 0) : 0;
  await runs
    .end(held.run.id, held.token, {
      status: isOver ? "FAILED" : "RUNNING",
      error: `${code}: ${errorMessage(error)}`,
      pauseSeconds: isOver || !held.run.applies ? 0 : Math.max(pauseSeconds, retryAfter), // nobody waits for a dry run
    })
    .catch(() => false);
  if (isOver) logger.error("run.failed", { kind: held.run.kind, code });
  else logger.warn("run.paused", { kind: held.run.kind, code });
  if (sleep !== null || !isTemporary(error)) throw error;
  return "paused";
}
