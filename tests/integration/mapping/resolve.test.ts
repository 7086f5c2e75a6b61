import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
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

it("Prisma's model: the key is a column of its own, and the address is unique", async () => {
  await client.query(teamTables.prisma);
  const { users } = await resolve(teamFiles.prisma);
  expect(users).toMatchObject({
    table: { schema: "public", name: "User" },
    key: { name: "clerkId", type: { kind: "text" }, sqlType: "text", isPrimaryKey: false, emptyText: null },
    rowId: "id",
    softDelete: null,
    access: { kind: "leave" },
    isMade: false,
    references: [],
  });
  const columns = users.columns.map(({ name, source, sqlType, isUnique, usesOwnDefault }) => [
    name,
    source,
    sqlType,
    isUnique,
    usesOwnDefault,
  ]);
  expect(columns).toEqual([
    ["id", "uuid", "text", true, false],
    ["email", "email", "text", true, false],
    ["firstName", "first_name", "text", false, false],
    ["lastName", "last_name", "text", false, false],
    ["imageUrl", "image_url", "text", false, false],
    ["createdAt", "created_at", "timestamp(3)", false, true],
    ["updatedAt", "now", "timestamp(3)", false, false],
  ]);
});

it("profiles: the key is the primary key, and the tables that reference it are known", async () => {
  await client.query(teamTables.profiles);
  const { users } = await resolve(teamFiles.profiles);
  expect(users).toMatchObject({ key: { name: "id", isPrimaryKey: true }, rowId: "id" });
  expect(users.references.map(({ constraint }) => constraint)).toEqual(["posts_author_fkey"]);
});

it("an enum allows its labels, or those that the file names", async () => {
  await client.query(
    "create type role as enum ('b', 'a', 'c'); create table users (id text primary key, one role, two role)",
  );
  const { users } = await resolve({
    key: "id",
    columns: { one: "public_metadata.role", two: { from: "public_metadata.role", allowed: ["a"] } },
  });
  expect(users.columns.map(({ allowed }) => allowed)).toEqual([["b", "a", "c"], ["a"]]);
});

it("a table that is not there has the types of its sources, and lets users read their own row", async () => {
  const { users } = await resolve({
    key: "clerk_id",
    columns: {
      id: "uuid",
      email: "email",
      is_banned: "banned",
      meta: "public_metadata",
      seen: "last_sign_in_at",
      plan: "public_metadata.plan",
      points: { from: "public_metadata.points", default: 0 },
      member: { from: "public_metadata.member", default: false },
    },
    softDelete: "deleted_at",
  });
  expect(users).toMatchObject({
    key: { name: "clerk_id", sqlType: "text", isPrimaryKey: false, emptyText: null },
    rowId: "id",
    softDelete: { column: "deleted_at", sqlType: "timestamptz" },
    access: { kind: "own_row", editable: [] },
    isMade: true,
  });
  expect(users.columns.map(({ name, sqlType, isUnique }) => [name, sqlType, isUnique])).toEqual([
    ["id", "uuid", true],
    ["email", "text", true],
    ["is_banned", "boolean", false],
    ["meta", "jsonb", false],
    ["seen", "timestamptz", false],
    ["plan", "text", false],
    ["points", "numeric", false],
    ["member", "boolean", false],
  ]);
});

it("a key without a uuid beside it is the primary key of a table that we make", async () => {
  expect((await resolve(teamFiles.cycles)).users).toMatchObject({
    key: { name: "id", isPrimaryKey: true },
    rowId: "id",
  });
});

it("two columns as primary key name no row: the key does", async () => {
  await client.query("create table users (tenant int default 1, clerk_id text unique, primary key (tenant, clerk_id))");
  expect((await resolve({ key: "clerk_id", columns: {} })).users).toMatchObject({
    rowId: "clerk_id",
    key: { isPrimaryKey: false },
  });
});

it("the hash follows what the SQL is made of, and nothing else", async () => {
  await client.query(teamTables.profiles);
  const hashes = new Set<string>();
  const remember = async (file: UsersFile) => hashes.add((await resolve(file)).hash).size;
  expect(await remember(teamFiles.profiles)).toBe(1);
  await client.query(
    "create table notes (author text references profiles); alter table profiles add column mine text default 'x'",
  );
  expect(await remember(teamFiles.profiles)).toBe(1);
  const { email, ...columns } = teamFiles.profiles.columns;
  expect(await remember({ ...teamFiles.profiles, columns: { email, ...columns } })).toBe(2);
  expect(
    await remember({ ...teamFiles.profiles, columns: { ...columns, email: { from: email, default: null } } }),
  ).toBe(3);
  expect(await remember({ ...teamFiles.profiles, softDelete: "mine" })).toBe(4);
  await client.query("alter table profiles alter column email type varchar(300)");
  expect(await remember(teamFiles.profiles)).toBe(5);
  await client.query("create unique index on profiles (lower(email))");
  expect(await remember(teamFiles.profiles)).toBe(6);
});
