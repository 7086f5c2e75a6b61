import type { Command } from "commander";
import { z } from "zod";
import { environmentSchema } from "#core/config/environment-schema.ts";
import { describeObjects, repairRemedy } from "#core/database/object-findings.ts";
import { SyncError } from "#core/errors.ts";
import type { Migrated } from "../../server/migrate-database.ts";
import type { CommandIo } from "../command-io.ts";

const examples = `
Examples:
  $ DATABASE_URL=postgres://… clerk-sync migrate
  $ clerk-sync migrate --database-url postgres://… --dry-run
  $ DATABASE_URL=postgres://… clerk-sync migrate --repair

Reads clerk-sync.config.json, and the table that it names, and makes what the sync needs for it; run it again after
a change of the file. For a PostgreSQL of your own; a Supabase project is migrated by npx supabase db push --remote. What was applied
is kept in clerk_sync_migrations.applied. Safe to run twice and by two at once.

--repair applies all of it again where another tool has dropped or changed tables, functions, indexes, policies or rights of
the sync (drizzle-kit push, prisma db push, SQL by hand). Rows that are there stay. For a Supabase project it prints the
commands that do it.`;

const optionsSchema = z.object({
  databaseUrl: z.string().optional(),
  config: z.string().optional(),
  dryRun: z.boolean().default(false),
  repair: z.boolean().default(false),
  force: z.boolean().default(false),
  json: z.boolean().default(false),
});

type MigrateCommandOptions = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync migrate`. */
export function addMigrateCommand(program: Command, io: CommandIo): void {
  program
    .command("migrate")
    .description("Bring a plain PostgreSQL to this version.")
    .option("--db-url, --database-url <url>", "postgres://… (default: DATABASE_URL, where a password is seen by fewer)")
    .option("--config <file>", "what goes into which column (default: clerk-sync.config.json of this folder)")
    .option("--dry-run", "list what would be applied, and change nothing")
    .option("--repair", "put back objects of the sync that are missing or changed")
    .option("--force", "also on a Supabase project")
    .option("--json", "print one JSON object and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => migrate(optionsSchema.parse(given), io));
}

/** The database driver is loaded here: other commands do not need it. */
async function migrate(options: MigrateCommandOptions, io: CommandIo): Promise<void> {
  const { url, urlName } = readDatabaseUrl(options, io);
  const { migrateDatabase } = await import("../../server/migrate-database.ts");
  const { noteOfMissingFile, readConfiguration } = await import("../../mapping/read-configuration.ts");
  const found = await readConfiguration(io.folder, { path: options.config, environment: io.environment });
  const note = noteOfMissingFile(found, io.folder);
  if (note !== null) io.note(note);
  const onWait = (holder: string) => io.note(`Waiting for another migration of this database: ${holder} …`);
  const migrated = await migrateDatabase(url, {
    dryRun: options.dryRun,
    repair: options.repair,
    force: options.force,
    urlName,
    onWait,
    configuration: found.configuration,
  });
  if (options.json) io.print(formatJson(migrated, options));
  else for (const line of formatLines(migrated, options)) io.print(line);
}

function readDatabaseUrl(options: MigrateCommandOptions, io: CommandIo): { url: string; urlName: string } {
  const urlName = options.databaseUrl === undefined ? "DATABASE_URL" : "--database-url";
  const given = (options.databaseUrl ?? io.environment["DATABASE_URL"])?.trim() || undefined;
  if (given === undefined) {
    throw new SyncError("usage_invalid", "Set DATABASE_URL, or pass --database-url, to the database to migrate.");
  }
  const parsed = environmentSchema.shape.DATABASE_URL.safeParse(given);
  if (parsed.data !== undefined) return { url: parsed.data, urlName };
  throw new SyncError("usage_invalid", `${urlName} ${parsed.error?.issues[0]?.message}.`);
}

function formatJson({ from, to, applied, findings, restores }: Migrated, { dryRun }: MigrateCommandOptions): string {
  return JSON.stringify({ dryRun, from, to, migrations: applied, findings, restores });
}

function formatLines(migrated: Migrated, options: MigrateCommandOptions): string[] {
  const { from, to, applied } = migrated;
  const repaired = formatObjects(migrated, options);
  if (applied.length === 0) return [`Nothing to apply: the database is at version ${to}.`, ...repaired];
  const verb = options.dryRun ? "would apply" : "applied";
  const end = options.dryRun
    ? `${applied.length} migrations would be applied; nothing was changed.`
    : `${applied.length} migrations applied: the database is at version ${to}${from === null ? "" : ` (was ${from})`}.`;
  return [...applied.map((name) => `${verb} ${name}`), end, ...repaired];
}

/** What of the sync was missing or changed, and what became of it. */
function formatObjects({ findings, restores }: Migrated, { dryRun, repair }: MigrateCommandOptions): string[] {
  if (findings.length === 0)
    return repair ? ["Nothing to repair: all objects of the sync are as the migration left them."] : [];
  if (!restores) return [`${describeObjects(findings)} ${repairRemedy}`];
  const verb = dryRun ? "would restore" : "restored";
  return [...findings.map(({ object }) => `${verb} ${object}`), ...(findings.some(hadRows) ? [lostRows] : [])];
}

const hadRows = ({ object, state }: Migrated["findings"][number]) =>
  state === "missing" && /^(schema|table|column) /.test(object);

const lostRows =
  "The rows of a table that was missing are lost, the jobs of public.job_queue above all. Bring the users up to date: clerk-sync reconcile --apply compares each of them with Clerk. Events that Clerk sent meanwhile can be sent again: Clerk's dashboard, Webhooks, Replay.";
