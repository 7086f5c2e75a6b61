import { z } from "zod";
import {
  type historyEntrySchema,
  jobStatuses,
  jobSummarySchema,
  jobTypes,
  storedJobSchema,
  time,
} from "../../database/job.ts";

// What sync-admin says of jobs and dead letters. The SQL functions clerk_sync_admin_* answer in exactly these shapes;
// the page, the command line and the OpenAPI document take them from here.

/**
 * A point in time that PostgreSQL takes from a request: it has no year 0, and no offset of 16 hours or more. Years end at
 * 9999: arithmetic beyond 294276 overflows.
 */
export const moment = z.iso.datetime({ offset: true }).refine(isMoment, "is no time that PostgreSQL has");

function isMoment(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return year >= 1 && year <= 9999 && !text.startsWith("0000") && !/[+-](1[6-9]|2\d):?\d\d$/.test(text);
}

/** Which jobs: every condition given must hold. `q` finds by Clerk id, event id, job id or email, and nothing else. */
export const jobFilterSchema = z
  .object({
    status: z.array(z.enum(jobStatuses)).min(1),
    job_type: z.enum(jobTypes),
    source: z.string().max(40),
    clerk_id: z.string().max(255),
    event_id: z.string().max(255),
    /** What stands before the colon of the error. */
    code: z.string().max(80),
    created_after: moment,
    created_before: moment,
    q: z.string().min(1).max(255),
  })
  .partial()
  .strict();

/**
 * Newest first; next is null on the last page, else the cursor of the next one. A page may have fewer jobs than asked for,
 * even none, and a next one all the same: for type, source and code 5,000 jobs are looked at a page.
 */
export const jobPageSchema = z.object({ jobs: z.array(jobSummarySchema), next: z.string().nullable() });

/** How many jobs are in each status. The newest `most` of each are looked at; `at_least` names those that have more. */
export const jobCountsSchema = z.object({
  most: z.number().int(),
  statuses: z.record(z.enum(jobStatuses), z.number().int()),
  at_least: z.array(z.enum(jobStatuses)).optional(),
});

/** What an error or a state of a job means, and what to do about it. */
const adviceSchema = z.object({ what: z.string(), remedy: z.string() });

/** `result` and `payload` have personal values masked unless they were revealed. */
export const jobSchema = storedJobSchema.extend({
  is_revealed: z.boolean(),
  /** What keeps the job from its end; null when nothing does. */
  trouble: adviceSchema.nullable(),
});

/** Dead letters of one error code, most first. */
export const deadLetterGroupSchema = adviceSchema.extend({
  code: z.string(),
  count: z.number().int(),
  oldest_at: time,
  newest_at: time,
  job_types: z.record(z.string(), z.number().int()),
  /** The newest one's, as an example. */
  sample_error: z.string(),
  sample_job_id: z.uuid(),
});

/** is_complete is false when there are more dead letters than were looked at (10,000, the newest). */
export const deadLettersSchema = z.object({ groups: z.array(deadLetterGroupSchema), is_complete: z.boolean() });

/**
 * Retry or cancel: by ids, or all that match a filter, in slices. Send the same `operation` (a UUID of the caller's) and
 * `before` (when it began) with each slice until `changed` is 0; stop sending to stop the operation.
 */
export const jobActionSchema = z.union([
  z.object({ ids: z.array(z.uuid()).min(1).max(500) }).strict(),
  z
    .object({
      filter: jobFilterSchema,
      operation: z.uuid(),
      before: moment,
      limit: z.number().int().min(1).max(500).default(500),
    })
    .strict(),
]);

export const changedSchema = z.object({ changed: z.number().int() });

/** is_exact is false when there was more to look at than was looked at: `count` or more. */
export const countSchema = z.object({ count: z.number().int(), is_exact: z.boolean() });

export type JobFilter = z.infer<typeof jobFilterSchema>;
export type JobSummary = z.infer<typeof jobSummarySchema>;
export type JobPage = z.infer<typeof jobPageSchema>;
export type JobCounts = z.infer<typeof jobCountsSchema>;
export type HistoryEntry = z.infer<typeof historyEntrySchema>;
export type Advice = z.infer<typeof adviceSchema>;
export type Job = z.infer<typeof jobSchema>;
export type DeadLetterGroup = z.infer<typeof deadLetterGroupSchema>;
export type DeadLetters = z.infer<typeof deadLettersSchema>;
export type JobAction = z.infer<typeof jobActionSchema>;
