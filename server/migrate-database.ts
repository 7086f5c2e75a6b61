import { readFile } from "node:fs/promises";
import type pg from "pg";
import { describeObjects, type ObjectFinding, repairRemedy } from "#core/database/object-findings.ts";
import { checkSchemaVersion, schemaVersion } from "#core/database/schema-version.ts";
import { SyncError } from "#core/errors.ts";
import type { Configuration } from "../mapping/configuration.ts";
import type { Mapping } from "../mapping/mapping.ts";
import { readMapping } from "../mapping/read-mapping.ts";
import {
  applyMigrations,
  applyPrelude,
  findMissing,
  inMigration,
  isOfEarlierCommit,
  type LockOptions,
  type Migration,
  readMigrations,
} from "./migrate.ts";
import { withConnection } from "./with-connection.ts";

export type MigrateOptions = LockOptions & {
  /** The variable or option that holds the URL, for whoever is to correct it. */
  urlName?: string;
  /** Only tells what would be applied. */
  dryRun?: boolean;
  /** Applies all migrations again where objects of the sync are missing or changed. */
  repair?: boolean;
  /** Also on a Supabase project, where the Supabase CLI keeps the list of migrations. */
  force?: boolean;
  /** What is mapped; without it the mapping of this repository. */
  configuration?: Configuration;
  /** SQL that makes the table of users, for a database that has none. */
  usersTable?: URL;
  /** The file that makes the tables of a stand-in of Supabase Auth; applied unless auth.users is somebody else's. */
  authSchema?: URL;
};

export type Migrated = {
  /** The version before; null when there was none. */
  from: string | null;
  to: string;
  /** Names of the migrations that were applied, or would be. */
  applied: string[];
  /** The objects that were not as the last migration had left them. */
  findings: ObjectFinding[];
  /** Whether what was applied, or would be, puts them back. */
  restores: boolean;
  /** True when schema auth is ours, so that the stand-in of Supabase Auth may keep its users there. */
  hasAuthStandIn: boolean;
};

type SchemaState = {
  hasVersion: boolean;
  hasTables: boolean;
  hasList: boolean;
  hasFindings: boolean;
  hasSupabaseList: boolean;
  hasAuthUsers: boolean;
  hasOwnAuthUsers: boolean;
  looksLikeSupabase: boolean;
};

/**
 * Brings the database at `url` to this version. A database that has this version from elsewhere (`supabase db push`)
 * is left alone. Safe to run twice and by two at once.
 * Throws SyncError `database_unavailable`, `schema_newer`, `migration_refused`, `migration_locked` or `migration_failed`.
 */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<Migrated> {
  return withConnection(
    url,
    async (client) => {
      if (options.dryRun) return (await plan(client, options)).result;
      const bringUpToDate = async () => {
        if (options.usersTable !== undefined) await makeUsersTable(client, options.usersTable);
        const { work, needsPrelude, keepsList, result } = await plan(client, options);
        if (needsPrelude) await applyPrelude(client, result.hasAuthStandIn ? (options.authSchema ?? null) : null);
        await applyMigrations(client, work, keepsList);
        return result;
      };
      return inMigration(client, bringUpToDate, options);
    },
    options.urlName,
  );
}

/** The version a database answers; null when it has none of our functions. */
export async function readVersion(client: pg.ClientBase): Promise<string | null> {
  return versionOf(client, await readState(client));
}

/** Whether the Supabase CLI keeps the list of migrations of this database. */
export async function isSupabaseDatabase(client: pg.ClientBase): Promise<boolean> {
  return isSupabase(await readState(client));
}

async function plan(client: pg.ClientBase, options: MigrateOptions) {
  const state = await readState(client);
  const from = await versionOf(client, state);
  const findings = await findChanges(client, state);
  const isRepair = options.repair === true && findings.length > 0;
  const isElsewhere = isSupabase(state) && !options.force;
  if (isRepair && isElsewhere) throw await refuseRepair(client, state, findings);
  if (isRepair && !options.dryRun) await restoreFirst(client);
  const missing = await findWork(client, state, from, findings, options.configuration);
  if (missing.length > 0 && isElsewhere) throw refusal();
  const work = isRepair ? await readMigrations(await mappingOf(client, options.configuration)) : missing;
  const hasAuthStandIn = options.authSchema !== undefined && (!state.hasAuthUsers || state.hasOwnAuthUsers);
  const applied = work.map((migration) => migration.name);
  const result: Migrated = {
    from,
    to: schemaVersion,
    applied,
    findings,
    restores: findings.length > 0 && work.length > 0,
    hasAuthStandIn,
  };
  const keepsList = !isSupabase(state) || missing.length > 0;
  return { work, needsPrelude: work.length > 0 || hasAuthStandIn, keepsList, result };
}

