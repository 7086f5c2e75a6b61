import { z } from "zod";
import { jobSummarySchema, time } from "../../database/job.ts";

// What sync-admin says of one user. Personal values (emails, names, phones) are masked unless revealed.

/** What the sync remembers of a user. */
const userStateSchema = z.object({
  version: z.number().nullable(),
  deleted_at: time.nullable(),
  synced_at: time.nullable(),
  mirrored_version: z.number().nullable(),
  auth_user_id: z.string().nullable(),
  /** auth_address_held: another Auth user holds the address or number, and the mirror has a placeholder. */
  auth_finding: z.string().nullable(),
  refresh_due_at: time.nullable(),
  refresh_reason: z.string().nullable(),
  /** Columns that did not take what Clerk has, with the kind of the value: array, object, number, boolean or text. */
  ignored: z.record(z.string(), z.string()).nullable(),
  /** The row without a Clerk id that has the user's address and was not linked, because rows reference the user's row. */
  unlinked_row: z.string().nullable(),
});

/** A JSON value as the table, Clerk or Supabase Auth has it. */
const fieldValue = z.unknown();

/** A column that the sync writes, with what of Clerk goes there by the names of the configuration. */
const mappedColumnSchema = z.object({
  name: z.string(),
  source: z.string(),
  value: fieldValue,
  /** Why the column may hold something else than Clerk says; null: it may not. */
  rule: z
    .object({
      /** Any other value becomes the default. */
      allowed: z.array(z.string()).optional(),
      /** What stands where Clerk has no value; {id} stands for the Clerk id. */
      default: z.union([z.string(), z.number(), z.boolean()]).optional(),
      /** The column's own default stands where Clerk has no value. */
      own_default: z.literal(true).optional(),
      /** The first value is kept. */
      once: z.literal(true).optional(),
    })
    .nullable(),
});

/** One user as SQL describes one (clerk_sync_users): the shape of a list, of one user and of the command line. */
export const userRecordSchema = z.object({
  clerk_id: z.string(),
  /** The table of users, as SQL writes its name. */
  table: z.string(),
  /** What the sync writes there, in the order of the table; each value is null where there is no row. */
  columns: z.array(mappedColumnSchema),
  /** What of the row has a name of its own, whatever its column is called; null: there is no row. */
  row: z
    .object({
      id: z.string(),
      email: z.string().nullable(),
      name: z.string().nullable(),
      role: z.string().nullable(),
      deleted_at: time.nullable(),
    })
    .nullable(),
  /** Null for a user of whom nothing was ever applied. */
  state: userStateSchema.nullable(),
  /** What Supabase Auth is given beside the row; email, name and role only where the row has no column for them. */
  values: z
    .object({
      email: z.string().nullable(),
      name: z.string().nullable(),
      role: z.string().nullable(),
      phone: z.string().nullable(),
      banned: z.boolean(),
    })
    .nullable(),
  open_jobs: z.number().int(),
  dead_jobs: z.number().int(),
});

/** Two lists: users that are there, and users that are deleted. */
export const userLists = ["present", "deleted"] as const;

/** What a search looked at besides ids and jobs: the mapped columns that hold texts. */
const searchSchema = z.object({
  searched: z.array(z.string()),
  /** Columns that no index helps with, which are not read; `remedy` is the statement that makes one. */
  not_searched: z.array(z.object({ name: z.string(), remedy: z.string() })),
  /** More rows hold the text than are listed. */
  is_cut: z.boolean(),
});

/** A page of users as SQL answers it (clerk_sync_admin_users); the newest sign-up first. */
export const storedUserPageSchema = z.object({
  users: z.array(userRecordSchema),
  next: z.string().nullable(),
  search: searchSchema.nullable(),
});

/** The same as the API answers it. */
export const userPageSchema = storedUserPageSchema.extend({
  /** Null without `q`. */
  search: searchSchema
    .extend({
      /** What the search left out, in a sentence; null when there is nothing to say. */
      note: z.string().nullable(),
    })
    .nullable(),
});

