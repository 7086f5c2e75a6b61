import type { AdminRun } from "#core/admin/contract/overview.ts";
import { countOf } from "../../count-words.ts";
import { countDrift, estimateRest, formatRunTime } from "./run-words.ts";

/** "2 users out of step; nothing was changed. Ended after 1.2 s. …", with what to do next. */
export function describeResult(run: AdminRun, now: number): string {
  if (run.error !== null) return `It failed: ${run.error}`;
  const drift = countDrift(run.counts);
  const found = countOf(drift, "user out of step", "users out of step");
  const rest = estimateRest(run, now);
  if (run.status === "RUNNING") return [`${found} so far`, rest].filter(Boolean).join("; ");
  const mended = run.applies ? "what was found is in the queue" : "nothing was changed";
  const next = drift > 0 && !run.applies ? " Run and mend brings them in step." : "";
  return `${found}; ${mended}. Ended after ${formatRunTime(run, now)}.${next}`;
}
