import type { ClerkApi } from "../clerk/clerk-api.ts";
import type { ClerkRecordsApi } from "../clerk/clerk-records-api.ts";
import { mapUser } from "../clerk/map-user.ts";
import type { PageUser } from "../clerk/parse-page.ts";
import type { RecordFields, UserFields } from "../config/mapping.ts";
import type { SyncError } from "../errors.ts";
import type { AuthReader } from "../mirror/read-auth-users.ts";
import type { Difference, JobsState, ReadUserRow, Run, RunStep, RunsDatabase } from "./runs-database.ts";

/** A run with the lease that this process has on it. */
export type LeasedRun = Run & {
  token: string;
  /** ISO 8601, by the database's clock: what is read now was read after this. */
  readAt: string;
  /** Users of ours are mirrored in Supabase Auth. */
  mirrors: boolean;
  /** Jobs of backfill and reconcile that wait. */
  openJobs: number;
};

/** What a run tells its watcher. */
export type RunWatcher = {
  onStep?: (run: Run) => void;
  onDifferences?: (differences: readonly Difference[]) => void;
  /** Ids of users, or of records, that Clerk's API shows and that could not be read. */
  onUnreadable?: (clerkIds: readonly string[]) => void;
  onJobs?: (state: JobsState) => void;
  /** Clerk's API or the database does not answer, or asks to slow down; it is asked again after so many seconds. */
  onWait?: (error: SyncError, seconds: number) => void;
};

export type StepDependencies = {
  runs: RunsDatabase;
  clerk: ClerkApi;
  /** What is stored of a user, and compared: fieldsOf the mapping. */
  fields: UserFields;
  /** Organizations and what belongs to them: how they are read, and what is stored of them; without fields nothing is. */
  records: { clerk: ClerkRecordsApi; fields: RecordFields };
  /** Supabase Auth, where a compare looks for the mirrors; null: nowhere. */
  auth: AuthReader | null;
  /** A run that finds a larger share of our users unknown to Clerk stops: it is another instance, most likely. */
  mostUnknownPercent: number;
  /** Rows that never came through the sync and that Clerk does not know are deleted, too. Only a person decides that. */
  deletesForeign: boolean;
  /** Differences come with the values of their fields. */
  withValues: boolean;
  watcher: RunWatcher;
};

/** One step: what it stores, or that it has to wait for jobs, or that nothing is left to do. */
export type Step = (run: LeasedRun, dependencies: StepDependencies) => Promise<RunStep | "wait" | "done">;

/** A user of a page as it is compared and stored. */
export function toRow({ user, version }: PageUser, fields: UserFields): ReadUserRow {
  return { clerk_id: user.id, version, payload: mapUser(user, fields) };
}
