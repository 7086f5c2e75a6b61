import { randomUUID } from "node:crypto";
import { changedSchema, countSchema, type JobFilter } from "#core/admin/contract/jobs.ts";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import type { Progress } from "../progress.ts";
import type { CallAdmin } from "./call-admin.ts";

export type JobVerb = "retry" | "cancel";

/** How many jobs changed, and what became of the others: `done` there are none, `declined` or `stopped` by the person. */
type Change = { changed: number; end: "done" | "declined" | "stopped" };

type Options = { verb: JobVerb; filter: JobFilter; isAgreed: boolean; progress: Progress };

/**
 * Counts the jobs that match, asks, and changes them in slices until none is left or Ctrl-C is pressed. When a slice
 * fails it says how many changed before. Throws SyncError `usage_invalid` when nobody can answer and --yes was not
 * given, and what the calls throw.
 */
export async function changeMatching(call: CallAdmin, options: Options, io: CommandIo): Promise<Change> {
  const { verb, filter, isAgreed, progress } = options;
  const before = new Date(io.clock.now()).toISOString();
  const { count, is_exact } = await call.post("/jobs/count", countSchema, { filter, action: verb });
  if (count === 0) return { changed: 0, end: "done" };
  if (!isAgreed && !(await agree(ask(verb, count, is_exact), io))) return { changed: 0, end: "declined" };
  const slice = { filter, operation: randomUUID(), before };
  progress.start(verb === "retry" ? "Jobs due" : "Cancelled", count);
  const result: Change = { changed: 0, end: "done" };
  const forget = io.onInterrupt(() => {
    result.end = "stopped";
  });
  try {
    while (result.end !== "stopped") {
      const { changed } = await call.post(`/jobs/${verb}`, changedSchema, slice);
      if (changed === 0) return { ...result, end: "done" };
      result.changed += changed;
      progress.update(result.changed);
    }
    return result;
  } catch (error) {
    io.note(`${result.changed} changed before this. The same command goes on with the others.`);
    throw error;
  } finally {
    forget();
    progress.stop();
  }
}

/** Most ids that one call takes. */
const mostIds = 500;

/** Changes the jobs named, each once; those finished, unknown, or not in a state for it stay. */
export async function changeNamed(call: CallAdmin, verb: JobVerb, ids: readonly string[]): Promise<number> {
  let changed = 0;
  for (let from = 0; from < ids.length; from += mostIds) {
    const slice = { ids: ids.slice(from, from + mostIds) };
    changed += (await call.post(`/jobs/${verb}`, changedSchema, slice)).changed;
  }
  return changed;
}

function ask(verb: JobVerb, count: number, isExact: boolean): string {
  const jobs = `${count}${isExact ? "" : " or more"} ${count === 1 && isExact ? "job" : "jobs"}`;
  return `${verb === "retry" ? "Retry" : "Cancel"} ${jobs}?`;
}

async function agree(question: string, io: CommandIo): Promise<boolean> {
  if (io.confirm === null) throw new SyncError("usage_invalid", `${question} Nobody can answer here: pass --yes.`);
  return io.confirm(question);
}
