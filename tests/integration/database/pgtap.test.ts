import { readdir, readFile } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authSchema } from "../../../local/open-local-database.ts";
import { generateUsers } from "../../../mapping/generate-users.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { hasDebianExtension, startDebianPostgres } from "../../support/database/debian-postgres.ts";
import { makeUsersTable } from "../../support/database/test-database.ts";
import { changeMapping } from "../../support/mapping/contract-mapping.ts";
import { olderUsersTable } from "../../support/supabase/older-users-table.ts";

const folder = new URL("../../../supabase/tests/", import.meta.url);
const files = (await readdir(folder)).filter((name) => name.endsWith("_test.sql")).sort();
const contract = await readFile(new URL("../../fixtures/contract-users_test.sql", import.meta.url), "utf8");
const hasPgtap = await hasDebianExtension("pgtap", "postgresql-15-pgtap");

// The tests that `supabase test db` runs in a project, on a database as a project has it.
describe.skipIf(!hasPgtap).each([
  ["an empty database", ""],
  ["an older users table open to all", olderUsersTable],
])("supabase/tests on the migrations applied to %s", (_, before) => {
  let postgres: Awaited<ReturnType<typeof startDebianPostgres>>;
  let client: pg.Client;
  beforeAll(async () => {
    postgres = await startDebianPostgres();
    client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await applyPrelude(client, authSchema);
    await client.query(before);
    await makeUsersTable(client);
    await migrate(client);
    await client.query("create schema extensions; create extension pgtap with schema extensions");
    await client.query("grant usage on schema extensions to anon, authenticated");
    await client.query("set search_path = public, extensions");
  });
  afterAll(async () => {
    await client?.end();
    await postgres?.stop();
  });

  /** The lines of TAP that a file prints. */
  async function run(text: string): Promise<string[]> {
    const results: unknown = await client.query(text);
    return (results as pg.QueryResult[]).flatMap((result) =>
      (result.rows ?? []).flatMap((row) => Object.values(row).map(String)),
    );
  }

  async function expectPass(text: string): Promise<void> {
    const lines = await run(text);
    const planned = Number(lines.find((line) => line.startsWith("1.."))?.slice(3));
    expect(lines.filter((line) => line.startsWith("not ok") || line.startsWith("#"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(planned);
  }

  it.each(files)("%s passes", async (file) => {
    await expectPass(await readFile(new URL(file, folder), "utf8"));
  });

  it("a new user has the defaults of the table", async () => {
    await expectPass(contract);
    const changed = contract.replace(
      /^begin;$/m,
      "begin; alter table public.users alter column preferences set default '{}';",
    );
    expect((await run(changed)).filter((line) => line.startsWith("not ok")).length).toBeGreaterThan(0);
  });

  it.each(files)(
    "%s passes where access to the table is its owner's, who gives what would be found else",
    async (file) => {
      const owners = `${generateUsers(changeMapping({ access: { kind: "leave" } }))};
      drop policy users_select_own on public.users;
      create policy open on public.users for select using (true);
      grant select, update, insert, delete on public.users to anon, authenticated;`;
      const text = await readFile(new URL(file, folder), "utf8");
      await expectPass(text.replace(/^begin;$/m, () => `begin; ${owners}`));
    },
  );

  const grants = "04_explicit_grants_test.sql";
  it.each([
    ["a table without row level security", grants, "create table clerk_sync.extra (id integer)"],
    [
      "a view open to signed-in users",
      grants,
      "create view clerk_sync.leak as select 1 as one; grant select on clerk_sync.leak to authenticated",
    ],
    [
      "a function open to everybody",
      grants,
      "create function public.clerk_sync_extra() returns int language sql set search_path = '' as 'select 1'",
    ],
    ["a column open to anon", "05_anon_sees_nothing_test.sql", "grant select (name) on public.users to anon"],
    ["a column that users may edit", "02_own_columns_test.sql", "grant update (role) on public.users to authenticated"],
    [
      "a policy that lets users read all",
      "01_own_row_test.sql",
      "create policy open on public.users for select to authenticated using (true)",
    ],
    [
      "a function with its owner's rights",
      "07_no_way_around_test.sql",
      "create function public.clerk_sync_extra() returns int language sql security definer as 'select 1'",
    ],
    ["a schema open to all", "07_no_way_around_test.sql", "grant create on schema public to public"],
    [
      "a helper for policies that anon may call",
      "09_policy_helpers_test.sql",
      "grant usage on schema clerk to anon; grant execute on function clerk.my_org_ids to anon",
    ],
    [
      "a helper for policies that raises on wrong claims",
      "09_policy_helpers_test.sql",
      "create or replace function clerk.claims() returns jsonb language sql stable as 'select auth.jwt()'",
    ],
    [
      "a queue that is published",
      "08_realtime_test.sql",
      "create publication supabase_realtime for table public.users, public.job_queue",
    ],
  ])("%s does not pass unnoticed", async (_title, file, sql) => {
    const text = (await readFile(new URL(file, folder), "utf8")).replace(/^begin;$/m, `begin; ${sql};`);
    const lines = await run(text);
    expect(lines.filter((line) => line.startsWith("not ok")).length).toBeGreaterThan(0);
  });
});
