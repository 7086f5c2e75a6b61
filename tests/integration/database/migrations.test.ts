import { readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authSchema } from "../../../local/open-local-database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../../local/postgres/embedded-postgres.ts";
import { applyPrelude, migrate, readMigrations } from "../../../server/migrate.ts";
import { createEmptyDatabase, makeUsersTable } from "../../support/database/test-database.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const existingUsers = await readFile(new URL("../../fixtures/existing-users.sql", import.meta.url), "utf8");

const existingQueue = await readFile(new URL("../../fixtures/existing-job-queue.sql", import.meta.url), "utf8");

const versions = [
  { version: "15", packageName: "embedded-postgres-15" },
  { version: "17", packageName: "embedded-postgres" },
  { version: "18", packageName: "embedded-postgres-18" },
];

async function withClient<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function applyRaw(client: pg.Client): Promise<void> {
  await makeUsersTable(client);
  for (const { sql } of await readMigrations()) await client.query(sql);
}

describe.each(versions)("on PostgreSQL $version", ({ version, packageName }) => {
  let postgres: EmbeddedPostgres;
  let folder: Awaited<ReturnType<typeof createTestFolder>>;

  beforeAll(async () => {
    folder = await createTestFolder();
    postgres = await startEmbeddedPostgres({ folder: path.join(folder.path, "postgres"), packageName });
  });

  afterAll(async () => {
    await postgres?.stop();
    await folder.remove();
  });

  it("the server is of that version", async () => {
    const { rows } = await withClient(postgres.url, (client) => client.query("show server_version"));
    expect(rows[0].server_version).toMatch(new RegExp(`^${version}\\.`));
  });

  it("the migrations apply to an empty database, and a second time", async () => {
    const database = await createEmptyDatabase(postgres.url);
    await withClient(database.url, async (client) => {
      await applyPrelude(client, authSchema);
      const names = (await readMigrations()).map((migration) => migration.name);
      await makeUsersTable(client);
      expect(await migrate(client)).toEqual(names);
      expect(await migrate(client)).toEqual([]);
      await applyRaw(client);
    });
    await database.drop();
  });

  it("an existing users table keeps its rows, defaults and enum, also when migrated twice", async () => {
    const database = await createEmptyDatabase(postgres.url);
    await withClient(database.url, async (client) => {
      await applyPrelude(client, null);
      await client.query(existingUsers);
      const before = await client.query(
        'select id, clerk_id, email, name, role, "updatedAt" from public.users order by email',
      );
      await applyRaw(client);
      await applyRaw(client);
      const after = await client.query(
        'select id, clerk_id, email, name, role, "updatedAt" from public.users order by email',
      );
      expect(after.rows).toEqual(before.rows);
      expect(after.rowCount).toBe(3);
      const { rows } = await client.query(
        "select column_default from information_schema.columns where table_name = 'users' and column_name in ('clerk_id', 'role') order by column_name",
      );
      expect(rows.map((row) => row.column_default)).toEqual(["'NULL'::text", "'user'::\"UserRole\""]);
    });
    await database.drop();
  });
});

it("the queue of a hand-written processor is taken over: owed is owed, failed waits as a dead letter", async () => {
  const database = await createEmptyDatabase();
  await withClient(database.url, async (client) => {
    await applyPrelude(client, null);
    await client.query(existingUsers);
    await client.query(existingQueue);
    await applyRaw(client);
    await applyRaw(client);
    const { rows } = await client.query(
      "select payload ->> 'n' as n, status, processed_at is not null as is_processed from public.job_queue order by n",
    );
    expect(rows).toEqual([
      { n: "1", status: "PENDING", is_processed: false },
      { n: "2", status: "PENDING", is_processed: false },
      { n: "3", status: "COMPLETED", is_processed: true },
      { n: "4", status: "DEAD", is_processed: true },
    ]);
  });
  await database.drop();
});
