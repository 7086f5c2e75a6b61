import type { ReadUser } from "../clerk/read-user.ts";
import type { UserFields } from "../config/mapping.ts";
import type {
  Batch,
  CircuitChange,
  Database,
  DeleteRules,
  JobOutcome,
  LeasedAlone,
  MirrorOrder,
  Read,
  ReadOrder,
} from "../database/database.ts";
import { mayBeJobsFault } from "../database/database.ts";
import type { Job } from "../database/job.ts";
import { errorCode, SyncError } from "../errors.ts";
import { inParallel } from "../http/async.ts";
import { logger } from "../logger.ts";
import { type MirrorUser, mirrorMilliseconds } from "../mirror/mirror-user.ts";
import { outcomeOfError, outcomeOfMirror, outcomeOfRead } from "./job-outcome.ts";
import type { ReadRecord } from "./read-record.ts";
import { type CircuitWatch, watchCircuit } from "./watch-circuit.ts";

export type BatchDependencies = DeleteRules & {
  database: Pick<Database, "runJobs" | "applyReads" | "settleJobs" | "setApart" | "leaseAlone" | "applyAlone">;
  /** Null when the mirror in Supabase Auth is turned off. */
  mirrorUser: MirrorUser | null;
  /** Reads a user from Clerk's API; null without CLERK_SECRET_KEY, refreshes wait then. */
  readUser: ReadUser | null;
  /** Reads records of other kinds; absent where only users are stored. */
  readRecord?: ReadRecord | null;
  /** What is stored of a user who is read: fieldsOf the mapping. */
  fields: UserFields;
  /** Unix milliseconds. */
  now: () => number;
};

/** Jobs of one batch: one transaction without a mirror; with it, what a lease is long enough for. */
const batchSize = { plain: 500, mirrored: 100 };
const concurrency = 10;
const leaseSeconds = 60;
/** No user's mirror is started later than this before the lease runs out, so that it ends within it. */
const leaseReserveMilliseconds = mirrorMilliseconds + 3000;

/** How long a batch may go on making calls, and what it saw of the services. */
type Bounds = { hasTime: () => boolean; auth: CircuitWatch; clerk: CircuitWatch };

/** What came of calls to the outside, to be settled; jobs already describes those that moved on meanwhile. */
type Outcome = { outcomes: JobOutcome[]; jobs: Job[] };

/**
 * Claims and applies one batch, reads what it must from Clerk's API, mirrors what it owes and settles it.
 * Returns what became of its jobs, none when nothing was due, and whether jobs are due that run alone.
 */
export async function processBatch(
  dependencies: BatchDependencies,
  signal: AbortSignal | undefined,
): Promise<{ jobs: Job[]; alone: boolean }> {
  const { database, mirrorUser, now } = dependencies;
  const leaseEnd = now() + leaseSeconds * 1000 - leaseReserveMilliseconds;
  const batch = await claimBatch(dependencies, mirrorUser === null ? batchSize.plain : batchSize.mirrored);
  const { jobs, alone } = batch;
  if (batch.mirror.length === 0 && batch.reads.length === 0) return { jobs, alone };
  const hasTime = () => now() < leaseEnd && !signal?.aborted;
  const bounds = { hasTime, auth: watchCircuit("auth"), clerk: watchCircuit("clerk") };
  const [mirrored, read] = await Promise.all([
    mirrorAll(batch.mirror, mirrorUser, bounds),
    readAll(dependencies, batch, bounds),
  ]);
  const outcomes = [...mirrored, ...read.outcomes];
  return { jobs: await settle(database, batch.token, outcomes, bounds, [...jobs, ...read.jobs]), alone };
}

/** Ends the attempts of leased jobs, and returns what became of each in the end; `jobs` has them as they were, in order. */
async function settle(
  database: Pick<Database, "settleJobs">,
  token: string,
  outcomes: readonly JobOutcome[],
  { auth, clerk }: Bounds,
  jobs: readonly Job[],
): Promise<Job[]> {
  const calls = [auth.calls(), clerk.calls()].filter(({ successes, failures }) => successes + failures > 0);
  const settled = await database.settleJobs(token, outcomes, calls);
  if (settled.stale > 0) logger.warn("lease.lost", { count: settled.stale });
  for (const change of settled.circuits) logCircuit(change);
  return [...new Map([...jobs, ...settled.jobs].map((job) => [job.id, job])).values()];
}