/** What the database says of its objects; one whose function is gone cannot say it. */
async function findChanges(client: pg.ClientBase, state: SchemaState): Promise<ObjectFinding[]> {
  if (state.hasFindings) {
    const { rows } = await client.query("select public.clerk_sync_object_findings() as findings");
    return rows[0]?.findings ?? [];
  }
  if (!state.hasVersion && !state.hasList) return [];
  return [{ object: "function public.clerk_sync_object_findings()", state: "missing", status: "compromised" }];
}

/** The check of the mapped table asks for row level security, which another tool may have switched off. */
async function restoreFirst(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query("select to_regprocedure('clerk_sync.restore_objects()') is not null as exists");
  if (rows[0]?.exists === true) await client.query("select clerk_sync.restore_objects()");
}

/** What is missing may be why the mapped table is refused. */
function addFindings(findings: readonly ObjectFinding[]): (error: unknown) => never {
  return (error) => {
    if (findings.length === 0 || !(error instanceof SyncError)) throw error;
    const message = `${describeObjects(findings)} ${repairRemedy}\n${error.message}`;
    throw new SyncError(error.code, message, { cause: error });
  };
}

/** Null: that of this repository. */
async function mappingOf(client: pg.ClientBase, configuration: Configuration | undefined): Promise<Mapping | null> {
  return configuration === undefined ? null : (await readMapping(client, configuration)).mapping;
}

/**
 * Returns the migrations that the database still needs: none when the Supabase CLI brought it to this version.
 * Throws SyncError `schema_newer` when the database is newer, `migration_refused` when an earlier commit made it.
 */
async function findWork(
  client: pg.ClientBase,
  state: SchemaState,
  from: string | null,
  findings: readonly ObjectFinding[],
  configuration: Configuration | undefined,
): Promise<Migration[]> {
  if (from !== null && from > schemaVersion) checkSchemaVersion(from);
  if (await isOfEarlierCommit(client, from, state.hasTables)) throw earlierCommit();
  if (from === schemaVersion && (!state.hasList || isSupabase(state))) return [];
  const mapping = await mappingOf(client, configuration).catch(addFindings(findings));
  return findMissing(client, mapping);
}

async function makeUsersTable(client: pg.ClientBase, file: URL): Promise<void> {
  const { rows } = await client.query("select to_regclass('public.users') is null as is_missing");
  if (rows[0]?.is_missing === true) await client.query(await readFile(file, "utf8"));
}

function isSupabase(state: SchemaState): boolean {
  return state.looksLikeSupabase && !state.hasOwnAuthUsers;
}

async function readState(client: pg.ClientBase): Promise<SchemaState> {
  const sql = await readFile(new URL("./postgres/schema-state.sql", import.meta.url), "utf8");
  const { rows } = await client.query<SchemaState>(sql);
  const [state] = rows;
  if (state === undefined) throw new SyncError("database_rejected", "The database did not tell what it is.");
  return state;
}

async function versionOf(client: pg.ClientBase, state: SchemaState): Promise<string | null> {
  if (!state.hasVersion) return null;
  const { rows } = await client.query("select public.clerk_sync_schema_version() as version");
  return rows[0]?.version ?? null;
}

function earlierCommit(): SyncError {
  return new SyncError(
    "migration_refused",
    "A commit before the first release made this database, and no version can change it. Nothing was changed. Make it from the beginning: the database of npm start with npm run reset; any other one with templates/sql/drop.sql, which keeps public.users and its rows.",
  );
}

function refusal(): SyncError {
  return new SyncError(
    "migration_refused",
    "This is a Supabase project, or managed by the Supabase CLI: its list of migrations must stay right. Run npx clerk-sync init in your project, then npx supabase db push --remote. --force applies them here all the same.",
  );
}

/** The list of the Supabase CLI says which files made the objects; the CLI can apply those again. */
async function refuseRepair(
  client: pg.ClientBase,
  { hasSupabaseList }: SchemaState,
  findings: readonly ObjectFinding[],
): Promise<SyncError> {
  const versions = hasSupabaseList ? await readSupabaseVersions(client) : [];
  const commands =
    versions.length === 0
      ? "--force puts them back from here."
      : `These commands apply the migrations of the sync again, which keeps the rows that are there:\n  npx supabase migration repair --remote --status reverted ${versions.join(" ")}\n  npx supabase db push --remote --include-all`;
  return new SyncError(
    "migration_refused",
    `${describeObjects(findings)} This is a Supabase project, or managed by the Supabase CLI: its list of migrations must stay right. ${commands}`,
  );
}

/** The migrations that `clerk-sync init` and `generate` wrote. */
async function readSupabaseVersions(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ version: string }>(
    "select version from supabase_migrations.schema_migrations where name like 'clerk\\_sync\\_%' order by version",
  );
  return rows.map(({ version }) => version);
}
