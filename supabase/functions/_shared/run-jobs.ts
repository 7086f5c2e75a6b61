import { type Batch, type Database, isCancelled, type Job, type JobOutcome, type MirrorOrder } from "./database.ts";
import { logger } from "./logger.ts";
import { type MirrorUser, mirrorMilliseconds, outcomeOfError } from "./mirror-user.ts";

export type RunDependencies = {
  database: Pick<Database, "runJobs" | "failNextJob" | "settleJobs" | "rescueJobs" | "purgeJobs">;
  /** Null when the mirror in Supabase Auth is turned off. */
  mirrorUser: MirrorUser | null;
  deleteMode: "hard" | "soft";
  /** Unix milliseconds. */
  now: () => number;
};

export type RunOptions = {
  budgetMilliseconds: number;
  /** Stops after the batch in hand. */
  signal?: AbortSignal;
};

export type RunResult = { processed: number; completed: number; failed: number; dead: number; jobs: Job[] };

/** Jobs of one batch: one transaction without a mirror; with it, what a lease is long enough for. */
const batchSize = { plain: 250, mirrored: 100 };
const mirrorConcurrency = 10;
const leaseSeconds = 60;
/** No user's mirror is started later than this before the lease runs out, so that it ends within it. */
const leaseReserveMilliseconds = mirrorMilliseconds + 3000;
/** Jobs kept in the result; a long drain must not grow without bound. */
const keptJobs = 10_000;

/**
 * Claims and applies due jobs batch by batch, mirrors what they owe and settles them, until the queue has
 * nothing due, the budget is spent or the signal is given. Returns what became of every job it touched.
 * Throws SyncError `database_unavailable` and the like; the leases of what was in hand then run out.
 */
export async function runJobs(dependencies: RunDependencies, options: RunOptions): Promise<RunResult> {
  const deadline = dependencies.now() + options.budgetMilliseconds;
  const result: RunResult = { processed: 0, completed: 0, failed: 0, dead: 0, jobs: [] };
  while (!options.signal?.aborted && dependencies.now() < deadline) {
    const jobs = await runBatch(dependencies, options.signal);
    if (jobs.length === 0) break;
    count(result, jobs);
  }
  if (result.processed > 0) {
    const { jobs: _, ...counts } = result;
    logger.info("jobs.processed", counts);
  }
  return result;
}

async function runBatch(dependencies: RunDependencies, signal: AbortSignal | undefined): Promise<Job[]> {
  const { database, mirrorUser, now } = dependencies;
  const leaseEnd = now() + leaseSeconds * 1000 - leaseReserveMilliseconds;
  const batch = await claimBatch(dependencies, mirrorUser === null ? batchSize.plain : batchSize.mirrored);
  if (mirrorUser === null || batch.token === null || batch.mirror.length === 0) return batch.jobs;
  const hasTime = () => now() < leaseEnd && !signal?.aborted;
  const outcomes = await mirrorAll(batch.mirror, mirrorUser, hasTime);
  const settled = await database.settleJobs(batch.token, outcomes);
  if (settled.stale > 0) logger.warn("lease.lost", { count: settled.stale });
  const byId = new Map(settled.jobs.map((job) => [job.job_id, job]));
  return batch.jobs.map((job) => byId.get(job.job_id) ?? job);
}

/**
 * Claims and applies a batch. When the database cancels the call for taking too long, smaller ones are tried,
 * so that a job that hangs (in a trigger of the user's, say) fails alone.
 */
async function claimBatch(dependencies: RunDependencies, limit: number): Promise<Batch> {
  const { database, mirrorUser, deleteMode } = dependencies;
  try {
    return await database.runJobs({ limit, leaseSeconds: mirrorUser === null ? null : leaseSeconds, deleteMode });
  } catch (error) {
    if (!isCancelled(error)) throw error;
    logger.warn("batch.cancelled", { limit });
    if (limit > 1) return claimBatch(dependencies, limit > 10 ? 10 : 1);
    const jobs = await database.failNextJob("database_unavailable 57014: applying the job took too long");
    return { token: null, jobs, mirror: [] };
  }
}

/** Mirrors the users of a batch, a few at a time. What there is no time for is given back. */
async function mirrorAll(orders: MirrorOrder[], mirrorUser: MirrorUser, hasTime: () => boolean): Promise<JobOutcome[]> {
  const outcomes: JobOutcome[] = [];
  const queue = orders.values();
  const work = async () => {
    for (const order of queue) {
      outcomes.push(hasTime() ? await mirrorOne(order, mirrorUser) : { job_id: order.job_id, outcome: "released" });
    }
  };
  await Promise.all(Array.from({ length: Math.min(mirrorConcurrency, orders.length) }, work));
  return outcomes;
}

/** The one place where a failing mirror call ends: as the outcome of its job. */
async function mirrorOne(order: MirrorOrder, mirrorUser: MirrorUser): Promise<JobOutcome> {
  try {
    const { authUserId, ...mirror } = await mirrorUser(order);
    return { job_id: order.job_id, outcome: "completed", auth_user_id: authUserId, mirror };
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

const countOfStatus: Readonly<Record<string, "completed" | "failed" | "dead">> = {
  COMPLETED: "completed",
  FAILED: "failed",
  DEAD: "dead",
};

function count(result: RunResult, jobs: readonly Job[]): void {
  for (const job of jobs) {
    const name = countOfStatus[job.status];
    if (name === undefined) continue;
    result.processed += 1;
    result[name] += 1;
    if (result.jobs.length < keptJobs) result.jobs.push(job);
    if (name !== "completed") report(job);
  }
}

function report(job: Job): void {
  const properties = { job_id: job.job_id, attempt: job.attempts, code: errorCode(job) };
  if (job.status === "DEAD") logger.error("job.dead", properties);
  else logger.warn("job.failed", properties);
}

/** `code: text` or `code SQLSTATE: text`; only what stands before the colon is free of personal data. */
function errorCode(job: Job): string {
  return job.error?.split(":")[0] ?? "unknown";
}
