import { readConfig } from "#core/config.ts";
import { createSlices, type SliceChanges } from "#core/create-slices.ts";
import { SyncError } from "#core/errors.ts";
import { runSlice, type SliceDependencies } from "#core/run-slice.ts";
import { createSyncRuns, type Run, type RunKind } from "#core/sync-runs.ts";
import type { CommandIo } from "../command-io.ts";
import { readLocalSettings, resolveRest } from "../read-target.ts";
import { createBarProgress, createLineProgress, noProgress, type Progress } from "../simulate/progress.ts";
import { createProjectCall } from "./call-project.ts";
import type { RunOptions } from "./run-options.ts";
import { type RunFindings, watchRun } from "./watch-run.ts";

/** What came of a run that was walked to its end, or to where it was interrupted. */
export type RunReport = RunFindings & { run: Run; isComplete: boolean; seconds: number };

/**
 * Takes or starts a run of `kind` and walks it to its end over the project's API.
 * Throws SyncError: `usage_invalid`, `config_invalid`, `run_active`, and what runSlice throws.
 */
export async function walkRun(kind: RunKind, applies: boolean, options: RunOptions, io: CommandIo): Promise<RunReport> {
  const start = io.clock.now();
  const found: RunFindings = { readSeconds: 0, requests: 0, differences: [], moreDifferences: 0, unreadable: [] };
  const progress = chooseProgress(options, io);
  const fetchCounted: typeof fetch = async (input, init) => {
    found.requests += 1;
    return await io.fetch(input, init);
  };
  const slices = await openSlices(options, io, { fetch: fetchCounted, watcher: watchRun(found, progress, io) });
  const budgetMilliseconds = Number.POSITIVE_INFINITY;
  const interrupt = new AbortController();
  const stopListening = io.onInterrupt(() => interrupt.abort());
  try {
    const { signal } = interrupt;
    const { state, run } = await runSlice(slices, { kind, applies, budgetMilliseconds, signal });
    if (state === "busy" || run === null) throw active(run);
    return { ...found, run, isComplete: state === "done", seconds: (io.clock.now() - start) / 1000 };
  } finally {
    stopListening();
    progress.stop();
  }
}

/** Ends the run that is under way, whoever has it; null when there is none. */
export async function cancelRun(options: RunOptions, io: CommandIo): Promise<Run | null> {
  const rest = resolveRest(options, await readLocalSettings(io.folder), io.environment);
  return await createSyncRuns(createProjectCall(rest, io), 1).cancel();
}

async function openSlices(
  options: RunOptions,
  io: CommandIo,
  changes: Pick<SliceChanges, "fetch" | "watcher">,
): Promise<SliceDependencies> {
  const config = readConfig(io.environment);
  const rest = resolveRest(options, await readLocalSettings(io.folder), io.environment);
  const slices = createSlices(config, createProjectCall(rest, io), {
    sleep: io.clock.sleep,
    now: io.clock.now,
    withValues: options.showValues,
    mostUnknownPercent: options.maxUnknown,
    deletesForeign: options.deleteForeign,
    ...changes,
  });
  if (slices !== null) return slices;
  throw new SyncError(
    "config_invalid",
    "CLERK_SECRET_KEY is not set here: Clerk's dashboard shows it under API keys, sk_live_… or sk_test_….",
  );
}

function chooseProgress({ json }: RunOptions, io: CommandIo): Progress {
  if (json) return noProgress;
  return io.terminal === null ? createLineProgress(io.print) : createBarProgress(io.terminal);
}

function active(run: Run | null): SyncError {
  const which =
    run === null ? "Another run" : `A ${run.applies ? run.kind : `dry ${run.kind}`} run (since ${run.started_at})`;
  const until = run === null ? "" : ` Its runner has it until ${run.lease_until} and longer while it lives.`;
  return new SyncError("run_active", `${which} is under way.${until} One runs at a time; --cancel ends it.`);
}
