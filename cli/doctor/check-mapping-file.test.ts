import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTestFolder } from "../../tests/support/processes/test-folder.ts";
import { main } from "../main.ts";
import { checkMappingFile } from "./check-mapping-file.ts";
import type { Database } from "./reach-database.ts";

let folder: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  folder = await createTestFolder();
});
afterEach(() => folder.remove());

const configuration = (table: string) =>
  JSON.stringify({ users: { table: `public.${table}`, key: "id", columns: { full_name: "name" } } });

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.join(folder.path, path.dirname(file)), { recursive: true });
  await writeFile(path.join(folder.path, file), text);
}

/** What is found while the database has this hash. */
async function look(hash: string | null) {
  const answer = hash === null ? null : { hash, users: { fields: [] } };
  const database: Database = {
    ask: async ({ schema }) => ({ value: schema.parse(answer) }),
    isSupabase: true,
    isHosted: true,
  };
  return checkMappingFile(database, { folder: folder.path, environment: {} });
}

/** Writes the migration for the file, and returns the hash of its mapping. */
async function generate(): Promise<string> {
  const printed: string[] = [];
  const io = { print: (line: string) => void printed.push(line), folder: folder.path, environment: {} };
  expect(await main(["generate", "--json"], io)).toBe(0);
  return JSON.parse(printed.join("\n")).hash;
}

test("a folder without a configuration says nothing", async () => {
  expect(await look("some")).toEqual([]);
});

test("file and database of one mapping are well", async () => {
  await write("clerk-sync.config.json", configuration("profiles"));
  const hash = await generate();
  expect(await look(hash)).toEqual([
    { check: "configuration", state: "ok", what: "clerk-sync.config.json and the database agree" },
  ]);
});

test("a file that changed since its migration is named, and so is a database that lacks the migration", async () => {
  await write("clerk-sync.config.json", configuration("profiles"));
  await generate();
  expect(await look("another")).toMatchObject([{ state: "warning", remedy: expect.stringContaining("db push") }]);
  expect(await look(null)).toMatchObject([{ state: "warning", remedy: expect.stringContaining("db push") }]);
  await write("clerk-sync.config.json", configuration("people"));
  expect(await look("another")).toMatchObject([{ state: "warning", remedy: "Run: npx clerk-sync generate" }]);
});

test("a file that cannot be read is a failed check that says why", async () => {
  await write("clerk-sync.config.json", configuration("profiles"));
  await generate();
  await write("clerk-sync.config.json", '{ "user": {} }');
  expect(await look("another")).toMatchObject([{ state: "failed", what: expect.stringContaining("users") }]);
});
