import { z } from "zod";

// A job as SQL describes it: one shape for the worker, the command line and the page.

export const jobStatuses = ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "DEAD", "CANCELLED"] as const;
export const jobTypes = [
  "USER_CREATED",
  "USER_UPDATED",
  "USER_DELETED",
  "ORGANIZATION_CREATED",
  "ORGANIZATION_UPDATED",
  "ORGANIZATION_DELETED",
  "MEMBERSHIP_CREATED",
  "MEMBERSHIP_UPDATED",
  "MEMBERSHIP_DELETED",
  "ROLE_CREATED",
  "ROLE_UPDATED",
  "ROLE_DELETED",
  "PERMISSION_CREATED",
  "PERMISSION_UPDATED",
  "PERMISSION_DELETED",
  "INVITATION_CREATED",
  "INVITATION_UPDATED",
  "INVITATION_DELETED",
] as const;

/** What a job is about. */
export const jobKinds = ["user", "organization", "membership", "role", "permission", "invitation"] as const;

/** A point in time, ISO 8601 with offset, as PostgreSQL writes it in jsonb. */
export const time = z.string();

/** One line of a list: all but what may be long. */
export const jobSummarySchema = z.object({
  id: z.uuid(),
  job_type: z.enum(jobTypes),
  status: z.enum(jobStatuses),
  source: z.string(),
  clerk_id: z.string().nullable(),
  event_id: z.string().nullable(),
  version: z.number(),
  priority: z.number().int(),
  attempts: z.number().int(),
  max_attempts: z.number().int(),
  /** "code: message"; the message is about calls and rules, never about a person. */
  error: z.string().nullable(),
  created_at: time,
  updated_at: time,
  run_at: time,
  processed_at: time.nullable(),
  lease_until: time.nullable(),
  cancel_requested_at: time.nullable(),
  /** The service (auth, clerk) whose open circuit the job waits for. */
  waits_for: z.string().nullable(),
});

/** One change of state or one attempt, oldest first. */
export const historyEntrySchema = z.object({
  at: time,
  status: z.enum(jobStatuses),
  attempt: z.number().int(),
  error: z.string().optional(),
  /** The operator (page, API, command line) or the database user (SQL) who made the change; the sync made it without one. */
  by: z.string().optional(),
});

/** One job with all that is known of it, unmasked; clerk_sync_job answers it. */
export const storedJobSchema = jobSummarySchema.extend({
  history: z.array(historyEntrySchema),
  result: z.record(z.string(), z.unknown()).nullable(),
  payload: z.record(z.string(), z.unknown()),
});

/** What a worker is answered of a job. */
export const jobSchema = jobSummarySchema.pick({ id: true, job_type: true, status: true, attempts: true, error: true });

export type JobType = (typeof jobTypes)[number];
export type StoredJob = z.infer<typeof storedJobSchema>;
export type Job = z.infer<typeof jobSchema>;
