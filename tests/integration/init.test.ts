import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, it } from "vitest";
import { applyPrelude } from "../../server/migrate.ts";
import { startManagementApi } from "../support/management-api.ts";
import { createSupabaseProject, type SupabaseProject } from "../support/supabase-project.ts";
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from "../support/test-database.ts";
import { createTestFolder } from "../support/test-folder.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const describeSchema = await readFile(new URL("../fixtures/describe-schema.sql", import.meta.url), "utf8");
const run = promisify(execFile);

const functions = (await readdir(path.join(root, "supabase/functions"))).filter((name) => !name.startsWith("_"));

const toRemove: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of toRemove.splice(0).reverse()) await remove();
});

/** A project with a migration, a function, its settings as a dotted key, and a shared file of its owner's. */
async function createProject(packageRoot?: string): Promise<SupabaseProject> {
  const project = await createSupabaseProject(packageRoot === undefined ? undefined : () => packageRoot);
  toRemove.push(project.remove);
  await write(project, "supabase/migrations/20261231235959_own.sql", "create table public.own (id integer);\n");
  const config = await readFile(path.join(project.path, "supabase/config.toml"), "utf8");
  await write(project, "supabase/config.toml", `functions.own.verify_jwt = true\n${config}`);
  await write(project, "supabase/functions/own/index.ts", "Deno.serve(() => new Response());\n");
  await write(project, "supabase/functions/_shared/errors.ts", "export const own = 1;\n");
  return project;
}

async function write(project: SupabaseProject, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(project.path, file)), { recursive: true });
  await writeFile(path.join(project.path, file), text);
}

/** A copy of what this package installs, to be changed. */
async function copyPackage(): Promise<string> {
  const folder = await createTestFolder();
  toRemove.push(folder.remove);
  for (const name of ["package.json", "supabase"])
    await cp(path.join(root, name), path.join(folder.path, name), { recursive: true });
  return folder.path;
}

async function createHostedDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  toRemove.push(database.drop);
  const client = await database.pool.connect();
  await applyPrelude(client, true);
  client.release();
  return database;
}

function push(project: SupabaseProject, database: TestDatabase): Promise<string> {
  return project.supabase("db", "push", `--remote=${database.url}?sslmode=disable`, "--yes");
}

async function readSchema(database: TestDatabase): Promise<string[]> {
  const { rows } = await database.pool.query(describeSchema);
  return rows.map(({ name, definition }) => `${name}: ${definition}`).filter((line) => !/^\w+ own[:.]/.test(line));
}

async function readExpectedSchema(): Promise<string[]> {
  const database = await createTestDatabase();
  toRemove.push(database.drop);
  return readSchema(database);
}

it("an installed project pushes to the same schema as ours, and a second run has nothing to do", async () => {
  const [project, database] = [await createProject(), await createHostedDatabase()];
  const first = await project.init("--yes");
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  expect(first.stdout).toContain("npx supabase db push --remote");
  await push(project, database);
  expect(await readSchema(database)).toEqual(await readExpectedSchema());

  const before = await project.readAll();
  const second = await project.init();
  expect(second).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/Nothing to do: .* is installed/) });
  expect(await project.readAll()).toEqual(before);
});

it("it is pushed to a database that has the project's migrations, without --include-all", async () => {
  const [project, database] = [await createProject(), await createHostedDatabase()];
  await push(project, database);
  await project.init("--yes");
  expect(await push(project, database)).toContain("_clerk_sync_schema_version.sql");
});

it("without --yes nothing is written, and the plan says what would be", async () => {
  const project = await createProject();
  const before = await project.readAll();
  const done = await project.init();
  expect(done).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--yes") });
  expect(done.stdout).toMatch(/^add +supabase\/functions\/clerk-webhook\/index\.ts$/m);
  expect(done.stdout).toMatch(/^add +supabase\/config\.toml \[functions\.clerk-webhook\]$/m);
  expect(await project.readAll()).toEqual(before);
});

it("a function of the owner's by our name is a conflict, and nothing is written until it may be overwritten", async () => {
  const project = await createProject();
  await write(project, "supabase/functions/clerk-webhook/index.ts", "// mine\n");
  const before = await project.readAll();
  const refused = await project.init("--yes");
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("because of supabase/functions/clerk-webhook/index.ts.");
  expect(await project.readAll()).toEqual(before);

  const done = await project.init("--yes", "--overwrite", "supabase/functions/clerk-webhook");
  expect(done.exitCode).toBe(0);
  expect((await project.readAll())["supabase/functions/clerk-webhook/index.ts"]).toContain("Clerk's webhook");
});

