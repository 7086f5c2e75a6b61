import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openLocalDatabase } from "../../../local/open-local-database.ts";
import { migrate, readMigrations } from "../../../server/migrate.ts";
import { migrateDatabase } from "../../../server/migrate-database.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue } from "../../support/database/queue.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const oldVersion = `create or replace function public.clerk_sync_schema_version() returns text
  language sql immutable set search_path = '' as $$ select '20261124000099' $$`;
const oldList = `update clerk_sync_migrations.applied set name = '20261124000002_users.sql'`;
const noVersion = "drop function public.clerk_sync_schema_version(); drop table clerk_sync.objects";
const noList = "drop schema clerk_sync_migrations cascade";

/** What would differ when something of a migration was applied. */
async function look() {
  const { rows } = await database.pool.query(`
    select p.oid::regprocedure::text as name, p.prosrc from pg_catalog.pg_proc as p where p.proname ~ 'clerk_sync_(schema|health)'
    union all
    select c.relname, c.oid::text from pg_catalog.pg_class as c where c.relnamespace = 'clerk_sync'::regnamespace
    order by 1`);
  return rows;
}

describe.each([
  ["an older version and the old files in the list", [oldVersion, oldList]],
  ["an older version without a list, as after supabase db push", [oldVersion, noList]],
  ["the old files in the list, and this version", [oldList]],
  ["tables without a version", [noVersion, noList]],
])("a database of an earlier commit, which has %s,", (_, statements) => {
  beforeEach(async () => {
    for (const statement of statements) await database.pool.query(statement);
  });

  it.each([[], ["--dry-run"], ["--force"]])("is refused by migrate %s, and left as it is", async (...options) => {
    const before = await look();
    const { exitCode, stderr } = await runCommand(["migrate", ...options], {
      environment: { DATABASE_URL: database.url },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("npm run reset") });
    expect(stderr).toContain("error migration_refused: A commit before the first release made this database");
    expect(await look()).toEqual(before);
  });

  it("is refused by npm start, and left as it is", async () => {
    const before = await look();
    await expect(openLocalDatabase(database.url, "/nowhere")).rejects.toMatchObject({
      code: "migration_refused",
      message: expect.stringContaining("npm run reset"),
    });
    expect(await look()).toEqual(before);
  });
});

it.each([
  ["an older version", oldVersion],
  ["no version", noVersion],
])("the migration itself, as supabase db push applies it, refuses a database with tables and %s", async (_, sql) => {
  await database.pool.query(sql);
  const before = await look();
  for (const migration of await readMigrations()) {
    await expect(database.pool.query(migration.sql)).rejects.toMatchObject({
      code: "SY004",
      hint: expect.stringContaining("templates/sql/drop.sql"),
    });
  }
  expect(await look()).toEqual(before);
  const client = await database.pool.connect();
  await database.pool.query("delete from clerk_sync_migrations.applied");
  await expect(migrate(client)).rejects.toMatchObject({ code: "migration_failed" });
  client.release();
  expect(await look()).toEqual(before);
});

it("composite types with the fields of an earlier version are made again, and no job is dead", async () => {
  const queue = await createQueue();
  onTestFinished(queue.drop);
  await queue.pool.query(`
    alter type clerk_sync.record_change drop attribute absent_version;
    alter type clerk_sync.apply_rules drop attribute lease_until;
    update clerk_sync_migrations.applied set checksum = 'of another wording'`);
  await queue.send(userEvent("user.created", { id: "user_before", version: 1 }));
  await expect(queue.run()).rejects.toThrow("42846");
  expect(await migrateDatabase(queue.url)).toMatchObject({ applied: [expect.any(String)] });
  expect(await queue.run()).toEqual(["COMPLETED"]);
  await queue.send(deletedEvent({ id: "user_before", version: 2 }));
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_before")).toBeUndefined();
});

it("a database of this version is none of an earlier commit", async () => {
  expect(await migrateDatabase(database.url)).toMatchObject({ applied: [] });
});
