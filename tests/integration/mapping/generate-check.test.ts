import { readFile } from "node:fs/promises";
import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkTable } from "../../../mapping/check-table.ts";
import { generateCheck } from "../../../mapping/generate-check.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
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

async function resolve(file: UsersFile) {
  const { users } = configureUsers(file);
  return resolveMapping({ users }, { users: await readTable(client, users.table) });
}

/** The lines of the error with which the check stops; none when it passes. */
async function apply(sql: string): Promise<string[]> {
  try {
    await client.query(sql);
    return [];
  } catch (error) {
    const { code, message, hint } = error as pg.DatabaseError;
    expect({ code, hint }).toEqual({ code: "SY001", hint: "-- Nothing was changed." });
    return message.split("\n");
  }
}

const problemsOf = (lines: readonly string[]) => lines.slice(1).filter((line) => line.startsWith("-- "));

async function problemsLater(): Promise<unknown> {
  const { rows } = await client.query("select public.clerk_sync_users_table_problems() as problems");
  return rows[0]?.problems;
}

describe.each(Object.entries(teamFiles))("the table of the team %s", (name, file) => {
  it("passes the check that was generated from it, twice", async () => {
    await client.query(teamTables[name as keyof typeof teamTables]);
    const sql = generateCheck(await resolve(file));
    expect(await apply(sql)).toEqual([]);
    expect(await apply(sql)).toEqual([]);
    expect(await problemsLater()).toEqual([]);
  });
});

it("a table of the contract passes, and what no statement of the sync needs may change later", async () => {
  await client.query("create schema auth; create function auth.uid() returns uuid language sql as 'select null::uuid'");
  await client.query(await readFile(new URL("../../fixtures/existing-users.sql", import.meta.url), "utf8"));
  const file: UsersFile = {
    key: "clerk_id",
    columns: {
      email: "email",
      name: "name",
      role: { from: "public_metadata.role", default: "user" },
      createdAt: "created_at",
      updatedAt: "now",
    },
  };
  const { users } = configureUsers(file);
  expect(checkTable({ users }, await readTable(client, users.table))).toEqual([]);
  const sql = generateCheck(await resolve(file));
  expect(await apply(sql)).toEqual([]);
  await client.query(`alter type "UserRole" add value 'editor';`);
  await client.query(
    `alter table users add column more text not null default '', alter "createdAt" drop not null; create table notes (id uuid references users)`,
  );
  expect(await apply(sql)).toEqual([]);
});

