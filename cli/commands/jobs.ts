import type { Command } from "commander";
import { z } from "zod";
import { changedSchema, jobPageSchema, jobSchema } from "#core/admin-jobs-contract.ts";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { addAdminOptions, adminOptionsSchema, openAdmin, readOptions } from "../operate/admin-options.ts";
import { changeMatching, type JobVerb } from "../operate/change-matching.ts";
import { formatJob, formatJobs } from "../operate/format-jobs.ts";
import { addFilterOptions, filterOptionsSchema, toFilter } from "../operate/job-filter.ts";

const examples = `
Examples:
  $ clerk-sync jobs list --status dead
  $ clerk-sync jobs show 0191… --env-file .env.clerk-sync
  $ clerk-sync jobs retry --all --status dead --code auth_unavailable
  $ clerk-sync jobs cancel 0191… 0192… --json

Who did it goes into the audit as "cli" and the name of the user of this machine.`;

const listSchema = adminOptionsSchema.extend(filterOptionsSchema.shape).extend({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().optional(),
});
const showSchema = adminOptionsSchema.extend({ reveal: z.boolean().default(false) });
const changeSchema = adminOptionsSchema.extend(filterOptionsSchema.shape).extend({
  all: z.boolean().default(false),
  yes: z.boolean().default(false),
});

/** Adds `clerk-sync jobs list|show|retry|cancel`. */
export function addJobsCommand(program: Command, io: CommandIo): void {
  const jobs = program.command("jobs").description("List, show, retry and cancel jobs.").addHelpText("after", examples);
  addAdminOptions(addFilterOptions(jobs.command("list").description("Jobs that match, newest first.")))
    .option("--limit <n>", "how many at most", "50")
    .option("--cursor <text>", "where the page before ended")
    .action(async (given: unknown) => list(readOptions(listSchema, given), io));
  addAdminOptions(jobs.command("show <id>").description("One job, with its history and payload."))
    .option("--reveal", "show personal values; that goes into the audit")
    .action(async (id: string, given: unknown) => show(id, readOptions(showSchema, given), io));
  for (const verb of ["retry", "cancel"] as const) addChange(jobs, verb, io);
}

function addChange(jobs: Command, verb: JobVerb, io: CommandIo): void {
  const what = verb === "retry" ? "Make failed, dead or cancelled jobs due." : "Take jobs out of the queue.";
  addAdminOptions(addFilterOptions(jobs.command(`${verb} [ids...]`).description(what)))
    .option("--all", "all that match the options, instead of ids")
    .option("--yes", "do not ask")
    .action(async (ids: string[], given: unknown) => change(verb, ids, readOptions(changeSchema, given), io));
}

async function list(options: z.infer<typeof listSchema>, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const { limit, cursor } = options;
  const page = await call.get("/jobs", jobPageSchema, { ...toFilter(options, io.clock.now()), limit, cursor });
  if (options.json) return io.print(JSON.stringify(page));
  for (const line of formatJobs(page.jobs)) io.print(line);
  if (page.next !== null) io.note(`There are more: --cursor ${page.next}`);
}

async function show(id: string, options: z.infer<typeof showSchema>, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const path = `/jobs/${encodeURIComponent(id)}`;
  const job = options.reveal ? await call.post(`${path}/reveal`, jobSchema) : await call.get(path, jobSchema);
  if (options.json) return io.print(JSON.stringify(job));
  for (const line of formatJob(job)) io.print(line);
}

async function change(
  verb: JobVerb,
  ids: string[],
  options: z.infer<typeof changeSchema>,
  io: CommandIo,
): Promise<void> {
  if (ids.length > 0 === options.all) {
    throw new SyncError("usage_invalid", "Name the jobs by their ids, or pass --all with what they have to match.");
  }
  const call = await openAdmin(options, io);
  const filter = toFilter(options, io.clock.now());
  const changed = options.all
    ? await changeMatching(call, { verb, filter, isAgreed: options.yes }, io)
    : (await call.post(`/jobs/${verb}`, changedSchema, { ids })).changed;
  const done = verb === "retry" ? "due again" : "cancelled";
  io.print(options.json ? JSON.stringify({ changed }) : `${changed} ${changed === 1 ? "job is" : "jobs are"} ${done}.`);
  if (!options.all && changed < ids.length) io.setExitCode(1); // some are finished, unknown, or not in a state for it
}
