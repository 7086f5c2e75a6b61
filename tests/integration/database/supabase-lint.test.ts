import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasDebianExtension } from "../../support/database/debian-postgres.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { type SupabaseDatabase, startSupabaseDatabase } from "../../support/supabase/start-supabase-database.ts";

const supabase = fileURLToPath(new URL("../../../node_modules/.bin/supabase", import.meta.url));
const existingUsers = await readFile(new URL("../../fixtures/existing-users.sql", import.meta.url), "utf8");
const hasExtensions =
  (await hasDebianExtension("plpgsql_check", "postgresql-15-plpgsql-check")) &&
  (await hasDebianExtension("pg_cron", "postgresql-15-cron"));

const lint = ["db", "lint", "--level", "warning", "--fail-on", "warning"];
const advisors = ["db", "advisors", "--type", "all", "--level", "warn", "--fail-on", "warn"];

/** Runs the Supabase CLI against a plain PostgreSQL, with nothing of the caller's environment. */
async function runCli(args: readonly string[], databaseUrl: string): Promise<{ code: number; output: string }> {
  const home = await createTestFolder();
  const env = { PATH: process.env["PATH"], HOME: home.path, SUPABASE_TELEMETRY_DISABLED: "1" };
  const all = [...args, `--remote=${databaseUrl}?sslmode=disable`, "--agent", "no"];
  try {
    return await new Promise((resolve) => {
      execFile(supabase, all, { env, cwd: home.path }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
      });
    });
  } finally {
    await home.remove();
  }
}

// Lints 0026 to 0029 of the hosted advisors, which the CLI does not know: what pg_graphql would show of the queue to the
// API's roles, and functions that run with their owner's rights for everybody (supabase.com/docs, "Database advisors").
// A user's own row is meant to be seen by that user: users is left out.
const hostedLints = `
  select c.oid::regclass::text || ' to ' || r.role as finding
  from pg_catalog.pg_class as c
  cross join unnest(array['anon', 'authenticated']) as r(role)
  where c.relnamespace = 'public'::regnamespace
    and c.relkind in ('r', 'v', 'm', 'f', 'p')
    and c.oid <> 'public.users'::regclass
    and has_table_privilege(r.role, c.oid, 'select')
  union all
  select p.oid::regprocedure::text || ' to ' || r.role
  from pg_catalog.pg_proc as p
  cross join unnest(array['anon', 'authenticated']) as r(role)
  where p.pronamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and p.prosecdef
    and has_function_privilege(r.role, p.oid, 'execute')`;

const bad = {
  function: `
    create function public.clerk_sync_bad() returns void language plpgsql as
    $$ begin perform n.nothing from public.nothing as n; end $$`,
  policy: `create policy bad on public.users for select to authenticated using (clerk_id = (auth.jwt() ->> 'sub'))`,
  definer: "create function public.clerk_sync_definer() returns int language sql security definer as 'select 1'",
};

describe.skipIf(!hasExtensions).each([
  ["an empty database", ""],
  ["a users table with rows", existingUsers],
])("the linters of Supabase on the migrations applied to %s", (_, before) => {
  let database: SupabaseDatabase;
  beforeAll(async () => {
    database = await startSupabaseDatabase(before);
  });
  afterAll(() => database?.stop());

  it("supabase db lint finds nothing", async () => {
    const { code, output } = await runCli(lint, database.url);
    expect(output).toContain("Linting schema: clerk_sync\n");
    expect(output).toContain("Linting schema: clerk\n");
    expect(output).toContain("No schema errors found");
    expect(code).toBe(0);
  });

  it("supabase db advisors finds nothing, of security and of performance", async () => {
    expect(await runCli(advisors, database.url)).toMatchObject({
      code: 0,
      output: expect.stringContaining("No issues found"),
    });
  });

  it("the lints of hosted projects find nothing", async () => {
    expect((await database.client.query(hostedLints)).rows).toEqual([]);
  });

  it("a faulty function, a slow policy and a function with its owner's rights do not pass unnoticed", async () => {
    for (const sql of Object.values(bad)) await database.client.query(sql);
    const [linted, advised] = [await runCli(lint, database.url), await runCli(advisors, database.url)];
    const hosted = (await database.client.query<{ finding: string }>(hostedLints)).rows.map((row) => row.finding);
    await database.client.query("drop function public.clerk_sync_bad(); drop policy bad on public.users");
    await database.client.query("drop function public.clerk_sync_definer()");
    expect(linted).toMatchObject({ code: 1, output: expect.stringContaining("public.clerk_sync_bad") });
    expect(advised.code).toBe(1);
    for (const name of ["auth_rls_initplan", "multiple_permissive_policies", "function_search_path_mutable"]) {
      expect(advised.output).toContain(`"${name}"`);
    }
    expect(hosted).toEqual(["clerk_sync_definer() to anon", "clerk_sync_definer() to authenticated"]);
  });
});
