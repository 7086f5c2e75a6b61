import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainConfiguration } from "./expand-configuration.ts";
import { readConfiguration } from "./read-configuration.ts";

let folder = "";
const tableOf = async (where: string, place: { path?: string; environment?: Record<string, string> } = {}) => {
  const read = await readConfiguration(path.join(folder, where), { environment: {}, ...place });
  return [read.configuration.users.table.name, read.file === null ? null : path.relative(folder, read.file)];
};
const fileOf = (table: string) =>
  JSON.stringify({ users: { table: `public.${table}`, key: "id", columns: { email: "email" } } });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-config-"));
  await mkdir(path.join(folder, "with/other"), { recursive: true });
  await mkdir(path.join(folder, "without"));
  await writeFile(path.join(folder, "with/clerk-sync.config.json"), `// ours\n${fileOf("usual")}`);
  await writeFile(path.join(folder, "with/other/one.json"), fileOf("one"));
  await writeFile(path.join(folder, "with/other/two.json"), fileOf("two"));
  await writeFile(path.join(folder, "with/other/wrong.json"), '{ "chnges": true }');
});

afterAll(() => rm(folder, { recursive: true }));

test("the file of the folder is read", async () => {
  expect(await tableOf("with")).toEqual(["usual", "with/clerk-sync.config.json"]);
});

test("without a file the plain table is meant", async () => {
  const read = await readConfiguration(path.join(folder, "without"), { environment: { CLERK_SYNC_CONFIG: " " } });
  expect(read).toEqual({ configuration: plainConfiguration, file: null });
  expect(read.configuration.users).toMatchObject({
    table: { schema: "public", name: "users" },
    key: "clerk_id",
    columns: [
      { name: "id", source: "uuid" },
      { name: "email", source: "email" },
      { name: "name", source: "name" },
      { name: "image_url", source: "image_url" },
      { name: "role", source: "public_metadata.role", default: "user" },
      { name: "created_at", source: "created_at" },
      { name: "updated_at", source: "now" },
    ],
    access: null,
  });
});

test("CLERK_SYNC_CONFIG goes before the file of the folder, and --config before both", async () => {
  const environment = { CLERK_SYNC_CONFIG: "other/one.json" };
  expect(await tableOf("with", { environment })).toEqual(["one", "with/other/one.json"]);
  expect(await tableOf("with", { environment, path: "other/two.json" })).toEqual(["two", "with/other/two.json"]);
  const absolute = path.join(folder, "with/other/two.json");
  expect(await tableOf("without", { path: absolute })).toEqual(["two", "with/other/two.json"]);
});

test.each([
  ["a missing file of --config", { path: "no.json" }, "--config names no.json, but there is no file"],
  [
    "a missing file of CLERK_SYNC_CONFIG",
    { environment: { CLERK_SYNC_CONFIG: "no.json" } },
    "CLERK_SYNC_CONFIG names no.json, but there is no file",
  ],
  ["a folder", { path: "other" }, "cannot be read"],
  ["a file with problems", { path: "other/wrong.json" }, "other/wrong.json:1:3: `chnges`: did you mean `changes`?"],
])("%s is an error that says what to do", async (_, place, message) => {
  await expect(tableOf("with", place)).rejects.toMatchObject({
    name: "SyncError",
    code: "config_invalid",
    message: expect.stringContaining(message),
  });
});
