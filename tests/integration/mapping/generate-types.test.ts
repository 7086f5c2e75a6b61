import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { generateTable } from "../../../mapping/generate-table.ts";
import { generateTypes } from "../../../mapping/generate-types.ts";
import type { TableFacts } from "../../../mapping/mapping.ts";
import { planTables } from "../../../mapping/plan-kind.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { configureUsers, type UsersFile } from "../../support/mapping/configure-users.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const compiler = fileURLToPath(new URL("../../../node_modules/.bin/tsc", import.meta.url));

let database: TestDatabase;
let client: pg.PoolClient;
let folder: Awaited<ReturnType<typeof createTestFolder>>;
beforeAll(async () => {
  [database, folder] = [await createEmptyDatabase(), await createTestFolder()];
  client = await database.pool.connect();
});
afterAll(async () => {
  client?.release();
  await folder?.remove();
  await database?.drop();
});

/** The names of the rows that the compiler refuses. */
async function compile(types: string, rows: Readonly<Record<string, unknown>>): Promise<string[]> {
  await writeFile(path.join(folder.path, "types.ts"), types);
  const names = Object.keys(rows);
  for (const [place, name] of names.entries()) {
    const use = `import type { AppUsersRow } from "./types.ts";\nexport const row: AppUsersRow = ${JSON.stringify(rows[name])};\n`;
    await writeFile(path.join(folder.path, `row-${place}.ts`), use);
  }
  const files = names.map((_, place) => `row-${place}.ts`);
  const flags = ["--noEmit", "--strict", "--ignoreConfig", "--allowImportingTsExtensions", "--types", ""];
  const output = await new Promise<string>((resolve) => {
    execFile(compiler, [...flags, ...files], { cwd: folder.path }, (_, stdout, stderr) => resolve(stdout + stderr));
  });
  const places = [...output.matchAll(/^row-(\d+)\.ts\(.*error TS2322/gm)].map(([, place]) => Number(place));
  expect(output.match(/error/g) ?? []).toHaveLength(places.length);
  return places.flatMap((place) => names[place] ?? []);
}

function typesOf(file: UsersFile, facts: TableFacts | null): string {
  const { users } = configureUsers(file);
  const tables = { users: facts };
  return generateTypes(resolveMapping({ users }, tables), planTables({ users }, tables));
}

const everyKind = `
  create type mood as enum ('fine', 'so "so"');
  create table "App-users" (
    "clerkId" text primary key, a varchar(20) not null, b int not null, c bigint not null, d boolean not null, e jsonb,
    f timestamptz not null, g date, h numeric not null, i mood not null, j text[], k uuid not null, l point, "two words" smallint,
    m double precision not null, n json not null, o timestamp not null, p text);
  insert into "App-users" values (
    'user_1', 'a', 1, 2, true, '{"x": [1, null]}', now(), '2026-01-02', 1.5, 'so "so"', '{x,y}', gen_random_uuid(), '(1,2)', 3,
    0.5, '[]', now(), null);`;

it("a row, as PostgREST returns it, has the types of its table, and no others", async () => {
  await client.query(everyKind);
  const facts = await readTable(client, { schema: "public", name: "App-users" });
  const types = typesOf({ table: "App-users", key: "clerkId", columns: { a: "username", p: "image_url" } }, facts);
  const { rows } = await client.query('select to_jsonb(u) as row from "App-users" as u');
  const row: Record<string, unknown> = rows[0]?.row;
  const variants = Object.keys(row).map((column) => [`${column} is null`, { ...row, [column]: null }] as const);
  const refused = await compile(types, {
    row,
    ...Object.fromEntries(variants),
    "i is no label": { ...row, i: "glum" },
    "b is a text": { ...row, b: "1" },
  });
  const mayBeNull = ["e", "g", "j", "l", "two words", "n", "p"]; // null is a value of json, too
  const mayNot = Object.keys(row).filter((column) => !mayBeNull.includes(column));
  expect(refused.sort()).toEqual(
    [...mayNot.map((column) => `${column} is null`), "b is a text", "i is no label"].sort(),
  );
});

it("the types of a table that the migration makes are those of the table it made", async () => {
  const file: UsersFile = {
    table: { schema: "app", name: "people" },
    key: "clerk_id",
    columns: { id: "uuid", email: "email", plan: { from: "public_metadata.plan", default: "free" }, seen_at: "now" },
    softDelete: "deleted_at",
  };
  const types = typesOf(file, null);
  await client.query("create schema app");
  await client.query(generateTable(resolveMapping(configureUsers(file), { users: null }).users));
  const made = await readTable(client, { schema: "app", name: "people" });
  expect(types).toBe(typesOf(file, made));
  expect(types).toContain("/** From Clerk: public_metadata.plan. */\n  plan: string | null;\n");
});
