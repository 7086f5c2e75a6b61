import type { JobSummary } from "../contract/jobs.ts";
import type { Verdict, VerdictCode } from "../contract/users.ts";
import type { UserFacts } from "./user-facts.ts";
import { userRules } from "./user-rules.ts";
import { verdictWords } from "./user-words.ts";

/** Judges why a user is out of sync: the first rule that holds. */
export function judgeUser(facts: UserFacts): Verdict {
  for (const { code, inStep = false, when } of userRules) {
    const held = when(facts);
    if (held) return describeVerdict(code, inStep, facts, held === true ? null : held);
  }
  return describeVerdict("in_step", true, facts, null);
}

function describeVerdict(code: VerdictCode, inStep: boolean, facts: UserFacts, job: JobSummary | null): Verdict {
  const { title, what, remedy } = verdictWords[code];
  return {
    code,
    in_step: inStep,
    title,
    what: typeof what === "string" ? what : what({ ...facts, job }),
    remedy: typeof remedy === "string" ? remedy : remedy({ ...facts, job }),
    job_id: job?.id ?? null,
    other_clerk_id: code === "email_held" ? facts.emailHolder : null,
  };
}
