import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { adviseTable, checkTable, formatProblems } from "../../../mapping/check-table.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { readRows } from "../../../mapping/read-rows.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { applyRemedies } from "../../support/mapping/apply-remedies.ts";
import { configureUsers, teamFiles, type UsersFile } from "../../support/mapping/configure-users.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

let opened: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  opened = await createEmptyDatabase();
  client = await opened.pool.connect();
});
afterEach(async () => {
  client.release();
  await opened.drop();
});

type Users = Pick<Configuration, "users">;

async function check(file: Users) {
  const facts = await readTable(client, file.users.table);
  const rows = facts === null ? undefined : await readRows(client, file, facts);
  return checkTable(file, facts, rows);
}

async function advise(file: Users) {
  const facts = await readTable(client, file.users.table);
  return facts === null ? [] : adviseTable(file, await readRows(client, file, facts));
}

describe.each(Object.entries(teamFiles))("the table of the team %s", (name, file) => {
  it("passes with the file that its team writes", async () => {
    await client.query(teamTables[name as keyof typeof teamTables]);
    expect(await check(configureUsers(file))).toEqual([]);
  });
});

it("a table that is not there is no problem: the migration makes it", async () => {
  expect(await check(configureUsers(teamFiles.drizzle))).toEqual([]);
});

const alterUsers = (action: string) => `alter table public.users ${action};`;
const inFile = (change: string) => `-- In clerk-sync.config.json: ${change}`;

