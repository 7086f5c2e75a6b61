import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { adviseMissingTable } from "../../../mapping/advise-missing-table.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

let opened: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  opened = await createTestDatabase();
  client = await opened.pool.connect();
  await client.query("drop table public.users cascade");
});
afterEach(async () => {
  client.release();
  await opened.drop();
});

const advise = (name: string) => adviseMissingTable(client, { table: { schema: "public", name } });

it("nothing is said of a database without tables of an app", async () => {
  expect(await advise("users")).toEqual([]);
});

it.each([
  ["profile", teamTables.profiles, "public.profiles", '"public.profiles"'],
  ["users", teamTables.prisma, 'public."User"', '"public.User"'],
  ["users", "create schema app; create table app.users ()", "app.users", '"app.users"'],
  ["users", "create table accounts (clerk_user_id text)", "public.accounts", '"public.accounts"'],
  ["users", "create table jobs (); create table accounts (clerk_user_id text)", "public.accounts", '"public.accounts"'],
])("a table %s that is not there: the one that was probably meant is named", async (name, table, meant, written) => {
  await client.query(table);
  expect(await advise(name)).toEqual([
    {
      problem: `there is no table public.${name}, so that the migration makes it; is ${meant} meant?`,
      remedy: `-- In clerk-sync.config.json: "table": ${written}`,
    },
  ]);
});

it("tables that have nothing to do with users are not named", async () => {
  await client.query("create table orders (id text)");
  expect(await advise("users")).toEqual([]);
});
