import { errorCode, errorMessage, SyncError } from "../errors.ts";
import { logger } from "../logger.ts";
import { backfillUsers } from "./backfill-users.ts";
import { checkInstance } from "./check-instance.ts";
import { compareNextAuthPage, findMissingAuthUsers } from "./compare-auth-users.ts";
import { findDeletedUsers } from "./find-deleted-users.ts";
import { findEndedMemberships, findEndedOrganizations, findEndedRoles } from "./find-ended-records.ts";
import { keepLease, runLost } from "./keep-lease.ts";
import { readNextRecords } from "./read-records.ts";
import { compareNextPage, sweepChanges } from "./reconcile-users.ts";
import { withRecordPhases } from "./record-phases.ts";
import { mostOpenJobs, type Run, type RunKind, type RunStep, type TakeOptions } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

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

type SliceOptions = TakeOptions & {
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

const walks: Readonly<Record<RunKind, Step>> = {
  backfill: backfillUsers,
  sweep: sweepChanges,
  compare: compareNextPage,
};

/**
 * The last step of a run: waits until its jobs are through, then records how many users there are at Clerk and here.
 * Jobs that failed and wait for another attempt, deletions that wait for the delete brake and dead letters are counted
 * and not waited for.
 */
const settleRun: Step = async (run, { runs, clerk, watcher }) => {
  if (!run.applies || run.phase === "settled") return "done";
  const { due, users, ...left } = await runs.jobsState(run.id);
  watcher.onJobs?.({ due, users, ...left });
  if (due > 0 || users === null) return "wait";
  return { phase: "settled", users_at_clerk: await clerk.countUsers(), counts: { users_here: users, ...left } };
};

const phases: Readonly<Record<string, Step>> = {
  check: checkInstance,
  deleted: findDeletedUsers,
  auth: compareNextAuthPage,
  auth_missing: findMissingAuthUsers,
  read_organization: readNextRecords("organization"),
  read_membership: readNextRecords("membership"),
  read_role: readNextRecords("role"),
  read_invitation: readNextRecords("invitation"),
  ended_organization: findEndedOrganizations,
  ended_membership: findEndedMemberships,
  ended_role: findEndedRoles,
  settle: settleRun,
  settled: settleRun,
};

/** Phases whose steps may queue many jobs, besides the walk over users. */
const isWalk = (phase: string) => phase.startsWith("read_");

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
export async function walkSlice(dependencies: SliceDependencies, options: SliceOptions): Promise<SliceResult> {
  const { kind, applies, columns, idleSeconds } = options;
  const taken = await dependencies.runs.take({
    kind,
    applies,
    columns,
    ...(idleSeconds === undefined ? {} : { idleSeconds }),
  });
  if (taken.outcome === "none") return { state: "none", run: null, steps: 0 };
  if (taken.outcome === "busy") return { state: "busy", run: taken.run, steps: 0 };
  const { token, read_at: readAt } = taken;
  const run: LeasedRun = { ...taken.run, token, readAt, mirrors: taken.mirrors && dependencies.mirrors, openJobs: 0 };
  const { budgetMilliseconds, mostSteps = Number.POSITIVE_INFINITY, signal } = options;
  const slice = { deadline: dependencies.now() + budgetMilliseconds, mostSteps, signal, steps: 0 };
  const kept = keepLease(dependencies, run);
  const state = await walk(run, slice, kept).catch((error: unknown) => stop(run, error, kept));
  return { state, run: withoutLease(run), steps: slice.steps };
}

/** The token stays with the process that has the lease. */
function withoutLease({ token, readAt, mirrors, openJobs, ...run }: LeasedRun): Run {
  return run;
}

type Slice = { deadline: number; mostSteps: number; signal: AbortSignal | undefined; steps: number };

async function walk(run: LeasedRun, slice: Slice, dependencies: SliceDependencies): Promise<SliceResult["state"]> {
  for (let failures = 0; ; ) {
    const isOver = dependencies.now() >= slice.deadline || slice.steps >= slice.mostSteps || slice.signal?.aborted;
    if (isOver) return await releaseRun(run, dependencies);
    const result = await takeStep(run, dependencies).catch((error: unknown) =>
      slice.signal?.aborted && isTemporary(error) ? "failed" : retryStep(error, ++failures, run, dependencies),
    );
    if (result === "done") return await complete(run, dependencies);
    if (result === "failed") continue;
    if (result === "wait") {
      if (dependencies.sleep === null) return await releaseRun(run, dependencies, "waiting");
      await dependencies.sleep(waitMilliseconds);
      await store(run, {}, dependencies);
      continue;
    }
    await store(run, result, dependencies);
    [failures, slice.steps] = [0, slice.steps + 1];
  }
}

async function takeStep(run: LeasedRun, dependencies: SliceDependencies): ReturnType<Step> {
  const { kind, phase } = run;
  if (isUnchecked(run, dependencies)) await checkInstance(run, dependencies);
  dependencies.checked.runId = run.id;
  const step = phases[phase];
  const isWalking = step === undefined || isWalk(phase);
  if (isWalking && run.applies && run.openJobs >= mostOpenJobs) return "wait";
  const result = await (step ?? walks[kind])(run, dependencies);
  return typeof result === "string" ? result : withRecordPhases(run, result, dependencies.records.fields);
}

/** Who carries a run on may have the key of another instance than who began it. */
function isUnchecked(run: LeasedRun, { checked }: SliceDependencies): boolean {
  return checked.runId !== run.id && run.phase !== "check" && !run.phase.startsWith("settle");
}

async function store(run: LeasedRun, step: RunStep, dependencies: SliceDependencies): Promise<void> {
  const { runs, watcher } = dependencies;
  const isRenewal = Object.keys(step).length === 0;
  const numbered = isRenewal ? step : { ...step, number: run.steps + 1 };
  const advanced = await retryStore(() => runs.advance(run.id, run.token, numbered), dependencies);
  if (!advanced.held) throw runLost();
  Object.assign(run, advanced.run, { readAt: advanced.read_at, openJobs: advanced.open_jobs });
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
  run: LeasedRun,
  dependencies: SliceDependencies,
): Promise<"failed"> {
  const { sleep } = dependencies;
  if (sleep === null || !isTemporary(error) || failures > mostFailures) throw error;
  let left = (error.retryAfterSeconds ?? 2 ** failures) * 1000;
  logger.warn("run.waits", { code: error.code, seconds: left / 1000 });
  dependencies.watcher.onWait?.(error, left / 1000);
  for (; left > 0; left -= longestSleepMilliseconds) {
    await sleep(Math.min(left, longestSleepMilliseconds));
    await store(run, {}, dependencies);
  }
  return "failed";
}

function isTemporary(error: unknown): error is SyncError {
  return error instanceof SyncError && error.retryable && error.code !== "clerk_unauthorized";
}

async function complete(run: LeasedRun, { runs }: SliceDependencies): Promise<"done"> {
  if (!(await runs.end(run.id, run.token, { status: "COMPLETED" }))) throw runLost();
  logger.info("run.completed", { kind: run.kind, applies: run.applies, ...run.counts });
  return "done";
}

async function releaseRun<State extends SliceResult["state"]>(
  { id, token }: LeasedRun,
  { runs }: SliceDependencies,
  state = "paused" as State,
): Promise<State> {
  await runs.end(id, token, { status: "RUNNING" });
  return state;
}

/** Ends the run, or gives it back when the reason may pass. If even that fails, the lease runs out. */
async function stop(run: LeasedRun, error: unknown, { runs, sleep }: SliceDependencies): Promise<"paused"> {
  const code = errorCode(error);
  if (code === "run_lost") throw error;
  const isOver = error instanceof SyncError && !error.retryable;
  const retryAfter = error instanceof SyncError ? (error.retryAfterSeconds ?? 0) : 0;
  await runs
    .end(run.id, run.token, {
      status: isOver ? "FAILED" : "RUNNING",
      error: `${code}: ${errorMessage(error)}`,
      pauseSeconds: isOver || !run.applies ? 0 : Math.max(pauseSeconds, retryAfter), // nobody waits for a dry run
    })
    .catch(() => false);
  if (isOver) logger.error("run.failed", { kind: run.kind, code });
  else logger.warn("run.paused", { kind: run.kind, code });
  if (sleep !== null || !isTemporary(error)) throw error;
  return "paused";
}