const shapes: [title: string, table: string, file: UsersFile, problems: [problem: string, remedy: string][]][] = [
  [
    "without a single column of the file",
    "create table users ()",
    {
      key: "clerk_id",
      columns: { email: "email", banned: "banned", meta: "public_metadata", seen: "last_sign_in_at" },
      softDelete: "gone",
    },
    [
      ["there is no column clerk_id, the key", alterUsers("add column clerk_id text unique")],
      ["there is no column email", alterUsers("add column email text")],
      ["there is no column banned", alterUsers("add column banned boolean")],
      ["there is no column meta", alterUsers("add column meta jsonb")],
      ["there is no column seen", alterUsers("add column seen timestamptz")],
      ["there is no column gone, which marks a deleted row", alterUsers("add column gone timestamptz")],
    ],
  ],
  [
    "whose columns have the names of an ORM",
    'create table users ("clerkId" text unique, "imageUrl" text, "lastSignInAt" timestamptz)',
    { key: "clerk_id", columns: { image_url: "image_url", last_sign_in_at: "last_sign_in_at" } },
    [
      ['there is no column clerk_id, the key; is "clerkId" meant?', inFile('"key": "clerkId"')],
      [
        'there is no column image_url; is "imageUrl" meant?',
        `${inFile('"imageUrl": "image_url"')}\n-- or: ${alterUsers("add column image_url text")}`,
      ],
      [
        'there is no column last_sign_in_at; is "lastSignInAt" meant?',
        `${inFile('"lastSignInAt": "last_sign_in_at"')}\n-- or: ${alterUsers("add column last_sign_in_at timestamptz")}`,
      ],
    ],
  ],
  [
    "with Clerk's ids in a column of another name",
    "create table users (uid text primary key, note text); insert into users values ('user_old', 'x'), ('user_new', null)",
    { key: "clerk_id", columns: {} },
    [["there is no column clerk_id, the key; is uid meant, which holds ids of Clerk?", inFile('"key": "uid"')]],
  ],
  [
    "with a key that is a number",
    "create table users (id bigint primary key generated always as identity); create table posts (author bigint references users); insert into users default values",
    { key: "id", columns: {} },
    [
      [
        "id, the key, is of type bigint, and Clerk's ids need text or varchar of 32 or more",
        `${inFile('"key": "clerk_id"')}\n${alterUsers("add column clerk_id text unique")}`,
      ],
    ],
  ],
  [
    "with a key that is too short, not unique and without a default",
    "create table users (id varchar(20), name text); insert into users values ('a')",
    { key: "id", columns: {} },
    [
      [
        "id, the key, is of type varchar(20), and Clerk's ids need text or varchar of 32 or more",
        alterUsers("alter column id type text"),
      ],
      ["id has no unique constraint or whole unique index", alterUsers("add unique (id)")],
    ],
  ],
  [
    "with keys that are citext, deferrable, or unique in part",
    "create extension citext; create table users (id citext unique deferrable); create unique index on users (id) where id <> ''",
    { key: "id", columns: {} },
    [
      [
        "id, the key, is of type public.citext, and Clerk's ids need text or varchar of 32 or more",
        alterUsers("alter column id type text"),
      ],
      [
        "users_id_key is deferrable, which an upsert by id does not take",
        alterUsers("drop constraint users_id_key, add constraint users_id_key unique (id)"),
      ],
    ],
  ],
  [
    "with enums that lack labels",
    `create schema app; create type app."Plan" as enum ('free'); create table users (id text primary key, plan app."Plan" not null, role app."Plan")`,
    {
      key: "id",
      columns: {
        plan: { from: "public_metadata.plan", default: "it's free", allowed: ["it's free", "pro"] },
        role: { from: "public_metadata.role", default: "pro" },
      },
    },
    [
      [
        'app."Plan", the type of plan, has no label it\'s free (commit this one before the others)',
        `alter type app."Plan" add value if not exists 'it''s free';`,
      ],
      [
        'app."Plan", the type of plan, has no label pro (commit this one before the others)',
        `alter type app."Plan" add value if not exists 'pro';`,
      ],
      [
        'app."Plan", the type of role, has no label pro (commit this one before the others)',
        `alter type app."Plan" add value if not exists 'pro';`,
      ],
    ],
  ],
  [
    "whose types take nothing of the source",
    `create table users (id text primary key, email int not null default 0, created_at bigint not null, banned int, name text generated always as (id || '.') stored, tags text[]);
     insert into users values ('user_a', 7, 3, 1)`,
    {
      key: "id",
      columns: {
        email: "email",
        created_at: "created_at",
        banned: "banned",
        name: "name",
        tags: "public_metadata.tags",
      },
    },
    [
      [
        "email is of type integer, which email cannot be cast to",
        alterUsers("alter column email type text using email::text"),
      ],
      [
        "created_at is of type bigint, which created_at cannot be cast to",
        [
          alterUsers("alter column created_at drop not null"),
          alterUsers("rename column created_at to created_at_before"),
          alterUsers("add column created_at timestamptz"),
        ].join("\n"),
      ],
      [
        "banned is of type integer, which banned cannot be cast to",
        [alterUsers("rename column banned to banned_before"), alterUsers("add column banned boolean")].join("\n"),
      ],
      [
        "name is generated, the sync cannot write it",
        [alterUsers("rename column name to name_before"), alterUsers("add column name text")].join("\n"),
      ],
      [
        "tags is of type text[], which public_metadata.tags cannot be cast to",
        alterUsers("alter column tags type text using tags::text"),
      ],
    ],
  ],
  [
    "whose columns take no empty value",
    `create table users (id text primary key, email text not null unique, username varchar(20) not null unique, name text not null, plan text not null default 'free', points int not null, banned boolean not null)`,
    {
      key: "id",
      columns: {
        email: "email",
        username: "username",
        name: "name",
        plan: "public_metadata.plan",
        points: "public_metadata.points",
        banned: "banned",
      },
    },
    [
      [
        "username is of type varchar(20), and what the sync writes has up to 32 characters",
        alterUsers("alter column username type varchar(32)"),
      ],
      [
        "email is not null and has no default, and Clerk has users without a value",
        `${inFile('"email": { "from": "email", "default": "{id}@users.invalid" }')}\n-- or: ${alterUsers("alter column email drop not null")}`,
      ],
      [
        "username is not null and has no default, and Clerk has users without a value",
        `${inFile('"username": { "from": "username", "default": "{id}" }')}\n-- or: ${alterUsers("alter column username drop not null")}`,
      ],
      [
        "name is not null and has no default, and Clerk has users without a value",
        `${inFile('"name": { "from": "name", "default": "" }')}\n-- or: ${alterUsers("alter column name set default ''")}\n-- or: ${alterUsers("alter column name drop not null")}`,
      ],
      [
        "points is not null and has no default, and Clerk has users without a value",
        `${inFile('"points": { "from": "public_metadata.points", "default": 0 }')}\n-- or: ${alterUsers("alter column points set default 0")}\n-- or: ${alterUsers("alter column points drop not null")}`,
      ],
    ],
  ],
  [
    "whose columns do not take the defaults of the file",
    "create table users (id text primary key, email varchar(40) unique, plan int, name varchar(3), is_member boolean, external uuid unique)",
    {
      key: "id",
      columns: {
        email: { from: "email", default: "{id}@users.invalid" },
        plan: { from: "public_metadata.plan", default: "free" },
        name: { from: "name", default: "nobody" },
        is_member: { from: "public_metadata.member", default: "perhaps" },
        external: { from: "external_id", default: "none" },
      },
    },
    [
      [
        "email is of type varchar(40), and what the sync writes has up to 46 characters",
        alterUsers("alter column email type varchar(46)"),
      ],
      [
        "name is of type varchar(3), and what the sync writes has up to 6 characters",
        alterUsers("alter column name type varchar(6)"),
      ],
      [
        `the default of plan, "free", is none of type integer`,
        inFile('"plan": { "from": "public_metadata.plan", "default": 0 }'),
      ],
      [
        `the default of is_member, "perhaps", is none of type boolean`,
        inFile('"is_member": { "from": "public_metadata.member", "default": false }'),
      ],
      [`the default of external, "none", is none of type uuid`, inFile('remove the default of "external"')],
    ],
  ],
  [
    "with a unique address of one default",
    "create table users (id text primary key, email text, phone text not null default ''); create unique index on users (lower(email)); create unique index on users (phone) where phone <> 'x'",
    { key: "id", columns: { email: { from: "email", default: "none@example.com" }, phone: "phone" } },
    [
      [
        'email is unique, and two users without a value would both have the default "none@example.com"',
        inFile('"email": { "from": "email", "default": "{id}@users.invalid" }'),
      ],
      [
        "phone is unique and not null, and two users without a value would both have its default",
        `${inFile('"phone": { "from": "phone", "default": "{id}" }')}\n-- or: ${alterUsers("alter column phone drop not null")}`,
      ],
    ],
  ],
  [
    "of Supabase's guide to profiles",
    `create schema auth; create table auth.users (id uuid primary key); create function auth.uid() returns uuid language sql as 'select null::uuid';
     create table plans (name text primary key);
     create table users (id uuid primary key default auth.uid() references auth.users (id), clerk_id text unique, plan text references plans, website text not null, email text references plans)`,
    { key: "clerk_id", columns: { plan: "public_metadata.plan", email: "email" } },
    [
      [
        "id may not be null, nothing is mapped to it, and it has no default that the sync can use",
        alterUsers("alter column id set default gen_random_uuid()"),
      ],
      [
        "website may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${alterUsers("alter column website drop not null")}\n-- or: ${alterUsers("alter column website set default ''")}\n-- or: in clerk-sync.config.json, with a source and a default of your own: "website": { "from": "public_metadata.website", "default": "" }`,
      ],
      [
        "users_email_fkey refuses rows of users that public.plans does not have",
        alterUsers("drop constraint users_email_fkey"),
      ],
      [
        "users_id_fkey refuses rows of users that auth.users does not have",
        alterUsers("drop constraint users_id_fkey"),
      ],
    ],
  ],
  [
    "with a time, a number and a document that only the app fills",
    `create table users (clerk_id text primary key, "updatedAt" timestamp(3) not null, seats int not null, settings jsonb not null)`,
    { key: "clerk_id", columns: {} },
    [
      [
        '"updatedAt" may not be null, nothing is mapped to it, and it has no default that the sync can use',
        `${alterUsers('alter column "updatedAt" drop not null')}\n-- or: ${alterUsers('alter column "updatedAt" set default now()')}\n-- or: in clerk-sync.config.json: "updatedAt": "now"`,
      ],
      [
        "seats may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${alterUsers("alter column seats drop not null")}\n-- or: ${alterUsers("alter column seats set default 0")}\n-- or: in clerk-sync.config.json, with a source and a default of your own: "seats": { "from": "public_metadata.seats", "default": 0 }`,
      ],
      [
        "settings may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${alterUsers("alter column settings drop not null")}\n-- or: ${alterUsers("alter column settings set default '{}'")}`,
      ],
    ],
  ],
  [
    "whose key is a column of addresses by its name",
    `create table users ("emailAddress" text unique, clerk_user_id text unique not null, name text)`,
    { key: "emailAddress", columns: { name: "name" } },
    [
      [
        `"emailAddress" cannot be the key: its name says that it is for email addresses, and the key holds Clerk's ids (user_…)`,
        inFile('"key": "clerk_user_id"'),
      ],
    ],
  ],
  [
    "whose key has addresses in its rows",
    "create table users (login text unique, name text); insert into users (login) values ('ada@example.com'), ('bob@example.com')",
    { key: "login", columns: { name: "name" } },
    [
      [
        "login cannot be the key: its rows have email addresses, and the key holds Clerk's ids (user_…)",
        `${inFile('"key": "clerk_id"')}\n${alterUsers("add column clerk_id text unique")}`,
      ],
    ],
  ],
  [
    "with an id that only the app counts",
    "create table users (id int primary key, clerk_id text unique); insert into users values (1), (41)",
    { key: "clerk_id", columns: {} },
    [
      [
        "id may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${alterUsers("alter column id add generated by default as identity")}\nselect setval(pg_get_serial_sequence('public.users', 'id'), coalesce(max(id), 0) + 1, false) from public.users;`,
      ],
    ],
  ],
  [
    "with an id that only the app's ORM makes",
    "create table users (id text primary key, clerk_id text unique)",
    { key: "clerk_id", columns: {} },
    [
      [
        "id may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${inFile('"id": "uuid"')}\n-- or: ${alterUsers("alter column id set default gen_random_uuid()::text")}`,
      ],
    ],
  ],
  [
    "with an id of another kind",
    "create table users (id char(25) primary key, clerk_id text unique); insert into users values ('c1')",
    { key: "clerk_id", columns: {} },
    [
      [
        "id may not be null, nothing is mapped to it, and it has no default that the sync can use",
        `${alterUsers("alter column id type text using id::text")}\n${alterUsers("alter column id set default gen_random_uuid()::text")}`,
      ],
    ],
  ],
  [
    "that marks deletions in its own way",
    "create table users (id text primary key, deleted_at timestamptz not null default now(), email text)",
    { key: "id", columns: { email: "email" }, softDelete: "deleted_at", linkBy: "email", editable: ["email"] },
    [
      [
        "deleted_at is not null, and a row that is not deleted has null there",
        alterUsers("alter column deleted_at drop not null"),
      ],
      ["deleted_at has a default, so that a new row is deleted", alterUsers("alter column deleted_at drop default")],
      [
        "id, the key, is the primary key, so that no row can be without a Clerk id and wait to be linked",
        inFile('remove "link_by"'),
      ],
      [
        'row level security of public.users is off, and "own_row" lets users reach it',
        alterUsers("enable row level security"),
      ],
    ],
  ],
];

