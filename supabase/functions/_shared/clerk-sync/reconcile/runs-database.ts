import { z } from "zod";
import type { MappedRecord } from "../clerk/map-record.ts";
import type { MappedUser } from "../clerk/map-user.ts";
import { type CallFunction, createCallAs, type NewJob } from "../database/database.ts";
import type { AuthRow } from "../mirror/read-auth-users.ts";

const kindSchema = z.enum(["backfill", "sweep", "compare"]);
const runSchema = z.object({
  id: z.string(),
  kind: kindSchema,
  status: z.enum(["RUNNING", "COMPLETED", "FAILED", "CANCELLED"]),
  applies: z.boolean(),
  columns: z.array(z.string()).nullable(),
  /** What Clerk says for the columns; null where there are none. */
  sources: z.array(z.string()).nullable(),
  phase: z.string(),
  cursor: z.record(z.string(), z.union([z.string(), z.number()])),
  counts: z.record(z.string(), z.number()),
  steps: z.number(),
  users_at_clerk: z.number().nullable(),
  error: z.string().nullable(),
  started_at: z.string(),
  updated_at: z.string(),
  finished_at: z.string().nullable(),
  lease_until: z.string(),
});
const takenSchema = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.enum(["started", "resumed"]),
    run: runSchema,
    token: z.string(),
    read_at: z.string(),
    mirrors: z.boolean(),
  }),
  z.object({ outcome: z.literal("busy"), run: runSchema.nullable() }),
  z.object({ outcome: z.literal("none") }),
]);
const advancedSchema = z.discriminatedUnion("held", [
  z.object({ held: z.literal(true), run: runSchema, read_at: z.string(), open_jobs: z.number() }),
  z.object({ held: z.literal(false) }),
]);
const filledSchema = z.array(z.object({ clerk_id: z.string(), does: z.enum(["fill", "whole"]) }));
const userKinds = [
  "pending",
  "missing",
  "stale",
  "ahead",
  "differs",
  "edited",
  "unmirrored",
  "extra",
  "foreign",
] as const;
const authKinds = ["auth_missing", "auth_differs", "auth_deleted", "auth_extra", "auth_address_held"] as const;
const valuesSchema = z.partialRecord(z.enum(["clerk", "here", "auth"]), z.unknown());
const fieldsSchema = z.union([z.array(z.string()), z.record(z.string(), valuesSchema)]);
const differenceSchema = z.object({
  clerk_id: z.string(),
  kind: z.enum([...userKinds, ...authKinds, "auth_foreign", "auth_unreadable"]),
  fields: fieldsSchema,
});
const comparedRecordsSchema = z.object({ seen: z.number(), found: z.array(differenceSchema) });
const unmarkedRecordsSchema = z.object({
  records: z.array(
    z.object({ id: z.string(), organization_id: z.string(), user_id: z.string().nullable(), foreign: z.boolean() }),
  ),
  next: z.tuple([z.string(), z.string()]).nullable(),
});
const comparedAuthSchema = z.object({
  mirrors: z.array(z.string()),
  found: z.array(
    z.object({
      id: z.string(),
      clerk_id: z.string(),
      kind: z.enum([...authKinds, "auth_foreign"]),
      fields: fieldsSchema,
      remembered: z.boolean(),
      tombstone: z.boolean(),
    }),
  ),
});
const unlistedSchema = z.object({
  users: z.array(z.object({ clerk_id: z.string(), id: z.string() })),
  held: z.array(z.object({ clerk_id: z.string(), email: z.string().nullable() })),
  next: z.string().nullable(),
});
const unmarkedSchema = z.object({
  clerk_ids: z.array(z.string()),
  foreign: z.array(z.string()),
  next: z.string().nullable(),
});
const unmarkedCountSchema = z.object({ users: z.number(), unmarked: z.number(), several: z.boolean() });
const jobsStateSchema = z.object({
  users: z.number().nullable(),
  due: z.number(),
  retrying: z.number(),
  held: z.number(),
  dead: z.number(),
});

/** Kinds of records, besides users, whose lists at Clerk a run walks. */
export type WalkedKind = "organization" | "membership" | "role" | "invitation";
/** Those whose ends a compare finds. */
export type EndedKind = Exclude<WalkedKind, "invitation">;
export type RunKind = z.infer<typeof kindSchema>;
export type Run = z.infer<typeof runSchema>;
type Taken = z.infer<typeof takenSchema>;
type Advanced = z.infer<typeof advancedSchema>;
/**
 * How a user here differs from Clerk; see clerk_sync_compare_users. `extra`: here, and deleted at Clerk; `foreign`: so
 * too, and never came through the sync. Or how one differs in Supabase Auth; see clerk_sync_compare_auth_users.
 * `auth_foreign`: as auth_extra, and not of our making. `auth_address_held`: another Auth user holds the address.
 * `auth_unreadable`: Auth cannot read the row; where the list alone
 * has shown that, the Clerk id is unknown, and the fields say which row it is.
 */
export type Difference = z.infer<typeof differenceSchema> & {
  /** What it is, when it is no user. */
  of?: WalkedKind;
};
export type AuthDifference = z.infer<typeof comparedAuthSchema>["found"][number];
export type JobsState = z.infer<typeof jobsStateSchema>;

/** What a runner asks for; without a kind it carries on whatever is open. */
export type TakeOptions = {
  kind: RunKind | null;
  applies: boolean;
  idleSeconds?: number;
  /** A backfill of these columns alone. */
  columns?: readonly string[] | undefined;
};

