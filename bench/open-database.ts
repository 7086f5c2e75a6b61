import { readFile } from "node:fs/promises";
import pg from "pg";
import { authSchema, usersTable } from "../local/open-local-database.ts";
import { applyPrelude, migrate } from "../server/migrate.ts";
import { withConnection } from "../server/with-connection.ts";

const template = "bench_template";

/** Migrates one database, and answers what makes copies of it: each answers its URL. */
export async function prepareDatabases(url: string): Promise<(name: string) => Promise<string>> {
  const urlOf = (name: string) => {
    const address = new URL(url);
    address.pathname = `/${name}`;
    return address.href;
  };
  const create = async (name: string, from: string) => {
    await withConnection(url, (client) => client.query(`create database ${name} template ${from}`));
    return urlOf(name);
  };
  await withConnection(await create(template, "template1"), async (client) => {
    await applyPrelude(client, authSchema);
    await client.query(await readFile(usersTable, "utf8"));
    await migrate(client);
  });
  return (name) => create(name, template);
}

/** A pool that survives PostgreSQL being stopped under it: that must not hide why a scenario failed. */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, pipeline: true }); // as the server's is
  pool.on("error", () => undefined);
  pool.on("connect", (connection) => connection.on("error", () => undefined));
  return pool;
}
