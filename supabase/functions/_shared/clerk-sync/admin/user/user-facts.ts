import type { Difference } from "../../reconcile/runs-database.ts";
import type { JobSummary } from "../contract/jobs.ts";
import type { Brake, Circuit } from "../contract/overview.ts";
import type { ComparedField, Place, UserState } from "../contract/users.ts";

/** What is known of one user. */
export type UserFacts = {
  clerk: Place;
  users: Place;
  auth: Place;
  /** The user is deleted, and the row is kept, marked. */
  isRowKept: boolean;
  state: UserState | null;
  /** Newest first. */
  jobs: readonly JobSummary[];
  circuits: readonly Circuit[];
  brake: Brake;
  /** What reconcile would report; null: nothing, or Clerk was not asked. */
  difference: Difference | null;
  differences: readonly ComparedField[];
  /** The user whose row has the address that Clerk has for this user, whose own row has none; null: no such user is known. */
  emailHolder: string | null;
  /** Unix milliseconds. */
  now: number;
};
