import { readFile } from "node:fs/promises";
import type pg from "pg";
import { checkSchemaVersion, schemaVersion } from "#core/database/schema-version.ts";
import { SyncError } from "#core/errors.ts";
import type { Configuration } from "../mapping/configuration.ts";
import { readMapping } from "../mapping/read-mapping.ts";
import {
  applyMigrations,
  applyPrelude,
  findMissing,
  inMigration,
  isOfEarlierCommit,
  type LockOptions,
  type Migration,
} from "./migrate.ts";
import { withConnection } from "./with-connection.ts";

export type MigrateOptions = LockOptions & {
  /** The variable or option that holds the URL, for whoever is to correct it. */
  urlName?: string;
  /** Only tells what would be applied. */
  dryRun?: boolean;
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
  /** True when schema auth is ours, so that the stand-in of Supabase Auth may keep its users there. */
  hasAuthStandIn: boolean;
};

type SchemaState = {
  hasVersion: boolean;
  hasTables: boolean;
  hasList: boolean;
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
        const { missing, needsPrelude, result } = await plan(client, options);
        if (needsPrelude) await applyPrelude(client, result.hasAuthStandIn ? (options.authSchema ?? null) : null);
        await applyMigrations(client, missing);
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

async function plan(client: pg.ClientBase, options: MigrateOptions) {
  const state = await readState(client);
  const from = await versionOf(client, state);
  const missing = await findWork(client, state, from, options.configuration);
  if (missing.length > 0 && isSupabase(state) && !options.force) throw refusal();
  const hasAuthStandIn = options.authSchema !== undefined && (!state.hasAuthUsers || state.hasOwnAuthUsers);
  const applied = missing.map((migration) => migration.name);
  const result: Migrated = { from, to: schemaVersion, applied, hasAuthStandIn };
  return { missing, needsPrelude: missing.length > 0 || hasAuthStandIn, result };
}

/**
 * Returns the migrations that the database still needs: none when the Supabase CLI brought it to this version.
 * Throws SyncError `schema_newer` when the database is newer, `migration_refused` when an earlier commit made it.
 */
async function findWork(
  client: pg.ClientBase,
  state: SchemaState,
  from: string | null,
  configuration: Configuration | undefined,
): Promise<Migration[]> {
  if (from !== null && from > schemaVersion) checkSchemaVersion(from);
  if (await isOfEarlierCommit(client, from, state.hasTables)) throw earlierCommit();
  if (from === schemaVersion && (!state.hasList || isSupabase(state))) return [];
  const mapping = configuration === undefined ? null : (await readMapping(client, configuration)).mapping;
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
