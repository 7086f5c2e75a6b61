import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { inject } from "vitest";
import { usersTable } from "../../../local/open-local-database.ts";

export type TestDatabase = { pool: pg.Pool; url: string; drop: () => Promise<void> };

/** An empty database on the shared PostgreSQL, with nothing in it. */
export function createEmptyDatabase(serverUrl = inject("postgresUrl")): Promise<TestDatabase> {
  return createDatabaseFrom("template1", serverUrl);
}

/** A database of its own for one test: prelude, stand-in tables of Supabase Auth, migrations. */
export function createTestDatabase(): Promise<TestDatabase> {
  return createDatabaseFrom(inject("template"), inject("postgresUrl"));
}

/** Makes the table that the mapping of this repository writes, which its migrations expect, where there is none. */
export async function makeUsersTable(client: Pick<pg.ClientBase, "query">): Promise<void> {
  const { rows } = await client.query("select to_regclass('public.users') is null as is_missing");
  if (rows[0]?.is_missing === true) await client.query(await readFile(usersTable, "utf8"));
}

async function createDatabaseFrom(template: string, serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await onServer(serverUrl, `create database ${name} template ${template}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = openPool(url.href, { max: 20 });
  return {
    pool,
    url: url.href,
    drop: async () => {
      await Promise.race([pool.end(), delay(1000, undefined, { ref: false })]);
      await onServer(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

/** Connections that may be ended with their database, also after the pool has let go of them. */
export function openPool(url: string, config: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, pipeline: true, ...config });
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

async function onServer(serverUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(sql);
  await client.end();
}
