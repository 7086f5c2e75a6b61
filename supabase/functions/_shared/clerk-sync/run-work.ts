import { type RunDependencies, type RunOptions, type RunResult, runJobs } from "./run-jobs.ts";
import { runSlice, type SliceDependencies, type SliceResult } from "./run-slice.ts";
import type { RunKind } from "./sync-runs.ts";

export type WorkDependencies = RunDependencies & {
  /** Walks runs of backfill and reconcile; null without CLERK_SECRET_KEY, runs wait then. */
  slices: SliceDependencies | null;
};

/** `kind`: a run to start when none is open. */
export type WorkOptions = RunOptions & { kind?: RunKind };

/** Live events wait for no more than this while a run is walked. */
const sliceMilliseconds = 2000;

/**
 * Works through the due jobs, then walks the open run in short slices, with the jobs between them, while there is time.
 * Returns what became of the jobs; throws what runJobs throws. A run that cannot go on costs the jobs nothing.
 */
export async function runWork(dependencies: WorkDependencies, options: WorkOptions): Promise<RunResult> {
  const { slices, now } = dependencies;
  const deadline = now() + options.budgetMilliseconds;
  const result = await runJobs(dependencies, options);
  while (slices !== null && now() < deadline && !options.signal?.aborted) {
    const left = () => ({ ...options, budgetMilliseconds: deadline - now() });
    const slice = await runOpenSlice(slices, {
      ...left(),
      budgetMilliseconds: Math.min(sliceMilliseconds, deadline - now()),
    });
    const more = await runJobs(dependencies, left());
    addResult(result, more);
    if (slice === "over" || (slice === "idle" && more.processed === 0)) break;
  }
  return result;
}

/** over: nothing is left to walk; idle: it waits for jobs. */
async function runOpenSlice(slices: SliceDependencies, options: WorkOptions): Promise<"over" | "idle" | "moved"> {
  const base = { applies: true, ...options };
  try {
    const open = await runSlice(slices, { ...base, kind: null });
    if (open.state !== "none" || options.kind === undefined) return progressOf(open);
    return progressOf(await runSlice(slices, { ...base, kind: options.kind }));
  } catch {
    return "over"; // runSlice has logged it and put it down in the run
  }
}

function progressOf({ state, steps }: SliceResult): "over" | "idle" | "moved" {
  if (state === "waiting") return steps > 0 ? "moved" : "idle";
  return state === "paused" && steps > 0 ? "moved" : "over";
}

function addResult(result: RunResult, more: RunResult): void {
  for (const name of ["processed", "completed", "failed", "dead"] as const) result[name] += more[name];
  result.jobs.push(...more.jobs.slice(0, Math.max(0, 10_000 - result.jobs.length)));
}
