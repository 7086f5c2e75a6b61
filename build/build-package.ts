import { execFile } from "node:child_process";
import { chmod, copyFile, cp, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { adminDist, ensureAdminPage } from "./admin-page.ts";
import { describePackage } from "./describe-package.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../", import.meta.url));
const core = "supabase/functions/_shared/clerk-sync";

/** What is taken as it is: the documents, the SQL that the server reads, and what `clerk-sync init` installs. */
const copied = [
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "config.schema.json",
  "docs",
  "ops",
  "local/supabase/auth/schema.sql",
  "server/postgres/migrations-table.sql",
  "server/postgres/prelude.sql",
  "server/postgres/schema-state.sql",
  "supabase/config.toml",
  "supabase/functions",
  "supabase/migrations",
  "supabase/tests",
  "templates",
];

/**
 * Writes the npm package into a folder, which is emptied first: compiled core, server and command line, the built
 * admin page, and the installable sources. `npm pack <folder>` makes the tarball of it.
 */
export async function buildPackage(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await compile(folder);
  for (const name of copied) await copy(name, folder);
  await ensureAdminPage();
  await cp(adminDist, path.join(folder, "admin/dist"), { recursive: true, filter: isPublished });
  await copyFile(path.join(root, "build/clerk-sync.js"), path.join(folder, "cli/clerk-sync.js"));
  await chmod(path.join(folder, "cli/clerk-sync.js"), 0o755);
  const description = describePackage(JSON.parse(await readFile(path.join(root, "package.json"), "utf8")));
  await writeFile(path.join(folder, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
}

/** The core gets a folder of its own: beside its sources, compiled files would be installed with them. */
async function compile(folder: string): Promise<void> {
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [compiler, "-p", path.join(root, "build/tsconfig.json"), "--outDir", folder]);
  await rename(path.join(folder, core), path.join(folder, "core"));
  await rm(path.join(folder, "supabase"), { recursive: true });
}

async function copy(name: string, folder: string): Promise<void> {
  const from = path.join(root, name);
  if (name === "templates" && !(await exists(from))) return;
  await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
  await cp(from, path.join(folder, name), { recursive: true, filter: isPublished });
}

/** Hidden files stay here: supabase/functions/.env holds somebody's secrets. So does what writes the documents. */
function isPublished(file: string): boolean {
  const name = path.basename(file);
  const isScript = path.basename(path.dirname(file)) === "docs" && name.endsWith(".ts");
  return !isScript && !name.startsWith(".") && !name.endsWith(".test.ts") && name !== "node_modules";
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
