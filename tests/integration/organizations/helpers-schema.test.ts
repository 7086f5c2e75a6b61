import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { rootConfiguration, rootTables } from "../../../build/root-mapping.ts";
import { readDropSql } from "../../../cli/init/read-sources.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const dropSql = await readDropSql(fileURLToPath(new URL("../../../", import.meta.url)));

let database: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  database = await createTestDatabase();
  client = await database.pool.connect();
});
afterEach(async () => {
  client.release();
  await database.drop();
});

/** What a migration does whose configuration has these helpers; undefined: it says nothing of them. */
async function generate(helpers?: { schema: string }): Promise<void> {
  const mapping = resolveMapping({ ...rootConfiguration, helpers: helpers ?? null }, rootTables);
  await client.query(`begin; ${generateScript(mapping)}; commit`).catch(async (error: unknown) => {
    await client.query("rollback");
    throw error;
  });
}

const whereIs = async (name: string) =>
  (
    await client.query({
      text: "select p.pronamespace::regnamespace::text from pg_catalog.pg_proc as p where p.proname = $1",
      values: [name],
      rowMode: "array",
    })
  ).rows.flat();

const findings = async () =>
  (await client.query("select public.clerk_sync_object_findings() || public.clerk_sync_privilege_findings() as found"))
    .rows[0].found;

const hasSchema = async (name: string) =>
  (await client.query("select to_regnamespace($1) is not null as has", [name])).rows[0].has;

const noHelpers = "drop schema clerk cascade";

/** As Supabase's guide to its Clerk wrapper makes it, without the wrapper: the kind of table makes no difference. */
const wrapper = `
  ${noHelpers};
  create schema clerk;
  create table clerk.users (id text);
  create view clerk.organizations as select 1 as id;
  create function clerk.refresh() returns void language sql as 'select';`;

describe("a schema clerk that is there already", () => {
  it("is not used without a word of the configuration, and what is in it is named", async () => {
    await client.query(wrapper);
    await expect(generate()).rejects.toMatchObject({
      code: "SY001",
      message:
        "schema clerk is not of clerk-sync, and holds: function clerk.refresh(), table clerk.users, view clerk.organizations",
      hint: expect.stringContaining('"helpers": { "schema": "clerk" }'),
    });
    expect(await whereIs("user_id")).toEqual([]);
  });

  it("takes the helpers beside what is in it, when the configuration names it", async () => {
    await client.query(wrapper);
    await generate({ schema: "clerk" });
    await generate(); // they are in it now
    expect(await whereIs("user_id")).toEqual(["clerk"]);
    expect(await findings()).toEqual([]);
  });

  it("is used when it is empty", async () => {
    await client.query(`${noHelpers}; create schema clerk`);
    await generate();
    expect(await whereIs("my_org_ids")).toEqual(["clerk"]);
  });

  it("keeps a function of somebody else's that has the name of a helper", async () => {
    await client.query(
      `${wrapper} create function clerk.is_member(uuid) returns boolean language sql as 'select true'`,
    );
    for (const helpers of [undefined, { schema: "clerk" }]) {
      await expect(generate(helpers)).rejects.toMatchObject({
        code: "SY001",
        message: expect.stringContaining("clerk.is_member(uuid)"),
        hint: expect.stringContaining("another schema for the helpers"),
      });
    }
    await generate({ schema: "policies" });
    expect((await whereIs("is_member")).sort()).toEqual(["clerk", "policies"]);
  });

  it("may get something of the owner's later", async () => {
    await client.query("create table clerk.users (id text)");
    await generate();
    expect(await findings()).toEqual([]);
  });
});

