import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { fillOrganizations } from "../../support/organizations/fill-organizations.ts";

let database: TestDatabase;
let client: pg.PoolClient;
beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.pool.connect();
  await fillOrganizations(client);
});
afterAll(async () => {
  client?.release();
  await database?.drop();
});

/** The first column of what a statement returns to a role with these claims. */
async function as(role: string, claims: unknown, sql: string): Promise<unknown[]> {
  await client.query("begin");
  try {
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    await client.query(`set local role ${role}`);
    return (await client.query({ text: sql, rowMode: "array" })).rows.map(([value]) => value);
  } finally {
    await client.query("rollback");
  }
}
const ask = (sub: string, sql: string) => as("authenticated", { sub }, sql);

describe("my_org_ids", () => {
  const sql = "select o from clerk.my_org_ids() as o order by o";
  it.each([
    ["a member of several", "user_ada", ["org_1", "org_2"]],
    ["a member of one", "user_eve", ["org_1"]],
    ["who left", "user_left", []],
    ["a member of an organization that is deleted", "user_gone", []],
    ["nobody", "", []],
  ])("%s has %s: %j", async (_, sub, expected) => {
    expect(await ask(sub, sql)).toEqual(expected);
  });

  it("a token without a subject has none", async () => {
    expect(await as("authenticated", {}, sql)).toEqual([]);
    expect(await as("authenticated", { sub: null }, sql)).toEqual([]);
  });

  it("the active organization of the token does not count", async () => {
    const claims = { sub: "user_eve", v: 2, o: { id: "org_2", rol: "admin" } };
    expect(await as("authenticated", claims, sql)).toEqual(["org_1"]);
  });
});

it.each([
  ["user_ada", "org_1", true, "org:admin"],
  ["user_ada", "org_2", true, "org:member"],
  ["user_ada", "org_3", false, null],
  ["user_eve", "org_1", true, "org:member"],
  ["user_eve", "org_2", false, null],
  ["user_left", "org_1", false, null],
  ["user_gone", "org_gone", false, null],
])("%s in %s: member %s, role %s", async (sub, org, isMember, role) => {
  expect(await ask(sub, `select clerk.is_member('${org}')`)).toEqual([isMember]);
  expect(await ask(sub, `select clerk.member_role('${org}')`)).toEqual([role]);
});

it.each([
  ["user_ada", "org_1", "org:teams:manage", true],
  ["user_ada", "org_1", "org:sys_memberships:manage", true],
  ["user_ada", "org_2", "org:teams:manage", false],
  ["user_ada", "org_2", "org:teams:read", true],
  ["user_eve", "org_1", "org:teams:manage", false],
  ["user_eve", "org_2", "org:teams:read", false],
  ["user_left", "org_1", "org:teams:read", false],
  ["user_ada", "org_old", "org:teams:read", false],
])("%s in %s has %s: %s", async (sub, org, permission, expected) => {
  expect(await ask(sub, `select clerk.member_has_permission('${org}', '${permission}')`)).toEqual([expected]);
});

it("what they read is out of reach of who calls them", async () => {
  for (const view of ["membership_rows", "role_rows", "organization_rows"]) {
    await expect(ask("user_ada", `select * from clerk_sync.${view}`)).rejects.toMatchObject({ code: "42501" });
  }
  await expect(ask("user_ada", "select * from public.stand_in_memberships")).rejects.toMatchObject({ code: "42501" });
});

const functions = `
  select p.oid::regprocedure::text, p.proname, p.pronargs
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'clerk'::regnamespace
  order by 1`;

it("anon may call none of them, and nobody in the name of public", async () => {
  const { rows } = await client.query<{ oid: string; proname: string; pronargs: number }>(functions);
  expect(rows.map(({ oid }) => oid)).toEqual([
    "clerk.actor_id()",
    "clerk.claims()",
    "clerk.has_feature(text)",
    "clerk.has_permission(text)",
    "clerk.has_plan(text)",
    "clerk.is_member(text)",
    "clerk.member_has_permission(text,text)",
    "clerk.member_role(text)",
    "clerk.my_org_ids()",
    "clerk.org_id()",
    "clerk.org_role()",
    "clerk.org_slug()",
    "clerk.user_id()",
  ]);
  const { rows: open } = await client.query(`
    select p.oid::regprocedure::text, r.role
    from pg_catalog.pg_proc as p
    cross join unnest(array['anon', 'public']) as r(role)
    where p.pronamespace = 'clerk'::regnamespace
      and has_function_privilege(r.role, p.oid, 'execute')`);
  expect(open).toEqual([]);
  for (const { proname, pronargs } of rows) {
    const call = `select clerk.${proname}(${Array(pronargs).fill("'org_1'")})`;
    await expect(as("anon", { sub: "user_ada" }, call), call).rejects.toMatchObject({ code: "42501" });
    await expect(ask("user_ada", call), call).resolves.toBeDefined();
    await expect(as("service_role", {}, call), call).resolves.toBeDefined();
  }
});

it("all are stable, with a search_path of their own, and only those of the tables have the rights of their owner", async () => {
  const { rows } = await client.query(`
    select p.proname as name
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'clerk'::regnamespace
      and (p.provolatile <> 's' or p.proconfig <> array['search_path=""'])`);
  expect(rows).toEqual([]);
  const { rows: definers } = await client.query(`
    select p.proname as name from pg_catalog.pg_proc as p
    where p.pronamespace = 'clerk'::regnamespace and p.prosecdef order by 1`);
  expect(definers.map(({ name }) => name)).toEqual(["is_member", "member_has_permission", "member_role", "my_org_ids"]);
});

it("a policy with my_org_ids calls it once, whatever the table holds", async () => {
  await client.query(`
    create table public.projects (id bigint generated always as identity, organization_id text not null);
    insert into public.projects (organization_id) select 'org_' || n % 10 from generate_series(1, 1000) as n;
    alter table public.projects enable row level security;
    grant select on public.projects to authenticated;
    create policy projects_of_members on public.projects
      for select to authenticated
      using (organization_id in (select clerk.my_org_ids()))`);
  expect(await ask("user_ada", "select distinct organization_id from public.projects order by 1")).toEqual([
    "org_1",
    "org_2",
  ]);
  const [plan] = (await ask("user_ada", "explain (analyze, format json) select * from public.projects")) as [unknown];
  const calls = [...JSON.stringify(plan).matchAll(/"Node Type":"ProjectSet".*?"Actual Loops":(\d+)/g)];
  expect(calls.map(([, loops]) => loops)).toEqual(["1"]);
});