/** What one step of a run stores; counts are added to those of the run. */
export type RunStep = {
  /** One more than the run's steps; a step that is stored already is not stored again. */
  number?: number;
  phase?: string;
  cursor?: Run["cursor"];
  counts?: Record<string, number>;
  jobs?: readonly NewJob[];
  /** Users who are mirrored once more as they are. */
  mirror?: readonly string[];
  /** Clerk ids that Clerk has shown, and ids of Auth users that Supabase Auth has. */
  marks?: readonly string[];
  users_at_clerk?: number;
};

/** A user as read from Clerk's API, to be compared. */
export type ReadUserRow = { clerk_id: string; version: number; payload: MappedUser };

/** A record as read from Clerk's API, to be compared. */
export type ReadRecordRow = { clerk_id: string; version: number; payload: MappedRecord };

/** One of our records that Clerk did not show. */
export type UnmarkedRecord = z.infer<typeof unmarkedRecordsSchema>["records"][number];

/** The door to runs: one method per SQL function, see 14_runs.sql, 15_compare.sql and 15_compare_records.sql in supabase/schemas. */
export type RunsDatabase = {
  take: (options: TakeOptions) => Promise<Taken>;
  advance: (id: string, token: string, step: RunStep) => Promise<Advanced>;
  end: (
    id: string,
    token: string,
    end: { status: Run["status"]; error?: string; pauseSeconds?: number },
  ) => Promise<boolean>;
  cancel: () => Promise<Run | null>;
  compareUsers: (users: readonly ReadUserRow[], mirrors: boolean, withValues: boolean) => Promise<Difference[]>;
  /** What a backfill of some columns does with each user; one that is as it should be is left out. */
  compareColumns: (
    users: readonly Pick<ReadUserRow, "clerk_id" | "version" | "payload">[],
  ) => Promise<z.infer<typeof filledSchema>>;
  unmarkedUsers: (after: string, limit: number, several: boolean) => Promise<z.infer<typeof unmarkedSchema>>;
  compareAuthUsers: (
    users: readonly AuthRow[],
    readAt: string,
    withValues: boolean,
  ) => Promise<z.infer<typeof comparedAuthSchema>>;
  unlistedAuthUsers: (after: string, limit: number) => Promise<z.infer<typeof unlistedSchema>>;
  compareRecords: (
    kind: WalkedKind,
    records: readonly ReadRecordRow[],
    withValues: boolean,
  ) => Promise<z.infer<typeof comparedRecordsSchema>>;
  /** After a place, which is an organization and an id; null: from the first. */
  unmarkedRecords: (
    kind: EndedKind,
    after: readonly [string, string] | null,
    limit: number,
  ) => Promise<z.infer<typeof unmarkedRecordsSchema>>;
  countUnmarked: () => Promise<z.infer<typeof unmarkedCountSchema>>;
  sampleUsers: (limit: number) => Promise<string[]>;
  jobsState: (id: string) => Promise<JobsState>;
};

/** Jobs of backfill and reconcile that may wait at a time; a runner waits until there are fewer. */
export const mostOpenJobs = 10_000;

/** Makes the door over one way of calling SQL functions. */
export function createRunsDatabase(call: CallFunction, maxAttempts: number): RunsDatabase {
  const callAs = createCallAs(call);
  return {
    take: ({ kind, applies, idleSeconds = 0, columns = null }) =>
      callAs(takenSchema, "clerk_sync_take_run", {
        p_kind: kind,
        p_applies: applies,
        p_idle_seconds: idleSeconds,
        ...(columns === null ? {} : { p_columns: columns }),
      }),
    advance: (id, token, step) =>
      callAs(advancedSchema, "clerk_sync_advance_run", {
        p_id: id,
        p_token: token,
        p_step: step,
        p_max_attempts: maxAttempts,
        p_most_jobs: mostOpenJobs,
      }),
    end: (id, token, { status, error = null, pauseSeconds = 0 }) =>
      callAs(z.boolean(), "clerk_sync_end_run", {
        p_id: id,
        p_token: token,
        p_status: status,
        p_error: error,
        p_pause_seconds: pauseSeconds,
      }),
    cancel: () => callAs(runSchema.nullable(), "clerk_sync_cancel_run", {}),
    compareUsers: (users, mirrors, withValues) =>
      callAs(z.array(differenceSchema), "clerk_sync_compare_users", {
        p_users: users,
        p_mirrors: mirrors,
        p_with_values: withValues,
      }),
    compareColumns: (users) => callAs(filledSchema, "clerk_sync_compare_columns", { p_users: users }),
    unmarkedUsers: (after, limit, several) =>
      callAs(unmarkedSchema, "clerk_sync_unmarked_users", { p_after: after, p_limit: limit, p_several: several }),
    compareAuthUsers: (users, readAt, withValues) =>
      callAs(comparedAuthSchema, "clerk_sync_compare_auth_users", {
        p_users: users,
        p_read_at: readAt,
        p_with_values: withValues,
      }),
    unlistedAuthUsers: (after, limit) =>
      callAs(unlistedSchema, "clerk_sync_unlisted_auth_users", { p_after: after, p_limit: limit }),
    compareRecords: (kind, records, withValues) =>
      callAs(comparedRecordsSchema, "clerk_sync_compare_records", {
        p_kind: kind,
        p_records: records,
        p_with_values: withValues,
      }),
    unmarkedRecords: (kind, after, limit) =>
      callAs(unmarkedRecordsSchema, "clerk_sync_unmarked_records", { p_kind: kind, p_after: after, p_limit: limit }),
    countUnmarked: () => callAs(unmarkedCountSchema, "clerk_sync_count_unmarked", {}),
    sampleUsers: (limit) => callAs(z.array(z.string()), "clerk_sync_sample_users", { p_limit: limit }),
    jobsState: (id) => callAs(jobsStateSchema, "clerk_sync_run_progress", { p_id: id }),
  };
}
