import { readFile } from "node:fs/promises";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { authSchema, usersTable } from "../../../local/open-local-database.ts";
import { startEmbeddedPostgres } from "../../../local/postgres/embedded-postgres.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { withConnection } from "../../../server/with-connection.ts";
import { createTestFolder } from "../processes/test-folder.ts";

declare module "vitest" {
  export interface ProvidedContext {
    postgresUrl: string;
    /** Name of a migrated database to copy: four times as fast as migrating one more. */
    template: string;
  }
}

/** Where a PostgreSQL of startTestPostgres runs that several runs of vitest share one after the other. */
export const sharedPostgres = "CLERK_SYNC_TEST_POSTGRES";

/** vitest's global setup: one PostgreSQL 17 for all integration tests, gone when they are done. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = process.env[sharedPostgres];
  const postgres = shared ? { url: shared, stop: async () => undefined } : await startTestPostgres();
  const template = await makeTemplate(postgres.url);
  project.provide("postgresUrl", postgres.url);
  project.provide("template", template);
  return async () => {
    await withConnection(postgres.url, (client) => client.query(`drop database ${template}`));
    await postgres.stop();
  };
}

/** A PostgreSQL that gives up safety for speed, in a folder that goes with it. */
export async function startTestPostgres(): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await createTestFolder();
  const postgres = await startEmbeddedPostgres({
    folder: path.join(folder.path, "postgres"),
    settings: {
      fsync: "off",
      synchronous_commit: "off",
      full_page_writes: "off",
      wal_level: "minimal", // a database per test: a copy is five times as fast without its pages in the log
      max_wal_senders: "0",
      max_connections: "200",
    },
  });
  const stop = async () => {
    await postgres.stop();
    await folder.remove();
  };
  return { url: postgres.url, stop };
}

/** A database with prelude, stand-in tables of Supabase Auth and migrations, which nobody is connected to. */
async function makeTemplate(serverUrl: string): Promise<string> {
  const name = `clerk_sync_template_${process.pid}`;
  await withConnection(serverUrl, (client) => client.query(`create database ${name}`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await withConnection(url.href, async (client) => {
    await applyPrelude(client, authSchema);
    await client.query(await readFile(usersTable, "utf8"));
    await migrate(client);
  });
  return name;
}
