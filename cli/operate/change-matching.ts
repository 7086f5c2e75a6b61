import { randomUUID } from "node:crypto";
import { changedSchema, countSchema, type JobFilter } from "#core/admin-jobs-contract.ts";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import type { CallAdmin } from "./call-admin.ts";

export type JobVerb = "retry" | "cancel";

type Options = { verb: JobVerb; filter: JobFilter; isAgreed: boolean };

/**
 * Counts the jobs that match, asks, and changes them in slices until none is left or Ctrl-C is pressed; returns how
 * many changed. Throws SyncError `usage_invalid` when nobody can answer and --yes was not given.
 */
export async function changeMatching(call: CallAdmin, options: Options, io: CommandIo): Promise<number> {
  const { verb, filter, isAgreed } = options;
  const { count, is_exact } = await call.post("/jobs/count", countSchema, { filter, action: verb });
  if (count === 0) return 0;
  if (
    !isAgreed &&
    !(await agree(`${verb === "retry" ? "Retry" : "Cancel"} ${count}${is_exact ? "" : " or more"} jobs?`, io))
  )
    return 0;
  const slice = { filter, operation: randomUUID(), before: new Date(io.clock.now()).toISOString() };
  let [changed, isStopped] = [0, false];
  const forget = io.onInterrupt(() => {
    isStopped = true;
  });
  try {
    while (!isStopped) {
      const answer = await call.post(`/jobs/${verb}`, changedSchema, slice);
      if (answer.changed === 0) break;
      changed += answer.changed;
      io.note(`${changed} of ${Math.max(count, changed)} …`);
    }
  } finally {
    forget();
  }
  if (isStopped) io.note("Stopped: the others are left as they were.");
  return changed;
}

async function agree(question: string, io: CommandIo): Promise<boolean> {
  if (io.confirm === null) throw new SyncError("usage_invalid", `${question} Nobody can answer here: pass --yes.`);
  return io.confirm(question);
}
