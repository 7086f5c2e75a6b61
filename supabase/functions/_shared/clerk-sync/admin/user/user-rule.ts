import type { Difference } from "../../reconcile/sync-runs.ts";
import type { JobSummary } from "../contract/jobs.ts";
import type { Brake, Circuit } from "../contract/overview.ts";
import type { ComparedField, Place, UserState } from "../contract/users.ts";

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
