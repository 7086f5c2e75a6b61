import { z } from "zod";
import { errorMessage, SyncError } from "../errors.ts";
import type { Supervision } from "../health/supervise-sync.ts";
import type { CheckCaller } from "../http/check-caller.ts";
import { json } from "../http/json-response.ts";
import { logger } from "../logger.ts";
import type { RunKind } from "../reconcile/runs-database.ts";
import { processAlone } from "./process-queue.ts";
import { addResult, processWork, type WorkDependencies } from "./process-work.ts";

export type ProcessorDependencies = WorkDependencies & {
  checkCaller: CheckCaller;
  /** How long one call may work, in ms; below the caller's own patience. */
  budgetMilliseconds: number;
  retentionDays: number;
  supervision: Pick<Supervision, "beat" | "sendAlerts">;
};

/** Finished jobs deleted by one call; the schedule calls often enough. */
const purgeLimit = 5000;

/** Jobs named in one answer; the counts are always of all. */
const listedJobs = 1000;

/** Pages of users that one call walks: an Edge Function has 2 s of CPU time, and a page takes up to 50 ms of it. */
const stepsOfRuns = 25;

/** A call that asks for no run starts a sweep, unless one began within this time: so silence is found without pg_cron. */
const sweepIdleSeconds = 15 * 60;

/** What the caller wants besides the due jobs: a run of that kind, when none is open. */
const wishSchema = z.object({ work: z.enum(["backfill", "sweep", "compare"]) });

/**
 * Works through everything that is due, and the open run, until nothing is left or the time is used up. Incidents are
 * told of in any case: work that fails is one.
 */
export async function handleProcessor(request: Request, dependencies: ProcessorDependencies): Promise<Response> {
  try {
    if (request.method !== "POST") throw new SyncError("method_not_allowed", "Start the processor by POST.");
    await dependencies.checkCaller(request);
  } catch (error) {
    return refuse(error);
  }
  const response = await work(request, dependencies).catch(refuse);
  await dependencies.supervision.sendAlerts();
  return response;
}

async function work(request: Request, dependencies: ProcessorDependencies): Promise<Response> {
  const { database, supervision, budgetMilliseconds, retentionDays } = dependencies;
  const run = await readWish(request);
  await database.rescueJobs();
  const begun = dependencies.now();
  const result = await processWork(dependencies, { budgetMilliseconds, mostSteps: stepsOfRuns, ...run });
  if (result.alone) {
    const left = { budgetMilliseconds: budgetMilliseconds - (dependencies.now() - begun) };
    addResult(result, await processAlone(dependencies, left));
  }
  const { jobs, alone: _, ...counts } = result;
  await database.purgeJobs(retentionDays, purgeLimit);
  await supervision.beat();
  const listed = jobs.slice(0, listedJobs).map((job) => ({ jobId: job.id, jobType: job.job_type, status: job.status }));
  const message = counts.processed === 0 ? { message: "No pending jobs" } : {};
  return json(200, { success: true, ...message, ...counts, jobs: listed });
}

/** Whoever sends no body, or another, wants the work done: that is no reason to refuse. */
async function readWish(request: Request): Promise<{ kind: RunKind; idleSeconds?: number }> {
  const wish = wishSchema.safeParse(await request.json().catch(() => null));
  return wish.success ? { kind: wish.data.work } : { kind: "sweep", idleSeconds: sweepIdleSeconds };
}

function refuse(error: unknown): Response {
  if (!(error instanceof SyncError)) {
    logger.error("processor.failed", { error: errorMessage(error) });
    return json(500, { error: "Internal server error" });
  }
  if (error.code === "caller_unauthorized") return json(401, { error: error.message, code: error.code });
  if (error.code === "method_not_allowed")
    return json(405, { error: error.message, code: error.code }, { allow: "POST" });
  logger.error("processor.failed", { code: error.code });
  return json(503, { error: error.message, code: error.code }, { "retry-after": "5" });
}
