import { z } from "zod";
import type { DeleteBrake } from "../config/config.ts";
import { parseMapping, type RuntimeMapping } from "../config/mapping.ts";
import type { RecordKind } from "../config/sources.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { Json } from "../sanitise.ts";
import { type JobType, jobKinds, jobSchema } from "./job.ts";
import { type ObjectFinding, objectFindingSchema } from "./object-findings.ts";

/** A service behind a circuit breaker; its state is in clerk_sync.circuits. */
export type CircuitName = "auth" | "clerk";

/** What one batch saw of a service; see clerk_sync.record_calls. `retry_after` is in seconds. */
export type CircuitCalls = {
  name: CircuitName;
  /** Calls that the service answered, also with a refusal. */
  successes: number;
  failures: number;
  /** Failures in a row, after the last call that the service answered. */
  streak: number;
  /** Users in a row whose calls failed although the service works, each once. */
  failed_users?: string[];
  /** They are those after a user whose call succeeded. */
  any_user_worked?: boolean;
  code?: ErrorCode;
  retry_after?: number;
};

/** A job to enqueue; see clerk_sync_enqueue. With a dead_reason it becomes a dead letter at once. */
export type NewJob = {
  event_id: string;
  /** What it is about; a user when it is not given. */
  kind?: RecordKind;
  job_type: JobType;
  /** Clerk's id of the user, or of the other record. */
  clerk_id: string | null;
  version: number;
  payload: { [key: string]: Json };
  source?: string;
  /** ISO 8601: the payload was read from Clerk's API, and that read began then. */
  read_at?: string;
  /** A compare of Supabase Auth makes this deletion: the user may be there alone. */
  for_auth_only?: boolean;
  dead_reason?: string;
};

/**
 * How one attempt ended; see clerk_sync_settle_jobs. `retry_after` is in seconds. `circuit`: the service that failed
 * (retry), or was not called any more (waiting).
 */
export type JobOutcome = {
  job_id: string;
  outcome: "completed" | "read" | "retry" | "dead" | "released" | "waiting" | "locked";
  error?: string;
  retry_after?: number;
  circuit?: CircuitName;
  auth_user_id?: string | null;
  /** The Auth user that is locked to be adopted, and when that was; `retry_after` is how long the job waits. */
  auth_holder_id?: string;
  auth_locked_at?: string;
  mirror?: { [key: string]: Json };
};

/** `applied`, where it was tried at once: row (written, the mirror is owed), all (nothing is owed any more) or no. */
export const acceptedEventSchema = z.object({
  event_id: z.string(),
  outcome: z.enum(["queued", "requeued", "duplicate", "exists", "dead"]),
  job_id: z.string().nullable(),
  user: z.object({ id: z.string(), clerk_id: z.string() }).nullable(),
  applied: z.enum(["no", "row", "all"]).optional(),
  /** Why an event that was stored only was left to a worker; see clerk_sync.note_left. */
  left: z.string().nullish(),
});

const mirrorOrderSchema = z.object({
  job_id: z.string(),
  clerk_id: z.string(),
  deleted: z.boolean(),
  /** The mirror is another Clerk id's now. */
  relinked: z.boolean(),
  email: z.string().nullable(),
  email_verified: z.boolean(),
  phone: z.string().nullable(),
  name: z.string().nullable(),
  role: z.string().nullable(),
  banned: z.boolean(),
  auth_user_id: z.string().nullable(),
  /** `auth_address_held`: another Auth user held the address or number at the last attempt. */
  auth_finding: z.string().nullable(),
  /** Who holds the address and is locked, to be adopted, since auth_locked_at. */
  auth_holder_id: z.string().nullable(),
  auth_locked_at: z.string().nullable(),
  /** This one included. */
  attempts: z.number(),
});

const readOrderSchema = z.object({
  job_id: z.string(),
  clerk_id: z.string(),
  kind: z.enum(jobKinds),
  /** Not the record itself is to be read, but the memberships of this organization or user. */
  members: z.boolean(),
  /** Where Clerk lists a membership, as far as it is known. */
  organization_id: z.string().nullable(),
  user_id: z.string().nullable(),
  /** When the read began, by the database's clock. */
  read_at: z.string().nullable(),
});

