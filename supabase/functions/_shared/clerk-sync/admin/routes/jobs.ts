import { z } from "zod";
import { jobStatuses, type StoredJob } from "../../database/job.ts";
import { SyncError } from "../../errors.ts";
import type { AdminCaller } from "../caller.ts";
import {
  type Advice,
  changedSchema,
  countSchema,
  type DeadLetterGroup,
  deadLettersSchema,
  type Job,
  jobActionSchema,
  jobCountsSchema,
  jobFilterSchema,
  jobPageSchema,
  jobSchema,
} from "../contract/jobs.ts";
import type { AdminDatabase } from "../database.ts";
import { explainError, explainJob } from "../job-words.ts";
import { maskAddresses, maskPersonal } from "../mask-personal.ts";
import { type AdminRoute, defineRoute } from "../route.ts";

type JobRouteOptions = {
  database: AdminDatabase;
  /** Called after jobs became due. */
  onQueued: () => void;
};

export const idParams = z.object({ id: z.uuid() });

/** A list's place and length, as parameters of the address. */
export const pageQuery = z.object({
  cursor: z.string().max(2000).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** The filter as parameters of the address; statuses are separated by commas. */
const filterQuery = jobFilterSchema.extend({
  status: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(jobStatuses)).min(1))
    .optional(),
});

const countRequestSchema = z.object({ filter: jobFilterSchema, action: z.enum(["retry", "cancel"]) }).strict();

/** Lists, one job, counts, dead letters, and what may be done to jobs. */
export function createJobRoutes({ database, onQueued }: JobRouteOptions): AdminRoute[] {
  return [
    defineRoute({
      method: "get",
      path: "/jobs",
      summary: "Jobs that match every condition, newest first",
      right: "viewer",
      query: filterQuery.extend(pageQuery.shape),
      answer: jobPageSchema,
      handle: async ({ query: { cursor, limit, ...filter } }) => {
        const page = await database.jobs(filter, { cursor: cursor ?? null, limit });
        return { ...page, jobs: page.jobs.map(maskError) };
      },
    }),
    defineRoute({
      method: "get",
      path: "/jobs/counts",
      summary: "How many jobs match in each status",
      right: "viewer",
      query: filterQuery,
      answer: jobCountsSchema,
      handle: ({ query }) => database.jobCounts(query),
    }),
    defineRoute({
      method: "post",
      path: "/jobs/count",
      summary: "How many jobs an action would change",
      right: "viewer",
      body: countRequestSchema,
      answer: countSchema,
      handle: ({ body: { filter, action } }) => database.countJobs(filter, action),
    }),
    defineRoute({
      method: "get",
      path: "/jobs/{id}",
      summary: "One job with its history; personal values are masked",
      right: "viewer",
      params: idParams,
      answer: jobSchema,
      handle: async ({ params }) => maskJob(await readJob(database, params.id)),
    }),
    defineRoute({
      method: "get",
      path: "/dead-letters",
      summary: "Dead letters by error code",
      right: "viewer",
      answer: deadLettersSchema,
      handle: async () => {
        const { groups, is_complete } = await database.deadLetters();
        return { groups: groups.map(describeGroup), is_complete };
      },
    }),
    defineRoute({
      method: "post",
      path: "/jobs/{id}/reveal",
      summary: "One job with its payload as it is; goes into the audit",
      right: "operator",
      params: idParams,
      answer: jobSchema,
      handle: ({ params }, caller) => revealJob(database, params.id, caller),
    }),
    defineRoute({
      method: "post",
      path: "/jobs/retry",
      summary: "Makes failed, dead or cancelled jobs due; goes into the audit",
      right: "operator",
      body: jobActionSchema,
      answer: changedSchema,
      handle: async ({ body }, { name }) => {
        const answer = await database.changeJobs("retry", body, name);
        onQueued();
        return answer;
      },
    }),
    defineRoute({
      method: "post",
      path: "/jobs/cancel",
      summary: "Takes jobs out of the queue; goes into the audit",
      right: "operator",
      body: jobActionSchema,
      answer: changedSchema,
      handle: ({ body }, { name }) => database.changeJobs("cancel", body, name),
    }),
  ];
}

type StoredGroup = Omit<DeadLetterGroup, keyof Advice>;

async function readJob(database: AdminDatabase, id: string): Promise<StoredJob> {
  const job = await database.job(id);
  if (job === null) throw new SyncError("not_found", "There is no job with this id; finished ones are purged in time.");
  return job;
}

async function revealJob(database: AdminDatabase, id: string, { name }: AdminCaller): Promise<Job> {
  const job = await readJob(database, id);
  await database.noteAction({ actor: name, code: "reveal_job", subject: id });
  return { ...job, is_revealed: true, trouble: explainJob(job) };
}

function maskJob(job: StoredJob): Job {
  const { history, result, payload } = job;
  return {
    ...maskError(job),
    history: history.map((entry) => maskError(entry)),
    result: maskPersonal(result),
    payload: maskPersonal(payload),
    is_revealed: false,
    trouble: explainJob(job),
  };
}

function describeGroup(group: StoredGroup): DeadLetterGroup {
  return { ...group, ...explainError(group.sample_error), sample_error: maskAddresses(group.sample_error) };
}

/** An error tells of calls and rules; should one carry an address all the same, it is masked. */
export function maskError<Entry extends { error?: string | null | undefined }>(entry: Entry): Entry {
  return typeof entry.error === "string" ? { ...entry, error: maskAddresses(entry.error) } : entry;
}
