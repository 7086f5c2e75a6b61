import type { JobSummary } from "./admin-jobs-contract.ts";
import type { Brake, Circuit } from "./admin-overview-contract.ts";
import type { ComparedField, Place, UserState, Verdict } from "./admin-users-contract.ts";
import type { Difference } from "./sync-runs.ts";
import { userRules } from "./user-rules.ts";

/** What is known of one user. */
export type UserFacts = {
  clerk: Place;
  users: Place;
  auth: Place;
  state: UserState | null;
  /** Newest first. */
  jobs: readonly JobSummary[];
  circuits: readonly Circuit[];
  brake: Brake;
  /** What reconcile would say; null: nothing, or Clerk was not asked. */
  difference: Difference | null;
  differences: readonly ComparedField[];
  /** Another user, whose row has the address that Clerk has for this one, whose row has none; null: nobody known. */
  emailHolder: string | null;
  /** Unix milliseconds. */
  now: number;
};

/** A rule: when it holds, what is said. `job` is the one that tells more. */
export type UserRule = {
  code: string;
  inStep?: boolean;
  when: (facts: UserFacts) => JobSummary | boolean | undefined;
  what: (facts: UserFacts, job: JobSummary | null) => string;
  remedy: (facts: UserFacts, job: JobSummary | null) => string;
};

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
