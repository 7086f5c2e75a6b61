import { readConfig } from "#core/config.ts";
import { createSlices } from "#core/create-slices.ts";
import { SyncError } from "#core/errors.ts";
import { runSlice, type SliceDependencies } from "#core/run-slice.ts";
import type { Difference, Run, RunKind } from "#core/sync-runs.ts";
import type { CommandIo } from "../command-io.ts";
import { readLocalSettings, resolveRest } from "../read-target.ts";
import { createBarProgress, createLineProgress, noProgress, type Progress } from "../simulate/progress.ts";
import { createProjectCall } from "./call-project.ts";
import type { RunOptions } from "./run-options.ts";

/** What came of a run that was walked to its end, or to where it was interrupted. */
export type RunReport = {
  run: Run;
  isComplete: boolean;
  seconds: number;
  /** Of them, until every user was read; the rest was waiting for jobs. */
  readSeconds: number;
  /** Requests to Clerk's API by this process. */
  requests: number;
  differences: Difference[];
  /** Differences that were found and not kept. */
  moreDifferences: number;
  unreadable: string[];
};

/** A run over millions of users must not fill the memory. */
const keptDifferences = 10_000;

/**
 * Takes or starts a run of `kind` and walks it to its end over the project's API.
 * Throws SyncError: `usage_invalid`, `config_invalid`, `run_active`, and what runSlice throws.
 */
export async function walkRun(kind: RunKind, applies: boolean, options: RunOptions, io: CommandIo): Promise<RunReport> {
  const start = io.clock.now();
  const report = {
    readSeconds: 0,
    requests: 0,
    differences: [] as Difference[],
    moreDifferences: 0,
    unreadable: [] as string[],
  };
  const progress = chooseProgress(options, io);
  const slices = await openSlices(options, io, {
    fetch: async (input, init) => {
      report.requests += 1;
      return await io.fetch(input, init);
    },
    watcher: {
      ...watch(progress, () => {
        report.readSeconds = (io.clock.now() - start) / 1000;
      }),
      onDifferences: keepIn(report),
      onUnreadable: (ids) => report.unreadable.push(...ids),
    },
  });
  const signal = io.listenForInterrupt();
  try {
    const { state, run } = await runSlice(slices, {
      kind,
      applies,
      budgetMilliseconds: Number.POSITIVE_INFINITY,
      signal,
    });
    if (state === "busy" || run === null) throw active(run);
    return { ...report, run, isComplete: state === "done", seconds: (io.clock.now() - start) / 1000 };
  } finally {
    progress.stop();
  }
}

/** Ends the run that is under way, whoever has it; null when there is none. */
export async function cancelRun(options: RunOptions, io: CommandIo): Promise<Run | null> {
  return await (await openSlices(options, io, {})).runs.cancel();
}

async function openSlices(
  options: RunOptions,
  io: CommandIo,
  changes: { fetch?: typeof fetch; watcher?: SliceDependencies["watcher"] },
): Promise<SliceDependencies> {
  const config = readConfig(io.environment);
  const rest = resolveRest(options, await readLocalSettings(io.folder));
  const slices = createSlices(config, createProjectCall(rest, io), {
    fetch: io.fetch,
    sleep: io.clock.sleep,
    now: io.clock.now,
    withValues: options.showValues,
    mostUnknownPercent: options.maxUnknown,
    ...changes,
  });
  if (slices !== null) return slices;
  throw new SyncError(
    "config_invalid",
    "CLERK_SECRET_KEY is not set here: Clerk's dashboard shows it under API keys, sk_live_… or sk_test_….",
  );
}

function keepIn(report: { differences: Difference[]; moreDifferences: number }) {
  return (found: readonly Difference[]) => {
    const named = found.filter(({ kind }) => kind !== "pending");
    const kept = named.slice(0, keptDifferences - report.differences.length);
    report.differences.push(...kept);
    report.moreDifferences += named.length - kept.length;
  };
}

/** Draws how many of the users at Clerk were read, then how many of the jobs are through. */
function watch(progress: Progress, onRead: () => void): SliceDependencies["watcher"] {
  const step = { label: "", most: 0 };
  const show = (label: string, value: number, total: number) => {
    if (step.label !== label) {
      progress.stop();
      progress.start(label, total, value);
      step.label = label;
    }
    progress.update(value);
  };
  return {
    onStep: ({ counts, phase, kind, users_at_clerk }) => {
      if (!phase.startsWith("settle")) onRead();
      if (phase === "walk" && kind !== "sweep") show("Users read", counts["read"] ?? 0, users_at_clerk ?? 0);
    },
    onJobs: ({ due }) => {
      step.most = Math.max(step.most, due);
      if (step.most > 0) show("Jobs done", step.most - due, step.most);
    },
  };
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
