import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { schemaVersion } from "#core/database/schema-version.ts";
import { readMigrations } from "../../../server/migrate.ts";
import { createEmptyDatabase, makeUsersTable, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

const migrate = (...args: string[]) =>
  runCommand(["migrate", ...args], { environment: { DATABASE_URL: database.url } });
const ownConfiguration = fileURLToPath(new URL("../../../clerk-sync.config.json", import.meta.url));
const names = (await readMigrations()).map((migration) => migration.name);

async function has(schema: string): Promise<boolean> {
  const { rows } = await database.pool.query("select to_regnamespace($1) is not null as exists", [schema]);
  return rows[0].exists;
}

async function setVersion(version: string): Promise<void> {
  await database.pool.query(
    `create or replace function public.clerk_sync_schema_version() returns text language sql as $$ select '${version}' $$`,
  );
}

/** As supabase db push does it. */
async function pushAsSupabase(): Promise<void> {
  await database.pool.query("create schema supabase_migrations");
  await makeUsersTable(database.pool);
  for (const { sql } of await readMigrations()) await database.pool.query(sql);
}

it("an empty database gets every migration by its name, and a second time nothing", async () => {
  const first = await migrate();
  expect(first).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(
      /^There is no clerk-sync\.config\.json in .*plain table of its own, public\.users\..*$/,
    ),
  });
  for (const name of names) expect(first.stdout).toContain(`applied ${name}`);
  expect(first.stdout).toContain(`${names.length} migrations applied: the database is at version ${schemaVersion}.`);
  expect(await migrate()).toMatchObject({
    exitCode: 0,
    stdout: `Nothing to apply: the database is at version ${schemaVersion}.`,
  });
});

it("--dry-run lists what would be applied and changes nothing", async () => {
  const { stdout } = await migrate("--dry-run", "--json");
  expect(JSON.parse(stdout)).toEqual({
    dryRun: true,
    from: null,
    to: schemaVersion,
    migrations: names,
    findings: [],
    restores: false,
  });
  expect((await migrate("--dry-run")).stdout).toContain(`${names.length} migrations would be applied`);
  expect([await has("clerk_sync"), await has("clerk_sync_migrations"), await has("auth")]).toEqual([
    false,
    false,
    false,
  ]);
});

it("of two at once one applies every migration, the other finds nothing left", async () => {
  const results = await Promise.all([migrate("--json"), migrate("--json"), migrate("--json")]);
  expect(results.map((result) => result.exitCode)).toEqual([0, 0, 0]);
  const counts = results.map((result) => JSON.parse(result.stdout).migrations.length);
  expect(counts.sort((left, right) => left - right)).toEqual([0, 0, names.length]);
});

it("a database of a newer version is refused and left as it is", async () => {
  await migrate();
  await setVersion("99991231000000");
  await database.pool.query("delete from clerk_sync_migrations.applied");
  expect(await migrate("--force")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("error schema_newer: "),
  });
  const { rows } = await database.pool.query("select clerk_sync_schema_version() as version");
  expect(rows).toEqual([{ version: "99991231000000" }]);
});

it("a migration that changed since is applied again", async () => {
  await migrate();
  await database.pool.query("update clerk_sync_migrations.applied set checksum = '' where name = $1", [names[0]]);
  expect(JSON.parse((await migrate("--json")).stdout)).toMatchObject({ from: schemaVersion, migrations: [names[0]] });
});

it("a Supabase project is refused with the command that migrates it, --force overrides", async () => {
  await database.pool.query("create schema supabase_migrations");
  const refused = await migrate();
  expect(refused).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(
      /migration_refused: .*npx clerk-sync init in your project, then npx supabase db push --remote\./,
    ),
  });
  expect(await has("clerk_sync")).toBe(false);
  expect(await migrate("--force")).toMatchObject({ exitCode: 0 });
  expect(await has("clerk_sync")).toBe(true);
});