describe.each(shapes)("a table %s", (_title, table, file, problems) => {
  it("is told everything that is wrong; then the remedies are enough", async () => {
    await client.query(table);
    const users = configureUsers(file);
    const found = await check(users);
    expect(found.map(({ problem, remedy }) => [problem, remedy])).toEqual(problems);
    expect(await check(await applyRemedies(client, users, found))).toEqual([]);
  });
});

it("a view is named, and nothing else", async () => {
  await client.query("create view users as select 1 as id");
  expect(await check(configureUsers({ key: "clerk_id", columns: { email: "email" } }))).toEqual([
    { problem: "public.users is not a table", remedy: inFile('name the table behind it: "table"') },
  ]);
});

it("a column that no user can edit is named with what was meant", async () => {
  await client.query(
    "create table users (id text primary key, nick_name text); alter table users enable row level security",
  );
  expect(await check(configureUsers({ key: "id", columns: {}, editable: ["nickname", "qqqq"] }))).toEqual([
    {
      problem: 'there is no column nickname, which "editable" names',
      remedy: inFile('"editable": write "nick_name" for "nickname"'),
    },
    { problem: 'there is no column qqqq, which "editable" names', remedy: inFile('remove "qqqq" from "editable"') },
  ]);
});

it("a key that two rows share is named before the index that they would break", async () => {
  await client.query("create table users (id text); insert into users values ('a'), ('a'), (null), (null)");
  const found = await check(configureUsers({ key: "id", columns: {} }));
  expect(found.map(({ problem }) => problem)).toEqual([
    "values of id stand in more than one row: keep one row of each",
    "id has no unique constraint or whole unique index",
  ]);
  expect((await client.query(found[0]?.remedy ?? "")).rows).toEqual([{ id: "a", count: "2" }]);
});

