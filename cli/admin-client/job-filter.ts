import type { Command } from "commander";
import { z } from "zod";
import type { JobFilter } from "#core/admin/contract/jobs.ts";
import { jobStatuses, jobTypes } from "#core/database/job.ts";
import { readSince } from "../audit/read-since.ts";

const statusOption = z
  .string()
  .transform((text) => text.toUpperCase().split(","))
  .pipe(z.array(z.enum(jobStatuses)).min(1));

/** The options by which jobs are chosen. */
export const filterOptionsSchema = z.object({
  status: statusOption.optional(),
  type: z.string().toUpperCase().pipe(z.enum(jobTypes)).optional(),
  source: z.string().optional(),
  code: z.string().optional(),
  user: z.string().optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  q: z.string().optional(),
});

/** Adds them to a command. */
export function addFilterOptions(command: Command): Command {
  return command
    .option("--status <list>", `comma separated: ${jobStatuses.join(", ").toLowerCase()}`)
    .option("--type <type>", jobTypes.join(", ").toLowerCase())
    .option("--source <source>", "webhook, refresh, ensure, backfill, reconcile")
    .option("--code <code>", "what stands before the colon of the error")
    .option("--user <id>", "the user's Clerk id")
    .option("--since <time>", "received after: 30m, 24h, 7d or a time")
    .option("--until <time>", "received before: 30m, 24h, 7d or a time")
    .option("--q <text>", "find by Clerk id, event id, job id or email");
}

/** What sync-admin is asked for. Throws SyncError `usage_invalid` for a time that is none. */
export function toFilter(options: z.infer<typeof filterOptionsSchema>, now: number): JobFilter {
  const { status, type, source, code, user, since, until, q } = options;
  return {
    ...(status && { status }),
    ...(type && { job_type: type }),
    ...(source && { source }),
    ...(code && { code }),
    ...(user && { clerk_id: user }),
    ...(since && { created_after: readSince(since, now) }),
    ...(until && { created_before: readSince(until, now, "--until") }),
    ...(q && { q }),
  };
}
