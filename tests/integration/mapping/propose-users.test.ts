import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfiguration } from "../../../mapping/parse-configuration.ts";
import { formatConfigurationFile, proposeUsers } from "../../../mapping/propose-users.ts";
import { readRows } from "../../../mapping/read-rows.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { configureUsers, type UsersFile } from "../../support/mapping/configure-users.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database?.drop());

/** What is proposed for the one table of these statements that is named. */
async function propose(sql: string, name: string, given: { key?: string; readsRows?: boolean } = {}) {
  const client = await database.pool.connect();
  try {
    await client.query(sql);
    const facts = await readTable(client, { schema: "public", name });
    if (facts === null) throw new TypeError(`the statements make no table ${name}`);
    const rows = given.readsRows
      ? await readRows(client, configureUsers({ table: name, key: "none", columns: {} }), facts)
      : undefined;
    return proposeUsers(facts, { key: given.key, rows });
  } finally {
    client.release();
  }
}

const role = "public_metadata.role";
const proposals: Record<keyof typeof teamTables, UsersFile & { unmapped: string[] }> = {
  profiles: {
    table: "profiles",
    key: "id",
    columns: { username: "username", full_name: "name", avatar_url: "image_url", email: "email" },
    unmapped: [],
  },
  prisma: {
    table: "User",
    key: "clerkId",
    columns: {
      id: "uuid",
      email: { from: "email", default: "{id}@users.invalid" },
      firstName: "first_name",
      lastName: "last_name",
      imageUrl: "image_url",
      createdAt: { from: "created_at", write: "once" },
      updatedAt: "now",
    },
    linkBy: "email",
    unmapped: [],
  },
  drizzle: {
    key: "clerk_user_id",
    columns: {
      email: { from: "email", default: "{id}@users.invalid" },
      first_name: "first_name",
      last_name: "last_name",
      image_url: "image_url",
      role,
    },
    linkBy: "email",
    softDelete: "deleted_at",
    unmapped: ["id", "organization_id"],
  },
  roles: { key: "clerk_id", columns: { role }, unmapped: ["id"] },
  cycles: { key: "id", columns: {}, unmapped: [] },
  customers: { key: "clerk_id", columns: { email: "email" }, linkBy: "email", unmapped: ["id"] },
};

describe.each(Object.entries(teamTables))("the table of the team %s", (name, sql) => {
  it("has one proposal, which needs no change of the table and reads back from its file", async () => {
    const { unmapped, ...file } = proposals[name as keyof typeof teamTables];
    const proposal = await propose(sql, typeof file.table === "string" ? file.table : "users");
    expect(proposal.users).toEqual(configureUsers(file).users);
    expect(proposal).toMatchObject({ keys: [file.key], unmapped, problems: [] });
    const parsed = parseConfiguration(formatConfigurationFile(proposal));
    expect(parsed).toMatchObject({ configuration: { users: proposal.users } });
  });
});

it("of two columns that may hold Clerk's id both are named, and the one that a person names is taken", async () => {
  const sql = 'create table people (id uuid primary key, clerk_id text unique, "clerkId" text unique, email text)';
  expect(await propose(sql, "people")).toMatchObject({ keys: ["clerk_id", "clerkId"], users: { key: "clerk_id" } });
  await database.pool.query("drop table people");
  expect(await propose(sql, "people", { key: "clerkId" })).toMatchObject({ users: { key: "clerkId" } });
});

it("a column that has ids of Clerk in its rows is the key, whatever it is called", async () => {
  const sql = `
    create table people (slug text primary key, ref text unique);
    insert into people values ('ada', 'user_2abc'), ('bob', 'user_2def');`;
  expect(await propose(sql, "people", { readsRows: true })).toMatchObject({ keys: ["ref"], problems: [] });
});

it("a table without a column for Clerk's id gets the statement that adds one", async () => {
  const proposal = await propose("create table people (id serial primary key, email text)", "people");
  expect(proposal).toMatchObject({ keys: [], users: { key: "clerk_id" } });
  expect(proposal.problems.map(({ remedy }) => remedy)).toEqual([
    "alter table public.people add column clerk_id text unique;",
  ]);
});

it("a column that may not be null gets a default that a person confirms, also where Clerk has nothing for it", async () => {
  const { guesses, problems, users, unmapped } = await propose(
    `create table people (id text primary key, username text not null unique, plan text not null, seats int not null,
       since timestamptz not null, note text)`,
    "people",
  );
  expect(users.columns.map(({ name, source, default: value }) => [name, source, value])).toEqual([
    ["username", "username", "{id}"],
    ["plan", "public_metadata.plan", ""],
    ["seats", "public_metadata.seats", 0],
  ]);
  expect(unmapped).toEqual(["since", "note"]);
  expect(guesses.map(({ problem }) => problem)).toEqual([
    "username is not null and has no default, and Clerk has users without a value",
    "plan may not be null, nothing is mapped to it, and it has no default that the sync can use",
    "seats may not be null, nothing is mapped to it, and it has no default that the sync can use",
  ]);
  expect(problems).toEqual([
    {
      problem: "since may not be null, nothing is mapped to it, and it has no default that the sync can use",
      remedy: `alter table public.people alter column since drop not null;
-- or: alter table public.people alter column since set default now();
-- or: in clerk-sync.config.json: "since": "now"`,
    },
  ]);
});

it("a column of addresses is never taken for the key, also where it is the primary key", async () => {
  const { keys, users, problems } = await propose("create table people (email text primary key, name text)", "people");
  expect({ keys, key: users.key }).toEqual({ keys: [], key: "clerk_id" });
  expect(problems[0]?.remedy).toBe("alter table public.people add column clerk_id text unique;");
});

it("a name counts only where the column takes what Clerk has", async () => {
  const { users, unmapped } = await propose(
    'create table people (id text primary key, "emailVerified" timestamptz, image jsonb, banned boolean, created_at bigint)',
    "people",
  );
  expect(users.columns.map(({ name, source }) => [name, source])).toEqual([["banned", "banned"]]);
  expect(unmapped).toEqual(["emailVerified", "image", "created_at"]);
});