const batchSchema = z.object({
  token: z.string(),
  jobs: z.array(jobSchema),
  reads: z.array(readOrderSchema),
  mirror: z.array(mirrorOrderSchema),
  alone: z.boolean(),
});
const leasedAloneSchema = z.object({
  token: z.string(),
  jobs: z.array(jobSchema),
  leased: z.array(z.string()),
  is_large: z.boolean(),
  reads: z.array(readOrderSchema),
});
const appliedSchema = z.object({ jobs: z.array(jobSchema), mirror: z.array(mirrorOrderSchema) });
const circuitChangeSchema = z.object({
  name: z.enum(["auth", "clerk"]),
  state: z.enum(["closed", "open"]),
  code: z.string().nullable(),
  seconds: z.number(),
});
const settledSchema = z.object({
  jobs: z.array(jobSchema),
  stale: z.number(),
  circuits: z.array(circuitChangeSchema),
});
const ownRowSchema = z
  .object({ version: z.number().nullable(), at: z.string() })
  .and(
    z.discriminatedUnion("state", [
      z.object({ state: z.literal("present"), row: z.record(z.string(), z.unknown()) }),
      z.object({ state: z.literal("missing") }),
      z.object({ state: z.literal("deleted") }),
    ]),
  );

export type AcceptedEvent = z.infer<typeof acceptedEventSchema>;
/** One user as it is now in the database, owed to Supabase Auth. */
export type MirrorOrder = z.infer<typeof mirrorOrderSchema>;
/** What is to be read from Clerk's API for a job. */
export type ReadOrder = z.infer<typeof readOrderSchema>;
export type Batch = z.infer<typeof batchSchema>;
/** The one job of a lease that runs alone, if one was due; `reads`: its user is to be read first. */
export type LeasedAlone = z.infer<typeof leasedAloneSchema>;
type Applied = z.infer<typeof appliedSchema>;
/** A circuit that opened, for so many seconds, or closed after so many. */
export type CircuitChange = z.infer<typeof circuitChangeSchema>;
export type Settled = z.infer<typeof settledSchema>;
/** What there is of one user; `version` is null when nothing is known, `at` is the database's time of the look. */
export type OwnRow = z.infer<typeof ownRowSchema>;

/** How deletions are applied; a brake of null lets all of them pass. */
export type DeleteRules = { deleteBrake: DeleteBrake | null };

/** leaseSeconds null: no mirror. canRead: this worker takes refreshes, too. */
export type RunJobsArguments = DeleteRules & { limit: number; leaseSeconds: number | null; canRead: boolean };

/** What Clerk's API said of the user of a refresh job; version and payload are absent when it is deleted. */
export type Read = { job_id: string; deleted: boolean; version?: number; payload?: { [key: string]: Json } };

/** `read`: what was read of the user, if that was asked for. `limit`: how long the job may take. */
type AloneLease = { token: string; jobId: string; read: Read | null; limit: AloneLimit };

/** Of a job's first attempt, of the next ones, and of the deletion of an organization with very many members. */
type AloneLimit = "short" | "usual" | "large";

/** What Clerk's API said of a user who has no row; `readAt` is `at` of the look before the read. */
export type EnsureUserArguments = {
  clerkId: string;
  version: number;
  payload: { [key: string]: Json };
  readAt: string;
  maxAttempts: number;
};

