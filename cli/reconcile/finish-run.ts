import type { RunKind } from "#core/reconcile/runs-database.ts";
import type { CommandIo } from "../command-io.ts";
import { formatRun, isInStep, summariseRun } from "./report-run.ts";
import type { RunOptions } from "./run-options.ts";
import { cancelRun, walkRun } from "./walk-run.ts";

/** Walks a run to its end and prints what came of it; or, with --cancel, ends the one under way. */
export async function finishRun(kind: RunKind, applies: boolean, options: RunOptions, io: CommandIo): Promise<void> {
  if (options.cancel) {
    const run = await cancelRun(options, io);
    if (options.json) return io.print(JSON.stringify(run));
    return io.print(run === null ? "No run is under way." : `Cancelled the ${run.kind} run of ${run.started_at}.`);
  }
  const summary = summariseRun(await walkRun(kind, applies, options, io));
  if (options.json) io.print(JSON.stringify(summary));
  else for (const line of formatRun(summary)) io.print(line);
  io.setExitCode(isInStep(summary) ? 0 : 1);
}
