import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rootConfiguration } from "../../../build/root-mapping.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import type { ConfigurationFile } from "../../../mapping/configuration-schema.ts";
import { expandConfiguration } from "../../../mapping/expand-configuration.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { readTables } from "../../../mapping/read-mapping.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";

type Kinds = Pick<ConfigurationFile, "organizations" | "memberships" | "roles" | "invitations">;

const allKinds = { organizations: true, memberships: true, roles: true, invitations: true } as const;

/** The users of this repository, and these kinds. */
const configure = (kinds: Kinds): Configuration => ({
  ...expandConfiguration(kinds),
  users: rootConfiguration.users,
});

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

/** Resolves the file against the database, and applies what it generates. */
async function apply(kinds: Kinds): Promise<Mapping> {
  const configuration = configure(kinds);
  const mapping = resolveMapping(configuration, await readTables(client, configuration));
  await client.query(generateScript(mapping));
  return mapping;
}

const rowsOf = async (sql: string) => (await client.query(sql)).rows;
const problems = async () => (await rowsOf("select public.clerk_sync_table_problems() as problems"))[0]?.problems;
const columnsOf = async (table: string) => {
  const facts = await readTable(client, { schema: "public", name: table });
  return facts?.columns.map(
    ({ name, sqlType, isNotNull, defaultExpression }) =>
      `${name} ${sqlType}${isNotNull ? " not null" : ""}${defaultExpression === null ? "" : ` default ${defaultExpression}`}`,
  );
};

describe("the tables that the migration makes", () => {
  it("are those of the plain file, closed, and of the same mapping afterwards", async () => {
    const mapping = await apply(allKinds);
    expect(await columnsOf("organizations")).toEqual([
      "id text not null",
      "name text",
      "slug text",
      "image_url text",
      "public_metadata jsonb not null default '{}'::jsonb",
      "created_by text",
      "max_allowed_memberships integer",
      "created_at timestamptz",
      "updated_at timestamptz",
    ]);
    expect(await columnsOf("organization_memberships")).toEqual([
      "id text not null",
      "organization_id text",
      "user_id text",
      "role text",
      "public_metadata jsonb not null default '{}'::jsonb",
      "created_at timestamptz",
      "updated_at timestamptz",
    ]);
    expect(await columnsOf("organization_roles")).toEqual([
      "id text",
      "key text not null",
      "name text",
      "description text",
      "permissions text[] not null default '{}'::text[]",
    ]);
    expect(await columnsOf("organization_invitations")).toEqual([
      "id text not null",
      "organization_id text",
      "email text",
      "role text",
      "status text",
      "expires_at timestamptz",
      "created_at timestamptz",
      "updated_at timestamptz",
    ]);
    const configuration = configure(allKinds);
    const tables = await readTables(client, configuration);
    expect(resolveMapping(configuration, tables)).toEqual(mapping);
    for (const facts of [tables.organizations, tables.memberships, tables.roles, tables.invitations]) {
      expect(facts).toMatchObject({ isOurs: true, hasRowLevelSecurity: true });
    }
    expect(tables.roles).toMatchObject({ primaryKey: ["key"], uniques: expect.arrayContaining([["id"]]) });
    expect(tables.memberships).toMatchObject({
      primaryKey: ["id"],
      uniques: expect.arrayContaining([["organization_id", "user_id"]]),
    });
    expect(await problems()).toEqual([]);
    expect(await rowsOf("select public.clerk_sync_privilege_findings() as findings")).toEqual([{ findings: [] }]);
    expect(await rowsOf("select public.clerk_sync_object_findings() as findings")).toEqual([{ findings: [] }]);
  });

  it("can be generated twice, and have names of ours for what they hold", async () => {
    await apply(allKinds);
    await apply(allKinds);
    const names = await rowsOf(
      `select conname as name from pg_constraint where conrelid = any ('{organizations,organization_memberships,organization_roles,organization_invitations}'::regclass[]) and contype in ('p', 'u')
       union select indexrelid::regclass::text from pg_index where indrelid = any ('{organization_memberships,organization_invitations}'::regclass[])
       order by 1`,
    );
    expect(names.map(({ name }) => name)).toEqual([
      "clerk_sync_organization_invitations_organization_id_idx",
      "clerk_sync_organization_invitations_pkey",
      "clerk_sync_organization_memberships_organization_id_user_id_key",
      "clerk_sync_organization_memberships_pkey",
      "clerk_sync_organization_memberships_user_id_idx",
      "clerk_sync_organization_roles_id_key",
      "clerk_sync_organization_roles_pkey",
      "clerk_sync_organizations_pkey",
    ]);
  });

  it("are closed to users of the app, and open to the service role", async () => {
    await client.query(
      "alter default privileges in schema public grant all on tables to anon, authenticated, service_role",
    );
    await apply(allKinds);
    const rights = await rowsOf(
      `select c.relname as name, r.rolname as role,
         array(select p from unnest('{select,insert,update,delete}'::text[]) as p where has_table_privilege(r.oid, c.oid, p)) as rights
       from pg_class as c cross join pg_roles as r
       where c.relname like 'organization%' and c.relkind = 'r' and r.rolname in ('anon', 'authenticated', 'service_role')`,
    );
    expect(rights).toHaveLength(12);
    for (const { role, rights: found } of rights) {
      expect(found).toEqual(role === "service_role" ? ["select", "insert", "update", "delete"] : []);
    }
  });

  it("take columns that the file maps later", async () => {
    await apply(allKinds);
    await apply({
      ...allKinds,
      organizations: {
        columns: {
          name: "name",
          plan: { from: "public_metadata.plan", default: "free" },
          seats: "max_allowed_memberships",
        },
      },
      roles: { columns: { key: "key", title: "name" }, delete: { soft: "deleted_at" } },
    });
    expect(await columnsOf("organizations")).toEqual(
      expect.arrayContaining(["plan text default 'free'::text", "seats integer"]),
    );
    expect(await columnsOf("organization_roles")).toEqual(
      expect.arrayContaining(["title text", "deleted_at timestamptz"]),
    );
    expect(await problems()).toEqual([]);
  });
});

