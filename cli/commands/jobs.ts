import type { Command } from "commander";
import { z } from "zod";
import { type JobFilter, jobPageSchema, jobSchema } from "#core/admin/contract/jobs.ts";
import { SyncError } from "#core/errors.ts";
import { addAdminOptions, adminOptionsSchema, openAdmin, readOptions } from "../admin-client/admin-options.ts";
import { changeMatching, changeNamed, type JobVerb } from "../admin-client/change-matching.ts";
import { formatJob, formatJobs } from "../admin-client/format-jobs.ts";
import { addFilterOptions, filterOptionsSchema, toFilter } from "../admin-client/job-filter.ts";
import { printLines } from "../admin-client/print-lines.ts";
import type { CommandIo } from "../command-io.ts";
import { chooseProgress } from "../progress.ts";

const examples = `
Examples:
  $ clerk-sync jobs list --status dead
  $ clerk-sync jobs show 0191… --env-file .env.clerk-sync
  $ clerk-sync jobs retry --all --status dead --code auth_unavailable
  $ clerk-sync jobs cancel 0191… 0192… --json

retry and cancel take ids, or --all with what the jobs have to match: then they count, ask, and work in slices; Ctrl-C
stops between two. They exit with 1 when not all that was asked for changed.
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

type ListOptions = z.infer<typeof listSchema>;
type ChangeOptions = z.infer<typeof changeSchema>;

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

async function list(options: ListOptions, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const { limit, cursor } = options;
  const page = await call.get("/jobs", jobPageSchema, { ...toFilter(options, io.clock.now()), limit, cursor });
  if (options.json) return io.print(JSON.stringify(page));
  printLines(formatJobs(page.jobs, page.next !== null), io);
  if (page.next !== null) io.note(`There may be more. The next page: the same command with --cursor ${page.next}`);
}

async function show(id: string, options: z.infer<typeof showSchema>, io: CommandIo): Promise<void> {
  checkIds([id]);
  const call = await openAdmin(options, io);
  const path = `/jobs/${id}`;
  const job = options.reveal ? await call.post(`${path}/reveal`, jobSchema) : await call.get(path, jobSchema);
  if (options.json) return io.print(JSON.stringify(job));
  printLines(formatJob(job), io);
}

async function change(verb: JobVerb, given: string[], options: ChangeOptions, io: CommandIo): Promise<void> {
  const ids = [...new Set(given)];
  const filter = toFilter(options, io.clock.now());
  checkChoice(ids, filter, options.all);
  const call = await openAdmin(options, io);
  if (options.all) {
    const progress = chooseProgress(options.json, io.terminal, io.note);
    return report(verb, await changeMatching(call, { verb, filter, isAgreed: options.yes, progress }, io), options, io);
  }
  const changed = await changeNamed(call, verb, ids);
  report(verb, { changed, end: changed < ids.length ? "refused" : "done" }, options, io);
}

/** What is told of jobs that were not changed. */
const ends = {
  done: null,
  declined: "Nothing was changed.",
  stopped: "Stopped: the others are left as they were. The same command goes on with them.",
  refused: "The others are finished, unknown, or in no state for it: clerk-sync jobs show <id> tells.",
} as const;

type Outcome = { changed: number; end: keyof typeof ends };

/** Says how many changed, and fails when that is not all. */
function report(verb: JobVerb, { changed, end }: Outcome, { json }: ChangeOptions, io: CommandIo): void {
  const done = verb === "retry" ? "due again" : "cancelled";
  if (json) io.print(JSON.stringify({ changed, is_complete: end === "done" }));
  else if (end !== "declined") io.print(`${changed} ${changed === 1 ? "job is" : "jobs are"} ${done}.`);
  if (end === "done") return;
  io.note(ends[end]);
  io.setExitCode(1);
}

/** Ids or a filter, never both: a condition beside ids would be passed over. */
function checkChoice(ids: readonly string[], filter: JobFilter, all: boolean): void {
  if (ids.length > 0 === all) {
    throw new SyncError("usage_invalid", "Name the jobs by their ids, or pass --all with what they have to match.");
  }
  if (!all && Object.keys(filter).length > 0) {
    throw new SyncError("usage_invalid", "Jobs named by their ids are not filtered. Leave the other options out.");
  }
  checkIds(ids);
}

function checkIds(ids: readonly string[]): void {
  const wrong = ids.find((id) => !z.uuid().safeParse(id).success);
  if (wrong === undefined) return;
  throw new SyncError("usage_invalid", `${wrong} is not a job's id: clerk-sync jobs list shows them, whole.`);
}
