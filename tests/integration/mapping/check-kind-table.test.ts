import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Configuration } from "../../../mapping/configuration.ts";
import type { ConfigurationFile } from "../../../mapping/configuration-schema.ts";
import { expandConfiguration } from "../../../mapping/expand-configuration.ts";
import { generateCheck } from "../../../mapping/generate-check.ts";
import { mapTables, readMapping, readTables } from "../../../mapping/read-mapping.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";

type Kinds = Pick<ConfigurationFile, "organizations" | "memberships" | "roles" | "invitations">;

const users = { table: "public.people", key: "clerk_id", columns: { email: "email" } } as const;
const configure = (kinds: Kinds): Configuration => expandConfiguration({ users, ...kinds });

let opened: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  opened = await createEmptyDatabase();
  client = await opened.pool.connect();
  await client.query(
    "create table people (id uuid primary key default gen_random_uuid(), no bigint, clerk_id text unique, email text)",
  );
});
afterEach(async () => {
  client.release();
  await opened.drop();
});

/** The message with every problem; null: there is none. */
async function refusal(kinds: Kinds): Promise<string | null> {
  return readMapping(client, configure(kinds)).then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** What is between the first line and the last one. */
const linesOf = (message: string | null) => message?.split("\n").slice(1, -1) ?? [];

const fits = { organizations: { columns: { name: "name" } } } as const satisfies Kinds;

const shapes: [title: string, ddl: string, kinds: Kinds, lines: string[]][] = [
  [
    "an organization's without the key and the columns",
    "create table organizations (clerk_org_id text unique, title text)",
    { organizations: { columns: { name: "name", plan: "public_metadata.plan", seats: "max_allowed_memberships" } } },
    [
      "-- there is no column id, the key; is clerk_org_id meant?",
      '-- In clerk-sync.config.json: "key": "clerk_org_id"',
      "-- there is no column name",
      "alter table public.organizations add column name text;",
      "-- there is no column plan",
      "alter table public.organizations add column plan text;",
      "-- there is no column seats",
      "alter table public.organizations add column seats integer;",
    ],
  ],
  [
    "of wrong types, too short, not null and generated",
    `create table organizations (id varchar(20) unique, name integer, slug text not null, seats boolean, at text generated always as ('x') stored,
       own text not null)`,
    {
      organizations: {
        columns: { name: "name", slug: "slug", seats: "max_allowed_memberships", at: "created_at" },
      },
    },
    [
      "-- id, the key, is of type varchar(20), and Clerk's ids need text or varchar of 31 or more",
      "alter table public.organizations alter column id type text;",
      "-- name is of type integer, which name cannot be cast to",
      "alter table public.organizations alter column name type text using name::text;",
      "-- seats is of type boolean, which max_allowed_memberships cannot be cast to",
      "alter table public.organizations rename column seats to seats_before;",
      "alter table public.organizations add column seats integer;",
      "-- at is generated, the sync cannot write it",
      "alter table public.organizations rename column at to at_before;",
      "alter table public.organizations add column at timestamptz;",
      "-- slug is not null and has no default, and Clerk has organizations without a value",
      '-- In clerk-sync.config.json: "slug": { "from": "slug", "default": "" }',
      "-- or: alter table public.organizations alter column slug set default '';",
      "-- or: alter table public.organizations alter column slug drop not null;",
      "-- own may not be null, nothing is mapped to it, and it has no default that the sync can use",
      "alter table public.organizations alter column own drop not null;",
      "-- or: alter table public.organizations alter column own set default '';",
      '-- or: in clerk-sync.config.json, with a source and a default of your own: "own": { "from": "public_metadata.own", "default": "" }',
    ],
  ],
  [
    "a membership's with short ids, foreign keys, and no unique pair",
    `create table teams (id text primary key);
     create table team_members (id text, team varchar(20), person text references people (clerk_id), role text not null);
     insert into team_members values ('orgmem_1', 'org_1', null, 'x'), ('orgmem_1', 'org_1', null, 'x');`,
    {
      organizations: { table: "public.teams", columns: {} },
      memberships: {
        table: "public.team_members",
        columns: { team: "organization", person: "user", role: { from: "role", allowed: ["org:admin"] } },
      },
    },
    [
      "-- team is of type varchar(20), and what the sync writes has up to 31 characters",
      "alter table public.team_members alter column team type varchar(31);",
      "-- role is not null and has no default, and Clerk has memberships without a value",
      '-- In clerk-sync.config.json: "role": { "from": "role", "default": "org:admin", "allowed": ["org:admin"] }',
      "-- or: alter table public.team_members alter column role set default '';",
      "-- or: alter table public.team_members alter column role drop not null;",
      "-- values of id stand in more than one row: keep one row of each",
      "select id, count(*) from public.team_members group by id having count(*) > 1 and id is not null;",
      "-- id has no unique constraint or whole unique index",
      "alter table public.team_members add unique (id);",
      "-- team_members_person_fkey refuses memberships that come before their row of public.people",
      "alter table public.team_members drop constraint team_members_person_fkey;",
      '-- or, so that a membership waits for its user: in clerk-sync.config.json: "person": {"from": "user", "as": "clerk_id"}',
      "-- team and person together have no unique constraint or whole unique index",
      "alter table public.team_members add unique (team, person);",
    ],
  ],
  [
    "a membership's with local keys of another type, of a column that is not unique, and of none",
    `create table teams (id text primary key, no integer, code text unique);
     create table team_members (id text primary key, team text, person integer, unique (person, team))`,
    {
      organizations: { table: "public.teams", columns: {} },
      memberships: {
        table: "public.team_members",
        columns: {
          team: { from: "organization", as: "no" },
          person: { from: "user", as: "id" },
          code: { from: "organization", as: "kode" },
        },
      },
    },
    [
      "-- team is of type text, which public.teams.no, of type integer, cannot be cast to",
      "alter table public.team_members rename column team to team_before;",
      "alter table public.team_members add column team integer;",
      "-- person is of type integer, which public.people.id, of type uuid, cannot be cast to",
      "alter table public.team_members rename column person to person_before;",
      "alter table public.team_members add column person uuid;",
      "-- there is no column code",
      "alter table public.team_members add column code text;",
      "-- no of public.teams is not unique, so that team of public.team_members would not say which row is meant",
      "alter table public.teams add unique (no);",
      "-- public.teams has no column kode, whose value code would hold",
      '-- In clerk-sync.config.json: "code": {"from": "organization", "as": "code"}',
    ],
  ],
  [
    "rows of whom stay, with a pair that is unique, closed without row level security",
    `create table organizations (id text primary key, name text);
     create table members (id text primary key, org text, usr text, gone timestamptz not null default now(), unique (usr, org))`,
    {
      organizations: { columns: { name: "name" } },
      memberships: {
        table: "public.members",
        columns: { org: "organization", usr: "user" },
        delete: { soft: "gone" },
        access: "none",
      },
    },
    [
      "-- gone is not null, and a row that is not deleted has null there",
      "alter table public.members alter column gone drop not null;",
      "-- gone has a default, so that a new row is deleted",
      "alter table public.members alter column gone drop default;",
      "-- org and usr together are unique, and a user who left and came back has two rows there",
      "-- Drop the unique constraint or index on (org, usr). One of the rows that are not deleted may take its place: create unique index on public.members (org, usr) where gone is null;",
      '-- row level security of public.members is off, and "none" closes it to users',
      "alter table public.members enable row level security;",
    ],
  ],
  [
    "a role's whose permissions are a text, and an enum that lacks a label",
    `create type state as enum ('pending');
     create table organization_roles (id text unique, "key" text primary key, permissions text);
     create table organization_invitations (id text primary key, org text, state state not null)`,
    {
      organizations: true,
      roles: { columns: { key: "key", permissions: "permissions" } },
      invitations: { columns: { org: "organization", state: { from: "status", default: "revoked" } } },
    },
    [
      "-- public.organization_roles: permissions is of type text, which permissions cannot be cast to",
      "alter table public.organization_roles rename column permissions to permissions_before;",
      "alter table public.organization_roles add column permissions text[];",
      "-- public.organization_invitations: public.state, the type of state, has no label revoked (commit this one before the others)",
      "alter type public.state add value if not exists 'revoked';",
    ],
  ],
];

describe.each(shapes)("a table %s", (_title, ddl, kinds, lines) => {
  it("is refused with every problem and what solves it", async () => {
    await client.query(ddl);
    expect(linesOf(await refusal(kinds))).toEqual(lines);
  });
});

it("a file without the columns that say what belongs to what is refused", async () => {
  const lines = linesOf(
    await refusal({
      organizations: true,
      memberships: { columns: { u: "user" } },
      roles: { columns: {} },
      invitations: { columns: {} },
    }),
  );
  expect(lines).toEqual([
    "-- public.organization_memberships: no column of memberships has the source organization, which the sync decides by",
    '-- In clerk-sync.config.json: "memberships": "columns": add "organization_id": "organization"',
    "-- public.organization_roles: no column of roles has the source key, which the sync decides by",
    '-- In clerk-sync.config.json: "roles": "columns": add "key": "key"',
    "-- public.organization_invitations: no column of invitations has the source organization, which the sync decides by",
    '-- In clerk-sync.config.json: "invitations": "columns": add "organization_id": "organization"',
  ]);
});

it("one message names the problems of every table, and nothing is changed", async () => {
  await client.query(`
    alter table people add column nick text not null;
    create table organizations (id text, name text);
    create table organization_memberships (id text primary key, organization_id text, user_id text)`);
  const message = await refusal({
    ...fits,
    memberships: { columns: { organization_id: "organization", user_id: "user" } },
  });
  expect(message?.split("\n")).toEqual([
    "These tables do not fit clerk-sync.config.json: public.people; public.organizations; public.organization_memberships. These statements correct them:",
    "-- public.people: nick may not be null, nothing is mapped to it, and it has no default that the sync can use",
    "alter table public.people alter column nick drop not null;",
    "-- or: alter table public.people alter column nick set default '';",
    '-- or: in clerk-sync.config.json, with a source and a default of your own: "nick": { "from": "public_metadata.nick", "default": "" }',
    "-- public.organizations: id has no unique constraint or whole unique index",
    "alter table public.organizations add unique (id);",
    "-- public.organization_memberships: organization_id and user_id together have no unique constraint or whole unique index",
    "alter table public.organization_memberships add unique (organization_id, user_id);",
    "-- Nothing was changed.",
  ]);
  await client.query(message?.split("\n").slice(1).join("\n") ?? "");
  expect(
    await refusal({ ...fits, memberships: { columns: { organization_id: "organization", user_id: "user" } } }),
  ).toBeNull();
});

it("a foreign key of a column with a local key may ask for the row there", async () => {
  await client.query(`
    create table organizations (id text primary key);
    create table organization_memberships (id text primary key, organization_id text references organizations,
      user_id uuid references people, unique (organization_id, user_id))`);
  const memberships = (organization: "organization" | { from: "organization"; as: string }) =>
    ({ columns: { organization_id: organization, user_id: { from: "user", as: "id" } } }) as const;
  expect(
    await refusal({ organizations: { columns: {} }, memberships: memberships({ from: "organization", as: "id" }) }),
  ).toBeNull();
  expect(linesOf(await refusal({ organizations: { columns: {} }, memberships: memberships("organization") }))).toEqual([
    "-- organization_memberships_organization_id_fkey refuses memberships that come before their row of public.organizations",
    "alter table public.organization_memberships drop constraint organization_memberships_organization_id_fkey;",
  ]);
});

it("members cannot read by a local key what they cannot look up", async () => {
  const memberships = {
    columns: { organization_id: { from: "organization", as: "id" }, user_id: "user" },
    access: "members",
  } as const;
  expect(linesOf(await refusal({ organizations: true, memberships }))).toEqual([
    "-- members cannot read memberships without organizations, whose id stands in organization_id",
    '-- In clerk-sync.config.json: "organizations": "access": "members"',
  ]);
  expect(await refusal({ organizations: { access: "members" }, memberships })).toBeNull();
  expect(linesOf(await refusal({ organizations: { access: "members" } }))).toEqual([
    '-- "members" lets members read organizations, and who is a member stands in the memberships, which are off',
    '-- In clerk-sync.config.json: "memberships": true',
  ]);
});

describe("tables that changed since the migration was generated", () => {
  const kinds: Kinds = {
    organizations: { columns: { name: "name", seats: "max_allowed_memberships" } },
    memberships: { columns: { organization_id: "organization", user_id: { from: "user", as: "id" } } },
    roles: true,
  };
  const tables = `
    create table organizations (id text primary key, name text, seats integer);
    create table organization_memberships (id text primary key, organization_id text, user_id uuid references people, unique (organization_id, user_id))`;

  async function stopped(sql: string): Promise<string[]> {
    try {
      await client.query(sql);
      return [];
    } catch (error) {
      const { code, message } = error as pg.DatabaseError;
      expect(code).toBe("SY001");
      return message.split("\n");
    }
  }

  it("stop it with one message; then the statements are enough", async () => {
    await client.query(tables);
    const configuration = configure(kinds);
    const sql = generateCheck(resolveMapping(configuration, await readTables(client, configuration)));
    await client.query(`
      alter table people add column nick text not null;
      alter table organizations alter column name set not null, drop column seats, add column code text not null;
      create table other (id text primary key);
      alter table organization_memberships drop constraint organization_memberships_organization_id_user_id_key,
        add foreign key (organization_id) references other;`);
    const lines = await stopped(sql);
    expect(lines.slice(0, 13)).toEqual([
      "public.people, public.organizations, public.organization_memberships are not as they were when this migration was generated. Generate it again (npx clerk-sync generate), or run these statements:",
      "-- public.people: nick may not be null, nothing is mapped to it, and it has no default that the sync can use",
      "alter table public.people alter column nick drop not null;",
      "-- or: alter table public.people alter column nick set default …;",
      "-- public.organizations: there is no column seats",
      "alter table public.organizations add column seats integer;",
      "-- public.organizations: code may not be null, nothing is mapped to it, and it has no default that the sync can use",
      "alter table public.organizations alter column code drop not null;",
      "-- or: alter table public.organizations alter column code set default …;",
      "-- public.organization_memberships: organization_id and user_id together have no unique constraint or whole unique index",
      "alter table public.organization_memberships add unique (organization_id, user_id);",
      "-- public.organization_memberships: organization_memberships_organization_id_fkey refuses memberships that come before their row of public.other",
      "alter table public.organization_memberships drop constraint organization_memberships_organization_id_fkey;",
    ]);
    expect((await client.query("select to_regclass('organization_roles') as made")).rows).toEqual([{ made: null }]);
    await client.query(lines.slice(1).join("\n"));
    expect(await stopped(sql)).toEqual([]);
    expect(await stopped(sql)).toEqual([]);
  });

  it("are told later, each with its table", async () => {
    await client.query(tables);
    const configuration = configure(kinds);
    await client.query(generateCheck(resolveMapping(configuration, await readTables(client, configuration))));
    await client.query(`
      alter table organization_roles alter column permissions drop default, alter column permissions type jsonb using to_jsonb(permissions);
      alter table organization_memberships drop constraint organization_memberships_pkey`);
    const { rows } = await client.query("select public.clerk_sync_table_problems() as problems");
    expect(rows[0]?.problems).toEqual([
      {
        table: "public.organization_memberships",
        problem: "id has no unique constraint or whole unique index",
        remedy: "alter table public.organization_memberships add unique (id);",
      },
      {
        table: "public.organization_roles",
        problem: "permissions is of type jsonb, and this migration was generated for text[]",
        remedy: expect.stringContaining("add column permissions text[];"),
      },
    ]);
    for (const { remedy } of rows[0]?.problems ?? []) await client.query(remedy);
    expect((await client.query("select public.clerk_sync_table_problems() as problems")).rows[0]?.problems).toEqual([]);
  });

  it("a table that somebody made in the meantime is not touched", async () => {
    const configuration = configure({ organizations: true });
    const sql = generateCheck(resolveMapping(configuration, await readTables(client, configuration)));
    await client.query("create table organizations (id uuid primary key)");
    expect((await stopped(sql)).slice(0, 3)).toEqual([
      "public.organizations is not as it was when this migration was generated. Generate it again (npx clerk-sync generate), or run these statements:",
      "-- public.organizations is there, and was not when this migration was generated",
      "-- Generate the migration again: with --db-url it reads what is there.",
    ]);
  });
});

it("the facts alone, without rows, give the same mapping", async () => {
  const configuration = configure({ ...fits, memberships: true, roles: true, invitations: true });
  await client.query("create table organizations (id text primary key, name text)");
  const { mapping, tables } = await readMapping(client, configuration);
  expect(mapTables(configuration, tables)).toEqual(mapping);
  expect(mapping.organizations).toMatchObject({ isMade: false, access: "leave" });
});
