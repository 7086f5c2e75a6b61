import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createTestFolder } from "../../tests/support/processes/test-folder.ts";
import { quoteTable } from "../quote.ts";
import { type FoundTable, findTables } from "./find-tables.ts";

let folder: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  folder = await createTestFolder();
});
afterEach(() => folder.remove());

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(folder.path, path.dirname(file)), { recursive: true });
    await writeFile(path.join(folder.path, file), text);
  }
}

const names = (tables: FoundTable[]) => tables.map(({ facts }) => quoteTable(facts.table));
const columns = (table: FoundTable | undefined) =>
  table?.facts.columns.map(({ name, sqlType }) => `${name} ${sqlType}`);
const reasons = (table: FoundTable | undefined) =>
  table?.unread.map(({ place, reason }) => [place.file, place.line, reason]);

const packageJson = { "package.json": '{"dependencies": {"drizzle-orm": "1"}}' };
const prismaHeader = 'datasource db {\n  provider = "postgresql"\n}\n';

it("a folder without any schema has no tables", async () => {
  await write({ "src/main.ts": "export {};", "notes.sql": "create table users (id text);" });
  expect(await findTables(folder.path)).toEqual([]);
});

it("migrations of Supabase, Prisma, Drizzle and of a plain folder are read in their order", async () => {
  await write({
    "supabase/config.toml": "",
    "supabase/migrations/20260102_b.sql": "alter table profiles add column b extensions.citext;",
    "supabase/migrations/20260101_a.sql": "create table profiles (a citext);",
    "packages/db/prisma/migrations/2_b/migration.sql": 'alter table "User" add column "b" text;',
    "packages/db/prisma/migrations/1_a/migration.sql": 'create table "User" ("a" text);',
    "drizzle/0000_a.sql": "create table members (a text);\n--> statement-breakpoint\ncreate table more (a text);",
    "db/migrations/V10__c.sql": "alter table people drop column a;",
    "db/migrations/V9__b.sql": "create table people (a int, b int);",
    "db/migrations/V9__b.down.sql": "drop table people;",
    "node_modules/other/migrations/1.sql": "create table others (a int);",
    "tests/migrations/1.sql": "create table tried (a int);",
  });
  const tables = await findTables(folder.path);
  expect(names(tables)).toEqual(["public.profiles", "public.people", "public.members", "public.more", 'public."User"']);
  expect(columns(tables[0])).toEqual(["a extensions.citext", "b extensions.citext"]);
  expect(columns(tables[1])).toEqual(["b integer"]);
  expect(tables.flatMap(({ unread }) => unread)).toEqual([]);
});

it("tables that the sync generated are left out", async () => {
  const sql =
    "create table users (id text);\ncreate or replace function public.clerk_sync_table_problems() returns int language sql as $$ select 1 $$;";
  await write({
    "supabase/migrations/1_a.sql": sql,
    "supabase/schemas/a.sql": "create table clerk_sync.records (id text); create table job_queue (id text);",
  });
  expect(await findTables(folder.path)).toEqual([]);
});

it("a Prisma schema in several files is one, and says of the tables of migrations what only Prisma fills", async () => {
  await write({
    "prisma/schema/schema.prisma": prismaHeader,
    "prisma/schema/models/user.prisma":
      "model User {\n  id String @id @default(cuid())\n  role Role @default(USER)\n  note String?\n}",
    "prisma/schema/enums.prisma": "enum Role {\n  USER\n  ADMIN\n}",
    "prisma/migrations/1_a/migration.sql":
      "create type \"Role\" as enum ('USER', 'ADMIN'); create table \"User\" (id text primary key, role \"Role\" not null default 'USER');",
  });
  const [user, ...others] = await findTables(folder.path);
  expect(others).toEqual([]);
  expect(columns(user)).toEqual(["id text", 'role public."Role"']);
  expect(user).toMatchObject({
    source: "migrations",
    filledByApp: [{ column: "id", how: "cuid()" }],
    otherwise: [{ file: "prisma/schema/models/user.prisma", line: 1 }],
  });
});