it("columns that a table of ours lacks are added by the migration: no problem", async () => {
  await client.query("create table users (id text primary key); comment on table users is 'Made by clerk-sync.'");
  expect(await check(configureUsers({ ...teamFiles.drizzle, key: "id", editable: ["first_name"] }))).toEqual([]);
});

it("values that rows have and the file does not allow are named, and are no obstacle", async () => {
  await client.query(teamTables.drizzle);
  const role = { from: "public_metadata.role", default: "viewer", allowed: ["viewer", "admin"] } as const;
  const file = configureUsers({
    ...teamFiles.drizzle,
    columns: { ...teamFiles.drizzle.columns, role: { ...role, allowed: [...role.allowed] } },
  });
  expect(await check(file)).toEqual([]);
  const advice = await advise(file);
  expect(advice).toEqual([
    {
      problem: "rows have values of role that the file does not allow: editor",
      remedy: inFile(
        '"role": { "from": "public_metadata.role", "default": "viewer", "allowed": ["viewer", "admin", "editor"] }'.replace(
          '","',
          '", "',
        ),
      ),
    },
  ]);
  expect(await advise(await applyRemedies(client, file, advice))).toEqual([]);
});

it("a name with a line break does not end a comment of the script", async () => {
  const name = 'a\ndrop table users;--\n"x';
  await client.query(`create table users (id text primary key, "${name.replaceAll('"', '""')}" text not null)`);
  for (const columns of [{}, { [name]: "name" }, { [`${name}y`]: "name" }] as const) {
    const script = formatProblems(await check(configureUsers({ key: "id", columns })));
    expect(script).not.toBe("");
    await client.query("begin");
    await client.query(script);
    expect(await readTable(client, { schema: "public", name: "users" })).not.toBeNull();
    await client.query("rollback");
  }
});