/** The same fields at all three places; null: the place has the user, but no value. */
export const comparedFields = ["email", "name", "role", "phone", "banned", "updated_at"] as const;
const placeValues = z.partialRecord(z.enum(comparedFields), z.union([z.string(), z.boolean(), z.null()]));

/**
 * A line of the comparison: a column, or (source null) what the sync keeps beside the row. A place that does not have the
 * user, or has no such field, has no value.
 */
const comparedLineSchema = z.object({
  name: z.string(),
  source: z.string().nullable(),
  clerk: fieldValue.optional(),
  users: fieldValue.optional(),
  auth: fieldValue.optional(),
  differs: z.boolean(),
});

/**
 * What one place knows: `present`, `absent`, `unknown` (it did not answer) or `off` (not configured). `reason` is a sentence
 * about it; null when the user is present and nothing more is to be said.
 */
const placeSchema = z.object({
  state: z.enum(["present", "absent", "unknown", "off"]),
  reason: z.string().nullable(),
  id: z.string().nullable(),
  values: placeValues,
});

/** What a verdict can be. The sentences of each are in admin/user/user-words.ts. */
const verdictCodes = [
  "in_step",
  "dead_letter",
  "delete_brake",
  "circuit_open",
  "waiting_retry",
  "queue_late",
  "auth_adopting",
  "under_way",
  "email_held",
  "refresh_due",
  "cancelled",
  "row_not_at_clerk",
  "auth_left_over",
  "unknown_user",
  "deleted",
  "tombstone",
  "never_delivered",
  "row_missing",
  "version_ahead",
  "stale",
  "row_differs",
  "edited",
  "clerk_unanswered",
  "never_seen",
  "auth_unanswered",
  "auth_skipped",
  "auth_missing",
  "auth_address_held",
  "auth_behind",
] as const;

/** Why the user is out of sync and what to do; `in_step` when nothing is wrong. */
const verdictSchema = z.object({
  code: z.enum(verdictCodes),
  in_step: z.boolean(),
  /** The verdict in a few words. */
  title: z.string(),
  what: z.string(),
  remedy: z.string(),
  /** The job that tells more. */
  job_id: z.uuid().nullable(),
  /** Another user who is part of the problem: the one who holds the address. */
  other_clerk_id: z.string().nullable(),
});

export const userSchema = userRecordSchema.extend({
  is_revealed: z.boolean(),
  verdict: verdictSchema,
  clerk: placeSchema,
  users: placeSchema,
  auth: placeSchema,
  /** The three places line by line: the columns in the order of the table, then what no column has. */
  comparison: z.array(comparedLineSchema),
  /** What is not the same everywhere: names of columns, and of what the sync keeps beside the row. */
  differences: z.array(z.string()),
  /** Which columns ignored what Clerk has, and why; null when none did. */
  ignored_note: z.string().nullable(),
  /** Which row was not linked to the user, and how to do it; null when there is none. */
  unlinked_note: z.string().nullable(),
  /** The newest hundred, newest first. */
  jobs: z.array(jobSummarySchema),
});

/** The user is read again from Clerk's API by the next worker, which is woken. */
export const resyncedSchema = z.object({ requested: z.number().int() });

export type UserRecord = z.infer<typeof userRecordSchema>;
export type UserList = (typeof userLists)[number];
export type StoredUserPage = z.infer<typeof storedUserPageSchema>;
export type UserPage = z.infer<typeof userPageSchema>;
export type MappedColumn = z.infer<typeof mappedColumnSchema>;
export type ComparedLine = z.infer<typeof comparedLineSchema>;
export type Place = z.infer<typeof placeSchema>;
export type ComparedField = (typeof comparedFields)[number];
export type VerdictCode = (typeof verdictCodes)[number];
export type Verdict = z.infer<typeof verdictSchema>;
export type UserState = z.infer<typeof userStateSchema>;
export type User = z.infer<typeof userSchema>;
