import type { Command } from "commander";
import { z } from "zod";
import { environmentSchema } from "#core/config/environment-schema.ts";
import { SyncError } from "#core/errors.ts";
import type { Migrated } from "../../server/migrate-database.ts";
import type { CommandIo } from "../command-io.ts";

const examples = `
Examples:
  $ DATABASE_URL=postgres://… clerk-sync migrate
  $ clerk-sync migrate --database-url postgres://… --dry-run

Reads clerk-sync.config.json, and the table that it names, and makes what the sync needs for it; run it again after
a change of the file. For a PostgreSQL of your own; a Supabase project is migrated by npx supabase db push --remote. What was applied
is kept in clerk_sync_migrations.applied. Safe to run twice and by two at once.`;

const optionsSchema = z.object({
  databaseUrl: z.string().optional(),
  config: z.string().optional(),
  dryRun: z.boolean().default(false),
  force: z.boolean().default(false),
  json: z.boolean().default(false),
});

type MigrateCommandOptions = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync migrate`. */
export function addMigrateCommand(program: Command, io: CommandIo): void {
  program
    .command("migrate")
    .description("Bring a plain PostgreSQL to this version.")
    .option("--database-url <url>", "postgres://… (default: DATABASE_URL, where a password is seen by fewer)")
    .option("--config <file>", "what goes into which column (default: clerk-sync.config.json of this folder)")
    .option("--dry-run", "list what would be applied, and change nothing")
    .option("--force", "also on a Supabase project")
    .option("--json", "print one JSON object and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => migrate(optionsSchema.parse(given), io));
}

/** The database driver is loaded here: other commands do not need it. */
async function migrate(options: MigrateCommandOptions, io: CommandIo): Promise<void> {
  const { url, urlName } = readDatabaseUrl(options, io);
  const { migrateDatabase } = await import("../../server/migrate-database.ts");
  const { readConfiguration } = await import("../../mapping/read-configuration.ts");
  const { configuration } = await readConfiguration(io.folder, { path: options.config, environment: io.environment });
  const onWait = (holder: string) => io.note(`Waiting for another migration of this database: ${holder} …`);
  const migrated = await migrateDatabase(url, {
    dryRun: options.dryRun,
    force: options.force,
    urlName,
    onWait,
    configuration,
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

function formatJson({ from, to, applied }: Migrated, { dryRun }: MigrateCommandOptions): string {
  return JSON.stringify({ dryRun, from, to, migrations: applied });
}

function formatLines({ from, to, applied }: Migrated, { dryRun }: MigrateCommandOptions): string[] {
  if (applied.length === 0) return [`Nothing to apply: the database is at version ${to}.`];
  const verb = dryRun ? "would apply" : "applied";
  const end = dryRun
    ? `${applied.length} migrations would be applied; nothing was changed.`
    : `${applied.length} migrations applied: the database is at version ${to}${from === null ? "" : ` (was ${from})`}.`;
  return [...applied.map((name) => `${verb} ${name}`), end];
}
