import { appendFile, cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import {
  createHostedDatabase,
  createSupabaseProject,
  type SupabaseProject,
} from "../../support/supabase/supabase-project.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const describeSchema = await readFile(new URL("../../fixtures/describe-schema.sql", import.meta.url), "utf8");

/** A copy of what this package installs, to be changed. */
async function copyPackage(): Promise<string> {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  for (const name of ["package.json", "supabase"]) {
    await cp(path.join(root, name), path.join(folder.path, name), { recursive: true });
  }
  return folder.path;
}

async function readSchema(database: TestDatabase): Promise<string[]> {
  const { rows } = await database.pool.query(describeSchema);
  return rows.map(({ name, definition }) => `${name}: ${definition}`).filter((line) => !/^\w+ own[:.]/.test(line));
}

async function readExpectedSchema(): Promise<string[]> {
  const database = await createTestDatabase();
  onTestFinished(database.drop);
  return readSchema(database);
}

/** Gives a project the table and the configuration of this repository. */
async function mapAsHere(project: SupabaseProject): Promise<void> {
  const read = (file: string) => readFile(path.join(root, file), "utf8");
  await project.write("supabase/migrations/20251231235959_own.sql", await read("local/contract-users.sql"));
  for (const file of ["clerk-sync.config.json", "supabase/clerk-sync.json"])
    await project.write(file, await read(file));
}

it("an installed project pushes to the same schema as ours, and a second run has nothing to do", async () => {
  const [project, database] = [await createSupabaseProject(), await createHostedDatabase()];
  await mapAsHere(project);
  const first = await project.init("--yes");
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  expect(first.stdout).toContain("npx supabase db push --remote");
  await project.push(database);
  expect(await readSchema(database)).toEqual(await readExpectedSchema());

  const before = await project.readAll();
  const second = await project.init();
  expect(second).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/Nothing to do: .* is installed/) });
  expect(await project.readAll()).toEqual(before);
});

it("it is pushed to a database that has the project's migrations, without --include-all", async () => {
  const [project, database] = [await createSupabaseProject(), await createHostedDatabase()];
  await project.push(database);
  await project.init("--yes");
  expect(await project.push(database)).toContain("_clerk_sync_schema.sql");
});

it("a migration that is made right after it is pushed right after it", async () => {
  const [project, database] = [await createSupabaseProject(), await createHostedDatabase()];
  await rm(path.join(project.path, "supabase/migrations/20251231235959_own.sql"));
  await project.init("--yes");
  await project.supabase("migration", "new", "next");
  const numbers = (await readdir(path.join(project.path, "supabase/migrations"))).map((name) => name.slice(0, 14));
  expect(new Set(numbers).size).toBe(numbers.length);
  expect((await readdir(path.join(project.path, "supabase/migrations"))).sort().at(-1)).toMatch(/_next\.sql$/);
  expect(await project.push(database)).toContain("_next.sql");
});

it("without --yes nothing is written, and the plan says what would be", async () => {
  const project = await createSupabaseProject();
  const before = await project.readAll();
  const done = await project.init();
  expect(done).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--yes") });
  expect(done.stdout).toMatch(
    /^1 migration, \d+ function files, \d+ tests, \d+ sections in config\.toml, 1 configuration would be added$/m,
  );
  const listed = await project.init("--verbose");
  expect(listed.stdout).toMatch(/^add +supabase\/functions\/clerk-webhook\/index\.ts$/m);
  expect(listed.stdout).toMatch(/^add +supabase\/config\.toml \[functions\.clerk-webhook\]$/m);
  expect(await project.readAll()).toEqual(before);
});

it("a function of the owner's by our name is a conflict, and nothing is written until it may be overwritten", async () => {
  const project = await createSupabaseProject();
  await project.write("supabase/functions/clerk-webhook/index.ts", "// mine\n");
  const before = await project.readAll();
  const refused = await project.init("--yes");
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(
    "Nothing was changed: supabase/functions/clerk-webhook/index.ts was there before, not ours.",
  );
  expect(await project.readAll()).toEqual(before);

  const done = await project.init("--yes", "--overwrite", "supabase/functions/clerk-webhook");
  expect(done.exitCode).toBe(0);
  expect((await project.readAll())["supabase/functions/clerk-webhook/index.ts"]).toContain("Clerk's webhook");
});

it("a file that the user changed since is a conflict of an upgrade, and nothing is written", async () => {
  const source = await copyPackage();
  const project = await createSupabaseProject(source);
  await project.init("--yes");
  const file = "supabase/functions/_shared/clerk-sync/errors.ts";
  await appendFile(path.join(project.path, file), "// mine\n");
  await appendFile(path.join(source, "supabase/functions/_shared/clerk-sync/errors.ts"), "// new\n");
  await appendFile(path.join(source, "supabase/functions/_shared/clerk-sync/logger.ts"), "// new\n");
  const before = await project.readAll();
  const refused = await project.init("--yes", "--json");
  expect(refused.exitCode).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ outcome: "conflicts", written: [] });
  expect(await project.readAll()).toEqual(before);
});

it("an upgrade with a changed and a new migration pushes cleanly", async () => {
  const [source, database] = [await copyPackage(), await createHostedDatabase()];
  const project = await createSupabaseProject(source);
  await mapAsHere(project);
  await project.init("--yes");
  await project.push(database);
  const [schema = ""] = await readdir(path.join(source, "supabase/migrations"));
  await appendFile(path.join(source, "supabase/migrations", schema), "\nselect 1;\n");
  await writeFile(
    path.join(source, "supabase/migrations/20991231000000_new.sql"),
    "create table clerk_sync.added (id integer);\n",
  );
  const done = await project.init("--yes");
  expect(done.exitCode).toBe(0);
  const names = (await readdir(path.join(project.path, "supabase/migrations"))).sort();
  expect(names.slice(-2).map((name) => name.replace(/^\d+/, ""))).toEqual([
    "_clerk_sync_schema.sql",
    "_clerk_sync_new.sql",
  ]);
  const output = await project.push(database);
  expect(output.match(/Applying migration \S+/g)).toHaveLength(2);
  expect((await readSchema(database)).filter((line) => !line.includes("clerk_sync.added"))).toEqual(
    await readExpectedSchema(),
  );
});

it("every migration can run again alone, after all others, and changes nothing", async () => {
  const database = await createTestDatabase();
  onTestFinished(database.drop);
  const before = await readSchema(database);
  const folder = path.join(root, "supabase/migrations");
  for (const name of (await readdir(folder)).sort()) {
    await database.pool.query(await readFile(path.join(folder, name), "utf8"));
    expect(await readSchema(database), name).toEqual(before);
  }
});