/**
 * Claims and applies a batch. Where a job fails inside the call, the call says so. When the whole call fails and a job may
 * be why, those that come first run alone from then on, so that nothing spins and the others pass.
 */
async function claimBatch(dependencies: BatchDependencies, limit: number, isRepeated = false): Promise<Batch> {
  const { database, mirrorUser, deleteBrake } = dependencies;
  const canRead = dependencies.readUser !== null;
  const seconds = mirrorUser === null ? null : leaseSeconds;
  try {
    return await database.runJobs({ limit, leaseSeconds: seconds, canRead, deleteBrake });
  } catch (error) {
    if (isRepeated || !mayBeJobsFault(error)) throw error;
    const jobs = await database.setApart(limit, canRead).catch(() => 0); // the database is not there: the first error says so
    if (jobs === 0) throw error;
    logger.warn("batch.set_apart", { jobs, code: errorCode(error) });
    return claimBatch(dependencies, limit, true);
  }
}

/**
 * Applies one of the jobs that run alone, in calls of its own, and carries it as far as any other: read, mirror, settled.
 * Returns what became of it; empty when none is due.
 */
export async function processJobAlone(dependencies: BatchDependencies): Promise<Job[]> {
  const { database, mirrorUser, readUser, now } = dependencies;
  const leaseEnd = now() + leaseSeconds * 1000 - leaseReserveMilliseconds;
  const { token, jobs, leased, is_large, reads } = await database.leaseAlone(
    leaseSeconds,
    readUser !== null,
    dependencies,
  );
  const [jobId] = leased;
  if (jobId === undefined) return jobs;
  const bounds = { hasTime: () => now() < leaseEnd, auth: watchCircuit("auth"), clerk: watchCircuit("clerk") };
  const { outcomes, ...applied } = await applyAlone(
    dependencies,
    { token, jobs, leased: jobId, is_large, reads },
    bounds,
  );
  outcomes.push(...(await mirrorAll(applied.mirror, mirrorUser, bounds)));
  return settle(database, token, outcomes, bounds, [...jobs, ...applied.jobs]);
}

/** Reads the user of a job that runs alone, if that is asked for, and applies the job. */
async function applyAlone(
  { database, mirrorUser, readUser, readRecord = null, fields, ...rules }: BatchDependencies,
  { token, jobs, leased: jobId, is_large: isLarge, reads: [order] }: Omit<LeasedAlone, "leased"> & { leased: string },
  { clerk }: Bounds,
): Promise<{ outcomes: JobOutcome[]; jobs: Job[]; mirror: MirrorOrder[] }> {
  const nothing = { jobs: [], mirror: [] };
  let read: Read | null = null;
  if (order !== undefined && readUser !== null) {
    const result = isOfUser(order)
      ? await outcomeOfRead(order, (clerkId) => clerk.run(() => readUser(clerkId), clerkId), fields)
      : await outcomeOfRecord(order, readRecord, clerk);
    if ("outcome" in result) return { ...nothing, outcomes: [result] };
    read = result;
  }
  try {
    const isFirst = jobs.every(({ attempts }) => attempts <= 1);
    const limit = isLarge ? "large" : isFirst ? "short" : "usual";
    const applied = await database.applyAlone({ token, jobId, read, limit }, mirrorUser !== null, rules);
    return { ...applied, outcomes: applied.jobs.length === 0 ? [released({ job_id: jobId })] : [] };
  } catch (error) {
    return { ...nothing, outcomes: [outcomeOfError(jobId, error)] };
  }
}

/** Mirrors the users of a batch, a few at a time. What there is no time for, or no use in, is given back. */
async function mirrorAll(
  orders: readonly MirrorOrder[],
  mirrorUser: MirrorUser | null,
  { hasTime, auth }: Bounds,
): Promise<JobOutcome[]> {
  const outcomes: JobOutcome[] = [];
  if (mirrorUser === null) return outcomes;
  await inParallel(orders, concurrency, async (order) => {
    outcomes.push(outcomeIfNotCalled(order, hasTime, auth) ?? (await mirrorOne(order, mirrorUser, auth)));
  });
  return outcomes;
}