/** The door to the database: one method per SQL function of the same name. */
export type Database = {
  /** Durable when it returns. Throws SyncError `database_unavailable` when nothing can be said of that. */
  enqueue: (jobs: readonly NewJob[], maxAttempts: number) => Promise<AcceptedEvent[]>;
  runJobs: (options: RunJobsArguments) => Promise<Batch>;
  /** Applies what was read for jobs of a batch; reads whose lease was lost are dropped. */
  applyReads: (token: string, reads: readonly Read[], mirror: boolean, rules: DeleteRules) => Promise<Applied>;
  /** Sets the first due jobs apart, to run alone; answers how many. */
  setApart: (limit: number, canRead: boolean) => Promise<number>;
  /** Leases one due job that runs alone: its attempt counts from then on, whatever happens to the next call. */
  leaseAlone: (leaseSeconds: number, canRead: boolean, rules: DeleteRules) => Promise<LeasedAlone>;
  /** Applies the job of that lease. */
  applyAlone: (lease: AloneLease, mirror: boolean, rules: DeleteRules) => Promise<Applied>;
  /** Ends the attempts of a batch, and takes down what it saw of the services. */
  settleJobs: (token: string, outcomes: readonly JobOutcome[], calls?: readonly CircuitCalls[]) => Promise<Settled>;
  rescueJobs: () => Promise<number>;
  purgeJobs: (days: number, limit: number) => Promise<number>;
  ownRow: (clerkId: string) => Promise<OwnRow>;
  /** Makes the row of one user and queues its mirror, unless it is there by now. */
  ensureUser: (options: EnsureUserArguments) => Promise<OwnRow>;
  /** Has users read again from Clerk's API by the next worker that can; answers how many. */
  requestRefresh: (clerkIds: readonly string[], reason: string) => Promise<number>;
  /** Null when the database has none of our functions. */
  /** The mapping that this database was migrated with. */
  mapping: () => Promise<RuntimeMapping>;
  schemaVersion: () => Promise<string | null>;
  /** Why the database takes no writes; null when it does. */
  writeFailure: () => Promise<string | null>;
  /** The objects of the sync that are not as the last migration left them. */
  objectFindings: () => Promise<ObjectFinding[]>;
  isSuperAdmin: (authUserId: string) => Promise<boolean>;
};

/** How long a call may take; without it 8 s, which is PostgREST's limit on Supabase. */
type CallLimit = { limitMilliseconds?: number };

/**
 * Calls public.<name> with named arguments and returns its value; adapters supply it (pg, postgrest-js). After the limit
 * pg has the statement cancelled; over PostgREST the caller only stops waiting.
 */
export type CallFunction = (
  name: string,
  args: Readonly<Record<string, unknown>>,
  limit?: CallLimit,
) => Promise<unknown>;

/** A call that applies several jobs. PostgreSQL cuts it then, and they run alone; see clerk_sync_run_jobs. */
const sharedLimit = { limitMilliseconds: 2000 };

const aloneCalls = {
  short: { name: "clerk_sync_try_alone", limitMilliseconds: 500 },
  usual: { name: "clerk_sync_apply_alone", limitMilliseconds: 8000 },
  large: { name: "clerk_sync_apply_large", limitMilliseconds: 60_000 },
} as const;

/** Makes the door over one way of calling SQL functions, and checks what comes back. */
export function createDatabase(call: CallFunction): Database {
  const callAs = createCallAs(call);
  return {
    enqueue: (jobs, maxAttempts) =>
      callAs(z.array(acceptedEventSchema), "clerk_sync_enqueue", { p_jobs: jobs, p_max_attempts: maxAttempts }),
    runJobs: ({ limit, leaseSeconds, canRead, ...rules }) =>
      callAs(
        batchSchema,
        "clerk_sync_run_jobs",
        { p_limit: limit, p_lease_seconds: leaseSeconds, p_can_read: canRead, ...ruleArguments(rules) },
        sharedLimit,
      ),
    applyReads: (token, reads, mirror, rules) =>
      callAs(
        appliedSchema,
        "clerk_sync_apply_reads",
        { p_token: token, p_reads: reads, p_mirror: mirror, ...ruleArguments(rules) },
        sharedLimit,
      ),
    setApart: (limit, canRead) => callAs(z.number(), "clerk_sync_set_apart", { p_limit: limit, p_can_read: canRead }),
    leaseAlone: (leaseSeconds, canRead, { deleteBrake }) =>
      callAs(leasedAloneSchema, "clerk_sync_lease_alone", {
        p_lease_seconds: leaseSeconds,
        p_can_read: canRead,
        p_delete_brake: deleteBrake,
      }),
    applyAlone: ({ token, jobId, read, limit }, mirror, rules) => {
      const args = { p_token: token, p_job_id: jobId, p_read: read, p_mirror: mirror, ...ruleArguments(rules) };
      const { name, ...rest } = aloneCalls[limit];
      return callAs(appliedSchema, name, args, rest);
    },
    settleJobs: (token, outcomes, calls = []) =>
      callAs(settledSchema, "clerk_sync_settle_jobs", { p_token: token, p_outcomes: outcomes, p_calls: calls }),
    rescueJobs: () => callAs(z.number(), "clerk_sync_rescue_jobs", {}),
    purgeJobs: (days, limit) => callAs(z.number(), "clerk_sync_purge_jobs", { p_days: days, p_limit: limit }),
    ownRow: (clerkId) => callAs(ownRowSchema, "clerk_sync_own_row", { p_clerk_id: clerkId }),
    ensureUser: ({ clerkId, version, payload, readAt, maxAttempts }) =>
      callAs(ownRowSchema, "clerk_sync_ensure_user", {
        p_clerk_id: clerkId,
        p_version: version,
        p_payload: payload,
        p_read_at: readAt,
        p_max_attempts: maxAttempts,
      }),
    requestRefresh: (clerkIds, reason) =>
      callAs(z.number(), "clerk_sync_request_refresh", { p_clerk_ids: clerkIds, p_reason: reason }),
    isSuperAdmin: (authUserId) => callAs(z.boolean(), "clerk_sync_is_super_admin", { p_auth_user_id: authUserId }),
    mapping: async () => parseMapping(await call("clerk_sync_mapping", {})),
    schemaVersion: () => callAs(z.string(), "clerk_sync_schema_version", {}).catch(nullIfMissing),
    writeFailure: () => callAs(z.string().nullable(), "clerk_sync_write_failure", {}),
    objectFindings: () => callAs(z.array(objectFindingSchema), "clerk_sync_object_findings", {}),
  };
}

