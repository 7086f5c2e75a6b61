import type { RunKind } from "../reconcile/runs-database.ts";
import { type SliceDependencies, type SliceResult, walkSlice } from "../reconcile/walk-run.ts";
import { processQueue, type QueueDependencies, type QueueOptions, type QueueResult } from "./process-queue.ts";

export type WorkDependencies = QueueDependencies & {
  /** Walks runs of backfill and reconcile; null without CLERK_SECRET_KEY, runs wait then. */
  slices: SliceDependencies | null;
};

/** `kind`: a run to start when none is open, unless one began within `idleSeconds`. `mostSteps`: of runs, at most. */
type WorkOptions = QueueOptions & { kind?: RunKind; idleSeconds?: number; mostSteps?: number };

/** Live events wait for no more than this while a run is walked. */
const sliceMilliseconds = 2000;

/**
 * Works through the due jobs, then walks the open run in short slices, with the jobs between them, while there is time.
 * Returns what became of the jobs; throws what runJobs throws. A run that cannot go on costs the jobs nothing.
 */
export async function processWork(dependencies: WorkDependencies, options: WorkOptions): Promise<QueueResult> {
  const deadline = dependencies.now() + options.budgetMilliseconds;
  const result = await processQueue(dependencies, options);
  const left = { ...options, budgetMilliseconds: deadline - dependencies.now() };
  await walkOpenRun(dependencies, left, async () => {
    const budgetMilliseconds = deadline - dependencies.now();
    const more = await processQueue(dependencies, { ...options, budgetMilliseconds });
    addResult(result, more);
    return more.processed;
  });
  return result;
}

/**
 * Walks the open run in short slices while there is time; `between` works on jobs after each, and answers on how many.
 * Throws only what `between` throws: what stops a run is logged, and stands in the run.
 */
export async function walkOpenRun(
  { slices, now }: Pick<WorkDependencies, "slices" | "now">,
  options: WorkOptions,
  between: () => Promise<number>,
): Promise<void> {
  const deadline = now() + options.budgetMilliseconds;
  let stepsLeft = options.mostSteps ?? Number.POSITIVE_INFINITY;
  while (slices !== null && stepsLeft > 0 && now() < deadline && !options.signal?.aborted) {
    const budgetMilliseconds = Math.min(sliceMilliseconds, deadline - now());
    const slice = await walkOpenSlice(slices, { ...options, budgetMilliseconds, mostSteps: stepsLeft });
    const processed = await between();
    if (slice === null || (slice.steps === 0 && processed === 0)) break;
    stepsLeft -= slice.steps;
  }
}

/** Null when nothing is left to walk, or the run cannot go on now. */
async function walkOpenSlice(slices: SliceDependencies, options: WorkOptions): Promise<SliceResult | null> {
  const base = { applies: true, ...options };
  try {
    const open = await walkSlice(slices, { ...base, kind: null });
    if (open.state !== "none" || options.kind === undefined) return sliceToContinue(open);
    return sliceToContinue(await walkSlice(slices, { ...base, kind: options.kind }));
  } catch {
    return null; // walkSlice has logged it and put it down in the run
  }
}

function sliceToContinue(slice: SliceResult): SliceResult | null {
  return slice.state === "waiting" || (slice.state === "paused" && slice.steps > 0) ? slice : null;
}

/** Adds what a later run did. */
export function addResult(result: QueueResult, more: QueueResult): void {
  for (const name of ["processed", "completed", "failed", "dead"] as const) result[name] += more[name];
  result.alone = more.alone;
  result.jobs.push(...more.jobs.slice(0, Math.max(0, 10_000 - result.jobs.length)));
}
