import { z } from "zod";
import { time } from "../../database/job.ts";
import { jobCountsSchema, moment } from "./jobs.ts";

// What sync-admin says of the system: who asks, overview, charts, runs, audit.

/** Viewers read; operators act as well, and reveal. */
export const rights = ["viewer", "operator"] as const;

/** Who asks. name is what the audit says of an action. */
export const callerSchema = z.object({
  right: z.enum(rights),
  name: z.string(),
  by: z.enum(["secret_key", "admin_token", "session_token"]),
  expires_at: time.nullable(),
});

/**
 * Asks for an admin token, which a browser may keep for a while where it must not keep the secret key. Without a right
 * it is the caller's own; an operator may ask for that of a viewer, to hand it out.
 */
export const signInSchema = z
  .object({ name: z.string().trim().min(1).max(80), right: z.enum(rights).optional() })
  .strict();

export const signedInSchema = z.object({ token: z.string(), caller: callerSchema });

const healthReasonSchema = z.object({
  code: z.string(),
  status: z.enum(["degraded", "compromised"]),
  what: z.string(),
  since: time.nullish(),
  remedy: z.string(),
});

export const circuitSchema = z.object({
  name: z.string(),
  state: z.enum(["closed", "open", "half_open"]),
  since: time.nullable(),
  failures: z.number().int(),
  next_probe: time.nullable(),
  last_error: z.string().nullable(),
  waiting: z.number().int(),
});

export const brakeSchema = z.object({
  engaged_at: time.nullable(),
  reason: z.string().nullable(),
  released_at: time.nullable(),
  waiting: z.number().int(),
});

/** What a call of the brake's release changed, and how many deletions still wait: call again until none does. */
export const brakeReleasedSchema = z.object({ changed: z.number().int(), left: z.number().int() });

export const circuitResetSchema = z.object({ was_open: z.boolean() });

export const runSchema = z.object({
  id: z.uuid(),
  kind: z.enum(["backfill", "sweep", "compare"]),
  status: z.enum(["RUNNING", "COMPLETED", "FAILED", "CANCELLED"]),
  /** false: a dry run, which only counts. */
  applies: z.boolean(),
  /** A backfill of these columns alone, and what Clerk says for them; null: of all. */
  columns: z.array(z.string()).nullable(),
  sources: z.array(z.string()).nullable(),
  phase: z.string(),
  counts: z.record(z.string(), z.number()),
  steps: z.number().int(),
  users_at_clerk: z.number().nullable(),
  error: z.string().nullable(),
  started_at: time,
  updated_at: time,
  finished_at: time.nullable(),
});

/** Newest first. */
export const runsSchema = z.object({ runs: z.array(runSchema), next: z.string().nullish() });

/** What the first page needs, in one answer. */
export const overviewSchema = z.object({
  now: time,
  version: z.string(),
  health: z.object({
    status: z.enum(["healthy", "degraded", "compromised"]),
    reasons: z.array(healthReasonSchema),
  }),
  jobs: jobCountsSchema,
  oldest_due_at: time.nullable(),
  users: z.number().int(),
  last_event_at: time.nullable(),
  last_applied_at: time.nullable(),
  /** Of the newest compare; null before the first. */
  drift: z.object({ users: z.number().int(), read: z.number().int(), at: time }).nullable(),
  circuits: z.array(circuitSchema),
  brake: brakeSchema,
  open_run: runSchema.nullable(),
});

export const windows = ["1h", "24h", "7d"] as const;

/**
 * One interval of the charts. Latency is in milliseconds, from receipt to completion of what Clerk sent; null when
 * nothing of that completed.
 */
const pointSchema = z.object({
  at: time,
  received: z.number().int(),
  completed: z.number().int(),
  failed_attempts: z.number().int(),
  dead: z.number().int(),
  latency_p50: z.number().nullable(),
  latency_p95: z.number().nullable(),
});

export const seriesSchema = z.object({
  window: z.enum(windows),
  interval_seconds: z.number().int(),
  points: z.array(pointSchema),
});

/** A run to start, or the open one of that kind to carry on, for one slice of at most some seconds. */
export const runRequestSchema = z
  .object({ kind: z.enum(["backfill", "sweep", "compare"]), applies: z.boolean() })
  .strict();

/** Whether to call again, and the users found out of step in this slice. */
export const runSliceSchema = z.object({
  run: runSchema.nullable(),
  is_over: z.boolean(),
  differences: z.array(z.object({ clerk_id: z.string(), kind: z.string(), fields: z.array(z.string()) })),
});

const auditEntrySchema = z.object({
  kind: z.string(),
  at: time,
  source: z.string(),
  subject: z.string(),
  code: z.string(),
  count: z.number().int(),
  last_at: time,
  detail: z.record(z.string(), z.unknown()),
});

/** Newest first; as with jobs a page may be short and have a next one: 10,000 entries are looked at a page. */
export const auditPageSchema = z.object({ entries: z.array(auditEntrySchema), next: z.string().nullable() });

/** What there is to filter the audit by; `since` by the last time of an entry. */
export const auditFilterSchema = z
  .object({
    kind: z.string().max(40),
    source: z.string().max(200),
    subject: z.string().max(200),
    since: moment,
  })
  .partial()
  .strict();

/** Every refusal: a sentence that says what to do, and the code that docs/errors.md explains. */
export const refusalSchema = z.object({ error: z.string(), code: z.string() });

export type Right = (typeof rights)[number];
export type Caller = z.infer<typeof callerSchema>;
export type HealthReason = z.infer<typeof healthReasonSchema>;
export type Circuit = z.infer<typeof circuitSchema>;
export type Brake = z.infer<typeof brakeSchema>;
export type AdminRun = z.infer<typeof runSchema>;
export type Overview = z.infer<typeof overviewSchema>;
export type Window = (typeof windows)[number];
export type RunRequest = z.infer<typeof runRequestSchema>;
export type SignIn = z.infer<typeof signInSchema>;
export type AuditFilter = z.infer<typeof auditFilterSchema>;
export type Series = z.infer<typeof seriesSchema>;
export type RunSlice = z.infer<typeof runSliceSchema>;
export type AuditEntry = z.infer<typeof auditEntrySchema>;
export type AuditPage = z.infer<typeof auditPageSchema>;