describe("a pair of organization and user", () => {
  const insert = (id: string, deletedAt = "") =>
    client.query(
      `insert into organization_memberships (id, organization_id, user_id${deletedAt === "" ? "" : ", deleted_at"})
       values ('${id}', 'org_1', 'user_1'${deletedAt === "" ? "" : `, '${deletedAt}'`})`,
    );

  it("is there once", async () => {
    await apply({ organizations: true, memberships: true });
    await insert("orgmem_1");
    await expect(insert("orgmem_2")).rejects.toThrow("organization_id_user_id_key");
  });

  it("is there once among those that are not deleted, where deleted rows stay", async () => {
    await apply({ organizations: true, memberships: true });
    await apply({ organizations: true, memberships: { delete: { soft: "deleted_at" } } });
    await insert("orgmem_1", "2026-01-01");
    await insert("orgmem_2");
    await expect(insert("orgmem_3")).rejects.toThrow("living_key");
    expect(await problems()).toEqual([]);
    await client.query("delete from organization_memberships where deleted_at is not null");
    await apply({ organizations: true, memberships: true });
    await expect(insert("orgmem_3")).rejects.toThrow("organization_id_user_id_key");
    expect(await problems()).toEqual([]);
  });
});

describe("what the rest of the SQL reads", () => {
  const views = ["organization", "membership", "role", "invitation"];

  it("is there without rows where a kind is off, and keeps its columns when the kind is switched on and off", async () => {
    const columns = () =>
      rowsOf(
        `select attrelid::regclass::text as view, attname, atttypid::regtype::text as type from pg_attribute
         where attrelid = any ('{${views.map((kind) => `clerk_sync.${kind}_rows`).join()}}'::regclass[]) and attnum > 0 order by 1, attnum`,
      );
    const before = await columns();
    expect(before).toHaveLength(23);
    await apply(allKinds);
    expect(await columns()).toEqual(before);
    await apply({});
    expect(await columns()).toEqual(before);
    for (const kind of views) expect(await rowsOf(`select * from clerk_sync.${kind}_rows`)).toEqual([]);
    expect(await rowsOf("select kind from clerk_sync.mappings")).toEqual([{ kind: "user" }]);
  });

  it("has Clerk's ids of rows in tables with other names, types and soft deletion", async () => {
    await client.query(`
      create schema "Core";
      create type public."order" as enum ('org:admin', 'org:member');
      create table "Core"."select" ("group" varchar(64) unique, id serial primary key, "from" varchar(80), "gone at" timestamp, note text);
      create table "Core".team_members (
        id uuid primary key default gen_random_uuid(), clerk text unique, team integer, person uuid, "role" public."order", gone date,
        unique (person, team));
      create table roles (clerk_role_id text unique, "key" text primary key, permissions jsonb);
      create table invites (id text primary key, team text, mail text, state text);
      insert into users (id, clerk_id, name) values ('00000000-0000-4000-8000-000000000001', 'user_1', 'Ada');`);
    const mapping = await apply({
      organizations: {
        table: "Core.select",
        key: "group",
        columns: { from: "name" },
        delete: { soft: "gone at" },
      },
      memberships: {
        table: "Core.team_members",
        key: "clerk",
        columns: { team: { from: "organization", as: "id" }, person: { from: "user", as: "id" }, role: "role" },
      },
      roles: { table: "public.roles", key: "clerk_role_id", columns: { key: "key", permissions: "permissions" } },
      invitations: { table: "public.invites", columns: { team: "organization", mail: "email", state: "status" } },
    });
    expect(mapping.memberships?.columns.map(({ sqlType, as }) => [sqlType, as])).toEqual([
      ["integer", "id"],
      ["uuid", "id"],
      ['public."order"', null],
    ]);
    await client.query(`
      insert into "Core"."select" ("group", "from", "gone at") values ('org_1', 'Acme', '2026-01-02 03:04:05'), (null, 'of the app', null);
      insert into "Core".team_members (clerk, team, person, role) values ('orgmem_1', 1, '00000000-0000-4000-8000-000000000001', 'org:admin'),
        ('orgmem_2', 1, null, null), (null, 2, null, null);
      insert into roles values ('role_1', 'org:admin', '["org:a:read", "org:b:write"]'), ('role_2', 'org:member', null);
      insert into invites values ('orginv_1', 'org_1', 'ada@example.com', 'pending')`);
    expect(
      await rowsOf("select *, extract(epoch from deleted_at)::int as at from clerk_sync.organization_rows"),
    ).toMatchObject([
      { id: "org_1", name: "Acme", slug: null, at: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000, mapped: { from: "Acme" } },
    ]);
    expect(
      await rowsOf("select id, organization_id, user_id, role from clerk_sync.membership_rows order by id"),
    ).toEqual([
      { id: "orgmem_1", organization_id: "org_1", user_id: "user_1", role: "org:admin" },
      { id: "orgmem_2", organization_id: "org_1", user_id: null, role: null },
    ]);
    expect(await rowsOf("select id, key, permissions from clerk_sync.role_rows order by id")).toEqual([
      { id: "role_1", key: "org:admin", permissions: ["org:a:read", "org:b:write"] },
      { id: "role_2", key: "org:member", permissions: null },
    ]);
    expect(await rowsOf("select id, organization_id, email, role, status from clerk_sync.invitation_rows")).toEqual([
      { id: "orginv_1", organization_id: "org_1", email: "ada@example.com", role: null, status: "pending" },
    ]);
    expect(await problems()).toEqual([]);
  });

  it("says which table and which keys of payloads each kind has", async () => {
    await apply({
      organizations: true,
      memberships: { columns: { organization_id: "organization", user_id: "user", plan: "public_metadata.plan" } },
    });
    expect(
      await rowsOf(
        "select kind, table_name, key, access, editable, fields from clerk_sync.mappings where kind <> 'user' order by kind",
      ),
    ).toEqual([
      {
        kind: "membership",
        table_name: "public.organization_memberships",
        key: "id",
        access: "none",
        editable: [],
        fields: ["organization_id", "user_id", "public_metadata.plan"],
      },
      {
        kind: "organization",
        table_name: "public.organizations",
        key: "id",
        access: "none",
        editable: [],
        fields: [
          "name",
          "slug",
          "image_url",
          "public_metadata",
          "created_by",
          "max_allowed_memberships",
          "created_at",
          "updated_at",
        ],
      },
    ]);
    const [{ mapping }] = await rowsOf("select public.clerk_sync_mapping() as mapping");
    expect(mapping).toMatchObject({ memberships: { fields: ["organization_id", "user_id", "public_metadata.plan"] } });
    expect(Object.keys(mapping).sort()).toEqual(["hash", "memberships", "organizations", "users"]);
    const [keys] = await rowsOf(
      "select clerk_sync.payload_keys('membership') as membership, clerk_sync.payload_keys('permission') as permission, clerk_sync.payload_keys('role') as role",
    );
    expect(keys.membership).toEqual([
      ...["clerk_id", "given", "absent", "reason", "original_event", "retry_count"],
      ...["organization_id", "user_id", "created_at", "organization", "public_metadata.plan"],
    ]);
    expect(keys.permission).toContain("key");
    expect(keys.role).not.toContain("permissions");
  });
});

describe("names of 63 bytes that differ at their end", () => {
  const long = (ending: string) => `${"ä".repeat(31)}${ending}`;

  it("are two tables with constraints of their own", async () => {
    const file: Kinds = {
      organizations: { table: `public.${long("1")}`, key: long("k"), columns: { [long("n")]: "name" } },
      memberships: {
        table: `public.${long("2")}`,
        key: long("k"),
        columns: { [long("o")]: "organization", [long("u")]: "user" },
        delete: { soft: long("d") },
      },
    };
    await apply(file);
    await apply(file);
    expect(await problems()).toEqual([]);
    const configuration = configure(file);
    const tables = await readTables(client, configuration);
    expect(tables.memberships?.columns).toHaveLength(4);
  });
});
