import { cp, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findTables } from "../../../mapping/table-files/find-tables.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { expectSameTables } from "../../support/mapping/compare-tables.ts";
import { drizzleSql } from "../../support/mapping/drizzle-sql.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const fixture = fileURLToPath(new URL("../../fixtures/drizzle/", import.meta.url));

let opened: TestDatabase;
let client: pg.PoolClient;
let project: Awaited<ReturnType<typeof createTestFolder>>;
let migrations: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  opened = await createEmptyDatabase();
  client = await opened.pool.connect();
  [project, migrations] = [await createTestFolder(), await createTestFolder()];
});
afterEach(async () => {
  client.release();
  await opened.drop();
  await project.remove();
  await migrations.remove();
});

it.each(["snake_case", null])("a Drizzle schema (casing: %s) is read as drizzle-kit makes it", async (casing) => {
  await client.query(await drizzleSql("tests/fixtures/drizzle/schema.ts", migrations.path, casing));
  await cp(fixture, path.join(project.path, "src/db"), { recursive: true });
  await writeFile(path.join(project.path, "package.json"), '{"dependencies": {"drizzle-orm": "0.45.4"}}');
  const config = { dialect: "postgresql", schema: "./src/db/schema.ts", ...(casing === null ? {} : { casing }) };
  await writeFile(
    path.join(project.path, "drizzle.config.ts"),
    `export default ${JSON.stringify(config).replace(/"(\w+)":/g, "$1: ")};`,
  );
  const tables = await findTables(project.path);
  await expectSameTables(client, tables);
  expect(tables.flatMap(({ unread }) => unread)).toEqual([]);
  const users = tables.find(({ facts }) => facts.table.name === "users");
  expect(users).toMatchObject({ source: "Drizzle", place: { file: "src/db/schema.ts", line: 13 } });
  expect(users?.columns.get("email")).toEqual({ file: "src/db/schema.ts", line: 16 });
  expect(users?.filledByApp).toEqual([{ column: "updated_at", how: "$onUpdate" }]);
});
