import type { Database } from "../database/database.ts";
import type { Job } from "../database/job.ts";
import { errorCode, errorMessage } from "../errors.ts";
import { logger } from "../logger.ts";
import { type BatchDependencies, processBatch, processJobAlone } from "./process-batch.ts";

export type QueueDependencies = BatchDependencies & {
  database: Pick<Database, "rescueJobs" | "purgeJobs">;
};

export type QueueOptions = {
  budgetMilliseconds: number;
  /** Stops after the batch in hand. */
  signal?: AbortSignal;
};

export type QueueResult = {
  processed: number;
  completed: number;
  failed: number;
  dead: number;
  jobs: Job[];
  /** Jobs are due that run alone: see processAlone. */
  alone: boolean;
};

/** Jobs kept in the result; a long drain must not grow without bound. */
const keptJobs = 10_000;

/**
 * Claims and applies due jobs batch by batch, mirrors what they owe and settles them, until the queue has
 * nothing due, the budget is spent or the signal is given. Returns what became of every job it touched.
 * Throws SyncError `database_unavailable` and the like; the leases of what was in hand then run out.
 */
export async function processQueue(dependencies: QueueDependencies, options: QueueOptions): Promise<QueueResult> {
  const deadline = dependencies.now() + options.budgetMilliseconds;
  const result: QueueResult = { processed: 0, completed: 0, failed: 0, dead: 0, jobs: [], alone: false };
  while (!options.signal?.aborted && dependencies.now() < deadline) {
    const { jobs, alone } = await processBatch(dependencies, options.signal);
    result.alone = alone;
    if (jobs.length === 0) break;
    count(result, jobs);
  }
  logResult(result);
  return result;
}

/**
 * Applies the jobs that run alone, one after the other, until none is due, the budget is spent or the signal is given. A job
 * that hangs holds up only these, so it is run after the others or beside them. Never throws: what fails is logged, and
 * the lease of the job it failed for runs out.
 */
export async function processAlone(dependencies: QueueDependencies, options: QueueOptions): Promise<QueueResult> {
  const deadline = dependencies.now() + options.budgetMilliseconds;
  const result: QueueResult = { processed: 0, completed: 0, failed: 0, dead: 0, jobs: [], alone: false };
  try {
    while (!options.signal?.aborted && dependencies.now() < deadline) {
      const jobs = await processJobAlone(dependencies);
      if (jobs.length === 0) break;
      count(result, jobs);
    }
  } catch (error) {
    logger.error("alone.failed", { code: errorCode(error), reason: errorMessage(error) });
  }
  logResult(result);
  return result;
}

function logResult({ jobs: _, alone: __, ...counts }: QueueResult): void {
  if (counts.processed > 0) logger.info("jobs.processed", counts);
}

const countOfStatus: Readonly<Record<string, "completed" | "failed" | "dead">> = {
  COMPLETED: "completed",
  FAILED: "failed",
  DEAD: "dead",
};

function count(result: QueueResult, jobs: readonly Job[]): void {
  const held = jobs.filter((job) => job.status === "PENDING" && job.error?.startsWith("delete_brake:"));
  if (held.length > 0) logger.error("delete_brake.engaged", { held: held.length, reason: held[0]?.error ?? "" });
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
  const properties = { job_id: job.id, attempt: job.attempts, code: codeOfJob(job) };
  if (job.status === "DEAD") logger.error("job.dead", properties);
  else logger.warn("job.failed", properties);
}

/** `code: text` or `code SQLSTATE: text`; only what stands before the colon is free of personal data. */
function codeOfJob(job: Job): string {
  return job.error?.split(":")[0] ?? "unknown";
}
