import pg from "pg";
import { applyPrelude, migrate } from "../server/migrate.ts";
import type { EmbeddedPostgres } from "../server/postgres/embedded-postgres.ts";

/** A migrated database of its own. `max` connections. */
export async function openDatabase(postgres: EmbeddedPostgres, name: string, max: number): Promise<pg.Pool> {
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`create database ${name}`).finally(() => admin.end());
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max });
  // When a scenario fails PostgreSQL is stopped under its connections; that must not hide why it failed.
  pool.on("error", () => undefined);
  pool.on("connect", (connection) => connection.on("error", () => undefined));
  const client = await pool.connect();
  await applyPrelude(client, true);
  await migrate(client);
  client.release();
  return pool;
}