it("two Prisma schemas of one folder are two", async () => {
  await write({
    "prisma/a.prisma": `${prismaHeader}model A {\n  id Int @id\n}`,
    "prisma/b.prisma": 'datasource db {\n  provider = "mysql"\n}\nmodel B {\n  id Int @id\n}',
  });
  expect(names(await findTables(folder.path))).toEqual(['public."A"']);
});

it("a Drizzle schema follows imports: relative, by an alias, and through another file", async () => {
  await write({
    ...packageJson,
    "drizzle.config.ts": 'export default { casing: "snake_case" };',
    "src/db/schema/index.ts": 'export * from "./users";',
    "src/db/schema/users.ts": `
import { pgTable, text } from "drizzle-orm/pg-core";
import { id } from "@/db/helpers";
import * as more from "../more.js";
import { posts } from ".";
export const users = pgTable("users", { id: id(), ...more.named, clerkId: text().unique() });`,
    "src/db/helpers.ts": `
import { uuid } from "drizzle-orm/pg-core";
export function id() {
  return uuid().primaryKey().defaultRandom();
}`,
    "src/db/more.ts":
      'import { varchar } from "drizzle-orm/pg-core"; export const named = { firstName: varchar({ length: 40 }) };',
  });
  const [users] = await findTables(folder.path);
  expect(columns(users)).toEqual(["id uuid", "first_name varchar(40)", "clerk_id text"]);
  expect(users).toMatchObject({ facts: { uniques: [["clerk_id"], ["id"]], primaryKey: ["id"] }, unread: [] });
});

it("parts of a Drizzle schema that do not follow from its text are named with their places", async () => {
  await write({
    ...packageJson,
    "schema.ts": `
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { shared } from "some-package";
export const users = pgTable("users", {
  id: integer().primaryKey(),
  ...shared,
  mail: shared.mail(),
  other: text().default(process.env.NAME),
  boss: integer().references(() => shared.id),
});
export const notes = pgTable("notes", { id: text() });`,
    "broken.ts": 'import { pgTable } from "drizzle-orm/pg-core";\nexport const notes = pgTable("notes", {',
  });
  const tables = await findTables(folder.path);
  expect(reasons(tables.find(({ facts }) => facts.table.name === "users"))).toEqual([
    ["schema.ts", 8, "the default of other is more than a file says"],
    ["schema.ts", 6, "what it spreads is not known from the text"],
    ["schema.ts", 7, "the column mail is not known from the text"],
    ["schema.ts", 9, "what boss points to is not known from the text"],
  ]);
  expect(reasons(tables.find(({ facts }) => facts.table.name === "notes"))).toEqual([
    ["broken.ts", 1, "it is no module of TypeScript that can be read"],
  ]);
});

it("a package of a workspace may have its dependencies above", async () => {
  await write({
    "package.json": '{"workspaces": ["apps/*"], "dependencies": {"drizzle-orm": "1"}}',
    "apps/web/package.json": "{}",
    "apps/web/schema.ts":
      'import { pgTable, text } from "drizzle-orm/pg-core";\nexport const users = pgTable("users", { id: text() });',
  });
  expect(names(await findTables(path.join(folder.path, "apps/web")))).toEqual(["public.users"]);
});

it("modules are not read in a project without Drizzle", async () => {
  await write({
    "schema.ts": 'import { pgTable } from "drizzle-orm/pg-core";\nexport const users = pgTable("users", {});',
  });
  expect(await findTables(folder.path)).toEqual([]);
});

it("foreign keys to auth.users of Supabase are read from SQL and from Drizzle", async () => {
  await write({
    ...packageJson,
    "supabase/migrations/1.sql": "create table profiles (id uuid references auth.users on delete cascade);",
    "schema.ts": `
import { pgTable, uuid } from "drizzle-orm/pg-core"; import { authUsers } from "drizzle-orm/supabase";
export const people = pgTable("people", { id: uuid().references(() => authUsers.id) });`,
  });
  const target = { table: { schema: "auth", name: "users" } };
  const tables = await findTables(folder.path);
  const find = (schema: string, name: string) =>
    tables.find(({ facts: { table } }) => table.schema === schema && table.name === name);
  expect(find("public", "profiles")).toMatchObject({ facts: { pointsTo: [target] } });
  expect(find("public", "people")).toMatchObject({ facts: { pointsTo: [target] } });
  expect(find("auth", "users")).toBeUndefined();
});
