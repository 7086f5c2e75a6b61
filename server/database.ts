import path from "node:path";
import pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import { applyPrelude, migrate } from "./migrate.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres, stopOrphan } from "./postgres/embedded-postgres.ts";

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

/** Marks auth.users as the stand-in's; written by postgres/auth-schema.sql. */
const standInMark = "clerk-supabase-sync local stand-in";

/**
 * Opens the database at `url`, or an embedded PostgreSQL in `folder`/postgres, and brings it up to date.
 * Throws SyncError `database_unavailable`, `migration_failed`, or what the embedded PostgreSQL throws.
 */
export async function openDatabase(url: string | null, folder: string): Promise<OpenDatabase> {
  if (url !== null) return prepare(url, null);
  const dataFolder = path.join(folder, "postgres");
  if (await stopOrphan(dataFolder)) logger.warn("postgres.orphan_stopped");
  const postgres = await startEmbeddedPostgres({ folder: dataFolder });
  return prepare(postgres.url, postgres);
}

async function prepare(url: string, own: EmbeddedPostgres | null): Promise<OpenDatabase> {
  const pool = createPool(url);
  const close = async () => {
    // end() does not wait for the sockets: PostgreSQL may cut a connection that is being closed anyway.
    pool.removeAllListeners("error").on("error", () => undefined);
    await pool.end();
    await own?.stop();
  };
  try {
    const hasAuthStandIn = await bringUpToDate(url, own !== null);
    return { url, pool, hasAuthStandIn, gone: own?.ended ?? new Promise(() => undefined), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** On a connection without time limits: a migration may take its time, or wait for another server's. */
async function bringUpToDate(url: string, isOwn: boolean): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    application_name: "clerk-sync migrate",
  });
  client.on("error", () => undefined); // the query in hand fails with it
  await connect(client, isOwn);
  try {
    const hasAuthStandIn = await mayKeepAuthUsers(client);
    await applyPrelude(client, hasAuthStandIn);
    await migrate(client);
    return hasAuthStandIn;
  } finally {
    await client.end();
  }
}

/** Waiting for a connection and for the answer take 12 s at most: Svix hangs up after 15. */
function createPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: 3000,
    statement_timeout: 8000, // PostgREST's limit, so that both homes behave alike
    query_timeout: 9000, // for a database that does not answer at all
    application_name: "clerk-sync",
  });
  // An error nobody listens for ends the process. The query in hand, or else the next one, fails with it.
  pool.on("connect", (client) => client.on("error", () => undefined));
  pool.on("error", (error) => logger.warn("database.connection_lost", { reason: errorMessage(error) }));
  return pool;
}

async function connect(client: pg.Client, isOwn: boolean): Promise<void> {
  try {
    await client.connect();
  } catch (cause) {
    if (isOwn) {
      const message = `The local database is damaged: ${errorMessage(cause)}. npm run reset begins anew; local data is lost.`;
      throw new SyncError("data_folder_unusable", message, { cause });
    }
    throw new SyncError(
      "database_unavailable",
      `DATABASE_URL cannot be reached: ${errorMessage(cause)}. Is it right, and does it need ?sslmode=require?`,
      { cause },
    );
  }
}

/** On a real Supabase project auth.users belongs to Supabase Auth and is never touched. */
async function mayKeepAuthUsers(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ mark: string | null; exists: boolean }>(
    "select to_regclass('auth.users') is not null as exists, obj_description(to_regclass('auth.users')) as mark",
  );
  return rows[0]?.exists !== true || rows[0].mark === standInMark;
}
