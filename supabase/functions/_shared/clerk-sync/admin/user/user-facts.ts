import type { Difference } from "../../reconcile/runs-database.ts";
import type { JobSummary } from "../contract/jobs.ts";
import type { Brake, Circuit } from "../contract/overview.ts";
import type { Place, UserState } from "../contract/users.ts";

/** What is known of one user. */
export type UserFacts = {
  /** The table of users, as SQL writes its name. */
  table: string;
  /** The column that has the name; null: none has. */
  nameColumn: string | null;
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
  /** Names of columns, and of what the sync keeps beside the row. */
  differences: readonly string[];
  /** The user whose row has the address that Clerk has for this user, whose own row has none; null: no such user is known. */
  emailHolder: string | null;
  /** Unix milliseconds. */
  now: number;
};