describe("clerk-sync init --db-url", () => {
  async function init(files: Readonly<Record<string, string>> = {}) {
    const folder = await createTestFolder();
    onTestFinished(folder.remove);
    await writeFile(path.join(folder.path, "package.json"), "{}");
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder.path, name), text);
    const done = await runCommand(["init", "--yes", "--db-url", database.url], { folder: folder.path });
    const written = await readFile(path.join(folder.path, "clerk-sync.config.json"), "utf8");
    return { ...done, written };
  }
  const holds = "function clerk.refresh, table clerk.users, view clerk.organizations";

  it("names what is in the schema, and writes that the helpers go there", async () => {
    await client.query(wrapper);
    const { exitCode, stdout, written } = await init();
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Schema clerk holds ${holds}. They stay as they are`);
    expect(written).toContain('"helpers": { "schema": "clerk" }');
  });

  it("stops where the file is there and does not say so", async () => {
    await client.query(wrapper);
    const { exitCode, stderr } = await init({ "clerk-sync.config.json": "{}" });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`which holds ${holds}.`)]);
  });

  it("asks nothing where the helpers are in it already", async () => {
    await client.query("create table clerk.users (id text)");
    expect((await init({ "clerk-sync.config.json": "{}" })).stderr).not.toContain("schema clerk");
  });
});

describe("another schema", () => {
  it.each(["policies", "My Helpers", "a%b"])("%s has the helpers, and clerk is gone", async (schema) => {
    await generate({ schema });
    expect(await whereIs("has_permission")).toEqual([
      (await client.query("select quote_ident($1) as name", [schema])).rows[0].name,
    ]);
    expect(await hasSchema("clerk")).toBe(false);
    expect(await findings()).toEqual([]);
  });

  it("takes the policies along", async () => {
    await client.query(`
      create table public.notes (author text);
      alter table public.notes enable row level security;
      create policy notes_own on public.notes using (author = (select clerk.user_id()))`);
    await generate({ schema: "policies" });
    const { rows } = await client.query("select qual from pg_catalog.pg_policies where policyname = 'notes_own'");
    expect(rows[0].qual).toContain("policies.user_id()");
    await generate();
    expect(await hasSchema("policies")).toBe(false);
    expect(await whereIs("user_id")).toEqual(["clerk"]);
  });

  it("leaves the old one when something else is in it", async () => {
    await client.query("create table clerk.users (id text)");
    await generate({ schema: "policies" });
    expect(await hasSchema("clerk")).toBe(true);
    expect(await whereIs("user_id")).toEqual(["policies"]);
  });
});

describe("the SQL that drops what is ours", () => {
  it("drops the helpers, and the schema that was made for them", async () => {
    await client.query(dropSql);
    expect([await whereIs("user_id"), await hasSchema("clerk")]).toEqual([[], false]);
    await client.query(dropSql);
  });

  it("leaves a schema with something else in it, and one that was there before", async () => {
    await client.query("create table clerk.users (id text)");
    await client.query(dropSql);
    expect([await whereIs("user_id"), await hasSchema("clerk")]).toEqual([[], true]);
  });

  it("leaves an empty schema that was there before", async () => {
    await client.query(`${noHelpers}; create schema clerk`);
    await generate();
    await client.query(dropSql);
    expect([await whereIs("user_id"), await hasSchema("clerk")]).toEqual([[], true]);
  });

  it("drops nothing while a policy uses a helper, and names the policy", async () => {
    await client.query(`
      create table public.notes (author text);
      create policy notes_own on public.notes using (author = (select clerk.user_id()))`);
    await expect(client.query(dropSql)).rejects.toMatchObject({
      code: "2BP01",
      detail: expect.stringContaining("policy notes_own on table"),
    });
    expect(await hasSchema("clerk_sync")).toBe(true);
  });
});

describe("health and rights", () => {
  it.each([
    ["drop function clerk.is_member", ["degraded: function clerk.is_member(text) is missing"]],
    [
      "create or replace function clerk.is_member(p_organization_id text) returns boolean language sql as 'select true'",
      ["degraded: function clerk.is_member(text) is changed"],
    ],
    [
      "revoke execute on function clerk.user_id from authenticated",
      ["degraded: rights on clerk.user_id() (authenticated may not call it) is changed"],
    ],
    [
      "grant execute on function clerk.user_id to anon",
      ["degraded: rights on clerk.user_id() (anon may call it) is changed"],
    ],
    [
      "revoke usage on schema clerk from authenticated",
      ["degraded: rights on clerk (authenticated may not use it) is changed"],
    ],
  ])("after %s health says so, and the migration restores it", async (sql, expected) => {
    await client.query(sql);
    const { rows } = await client.query("select public.clerk_sync_object_findings() as found");
    expect(
      rows[0].found.map(
        (one: { status: string; object: string; state: string }) => `${one.status}: ${one.object} is ${one.state}`,
      ),
    ).toEqual(expected);
    await generate();
    expect(await findings()).toEqual([]);
  });

  it.each([
    ["grant execute on function clerk.my_org_ids to anon", "clerk.my_org_ids()", "anon may call it"],
    ["grant execute on function clerk.my_org_ids to public", "clerk.my_org_ids()", "public may call it"],
    ["revoke execute on function clerk.org_id from authenticated", "clerk.org_id()", "authenticated may not call it"],
    ["alter function clerk.org_id reset search_path", "clerk.org_id()", "its search_path is not pinned"],
    ["revoke usage on schema clerk from authenticated", "schema clerk", "authenticated may not use"],
  ])("after %s the rights are found wrong", async (sql, object, what) => {
    await client.query(sql);
    const { rows } = await client.query("select public.clerk_sync_privilege_findings() as found");
    expect(rows[0].found).toContainEqual({ object, what });
  });
});
