import { readdir, readFile } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyPrelude, migrate } from "../../server/migrate.ts";
import { hasDebianExtension, startDebianPostgres } from "../support/debian-postgres.ts";

const folder = new URL("../../supabase/tests/", import.meta.url);
const files = (await readdir(folder)).filter((name) => name.endsWith("_test.sql")).sort();
const hasPgtap = await hasDebianExtension("pgtap", "postgresql-15-pgtap");

// The tests that `supabase test db` runs in a project, on a database as a project has it.
describe.skipIf(!hasPgtap)("supabase/tests", () => {
  let postgres: Awaited<ReturnType<typeof startDebianPostgres>>;
  let client: pg.Client;
  beforeAll(async () => {
    postgres = await startDebianPostgres();
    client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await applyPrelude(client, true);
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
  async function run(file: string): Promise<string[]> {
    const results: unknown = await client.query(await readFile(new URL(file, folder), "utf8"));
    return (results as pg.QueryResult[]).flatMap((result) =>
      (result.rows ?? []).flatMap((row) => Object.values(row).map(String)),
    );
  }

  it.each(files)("%s passes", async (file) => {
    const lines = await run(file);
    const planned = Number(lines.find((line) => line.startsWith("1.."))?.slice(3));
    expect(lines.filter((line) => line.startsWith("not ok") || line.startsWith("#"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(planned);
  });

  it.each([
    ["a table without row level security", "create table clerk_sync.extra (id integer)"],
    [
      "a view open to signed-in users",
      "create view clerk_sync.leak as select 1 as one; grant select on clerk_sync.leak to authenticated",
    ],
    [
      "a function open to everybody",
      "create function public.clerk_sync_extra() returns int language sql set search_path = '' as 'select 1'",
    ],
  ])("%s does not pass unnoticed", async (_, sql) => {
    await client.query(sql);
    const lines = await run("04_explicit_grants_test.sql");
    expect(lines.filter((line) => line.startsWith("not ok")).length).toBeGreaterThan(0);
    await client.query(
      "drop table if exists clerk_sync.extra; drop view if exists clerk_sync.leak; drop function if exists public.clerk_sync_extra()",
    );
  });
});
