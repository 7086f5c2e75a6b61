import path from "node:path";
import { type Command, Option } from "commander";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import type { Outcome } from "../init/carry-out.ts";
import { configureServer } from "../init/configure-server.ts";
import { install, type Report, uninstall } from "../init/install.ts";
import { findProject, isServerProject } from "../init/read-project.ts";
import { listChanges } from "../init/report-plan.ts";

const explanation = `
Examples:
  $ clerk-sync init
  $ clerk-sync init --table public.profiles --key id
  $ clerk-sync init --db-url postgres://…
  $ clerk-sync init --dry-run
  $ clerk-sync init --yes --overwrite supabase/functions/clerk-webhook
  $ clerk-sync init --yes --keep supabase/functions/_shared/clerk-sync/logger.ts
  $ clerk-sync init --remove

It looks for the table of your users in the migrations, Prisma schemas and Drizzle schemas of the folder, or in the database
at --db-url, proposes what goes into which column, and writes clerk-sync.config.json. Where that file is there, it is
followed. In a project without supabase/ it writes that file only, for a server of your own.

Run it again after an upgrade of clerk-supabase-sync: files you have not touched are replaced, migrations that changed
come as new ones, and nothing that was pushed is rewritten. What it put in is kept in supabase/clerk-sync.json; commit
that file. A file that is yours, or that you changed, is asked about by name; without a terminal name it with --overwrite to
take ours, or with --keep to keep yours. What is kept is remembered, and left alone until you name it with
--overwrite; a later version may need what it would have brought. Either all is written or nothing.

--remove takes out what is still as it was put in. Migrations stay, because \`supabase db push\` refuses to work when files
of pushed ones are missing. With --migrations they go too; if they were pushed, run \`supabase migration repair --remote
--status reverted <numbers>\` after it. The database is never touched: the SQL that drops what is ours there is printed.

Exits with 0 when all is installed (or removed), 1 when something is left to decide.`;

const optionsSchema = z.object({
  project: z.string().optional(),
  yes: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  github: z.boolean().default(false),
  overwrite: z.union([z.literal(true), z.array(z.string())]).optional(),
  keep: z.array(z.string()).optional(),
  verbose: z.boolean().default(false),
  remove: z.boolean().default(false),
  migrations: z.boolean().default(false),
  table: z.string().optional(),
  key: z.string().optional(),
  delete: z.enum(["hard", "soft"]).optional(),
  databaseUrl: z.string().optional(),
  json: z.boolean().default(false),
});

const successes: ReadonlySet<Outcome> = new Set(["done", "nothing_to_do", "dry_run"]);

/** Adds `clerk-sync init`. */
export function addInitCommand(program: Command, io: CommandIo): void {
  program
    .command("init")
    .description("Install the migrations and functions into a Supabase project, upgrade them, or take them out.")
    .option("--project <folder>", "the folder that holds supabase/ (default: the working directory)")
    .option("--table <table>", "the table of your users, where it is not found by its name: schema.table")
    .option("--key <column>", "its column with Clerk's id")
    .addOption(
      new Option("--delete <how>", "what a deletion at Clerk does to the row: soft marks it in deleted_at").choices([
        "hard",
        "soft",
      ]),
    )
    .option(
      "--db-url, --database-url <url>",
      "look for the table in this database, not in the files; nothing is changed there",
    )
    .option("--yes", "do what the plan says without asking")
    .option("--dry-run", "print the plan and change nothing")
    .option("--github", "also install the GitHub workflows")
    .option("--overwrite [path]", "replace what is not ours there (repeatable; without a path: everywhere)", collect)
    .option("--keep <path>", "keep what is not ours there, now and next time (repeatable)", collectPaths)
    .option("--verbose", "list every file, also when there are many")
    .option("--remove", "take everything out again")
    .option("--migrations", "with --remove: the migrations too")
    .option("--json", "print one JSON object and nothing else; never asks")
    .addHelpText("after", explanation)
    .action(async (given: unknown) => init(readOptions(given), io));
}

/** `--overwrite` is true without a path, else the list of all paths; plain once is plain for all. */
function collect(path: string, earlier: true | string[] | undefined): true | string[] {
  return earlier === true ? true : [...(earlier ?? []), path];
}

function collectPaths(path: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), path];
}

/** Reads the options. Throws SyncError `usage_invalid` for those that mean nothing together. */
function readOptions(given: unknown): z.infer<typeof optionsSchema> {
  const options = optionsSchema.parse(given);
  if (options.migrations && !options.remove) throw new SyncError("usage_invalid", "--migrations goes with --remove.");
  if (options.remove && (options.github || options.overwrite !== undefined || options.keep !== undefined)) {
    const message = "--remove takes out what is ours only: --github, --overwrite and --keep do not fit.";
    throw new SyncError("usage_invalid", message);
  }
  return options;
}

async function init(options: z.infer<typeof optionsSchema>, io: CommandIo): Promise<void> {
  const place = path.resolve(io.folder, options.project ?? ".");
  if (!options.remove && !options.github && isServerProject(place)) return configure(place, options, io);
  const folder = await findProject(place);
  const report = options.remove ? await uninstall(folder, options, io) : await install(folder, options, io);
  if (options.json) io.print(JSON.stringify(formatJson(folder, report)));
  else printReport(report, io);
  io.setExitCode(successes.has(report.outcome) ? 0 : 1);
}

async function configure(folder: string, options: z.infer<typeof optionsSchema>, io: CommandIo): Promise<void> {
  const configured = await configureServer(folder, options, io);
  if (options.json) io.print(JSON.stringify({ project: folder, ...configured }));
  else printReport(configured, io);
  io.setExitCode(successes.has(configured.outcome) ? 0 : 1);
}

function printReport({ outcome, message, next }: Pick<Report, "outcome" | "message" | "next">, io: CommandIo): void {
  if (successes.has(outcome)) io.print(message);
  else io.note(message);
  if (next.length > 0) io.print("\nNext:");
  for (const [index, step] of next.entries()) io.print(`  ${index + 1}. ${step}`);
}

function formatJson(project: string, { outcome, message, plan, written, removed, next, proposed }: Report) {
  return { project, outcome, message, proposed, changes: listChanges(plan), written, removed, next };
}
