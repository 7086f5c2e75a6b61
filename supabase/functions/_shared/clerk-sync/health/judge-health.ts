import { z } from "zod";
import { schemaVersion } from "../database/schema-version.ts";
import { type ErrorCode, SyncError } from "../errors.ts";

const statuses = ["healthy", "degraded", "compromised"] as const;

const reasonSchema = z.object({
  code: z.string(),
  status: z.enum(["degraded", "compromised"]),
  what: z.string(),
  /** ISO 8601. */
  since: z.string().optional(),
  remedy: z.string(),
});

const answerSchema = z.object({
  status: z.enum(statuses),
  reasons: z.array(reasonSchema),
  facts: z.looseObject({ schema_version: z.string() }),
});

export type HealthStatus = (typeof statuses)[number];
export type HealthReason = z.infer<typeof reasonSchema>;

/** How the sync is; facts are null when the database did not say. */
export type Health = { status: HealthStatus; reasons: HealthReason[]; facts: Record<string, unknown> | null };

/**
 * Judges what clerk_sync_health answered. Thresholds and reasons are the database's (17_health.sql), so
 * that SQL and TypeScript never disagree; added is what only the caller can know: that the schema is not the one its
 * code is written for. Throws SyncError `database_answer_invalid` when the answer has another form.
 */
export function judgeHealth(answer: unknown, expectedVersion = schemaVersion): Health {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    const message = "clerk_sync_health answered in a form this version does not know. Run the migrations.";
    throw new SyncError("database_answer_invalid", message, { cause: parsed.error });
  }
  const { status, reasons, facts } = parsed.data;
  if (facts.schema_version === expectedVersion) return { status, reasons, facts };
  const mismatch = compromised(
    "schema_mismatch",
    `The schema is ${facts.schema_version}, this code is written for ${expectedVersion}.`,
    "Apply the migrations of this version, or deploy the functions and servers of the schema's.",
  );
  return { status: "compromised", reasons: [mismatch, ...reasons], facts };
}

/** The same health, with what this process knows of its own: that the database refuses every event. */
export function judgeRefusal(health: Health, refusal: ErrorCode | null): Health {
  if (refusal === null) return health;
  const reason = compromised(
    "events_refused",
    `The last events could not be stored (${refusal}); they were answered 503, and Clerk delivers them again.`,
    "The log says why, at database.call_failed and webhook.not_stored; docs/errors.md explains the code.",
  );
  const isWorst = ({ status }: HealthReason) => status === "compromised";
  const [worst, others] = [health.reasons.filter(isWorst), health.reasons.filter((one) => !isWorst(one))];
  return { ...health, status: "compromised", reasons: [...worst, reason, ...others] };
}

/** The health of a system whose database did not answer, or not in a form we know. */
export function judgeFailure(error: unknown): Health {
  const code = error instanceof SyncError ? error.code : "database_unavailable";
  const what = error instanceof SyncError ? error.message : "The database did not answer.";
  return {
    status: "compromised",
    reasons: [compromised(code, what, "docs/errors.md explains the code.")],
    facts: null,
  };
}

function compromised(code: string, what: string, remedy: string): HealthReason {
  return { code, status: "compromised", what, remedy };
}
