import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readTable } from "../../../mapping/read-table.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
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

const read = (name: string, schema = "public") => readTable(client, { schema, name });

it("a table that is not there is null", async () => {
  expect(await read("users")).toBeNull();
});

it("Prisma's model is read with its case, its precision and its unique indexes", async () => {
  await client.query(teamTables.prisma);
  const none = { hasDefault: false, defaultExpression: null };
  const text = { type: { kind: "text" }, sqlType: "text", ...none, isGenerated: false };
  const time = { type: { kind: "timestamp" }, sqlType: "timestamp(3)", isNotNull: true, isGenerated: false };
  expect(await read("User")).toEqual({
    table: { schema: "public", name: "User" },
    isTable: true,
    isOurs: false,
    columns: [
      { name: "id", ...text, isNotNull: true },
      { name: "clerkId", ...text, isNotNull: true },
      { name: "email", ...text, isNotNull: true },
      { name: "firstName", ...text, isNotNull: false },
      { name: "lastName", ...text, isNotNull: false },
      { name: "imageUrl", ...text, isNotNull: false },
      { name: "createdAt", ...time, hasDefault: true, defaultExpression: "CURRENT_TIMESTAMP" },
      { name: "updatedAt", ...time, ...none },
    ],
    primaryKey: ["id"],
    uniques: [["clerkId"], ["email"], ["id"]],
    partlyUnique: [],
    deferrables: [],
    pointsTo: [],
    references: [],
    hasRowLevelSecurity: false,
  });
});

it("foreign keys of other tables are read with what they do", async () => {
  await client.query(teamTables.profiles);
  await client.query(
    "create table notes (a text, b text references profiles (id) on update cascade on delete set null)",
  );
  expect((await read("profiles"))?.references).toEqual([
    {
      constraint: "notes_b_fkey",
      table: { schema: "public", name: "notes" },
      columns: ["b"],
      references: ["id"],
      onUpdate: "cascade",
      onDelete: "set null",
    },
    {
      constraint: "posts_author_fkey",
      table: { schema: "public", name: "posts" },
      columns: ["author"],
      references: ["id"],
      onUpdate: "no action",
      onDelete: "no action",
    },
  ]);
});

it("every type has its kind, and a name that a cast takes with an empty search path", async () => {
  await client.query(`
    create schema ext; create extension citext schema ext; create schema "Other";
    create type "Other"."Role""s" as enum ('b', 'a'); create domain short as text;
    create table everything (
      c01 text, c02 varchar, c03 varchar(64), c04 ext.citext, c05 smallint, c06 integer, c07 bigint, c08 double precision, c09 numeric(10, 2),
      c10 boolean, c11 uuid, c12 date, c13 timestamp, c14 timestamp(0), c15 timestamptz, c16 timestamptz(3), c17 json, c18 jsonb,
      c19 "Other"."Role""s", c20 short, c21 text[], c22 char(3), c23 "Other"."Role""s"[], c24 real)`);
  const columns = (await read("everything"))?.columns ?? [];
  expect(columns.map(({ type, sqlType }) => [sqlType, type])).toEqual([
    ["text", { kind: "text" }],
    ["varchar", { kind: "varchar", length: null }],
    ["varchar(64)", { kind: "varchar", length: 64 }],
    ["ext.citext", { kind: "citext" }],
    ["smallint", { kind: "smallint" }],
    ["integer", { kind: "integer" }],
    ["bigint", { kind: "bigint" }],
    ["double precision", { kind: "double precision" }],
    ["numeric(10,2)", { kind: "numeric" }],
    ["boolean", { kind: "boolean" }],
    ["uuid", { kind: "uuid" }],
    ["date", { kind: "date" }],
    ["timestamp", { kind: "timestamp" }],
    ["timestamp(0)", { kind: "timestamp" }],
    ["timestamptz", { kind: "timestamptz" }],
    ["timestamptz(3)", { kind: "timestamptz" }],
    ["json", { kind: "json" }],
    ["jsonb", { kind: "jsonb" }],
    ['"Other"."Role""s"', { kind: "enum", schema: "Other", name: 'Role"s', labels: ["b", "a"] }],
    ["public.short", { kind: "other", name: "public.short" }],
    ["text[]", { kind: "text[]" }],
    ["character(3)", { kind: "other", name: "character(3)" }],
    ['"Other"."_Role""s"', { kind: "other", name: '"Other"."_Role""s"' }],
    ["real", { kind: "other", name: "real" }],
  ]);
  await client.query("set search_path = ''");
  for (const { sqlType } of columns) await client.query(`select null::${sqlType}`);
});

