import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDatabase, type Database } from "#core/database/database.ts";
import { authSchema } from "../../../local/open-local-database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { applyPrelude } from "../../../server/migrate.ts";
import { at, deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { toJob } from "../../support/database/queue.ts";
import { createEmptyDatabase, openPool, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";

const existingUsers = await readFile(new URL("../../fixtures/existing-users.sql", import.meta.url), "utf8");

let opened: TestDatabase;
let database: Database;
beforeEach(async () => {
  opened = await createEmptyDatabase();
  database = createDatabase(createCallFunction(opened.pool));
  const client = await opened.pool.connect();
  await applyPrelude(client, authSchema);
  client.release();
});
afterEach(() => opened.drop());

const migrate = () => runCommand(["migrate"], { environment: { DATABASE_URL: opened.url } });

async function rows(sql: string): Promise<Record<string, unknown>[]> {
  return (await opened.pool.query<Record<string, unknown>>(sql)).rows;
}

/** What `clerk-sync migrate` names: the problems, and the statements that correct them. */
async function refuse(): Promise<{ problems: string[]; script: string }> {
  const { exitCode, stderr } = await migrate();
  const lines = stderr.split("\n");
  expect({ exitCode, first: lines[0], last: lines.at(-1) }).toEqual({
    exitCode: 1,
    first:
      "error migration_failed: Migration 20261130000000_schema.sql failed: public.users is not of the shape that the sync needs. These statements correct it:",
    last: "Nothing was changed. docs/existing-users.md says what may differ.",
  });
  const script = lines.slice(1, -1);
  const problems = script.filter((line) => line.startsWith("-- ")).map((line) => line.slice(3));
  expect(script).toHaveLength(problems.length * 2);
  return { problems, script: script.join("\n") };
}

async function send(event: unknown, eventId: string) {
  const [enqueued] = await database.enqueue([toJob(event, eventId)], 15);
  await database.runJobs({ limit: 10, leaseSeconds: null, canRead: false, deleteBrake: null });
  return enqueued;
}

const facts = { id: "user_ada", email: "ada@example.com", firstName: "Ada", lastName: "Lovelace", role: "admin" };

/** Creates, changes, moves the address of, and deletes a user, and has a create answered by the row. */
async function expectEveryWriteToWork(): Promise<void> {
  await send(userEvent("user.created", { ...facts, version: 1 }), "msg_1");
  expect(await rows("select error from public.job_queue where error is not null")).toEqual([]);
  const [row] = await rows("select * from public.users where clerk_id = 'user_ada'");
  expect(row).toMatchObject({ email: "ada@example.com", name: "Ada Lovelace", role: "admin" });
  const again = await send(userEvent("user.created", { ...facts, version: 1 }), "msg_2");
  expect(again?.user).toEqual({ id: String(row?.["id"]), clerk_id: "user_ada" });
  await send(userEvent("user.created", { ...facts, id: "user_eve", version: 2 }), "msg_3");
  expect(
    await rows("select clerk_id, email from public.users where clerk_id in ('user_ada', 'user_eve') order by 1"),
  ).toEqual([
    { clerk_id: "user_ada", email: null },
    { clerk_id: "user_eve", email: "ada@example.com" },
  ]);
  await send(
    userEvent("user.updated", { id: "user_ada", email: null, firstName: null, lastName: null, version: 3 }),
    "msg_4",
  );
  expect(await rows("select name, email from public.users where clerk_id = 'user_ada'")).toEqual([
    { name: null, email: null },
  ]);
  await send(deletedEvent({ id: "user_ada", version: 4 }), "msg_5");
  expect(await rows("select 1 from public.users where clerk_id = 'user_ada'")).toEqual([]);
  expect(await rows("select error from public.job_queue where error is not null")).toEqual([]);
  expect(await rows("select public.clerk_sync_users_table_problems() as problems")).toEqual([{ problems: [] }]);
}

const noRoleType = 'there is no type public."UserRole"';
const noRole = "there is no column role";
const noTimes = ['there is no column "createdAt"', 'there is no column "updatedAt"'];
const enumRole = `create type public."UserRole" as enum ('user', 'admin');`;
const rest = 'role public."UserRole", "createdAt" timestamp, "updatedAt" timestamp';
const isRole = 'the sync writes public."UserRole": what it holds must be labels of that';
const noDefault = (name: string) => `${name} has no default that gives it a value, and the sync gives it none`;
const isNotUnique = "clerk_id has no unique constraint or whole unique index";

const shapes: [title: string, table: string, problems: string[]][] = [
  [
    "full_name instead of name, no role",
    `create table public.users (id uuid primary key default gen_random_uuid(), clerk_id text unique, email text, full_name text);
     insert into public.users (full_name) values ('Grace')`,
    [noRoleType, "there is no column name", noRole, ...noTimes],
  ],
  [
    "id text only",
    "create table public.users (id text primary key); insert into public.users values ('user_grace')",
    [
      noRoleType,
      ...["clerk_id", "email", "name", "role"].map((name) => `there is no column ${name}`),
      ...noTimes,
      noDefault("id"),
    ],
  ],
  [
    "clerk_user_id",
    `${enumRole} create table public.users (id uuid primary key default gen_random_uuid(), clerk_user_id text unique not null, email text, name text, ${rest})`,
    ["there is no column clerk_id", noDefault("clerk_user_id")],
  ],
  [
    "id bigint, no role",
    `create table public.users (id bigint primary key, clerk_id text unique, email text, name text, "createdAt" timestamptz, "updatedAt" timestamptz);
     insert into public.users (id) values (1), (41)`,
    [noRoleType, noRole, noDefault("id")],
  ],
  [
    "role text, no times",
    `create table public.users (id bigserial primary key, clerk_id text unique, email varchar(255), name varchar, role text not null default 'user' check (role in ('user', 'admin')));
     insert into public.users (role) values ('admin')`,
    [noRoleType, `role is of type text, ${isRole}`, ...noTimes],
  ],
  [
    "id text without default",
    `${enumRole} create table public.users (id text primary key, clerk_id text unique, email text, name text, ${rest});
     insert into public.users (id, email) values ('a', 'grace@example.com')`,
    [noDefault("id")],
  ],
  [
    "of Supabase Auth",
    `${enumRole} create table public.users (id uuid primary key default auth.uid() references auth.users (id), clerk_id text, email text not null, name text, ${rest}, username varchar(20) not null)`,
    [
      noDefault("id"),
      "email is not null, but the sync writes null for a user without one",
      noDefault("username"),
      isNotUnique,
      "users_id_fkey refuses rows of users that auth.users does not have",
    ],
  ],
  [
    "with everything askew",
    `create domain public."UserRole" as text;
     create extension citext;
     create table public.users (
       id char(25) primary key, clerk_id varchar(30) unique deferrable, email citext unique, first text, name text generated always as (first || '.') stored,
       role public."UserRole", "createdAt" bigint not null, "updatedAt" date default current_date, created_at text default 'today', deleted_at boolean not null);
     insert into public.users (id, clerk_id, email, first, role, "createdAt", deleted_at) values ('c1', 'user_grace', 'Grace@example.com', 'G', 'admin', 7, false)`,
    [
      'public."UserRole" is not an enum',
      "clerk_id is of type character varying(30), the sync writes text or varchar of 255 or more",
      "email is of type public.citext, the sync writes text or varchar of 255 or more",
      "name is generated, the sync cannot write it",
      `role is of type public."UserRole", ${isRole}`,
      '"createdAt" is of type bigint, the sync writes timestamp or timestamptz',
      '"updatedAt" is of type date, the sync writes timestamp or timestamptz',
      "created_at is of type text, the sync writes timestamp or timestamptz",
      "deleted_at is of type boolean, the sync writes timestamp or timestamptz",
      noDefault("id"),
      "deleted_at is not null, but the sync writes null for a user without one",
      isNotUnique,
      "users_clerk_id_key is deferrable, which an upsert by clerk_id does not take",
    ],
  ],
  ["that is a view", "create view public.users as select 1 as id", ["public.users is not a table"]],
];

/** Of ours only the functions that look at the columns are there by then, in a schema of their own. */
const ours = `
  select p.proname::text as object from pg_catalog.pg_proc as p
  where p.pronamespace = 'public'::regnamespace
  union all select c.relname::text from pg_catalog.pg_class as c
  where c.relnamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
  union all select a.attname::text from pg_catalog.pg_attribute as a
  where a.attrelid = 'public.users'::regclass
  union all select t.typname::text from pg_catalog.pg_type as t
  where t.typnamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
  order by 1`;

describe.each(shapes)("a users table %s", (_title, table, problems) => {
  it("is refused with all that is wrong, and left as it is; then its statements are enough", async () => {
    await opened.pool.query(`create schema clerk_sync; ${table}`);
    const before = await rows(ours);
    const count = await rows("select count(*) from public.users");
    const refused = await refuse();
    expect(refused.problems).toEqual(problems);
    expect(await rows(ours)).toEqual(before);
    await opened.pool.query(refused.script);
    expect(await migrate()).toMatchObject({ exitCode: 0, stderr: "" });
    if (!problems.includes("public.users is not a table")) {
      expect(await rows("select count(*) from public.users")).toEqual(count);
    }
    await expectEveryWriteToWork();
  });
});

it("a UserRole without the label user is refused; the label is committed before it is used", async () => {
  await opened.pool.query(
    `create type public."UserRole" as enum ('USER', 'admin');
     create table public.users (id int generated always as identity, clerk_id text unique, email text, name text, ${rest})`,
  );
  const { problems, script } = await refuse();
  expect(problems).toEqual(['public."UserRole" has no label user (commit this one before the others)']);
  await opened.pool.query(script);
  expect(await migrate()).toMatchObject({ exitCode: 0 });
  await expectEveryWriteToWork();
});

it("a table of the expected shape passes as it is", async () => {
  await opened.pool.query(existingUsers);
  expect(await migrate()).toMatchObject({ exitCode: 0, stderr: "" });
  await expectEveryWriteToWork();
});

it("extra columns, and the times in either type, pass; both types say UTC whatever the time zone of the connection", async () => {
  await opened.pool.query(
    `${enumRole}
     create table public.users (
       id text default gen_random_uuid()::text, clerk_id varchar(255) primary key, email varchar, name varchar(300), role public."UserRole" not null,
       "createdAt" timestamptz not null, "updatedAt" timestamptz not null, created_at timestamp not null, updated_at timestamp not null,
       deleted_at timestamp, team text, points integer not null default 0)`,
  );
  expect(await migrate()).toMatchObject({ exitCode: 0, stderr: "" });
  const inTokyo = openPool(opened.url, { options: "-c timezone=Asia/Tokyo" });
  database = createDatabase(createCallFunction(inTokyo));
  await expectEveryWriteToWork();
  await inTokyo.end();
  const [row] = await rows(
    `select abs(extract(epoch from "updatedAt" - now())) < 600 as "updatedAt", abs(extract(epoch from updated_at - now() at time zone 'utc')) < 600 as updated_at,
       "createdAt" = created_at at time zone 'utc' as created_at
     from public.users where clerk_id = 'user_eve'`,
  );
  expect(row).toEqual({ updatedAt: true, updated_at: true, created_at: true });
});

it("preferences and medical_profile may be dropped again: nothing of ours reads them", async () => {
  expect(await migrate()).toMatchObject({ exitCode: 0 });
  await opened.pool.query("alter table public.users drop column preferences, drop column medical_profile");
  await expectEveryWriteToWork();
  expect(await rows("select public.clerk_sync_privilege_findings() as found")).toEqual([{ found: [] }]);
  expect(await database.ownRow("user_eve")).toMatchObject({ state: "present" });
  const compared = `select public.clerk_sync_compare_users('[{"clerk_id": "user_eve", "version": ${at(2)}, "payload": {"email": null}}]') as found`;
  expect(await rows(compared)).toMatchObject([{ found: [{ kind: "differs" }] }]);
});
