import type { JobVerb } from "../api/change-jobs.ts";
import { countOf } from "../count-words.ts";
import { formatCount } from "../format-time.ts";
import type { Question } from "./confirm.tsx";

/** is_exact is false when there was more to look at than was looked at. */
export type Count = { count: number; is_exact: boolean };

const words = {
  retry: {
    verb: "Retry",
    participle: "retried",
    done: "due again",
    body: "They are tried from the start, and keep their history.",
  },
  cancel: {
    verb: "Cancel",
    participle: "cancelled",
    done: "cancelled",
    body: "What they were to bring is not applied. They can be retried later.",
  },
} as const;

/** What is asked before jobs are changed; with their number, as far as it is known. */
export function askForAll(action: JobVerb, { count, is_exact }: Count): Question {
  const { verb, body } = words[action];
  const many = count === 1 && is_exact ? "one job" : `${formatCount(count)} ${is_exact ? "jobs" : "jobs or more"}`;
  return { title: `${verb} ${many}?`, body, action: `${verb} ${many}`, isDangerous: action === "cancel" };
}

/** The same of jobs that were selected one by one. */
export function askForSelected(action: JobVerb, count: number): Question {
  return { ...askForAll(action, { count, is_exact: true }), action: words[action].verb };
}

export function nameSelectedAction(action: JobVerb): string {
  return `${words[action].verb} selected`;
}

export function tellNoneSelected(action: JobVerb): string {
  return `None of the selected jobs can be ${words[action].participle}.`;
}

/** What is said instead when there is nothing to change. */
export function tellNone(action: JobVerb): string {
  return `No job that matches can be ${words[action].participle}.`;
}

export function tellProgress(action: JobVerb, { changed, count }: { changed: number; count: number }): string {
  return `${formatCount(changed)} of ${countOf(count, "job is", "jobs are")} ${words[action].done}.`;
}

/** How it ended: `isWhole` is false when it was stopped, or failed on the way. */
export function tellResult(action: JobVerb, { changed, isWhole }: { changed: number; isWhole: boolean }): string {
  return `${countOf(changed, "job is", "jobs are")} ${words[action].done}${isWhole ? "" : "; the others were left as they are"}.`;
}