it("what fills a column by itself, and what the sync cannot write, is known", async () => {
  await client.query(`
    create schema auth; create function auth.uid() returns uuid language sql as 'select null::uuid';
    create domain member as text default 'x' not null;
    create table filled (
      a int generated always as identity, b int generated by default as identity, c serial, d text default 'x', e uuid default auth.uid(),
      f text generated always as (d || '.') stored, g text default null, h member)`);
  const columns = (await read("filled"))?.columns ?? [];
  const facts = columns.map(({ name, hasDefault, isGenerated, isNotNull }) => [
    name,
    hasDefault,
    isGenerated,
    isNotNull,
  ]);
  expect(facts).toEqual([
    ["a", true, true, true],
    ["b", true, false, true],
    ["c", true, false, true],
    ["d", true, false, false],
    ["e", false, false, false],
    ["f", true, true, false],
    ["g", false, false, false],
    ["h", true, false, true],
  ]);
});

it("unique indexes are told apart: whole, partial or over an expression, deferrable", async () => {
  await client.query(`
    create table users (a text, b text, c text unique deferrable, d text, e text, "F" text, g text, gone timestamptz, unique (a, b) include (g));
    create unique index on users (d) where gone is null;
    create unique index on users (lower(e));
    create unique index on users (lower("F")) where gone is null;
    create index on users (g);
    create unique index on users (g, gone) nulls not distinct`);
  expect(await read("users")).toMatchObject({
    primaryKey: [],
    uniques: [
      ["a", "b"],
      ["g", "gone"],
    ],
    partlyUnique: ["F", "d", "e"],
    deferrables: [{ constraint: "users_c_key", column: "c" }],
  });
});

it("names of 63 bytes, reserved words and quotes are read in other schemas; dropped columns are not", async () => {
  const long = "ä".repeat(31);
  await client.query(`
    create schema "select"; create table "select"."${long}" ("from" text primary key, "a""b" text, gone text, "$1" text unique);
    alter table "select"."${long}" drop column gone;
    alter table "select"."${long}" enable row level security`);
  expect(await read(long, "select")).toMatchObject({
    columns: [{ name: "from" }, { name: 'a"b' }, { name: "$1" }],
    primaryKey: ["from"],
    uniques: expect.arrayContaining([["from"], ["$1"]]),
    hasRowLevelSecurity: true,
  });
  expect(await read(long)).toBeNull();
});

it("a partitioned table is a table, and its partitions add nothing; a view is none", async () => {
  await client.query(`
    create table users (id text primary key, auth uuid) partition by hash (id);
    create table users_0 partition of users for values with (modulus 2, remainder 0);
    create table users_1 partition of users for values with (modulus 2, remainder 1);
    create table notes (user_id text references users (id)) partition by list (user_id);
    create table notes_a partition of notes for values in ('a');
    create view people as select * from users`);
  const facts = await read("users");
  expect(facts).toMatchObject({ isTable: true, uniques: [["id"]] });
  expect(facts?.references.map(({ constraint }) => constraint)).toEqual(["notes_user_id_fkey"]);
  expect(await read("people")).toMatchObject({
    isTable: false,
    primaryKey: [],
    columns: [{ name: "id" }, { name: "auth" }],
  });
});

it("foreign keys of the table itself are read, and who made it", async () => {
  await client.query(`
    create schema auth; create table auth.users (id uuid primary key);
    create table users (id uuid primary key references auth.users (id), boss uuid references users (id));
    comment on table users is 'Made by clerk-sync.'`);
  expect(await read("users")).toMatchObject({
    isOurs: true,
    pointsTo: [
      { constraint: "users_boss_fkey", columns: ["boss"], table: { schema: "public", name: "users" } },
      { constraint: "users_id_fkey", columns: ["id"], table: { schema: "auth", name: "users" } },
    ],
    references: [{ constraint: "users_boss_fkey" }],
  });
});
