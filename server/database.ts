import pg from "pg";
import { checkSchemaVersion } from "#core/database/schema-version.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import type { Configuration } from "../mapping/configuration.ts";
import { plainConfiguration } from "../mapping/expand-configuration.ts";
import { mapTables, readTables } from "../mapping/read-mapping.ts";
import { refuseUnsupported } from "../mapping/unsupported.ts";
import { migrateDatabase, readVersion } from "./migrate-database.ts";
import { withConnection } from "./with-connection.ts";

export type OpenDatabase = {
  url: string;
  pool: pg.Pool;
  /** True when schema auth is ours, so that the stand-in of Supabase Auth may keep its users there. */
  hasAuthStandIn: boolean;
  /** Resolves when a PostgreSQL of ours ends without being asked. */
  gone: Promise<void>;
  /** Closes the connections and stops PostgreSQL if it is ours. */
  close: () => Promise<void>;
};

/**
 * Opens a database of the user's. It is only migrated when that is asked for, else its version is checked.
 * Throws SyncError `database_unavailable`, `schema_newer`, `schema_outdated`, `mapping_outdated`; when migrating also `migration_*`.
 */
export async function openDatabase(
  url: string,
  shallMigrate: boolean,
  configuration: Configuration | undefined,
): Promise<OpenDatabase> {
  const check = () =>
    withConnection(url, async (client) => {
      checkSchemaVersion(await readVersion(client));
      if (configuration !== undefined) await checkMapping(client, configuration);
    });
  const bringUpToDate = async () => {
    if (shallMigrate) await migrateDatabase(url, { configuration: configuration ?? plainConfiguration });
    else await check();
    return { hasAuthStandIn: false };
  };
  return prepareDatabase(url, bringUpToDate, null);
}

/** Throws SyncError `mapping_outdated` where the database was migrated with another mapping than the file now says. */
async function checkMapping(client: pg.ClientBase, configuration: Configuration): Promise<void> {
  refuseUnsupported(configuration, "clerk-sync.config.json");
  // the catalog alone: a start reads no rows
  const { hash } = mapTables(configuration, await readTables(client, configuration));
  const { rows } = await client.query("select public.clerk_sync_mapping() ->> 'hash' as hash");
  if (rows[0]?.hash === hash) return;
  throw new SyncError(
    "mapping_outdated",
    "The database was migrated with another mapping than clerk-sync.config.json, or a table has changed since. Run: npx clerk-sync migrate (on Supabase: npx clerk-sync generate, then npx supabase db push --remote).",
  );
}

/**
 * Opens a pool, has the database brought up to date, and makes one call to see that calls work. `own`: a PostgreSQL that
 * is ours and ends with the pool. Throws what `bringUpToDate` throws, and SyncError `database_unavailable`.
 */
export async function prepareDatabase(
  url: string,
  bringUpToDate: () => Promise<{ hasAuthStandIn: boolean }>,
  own: { ended: Promise<void>; stop: () => Promise<void> } | null,
): Promise<OpenDatabase> {
  const pool = createPool(url);
  const close = async () => {
    // end() does not wait for the sockets: PostgreSQL may cut a connection that is being closed anyway.
    pool.removeAllListeners("error").on("error", () => undefined);
    await pool.end();
    await own?.stop();
  };
  try {
    const { hasAuthStandIn } = await bringUpToDate();
    await checkPool(pool);
    return { url, pool, hasAuthStandIn, gone: own?.ended ?? new Promise(() => undefined), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Makes one call over the pool as every call is made, but query by query: a pooler that refuses transactions closes the
 * connection, and what was sent behind the refusal could hide its reason.
 */
async function checkPool(pool: pg.Pool): Promise<void> {
  let client: pg.PoolClient | undefined;
  try {
    client = await pool.connect();
    for (const text of ["begin; set local statement_timeout = 8000", "select 1", "commit"]) await client.query(text);
    client.release();
  } catch (cause) {
    client?.release(true);
    const message = `The database, or the pooler before it, refuses the server's calls: ${errorMessage(cause)}. Each call is a transaction of its own: behind a pooler take transaction or session mode.`;
    throw new SyncError("database_unavailable", message, { cause });
  }
}

/**
 * Waiting for a connection and for the answer take 12 s at most: Svix hangs up after 15. No parameter is sent at the
 * start of a connection but user, database and application_name, for PgBouncer refuses others.
 */
export function createPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: 3000,
    query_timeout: 9000, // for a database that does not answer at all
    application_name: "clerk-sync",
    pipeline: true,
  });
  // An error nobody listens for ends the process. The query in hand, or else the next one, fails with it.
  pool.on("connect", (client) => client.on("error", () => undefined));
  pool.on("error", (error) => logger.warn("database.connection_lost", { reason: errorMessage(error) }));
  return pool;
}
