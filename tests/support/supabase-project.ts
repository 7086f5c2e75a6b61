import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { main } from "../../cli/main.ts";
import { createTestFolder } from "./test-folder.ts";

const bin = fileURLToPath(new URL("../../node_modules/.bin/", import.meta.url));
const run = promisify(execFile);

/** A folder made by `supabase init`, and what is done in it. */
export type SupabaseProject = {
  path: string;
  /** Runs the real Supabase CLI there; throws with its output where it fails. */
  supabase: (...args: string[]) => Promise<string>;
  /** Runs `clerk-sync init` there. */
  init: (...args: string[]) => Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** Every file by its relative path, without what the Supabase CLI keeps for itself. */
  readAll: () => Promise<Record<string, string>>;
  remove: () => Promise<void>;
};

/** `packageRoot` is where `clerk-sync init` takes its files from, for tests of an upgrade. */
export async function createSupabaseProject(packageRoot?: () => string): Promise<SupabaseProject> {
  const folder = await createTestFolder();
  const cwd = folder.path;
  const supabase = async (...args: string[]) => {
    const token = { SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}` };
    const env = { PATH: process.env["PATH"], HOME: cwd, SUPABASE_TELEMETRY_DISABLED: "1", ...token };
    const { stdout, stderr } = await run(`${bin}supabase`, ["--agent", "no", "--workdir", cwd, ...args], { cwd, env });
    return stdout + stderr;
  };
  await supabase("init");
  return {
    path: cwd,
    supabase,
    init: (...args) => runInit(cwd, args, packageRoot),
    readAll: () => readAll(cwd),
    remove: folder.remove,
  };
}

async function runInit(folder: string, args: readonly string[], findPackageRoot?: () => string) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await main(["init", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    confirm: null,
    folder,
    ...(findPackageRoot === undefined ? {} : { findPackageRoot }),
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
