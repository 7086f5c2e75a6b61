import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { changeMapping, contractMapping } from "../tests/support/mapping/contract-mapping.ts";
import { composeMigration, generateSchema } from "./generate-schema.ts";
import { formatRuntimeMapping } from "./saved-mapping.ts";

const root = new URL("../supabase/", import.meta.url);
const [migrationName = ""] = (await readdir(new URL("migrations/", root))).filter((name) =>
  name.endsWith("_schema.sql"),
);
const migration = await readFile(new URL(`migrations/${migrationName}`, root), "utf8");

test("the schema has the files that the configuration of this repository generates", async () => {
  for (const { name, sql } of generateSchema(contractMapping)) {
    expect(await readFile(new URL(`schemas/${name}`, root), "utf8"), name).toBe(sql);
  }
});

test("the Edge Functions of this repository know the fields of its configuration", async () => {
  const file = new URL("functions/_shared/clerk-sync/mapping.json", root);
  expect(await readFile(file, "utf8")).toBe(formatRuntimeMapping(contractMapping));
});

test("a migration composed for the mapping that it has is the same", () => {
  expect(composeMigration(migration, contractMapping)).toBe(migration);
});

test("a foreign key of another table is named, although the hash is the same", () => {
  const reference = {
    constraint: "posts_author_fkey",
    table: { schema: "public", name: "posts" },
    columns: ["author"],
    references: ["id"],
    onUpdate: "no action",
    onDelete: "no action",
  } as const;
  const users = { ...contractMapping.users, references: [reference] };
  expect(composeMigration(migration, { ...contractMapping, users })).toContain("from public.posts as c");
});

test("a migration composed for another mapping differs in the generated files alone, and can be composed back", () => {
  const other = composeMigration(migration, changeMapping({ softDelete: "deleted_at" }));
  expect(other).not.toBe(migration);
  expect(other).toContain("deleted_at = null");
  expect(composeMigration(other, contractMapping)).toBe(migration);
});