/** How the SQL functions that apply jobs take their rules. */
function ruleArguments({ deleteBrake }: DeleteRules): Record<string, unknown> {
  return { p_delete_brake: deleteBrake };
}

/** Makes calls that check what the function answered. They throw SyncError `database_answer_invalid` besides. */
export function createCallAs(call: CallFunction) {
  return async <Output>(
    schema: z.ZodType<Output>,
    name: string,
    args: Record<string, unknown>,
    limit?: CallLimit,
  ): Promise<Output> => parseAnswer(schema, name, await call(name, args, limit));
}

function parseAnswer<Output>(schema: z.ZodType<Output>, name: string, answer: unknown): Output {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new SyncError(
    "database_answer_invalid",
    `${name} answered in a form this version does not know. Run the migrations.`,
    {
      cause: parsed.error,
    },
  );
}

/**
 * True when a job may be why the call failed as a whole: it was cancelled, its connection was lost, or the commit was refused.
 * Not so when the database says of itself that it cannot now (locks, deadlocks, room, read-only), or what is missing in it.
 */
export function mayBeJobsFault(error: unknown): boolean {
  if (!(error instanceof SyncError)) return false;
  const code = (error.cause as { code?: unknown } | undefined)?.code;
  const isState = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
  if (!isState) return error.code === "database_unavailable";
  return /^(08|57|23|27|P0|XX)/.test(code);
}

/** There is no such function, in the words of PostgreSQL or of PostgREST. */
function nullIfMissing(error: unknown): null {
  const code = error instanceof SyncError ? (error.cause as { code?: unknown } | undefined)?.code : undefined;
  if (code === "42883" || code === "PGRST202") return null;
  throw error;
}

/** SQLSTATEs after which the same call may succeed: connection, resources, operator, rollback, locks, disk, read-only. */
const retryableState = /^(08|53|57|40|55|58|25006)/;

/**
 * Turns a failed call into a SyncError: `database_unavailable` (try again later) or `database_rejected`
 * (the statement itself was refused). `state` is the SQLSTATE; none means the database was not reached.
 */
export function databaseError(name: string, state: string | undefined, cause: unknown): SyncError {
  if (state === undefined || retryableState.test(state)) {
    return new SyncError("database_unavailable", `${name} could not be called: the database is not available.`, {
      retryable: true,
      cause,
    });
  }
  return new SyncError("database_rejected", `${name} was refused with SQLSTATE ${state}. Are the migrations applied?`, {
    cause,
  });
}
