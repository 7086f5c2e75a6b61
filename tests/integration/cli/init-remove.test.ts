import { appendFile, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { readDropSql } from "../../../cli/init/read-sources.ts";
import { migrate } from "../../../server/migrate.ts";
import { createTestDatabase } from "../../support/database/test-database.ts";
import { createHostedDatabase, createSupabaseProject } from "../../support/supabase/supabase-project.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const migrations = path.join(root, "supabase/migrations");

it("--remove leaves the project byte for byte as it was, except for the migrations, or without these too", async () => {
  const project = await createSupabaseProject();
  const before = await project.readAll();
  await project.init("--yes");
  const done = await project.init("--remove", "--yes");
  expect(done.exitCode).toBe(0);
  const after = await project.readAll();
  const isMigration = (file: string) => /^supabase\/migrations\/\d+_clerk_sync_/.test(file);
  expect(Object.fromEntries(Object.entries(after).filter(([file]) => !isMigration(file)))).toEqual(before);
  expect(Object.keys(after).filter(isMigration)).toHaveLength((await readdir(migrations)).length);

  expect((await project.init("--yes", "--verbose")).stdout).not.toMatch(/^add +supabase\/migrations/m);
  await project.init("--remove", "--migrations", "--yes");
  expect(await project.readAll()).toEqual(before);
  await expect(readdir(path.join(project.path, "supabase/tests"))).rejects.toThrow("ENOENT");
});

it("after --remove --migrations of pushed ones, db push works again once they are marked as reverted", async () => {
  const [project, database] = [await createSupabaseProject(), await createHostedDatabase()];
  await project.init("--yes");
  await project.push(database);
  const { removed } = JSON.parse((await project.init("--remove", "--migrations", "--yes", "--json")).stdout);
  await expect(project.push(database)).rejects.toThrow(/Remote migration versions not found/);
  const numbers = removed.flatMap((file: string) => /migrations\/(\d+)_/.exec(file)?.[1] ?? []);
  const remote = `--remote=${database.url}?sslmode=disable`;
  await project.supabase("migration", "repair", remote, "--status", "reverted", ...numbers, "--yes");
  await project.push(database);
});

it("--remove names and keeps what the user changed", async () => {
  const project = await createSupabaseProject();
  await project.init("--yes");
  await appendFile(path.join(project.path, "supabase/functions/clerk-webhook/index.ts"), "// mine\n");
  const done = await project.init("--remove", "--yes");
  expect(done.stdout).toMatch(/^keep +supabase\/functions\/clerk-webhook\/index\.ts: changed by you$/m);
  expect((await project.readAll())["supabase/functions/clerk-webhook/index.ts"]).toContain("// mine");
});

it("the printed SQL drops all that is ours, leaves users with its rows, and can run again", async () => {
  const database = await createTestDatabase();
  onTestFinished(database.drop);
  const sql = await readDropSql(root);
  await database.pool.query(`
    create schema if not exists vault;
    create table if not exists vault.secrets (name text primary key, secret text);
    insert into vault.secrets values ('clerk_sync_project_url', ''), ('clerk_sync_processor_secret', ''), ('own', '');
    create function public.own() returns integer language sql as 'select 1';
    insert into public.users (clerk_id) values ('user_1');`);
  for (const _ of ["once", "twice"]) await database.pool.query(sql);
  const { rows } = await database.pool.query(`
    select 'schema ' || n.nspname as name from pg_namespace as n where n.nspname like 'clerk%'
    union all select 'table ' || c.relname from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    union all select 'function ' || p.proname from pg_proc as p where p.pronamespace = 'public'::regnamespace
    union all select 'secret ' || s.name from vault.secrets as s
    union all select 'row ' || u.clerk_id from public.users as u
    order by name`);
  expect(rows.map(({ name }) => name)).toEqual(["function own", "row user_1", "secret own", "table users"]);
});

it("after the SQL the migrations apply again", async () => {
  const database = await createTestDatabase();
  onTestFinished(database.drop);
  const client = await database.pool.connect();
  await client.query(await readDropSql(root));
  expect(await migrate(client)).toHaveLength((await readdir(migrations)).length);
  client.release();
});
