import type { Verdict } from "../contract/users.ts";
import type { UserFacts } from "./user-rule.ts";
import { userRules } from "./user-rules.ts";

/** Says what keeps a user out of step, and what to do about it: the first rule that holds. */
export function judgeUser(facts: UserFacts): Verdict {
  for (const rule of userRules) {
    const held = rule.when(facts);
    if (held === undefined || held === false) continue;
    const job = held === true ? null : held;
    return {
      code: rule.code,
      in_step: rule.inStep ?? false,
      what: rule.what(facts, job),
      remedy: rule.remedy(facts, job),
      job_id: job?.id ?? null,
    };
  }
  const remedy = "Nothing is to be done.";
  return { code: "in_step", in_step: true, what: inStepText(facts), remedy, job_id: null };
}

function inStepText({ clerk, auth }: UserFacts): string {
  const asked =
    clerk.state === "present"
      ? "Clerk and the users table agree"
      : "Everything that Clerk sent of this user was applied";
  return auth.state === "present" ? `${asked}, and Supabase Auth has the same.` : `${asked}.`;
}
