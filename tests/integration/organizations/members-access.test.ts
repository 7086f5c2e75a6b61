import { readFile } from "node:fs/promises";
import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { rootConfiguration } from "../../../build/root-mapping.ts";
import type { ConfigurationFile } from "../../../mapping/configuration-schema.ts";
import { expandConfiguration } from "../../../mapping/expand-configuration.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import { readTables } from "../../../mapping/read-mapping.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";

type Kinds = Pick<ConfigurationFile, "organizations" | "memberships" | "roles" | "invitations" | "helpers">;

let opened: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  opened = await createTestDatabase();
  client = await opened.pool.connect();
});
afterEach(async () => {
  client.release();
  await opened.drop();
});

async function apply(kinds: Kinds): Promise<void> {
  const configuration = { ...expandConfiguration(kinds), users: rootConfiguration.users };
  const mapping = resolveMapping(configuration, await readTables(client, configuration));
  await client.query(generateScript(mapping));
}

/** What a role with this token reads of a column, in order; or the code of the refusal. */
async function read(sub: string, column: string, role = "authenticated"): Promise<unknown> {
  await client.query("begin");
  try {
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub })]);
    await client.query(`set local role ${role}`);
    const [, table = "", name = ""] = /^(.*)\.(\w+)$/.exec(column) ?? [];
    const { rows } = await client.query(`select ${name} as value from ${table} order by 1`);
    return rows.map(({ value }) => value);
  } catch (error) {
    return (error as pg.DatabaseError).code;
  } finally {
    await client.query("rollback");
  }
}

const findings = async () =>
  (
    await client.query(
      "select public.clerk_sync_privilege_findings() as rights, public.clerk_sync_object_findings() as objects",
    )
  ).rows[0];

const members = { access: "members" } as const;
const soft = { delete: { soft: "deleted_at" } } as const;
const everything = {
  organizations: members,
  memberships: { ...members, ...soft },
  roles: members,
  invitations: members,
} as const;

const rows = `
  insert into organizations (id, name) values ('org_1', 'Acme'), ('org_2', 'Other');
  insert into organization_memberships (id, organization_id, user_id, role, deleted_at) values
    ('orgmem_1', 'org_1', 'user_ada', 'org:admin', null), ('orgmem_2', 'org_1', 'user_eve', 'org:member', null),
    ('orgmem_3', 'org_1', 'user_left', 'org:member', now()), ('orgmem_4', 'org_2', 'user_bob', 'org:admin', null);
  insert into organization_roles (id, key) values ('role_1', 'org:admin');
  insert into organization_invitations (id, organization_id, email) values ('orginv_1', 'org_1', 'new@example.com'), ('orginv_2', 'org_2', 'x@example.com')`;

it("a member reads its organizations, their memberships and invitations, and the roles", async () => {
  await apply(everything);
  await client.query(rows);
  expect(await read("user_ada", "organizations.id")).toEqual(["org_1"]);
  expect(await read("user_ada", "organization_memberships.id")).toEqual(["orgmem_1", "orgmem_2"]);
  expect(await read("user_ada", "organization_roles.key")).toEqual(["org:admin"]);
  expect(await read("user_ada", "organization_invitations.id")).toEqual(["orginv_1"]);
  for (const table of ["organizations", "organization_memberships", "organization_roles", "organization_invitations"]) {
    expect(await read("user_left", `${table}.id`)).toEqual([]);
    expect(await read("", `${table}.id`)).toEqual([]);
    expect(await read("user_ada", `${table}.id`, "anon")).toBe("42501");
  }
  expect(await findings()).toEqual({ rights: [], objects: [] });
});

it("a member writes none of it", async () => {
  await apply(everything);
  await client.query(rows);
  await client.query(
    "begin; select set_config('request.jwt.claims', '{\"sub\": \"user_ada\"}', true); set local role authenticated",
  );
  await expect(client.query("update organization_memberships set role = 'org:admin'")).rejects.toThrow(
    "permission denied",
  );
  await client.query("rollback");
});

it("the removal of a member counts as soon as the row is gone", async () => {
  await apply({ ...everything, memberships: members });
  await client.query(rows.replaceAll(", deleted_at)", ")").replaceAll(/, (?:null|now\(\))\)/g, ")"));
  expect(await read("user_eve", "organizations.id")).toEqual(["org_1"]);
  await client.query("delete from organization_memberships where id = 'orgmem_2'");
  expect(await read("user_eve", "organizations.id")).toEqual([]);
});

it("tables with other names and local keys are read likewise", async () => {
  await client.query(`
    create schema core;
    create table core.teams (id serial primary key, clerk varchar(64) unique);
    create table core.people_in_teams (id serial primary key, clerk text unique, team integer, person uuid, unique (team, person));
    alter table core.teams enable row level security;
    alter table core.people_in_teams enable row level security;
    grant usage on schema core to authenticated;
    insert into users (id, clerk_id, name) values ('00000000-0000-4000-8000-00000000000a', 'user_ada', 'Ada'), ('00000000-0000-4000-8000-00000000000b', 'user_bob', 'Bob')`);
  await apply({
    organizations: { table: "core.teams", key: "clerk", columns: {}, ...members },
    memberships: {
      table: "core.people_in_teams",
      key: "clerk",
      columns: { team: { from: "organization", as: "id" }, person: { from: "user", as: "id" } },
      ...members,
    },
    helpers: { schema: "Policy helpers" },
  });
  await client.query(`
    insert into core.teams (clerk) values ('org_1'), ('org_2');
    insert into core.people_in_teams (clerk, team, person) values
      ('orgmem_1', 1, '00000000-0000-4000-8000-00000000000a'), ('orgmem_2', 2, '00000000-0000-4000-8000-00000000000b')`);
  expect(await read("user_ada", "core.teams.clerk")).toEqual(["org_1"]);
  expect(await read("user_ada", "core.people_in_teams.clerk")).toEqual(["orgmem_1"]);
  expect(await read("user_bob", "core.people_in_teams.clerk")).toEqual(["orgmem_2"]);
  expect(await findings()).toEqual({ rights: [], objects: [] });
});

it("a table that is closed again is read by nobody, and one that is left keeps the owner's grants", async () => {
  await apply(everything);
  await client.query(rows);
  await apply({ ...everything, organizations: { access: "none" }, roles: { access: "leave" } });
  expect(await read("user_ada", "organizations.id")).toBe("42501");
  expect(await read("user_ada", "organization_memberships.id")).toEqual(["orgmem_1", "orgmem_2"]);
  expect(await read("user_ada", "organization_roles.key")).toEqual(["org:admin"]);
  expect(await findings()).toEqual({ rights: [], objects: [] });
  await client.query("grant select on organizations to authenticated");
  expect((await findings()).rights).toEqual([{ object: "public.organizations", what: "authenticated may select" }]);
});

it("without the sync the tables stay, closed to members, with what their owner allows", async () => {
  await apply(everything);
  await client.query(rows);
  await client.query("create policy mine on organizations for select to authenticated using (id = 'org_2')");
  await client.query(await readFile(new URL("../../../templates/sql/drop.sql", import.meta.url), "utf8"));
  expect(await read("user_ada", "organizations.id")).toEqual(["org_2"]);
  expect(await read("user_ada", "organization_memberships.id")).toEqual([]);
  expect((await client.query("select count(*)::int as count from organization_memberships")).rows).toEqual([
    { count: 4 },
  ]);
  expect((await client.query("select to_regnamespace('clerk') as schema")).rows).toEqual([{ schema: null }]);
});