const changes: [title: string, table: string, file: UsersFile, change: string, problems: string[]][] = [
  [
    "types, lengths and columns",
    "create table users (id text primary key, email varchar(320), seen timestamp(3), at timestamptz, plan text, gone timestamptz, note text)",
    {
      key: "id",
      columns: { email: "email", seen: "last_sign_in_at", at: "created_at", plan: "public_metadata.plan" },
      softDelete: "gone",
    },
    `alter table users alter email type varchar(64), alter seen type timestamptz, alter at type timestamptz(0), alter plan type integer using 7, alter plan set default 7,
       drop column gone, drop column note, add column more text`,
    [
      "-- email is of type varchar(64), and this migration was generated for varchar(320)",
      "-- seen is of type timestamptz, and this migration was generated for timestamp(3)",
      "-- at is of type timestamptz(0), and this migration was generated for timestamptz",
      "-- plan is of type integer, and this migration was generated for text",
      "-- there is no column gone",
    ],
  ],
  [
    "columns that were not null, unique and filled",
    "create table users (id text unique, email text, name text, role text not null default 'x', n int)",
    { key: "id", columns: { email: "email", name: "name", role: "public_metadata.role" } },
    "alter table users alter email set not null, alter role drop default, alter n set not null, add unique (email), drop constraint users_id_key",
    [
      "-- email is not null, but the sync writes null for a user without one",
      "-- role has no default any more, and the sync needs it for a user without a value",
      "-- n is not null and has no default that gives it a value, and the sync gives it none",
      "-- id has no unique constraint or whole unique index",
      "-- email is unique, and was not when this migration was generated",
      "-- Generate the migration again: two users may claim one address.",
    ],
  ],
  [
    "an address that was unique, and a key that became deferrable",
    "create table users (id text constraint k unique, email text)",
    { key: "id", columns: { email: { from: "email", default: "{id}" } } },
    "alter table users drop constraint k, add constraint k unique (id) deferrable",
    ["-- id has no unique constraint or whole unique index", "-- k is deferrable, which an upsert by id does not take"],
  ],
  [
    "labels, foreign keys and row level security",
    `create type role as enum ('member', 'it''s'); create table others (id text primary key); create table users (id text primary key, role role);
     alter table users enable row level security`,
    { key: "id", columns: { role: "public_metadata.role" }, editable: ["role"] },
    `alter type role rename value 'it''s' to 'x'; alter table users disable row level security, add constraint f foreign key (id) references others, add foreign key (id) references users`,
    [
      "-- public.role has no label it's (commit this one before the others)",
      "-- f refuses rows of users that public.others does not have",
      "-- users_id_fkey refuses rows of users that public.users does not have",
      '-- row level security of public.users is off, and "own_row" lets users reach it',
    ],
  ],
  [
    "columns that were plain and are generated",
    "create table users (id text primary key, name text, uid uuid unique)",
    { key: "id", columns: { name: "name", uid: "uuid" } },
    "alter table users drop column name, add column name text generated always as (id || '.') stored",
    ["-- name is generated, the sync cannot write it"],
  ],
];

describe.each(changes)("a table changed since: %s", (_title, table, file, change, problems) => {
  it("stops the migration with every difference; then the statements are enough", async () => {
    await client.query(table);
    const mapping = await resolve(file);
    await client.query(change);
    const before = await readTable(client, mapping.users.table);
    const lines = await apply(generateCheck(mapping));
    expect(lines[0]).toBe(
      "public.users is not as it was when this migration was generated. Generate it again (npx clerk-sync generate), or run these statements:",
    );
    expect(problemsOf(lines)).toEqual(problems);
    expect(await readTable(client, mapping.users.table)).toEqual(before);
    for (const statement of lines.slice(1)) await client.query(statement);
    // whether an address is unique is for its owner to say
    await client.query("alter table users drop constraint if exists users_email_key");
    expect(await apply(generateCheck(mapping))).toEqual([]);
  });
});

it("a table that is gone, or became a view, stops the migration", async () => {
  await client.query(teamTables.profiles);
  const sql = generateCheck(await resolve(teamFiles.profiles));
  await client.query("drop table profiles cascade");
  expect((await apply(sql)).slice(1)).toEqual([
    "-- there is no table public.profiles",
    "-- Apply the migrations that make it first.",
  ]);
  await client.query("create view profiles as select 'x' as id");
  expect((await apply(sql)).slice(1)).toEqual([
    "-- public.profiles is not a table",
    '-- In clerk-sync.config.json: name the table behind it: "table"',
  ]);
});

const plain: UsersFile = {
  key: "clerk_id",
  columns: {
    id: "uuid",
    email: "email",
    name: "name",
    image_url: "image_url",
    role: { from: "public_metadata.role", default: "user" },
    created_at: "created_at",
    updated_at: "now",
  },
};

