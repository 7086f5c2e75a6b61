import { readConfig } from "#core/config/config.ts";
import { fieldsOf, recordFieldsOf } from "#core/config/mapping.ts";
import { type CallFunction, createDatabase } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createSlices, type SliceChanges } from "#core/reconcile/create-slices.ts";
import { createRunsDatabase, type Run, type RunKind } from "#core/reconcile/runs-database.ts";
import { type SliceDependencies, walkSlice } from "#core/reconcile/walk-run.ts";
import type { CommandIo } from "../command-io.ts";
import { chooseProgress } from "../progress.ts";
import { checkColumns } from "./check-columns.ts";
import { type Installation, withInstallation } from "./find-installation.ts";
import type { RunOptions } from "./run-options.ts";
import { type RunFindings, watchRun } from "./watch-run.ts";

/** What came of a run that was walked to its end, or to where it was interrupted. */
export type RunReport = RunFindings & { run: Run; isComplete: boolean; seconds: number };

/**
 * Takes or starts a run of `kind` and walks it to its end.
 * Throws SyncError: `usage_invalid`, `config_invalid`, `run_active`, and what walkSlice throws.
 */
export async function walkRun(kind: RunKind, applies: boolean, options: RunOptions, io: CommandIo): Promise<RunReport> {
  const start = io.clock.now();
  const found: RunFindings = { readSeconds: 0, requests: 0, differences: [], moreDifferences: 0, unreadable: [] };
  const progress = chooseProgress(options.json, io.terminal, io.print);
  const { signal, release } = listenForInterrupt(io);
  const fetchCounted: typeof fetch = async (input, init) => {
    found.requests += 1;
    return await io.fetch(input, {
      ...init,
      signal: AbortSignal.any([signal, ...(init?.signal ? [init.signal] : [])]),
    });
  };
  const budgetMilliseconds = Number.POSITIVE_INFINITY;
  try {
    const sleep = (milliseconds: number) => sleepUnlessAborted(milliseconds, signal, io);
    const watcher = watchRun(found, progress, io);
    return await withInstallation(options, io, async (installation) => {
      const { slices, call } = await openSlices(installation, options, io, { fetch: fetchCounted, watcher, sleep });
      const { columns } = options;
      if (columns !== undefined) await checkColumns(columns, call);
      const { state, run } = await walkSlice(slices, { kind, applies, columns, budgetMilliseconds, signal });
      if (state === "busy" || run === null) throw active(run);
      return { ...found, run, isComplete: state === "done", seconds: (io.clock.now() - start) / 1000 };
    });
  } finally {
    release();
    progress.stop();
  }
}

/** The signal is given when the user wants the run to end; `release` takes the listener away. */
function listenForInterrupt(io: CommandIo): { signal: AbortSignal; release: () => void } {
  const interrupt = new AbortController();
  const release = io.onInterrupt(() => {
    io.note("Stopping …");
    interrupt.abort();
  });
  return { signal: interrupt.signal, release };
}

/** Waits, but not for a run that is to end. */
async function sleepUnlessAborted(milliseconds: number, signal: AbortSignal, io: CommandIo): Promise<void> {
  if (signal.aborted) return;
  await io.clock.sleep(milliseconds, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Ends the run that is under way, whoever has it; null when there is none. */
export async function cancelRun(options: RunOptions, io: CommandIo): Promise<Run | null> {
  return await withInstallation(options, io, ({ call }) => createRunsDatabase(call, 1).cancel());
}

async function openSlices(
  { call, environment, auth }: Installation,
  options: RunOptions,
  io: CommandIo,
  changes: Pick<SliceChanges, "fetch" | "watcher" | "sleep">,
): Promise<{ slices: SliceDependencies; call: CallFunction }> {
  const given = readConfig(environment);
  const config = { ...given, authMirror: given.authMirror && auth !== null };
  const mapping = await createDatabase(call).mapping();
  const slices = createSlices(config, call, fieldsOf(mapping, config.authMirror), {
    records: recordFieldsOf(mapping),
    now: io.clock.now,
    withValues: options.showValues,
    mostUnknownPercent: options.maxUnknown,
    deletesForeign: options.deleteForeign,
    ...(auth === null ? {} : { auth: createAuthAdmin({ ...auth, fetch: io.fetch }) }),
    ...changes,
  });
  if (slices !== null) return { slices, call };
  throw new SyncError(
    "config_invalid",
    "CLERK_SECRET_KEY is not set here: Clerk's dashboard shows it under API keys, sk_live_… or sk_test_….",
  );
}

function active(run: Run | null): SyncError {
  if (run === null) return new SyncError("run_active", "Another run is under way. Run this again in a minute.");
  const name = run.kind === "backfill" ? "backfill" : "reconcile";
  const columns = run.columns === null ? "" : ` of the columns ${run.columns.join(", ")}`;
  return new SyncError(
    "run_active",
    `A ${name}${columns} that started at ${run.started_at} is still marked as running. If it was stopped, run this again in a minute: it goes on. To end it: clerk-sync ${name} --cancel.`,
  );
}