it("a database that supabase db push brought to this version is left alone, without a list of ours", async () => {
  await makeUsersTable(database.pool);
  expect(await migrate("--config", ownConfiguration)).toMatchObject({ exitCode: 0 });
  await database.pool.query("drop schema clerk_sync_migrations cascade");
  await pushAsSupabase();
  expect(await migrate()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Nothing to apply") });
  expect(await has("clerk_sync_migrations")).toBe(false);
});

it("a database out of reach is an error without its password", async () => {
  const { exitCode, stderr } = await runCommand(["migrate", "--database-url", "postgres://u:secret@127.0.0.1:1/none"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("database_unavailable") });
  expect(stderr).not.toContain("secret");
});

describe("where another tool dropped objects", () => {
  const damage = `drop table public.job_queue cascade; alter table public.users disable row level security;
    drop index clerk_sync.records_refresh_idx; revoke select on public.users from authenticated`;

  beforeEach(async () => {
    await makeUsersTable(database.pool);
    await migrate("--config", ownConfiguration);
    await database.pool.query("insert into public.users (clerk_id, \"updatedAt\") values ('user_kept', now())");
  });

  it("migrate says so beside that nothing is to be applied, and changes nothing", async () => {
    await database.pool.query("drop table public.job_queue cascade");
    const { exitCode, stdout } = await migrate("--config", ownConfiguration);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining("Nothing to apply") });
    expect(stdout).toMatch(/missing: table public\.job_queue, view .* and \d+ more.*--repair/);
    expect(await hasQueue()).toBe(false);
  });

  it("migrate that must refuse the mapped table names them, too", async () => {
    await database.pool.query(damage);
    const { exitCode, stderr } = await migrate("--config", ownConfiguration);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(
        /migration_refused: .*missing: table public\.job_queue.*--repair[\s\S]*enable row level security/,
      ),
    });
  });

  it("--repair puts each back, says which, what is lost, and what to do; rows stay; a second time there is nothing", async () => {
    await database.pool.query(damage);
    const { exitCode, stdout, stderr } = await migrate("--config", ownConfiguration, "--repair");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    for (const object of [
      "table public.job_queue",
      "view clerk_sync.events",
      "row level security of public.users",
      "index clerk_sync.records_refresh_idx",
      "rights on public.users (authenticated may not select)",
    ]) {
      expect(stdout).toContain(`restored ${object}`);
    }
    expect(stdout).toMatch(/rows of a table that was missing are lost.*clerk-sync reconcile --apply/);
    const { rows } = await database.pool.query(
      "select public.clerk_sync_object_findings() as found, (select array_agg(u.clerk_id) from public.users as u) as users, (select c.relrowsecurity from pg_class as c where c.oid = 'public.users'::regclass) as is_secured",
    );
    expect(rows).toEqual([{ found: [], users: ["user_kept"], is_secured: true }]);
    expect((await migrate("--config", ownConfiguration, "--repair")).stdout).toContain("Nothing to repair");
  });

  it("--repair --dry-run says what would be restored, and changes nothing", async () => {
    await database.pool.query("drop table public.job_queue cascade");
    const { stdout } = await migrate("--config", ownConfiguration, "--repair", "--dry-run");
    expect(stdout).toContain("would restore table public.job_queue");
    expect(await hasQueue()).toBe(false);
    const json = JSON.parse((await migrate("--config", ownConfiguration, "--dry-run", "--json")).stdout);
    expect(json.findings).toContainEqual({ object: "table public.job_queue", state: "missing", status: "compromised" });
  });

  it("--repair brings the whole schema back, and a database that lost its version", async () => {
    await database.pool.query("drop schema clerk_sync cascade; drop function public.clerk_sync_schema_version");
    expect((await migrate("--config", ownConfiguration)).stdout).toContain("missing: schema clerk_sync");
    const { stdout } = await migrate("--config", ownConfiguration, "--repair");
    expect(stdout).toContain("restored schema clerk_sync");
    expect(await has("clerk_sync")).toBe(true);
    const { rows } = await database.pool.query("select public.clerk_sync_object_findings() as found");
    expect(rows).toEqual([{ found: [] }]);
  });

  it("of a Supabase project --repair prints the commands that apply its migrations again", async () => {
    await database.pool.query(`
      create schema supabase_migrations;
      create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
      insert into supabase_migrations.schema_migrations (version, name) values
        ('20260101000000', 'app'), ('20260102000000', 'clerk_sync_schema'), ('20260103000000', 'clerk_sync_mapping');
      drop schema clerk_sync_migrations cascade; drop table public.job_queue cascade`);
    const { exitCode, stderr } = await migrate("--config", ownConfiguration, "--repair");
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("table public.job_queue") });
    expect(stderr).toContain(
      "npx supabase migration repair --remote --status reverted 20260102000000 20260103000000\n",
    );
    expect(stderr).toContain("npx supabase db push --remote --include-all");
    const forced = await migrate("--config", ownConfiguration, "--repair", "--force");
    expect(forced.stdout).toContain("restored table public.job_queue");
    expect(await has("clerk_sync_migrations")).toBe(false);
  });
});

async function hasQueue(): Promise<boolean> {
  const { rows } = await database.pool.query("select to_regclass('public.job_queue') is not null as exists");
  return rows[0].exists;
}