it("a table that is not there is made, closed, with the types of its sources; the mapping is the same afterwards", async () => {
  const mapping = await resolve(plain);
  expect(await apply(generateCheck(mapping))).toEqual([]);
  const facts = await readTable(client, mapping.users.table);
  expect(facts).toMatchObject({ isOurs: true, hasRowLevelSecurity: true, primaryKey: ["id"] });
  expect(
    facts?.columns.map(({ name, sqlType, isNotNull, hasDefault }) => [name, sqlType, isNotNull, hasDefault]),
  ).toEqual([
    ["id", "uuid", true, true],
    ["clerk_id", "text", false, false],
    ["email", "text", false, false],
    ["name", "text", false, false],
    ["image_url", "text", false, false],
    ["role", "text", false, true],
    ["created_at", "timestamptz", false, false],
    ["updated_at", "timestamptz", false, true],
  ]);
  expect(await resolve(plain)).toEqual(mapping);
  await client.query("insert into users (clerk_id) values ('user_a')");
  await expect(client.query("insert into users (clerk_id) values ('user_a')")).rejects.toThrow(
    "clerk_sync_users_clerk_id_key",
  );
  expect(await apply(generateCheck(mapping))).toEqual([]);
  expect(await problemsLater()).toEqual([]);
});

it("every source, softly deleted, in a table with names that need quotes, is the same mapping afterwards", async () => {
  const table = { schema: "select", name: `"${"ä".repeat(30)}` };
  await client.query('create schema "select"');
  const file: UsersFile = {
    table,
    key: "order",
    columns: {
      'q"': "email",
      meta: "public_metadata",
      banned: "banned",
      seen: "last_sign_in_at",
      n: { from: "public_metadata.n", default: 1.5 },
      b: { from: "unsafe_metadata.b", default: true },
      user: { from: "username", default: "it's" },
      e: { from: "external_id", default: "{id}" },
    },
    softDelete: "gone at",
  };
  const mapping = await resolve(file);
  expect(await apply(generateCheck(mapping))).toEqual([]);
  expect(await resolve(file)).toEqual(mapping);
  await client.query(`insert into "select".${client.escapeIdentifier(table.name)} ("order") values ('user_a')`);
  expect(await problemsLater()).toEqual([]);
});

it("a column mapped later is added to a table of ours, and only there", async () => {
  await apply(generateCheck(await resolve(plain)));
  const more = { ...plain, columns: { ...plain.columns, nickname: "username", external: "uuid" } } as const;
  const mapping = await resolve(more);
  expect(await apply(generateCheck(mapping))).toEqual([]);
  expect((await readTable(client, mapping.users.table))?.columns.map(({ name }) => name)).toContain("nickname");
  expect((await resolve(more)).hash).toBe(mapping.hash);
  await client.query("alter table users drop column nickname");
  expect(await problemsLater()).toEqual([
    { problem: "there is no column nickname", remedy: "alter table public.users add column nickname text;" },
  ]);
});

it("a table that somebody made in the meantime is not touched", async () => {
  const sql = generateCheck(await resolve(plain));
  await client.query("create table users (id uuid primary key)");
  const lines = await apply(sql);
  expect(lines.slice(1, 3)).toEqual([
    "-- public.users is there, and was not when this migration was generated",
    "-- Generate the migration again: with --db-url it reads what is there.",
  ]);
  expect((await readTable(client, { schema: "public", name: "users" }))?.columns).toHaveLength(1);
});

it("a name with a line break or a percent sign is told in one line", async () => {
  const table = { schema: "public", name: "a%s\nb'\\" };
  const column = "c\nd%";
  await client.query(
    `create table ${client.escapeIdentifier(table.name)} (id text primary key, ${client.escapeIdentifier(column)} text)`,
  );
  const mapping = await resolve({ table, key: "id", columns: { [column]: "name" } });
  expect(await apply(generateCheck(mapping))).toEqual([]);
  await client.query(
    `alter table ${client.escapeIdentifier(table.name)} alter ${client.escapeIdentifier(column)} set not null`,
  );
  const lines = await apply(generateCheck(mapping));
  expect(lines[1]).toBe('-- "c d%" is not null, but the sync writes null for a user without one');
  await client.query(lines.slice(1).join("\n"));
  expect(await apply(generateCheck(mapping))).toEqual([]);
});