/** The one place where a failing mirror call ends: as the outcome of its job. */
async function mirrorOne(order: MirrorOrder, mirrorUser: MirrorUser, auth: CircuitWatch): Promise<JobOutcome> {
  try {
    const result = await auth.run(() => mirrorUser(order), order.auth_user_id === null ? null : order.clerk_id);
    return outcomeOfMirror(order.job_id, result);
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

/** Reads the users of a batch from Clerk's API, applies what it said, and mirrors them. */
async function readAll(dependencies: BatchDependencies, batch: Batch, bounds: Bounds): Promise<Outcome> {
  const { readUser, readRecord = null, mirrorUser, fields } = dependencies;
  if (readUser === null || batch.reads.length === 0) return { outcomes: [], jobs: [] };
  const reads: Read[] = [];
  const outcomes: JobOutcome[] = [];
  const { hasTime, clerk } = bounds;
  const watchedRead: ReadUser = (clerkId) => clerk.run(() => readUser(clerkId), clerkId);
  await inParallel(batch.reads, concurrency, async (order) => {
    const result =
      outcomeIfNotCalled(order, hasTime, clerk) ??
      (isOfUser(order)
        ? await outcomeOfRead(order, watchedRead, fields)
        : await outcomeOfRecord(order, readRecord, clerk));
    if ("outcome" in result) outcomes.push(result);
    else reads.push(result);
  });
  const applied = await applyReads(dependencies, batch.token, reads);
  outcomes.push(...applied.outcomes, ...(await mirrorAll(applied.mirror, mirrorUser, bounds)));
  return { outcomes, jobs: applied.jobs };
}

const isOfUser = ({ kind, members }: ReadOrder) => kind === "user" && !members;

/** Reads a record of another kind: what is to be applied, or how the attempt ends. */
async function outcomeOfRecord(
  order: ReadOrder,
  readRecord: ReadRecord | null,
  clerk: CircuitWatch,
): Promise<Read | JobOutcome> {
  try {
    if (readRecord !== null) return await clerk.run(() => readRecord(order), order.clerk_id);
    throw new SyncError(
      "clerk_rejected",
      `This program does not store a record of kind ${order.kind}. Deploy the functions of the new mapping, then retry the job.`,
    );
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

/** Writes what was read. A job it was not written for (its cancel was asked for meanwhile) is given back. */
async function applyReads(dependencies: BatchDependencies, token: string, reads: readonly Read[]) {
  if (reads.length === 0) return { jobs: [], mirror: [], outcomes: [] };
  const { database, mirrorUser } = dependencies;
  try {
    const applied = await database.applyReads(token, reads, mirrorUser !== null, dependencies);
    const known = new Set(applied.jobs.map((job) => job.id));
    return { ...applied, outcomes: reads.filter((read) => !known.has(read.job_id)).map(released) };
  } catch (error) {
    return { jobs: [], mirror: [], outcomes: reads.map((read) => outcomeOfError(read.job_id, error)) };
  }
}

/** The outcome of a job whose call is not made: there is no time for it, or the service is down. */
function outcomeIfNotCalled(order: Pick<ReadOrder, "job_id">, hasTime: () => boolean, circuit: CircuitWatch) {
  if (!hasTime()) return released(order);
  return circuit.isTripped() ? waiting(order, circuit) : null;
}

function released({ job_id }: Pick<ReadOrder, "job_id">): JobOutcome {
  return { job_id, outcome: "released" };
}

function waiting({ job_id }: Pick<ReadOrder, "job_id">, { name, calls }: CircuitWatch): JobOutcome {
  return { job_id, outcome: "waiting", circuit: name, error: `${calls().code}: not called, it failed too often` };
}

/** Once per change, by the worker that made it. */
function logCircuit({ name, state, code, seconds }: CircuitChange): void {
  if (state === "open") logger.error("circuit.opened", { circuit: name, code, probe_in_seconds: seconds });
  else logger.info("circuit.closed", { circuit: name, open_for_seconds: seconds });
}