it("a file that the user changed since is a conflict of an upgrade, and nothing is written", async () => {
  const source = await copyPackage();
  const project = await createProject(source);
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

it("an upgrade with changed and new migrations pushes cleanly, and the schema's version comes last", async () => {
  const [source, database] = [await copyPackage(), await createHostedDatabase()];
  const project = await createProject(source);
  await project.init("--yes");
  await push(project, database);
  await appendFile(path.join(source, "supabase/migrations/20261124000010_delete_brake.sql"), "\nselect 1;\n");
  await writeFile(
    path.join(source, "supabase/migrations/20261124000025_new.sql"),
    "create table clerk_sync.added (id integer);\n",
  );
  const done = await project.init("--yes");
  expect(done.exitCode).toBe(0);
  const names = (await readdir(path.join(project.path, "supabase/migrations"))).sort();
  expect(names.slice(-3).map((name) => name.replace(/^\d+/, ""))).toEqual([
    "_clerk_sync_delete_brake.sql",
    "_clerk_sync_new.sql",
    "_clerk_sync_schema_version.sql",
  ]);
  const output = await push(project, database);
  expect(output.match(/Applying migration \S+/g)).toHaveLength(3);
  expect((await readSchema(database)).filter((line) => !line.includes("clerk_sync.added"))).toEqual(
    await readExpectedSchema(),
  );
});

it("every migration can run again alone, after all others, and changes nothing", async () => {
  const database = await createTestDatabase();
  toRemove.push(database.drop);
  const before = await readSchema(database);
  const folder = path.join(root, "supabase/migrations");
  for (const name of (await readdir(folder)).sort()) {
    await database.pool.query(await readFile(path.join(folder, name), "utf8"));
    expect(await readSchema(database), name).toEqual(before);
  }
});

it("--remove leaves the project byte for byte as it was, except for the migrations, or without these too", async () => {
  const project = await createProject();
  const before = await project.readAll();
  await project.init("--yes");
  const done = await project.init("--remove", "--yes");
  expect(done.exitCode).toBe(0);
  const after = await project.readAll();
  const isMigration = (file: string) => /^supabase\/migrations\/\d+_clerk_sync_/.test(file);
  expect(Object.fromEntries(Object.entries(after).filter(([file]) => !isMigration(file)))).toEqual(before);
  expect(Object.keys(after).filter(isMigration)).toHaveLength(
    (await readdir(path.join(root, "supabase/migrations"))).length,
  );

  expect((await project.init("--yes")).stdout).not.toMatch(/^add +supabase\/migrations/m);
  await project.init("--remove", "--migrations", "--yes");
  expect(await project.readAll()).toEqual(before);
  await expect(readdir(path.join(project.path, "supabase/tests"))).rejects.toThrow("ENOENT");
});

it("--remove names and keeps what the user changed", async () => {
  const project = await createProject();
  await project.init("--yes");
  await appendFile(path.join(project.path, "supabase/functions/clerk-webhook/index.ts"), "// mine\n");
  const done = await project.init("--remove", "--yes");
  expect(done.stdout).toMatch(/^keep +supabase\/functions\/clerk-webhook\/index\.ts: changed by you$/m);
  expect((await project.readAll())["supabase/functions/clerk-webhook/index.ts"]).toContain("// mine");
});

/** Type checks the functions in a folder as Deno sees them there; the packages they import are this repository's. */
async function checkFunctions(folder: string): Promise<void> {
  await writeFile(path.join(folder, "package.json"), "{}");
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (const name of functions) {
    const entry = path.join(folder, "supabase/functions", name);
    const args = [
      "check",
      "--quiet",
      "--node-modules-dir=manual",
      "--config",
      `${entry}/deno.json`,
      `${entry}/index.ts`,
    ];
    const env = { PATH: process.env["PATH"], DENO_DIR: path.join(root, ".test-results/deno") };
    await run(path.join(root, "node_modules/.bin/deno"), args, { cwd: folder, env });
  }
  await rm(path.join(folder, "node_modules"));
}

it("the installed functions pass deno check in the foreign project", async () => {
  const project = await createProject();
  await project.init("--yes");
  await checkFunctions(project.path);
});

it("supabase functions deploy uploads all that they need, with verify_jwt off, and the owner's as it was", async () => {
  const [project, api, uploaded] = [await createProject(), await startManagementApi(), await createTestFolder()];
  toRemove.push(api.stop, uploaded.remove);
  await project.init("--yes");
  await write(project, "profile.yaml", api.profile);
  const profile = path.join(project.path, "profile.yaml");
  await project.supabase(
    "--profile",
    profile,
    "functions",
    "deploy",
    "--use-api",
    `--remote=${"a".repeat(20)}`,
    "--yes",
  );
  expect([...api.deployments.keys()].sort()).toEqual([...functions, "own"].sort());
  for (const [name, { settings, files }] of api.deployments) {
    expect(settings, name).toMatchObject({ verify_jwt: name === "own" });
    for (const [file, text] of files) {
      await mkdir(path.dirname(path.join(uploaded.path, file)), { recursive: true });
      await writeFile(path.join(uploaded.path, file), text);
    }
  }
  await checkFunctions(uploaded.path);
});
