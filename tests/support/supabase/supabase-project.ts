import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { main } from "../../../cli/main.ts";
import { authSchema } from "../../../local/open-local-database.ts";
import { applyPrelude } from "../../../server/migrate.ts";
import { createEmptyDatabase, type TestDatabase } from "../database/test-database.ts";
import { createTestFolder } from "../processes/test-folder.ts";

const bin = fileURLToPath(new URL("../../../node_modules/.bin/", import.meta.url));
const run = promisify(execFile);

/** A folder made by `supabase init`, with files of its owner's, and what is done in it. */
export type SupabaseProject = {
  path: string;
  /** Runs the real Supabase CLI there; throws with its output where it fails. */
  supabase: (...args: string[]) => Promise<string>;
  /** Runs `clerk-sync init` there. */
  init: (...args: string[]) => Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** Every file by its relative path, without what the Supabase CLI keeps for itself. */
  readAll: () => Promise<Record<string, string>>;
  write: (file: string, text: string) => Promise<void>;
  /** Pushes its migrations to a database. */
  push: (database: TestDatabase) => Promise<string>;
};

/**
 * Makes a project that is gone after the test. Its owner has a migration, a function, its settings as a dotted key, and
 * a shared file. `packageRoot` is where `clerk-sync init` takes its files from, for tests of an upgrade.
 */
export async function createSupabaseProject(packageRoot?: string): Promise<SupabaseProject> {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  const cwd = folder.path;
  const supabase = (...args: string[]) => runSupabase(cwd, args);
  await supabase("init");
  const write = (file: string, text: string) => writeInto(cwd, file, text);
  const config = await readFile(path.join(cwd, "supabase/config.toml"), "utf8");
  await write("supabase/config.toml", `functions.own.verify_jwt = true\n${config}`);
  await write("supabase/migrations/20251231235959_own.sql", "create table public.own (id integer);\n");
  await write("supabase/functions/own/index.ts", "Deno.serve(() => new Response());\n");
  await write("supabase/functions/_shared/errors.ts", "export const own = 1;\n");
  return {
    path: cwd,
    supabase,
    init: (...args) => runInit(cwd, args, packageRoot),
    readAll: () => readAll(cwd),
    write,
    push: (database) => supabase("db", "push", `--remote=${database.url}?sslmode=disable`, "--yes"),
  };
}

/** A database as a new project has it, gone after the test. */
export async function createHostedDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  onTestFinished(database.drop);
  const client = await database.pool.connect();
  await applyPrelude(client, authSchema);
  client.release();
  return database;
}

async function runSupabase(cwd: string, args: readonly string[]): Promise<string> {
  const token = { SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}` };
  const env = { PATH: process.env["PATH"], HOME: cwd, SUPABASE_TELEMETRY_DISABLED: "1", ...token };
  const running = run(`${bin}supabase`, ["--agent", "no", "--workdir", cwd, ...args], { cwd, env });
  running.child.stdin?.end(); // `migration new` reads the SQL from there
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

async function writeInto(folder: string, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
  await writeFile(path.join(folder, file), text);
}

async function runInit(folder: string, args: readonly string[], packageRoot?: string) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await main(["init", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    confirm: null,
    folder,
    ...(packageRoot === undefined ? {} : { findPackageRoot: () => packageRoot }),
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
}

async function readAll(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith(".supabase") && !file.includes(".temp"));
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return Object.fromEntries(files.map((file, index) => [file, texts[index] ?? ""]));
}
