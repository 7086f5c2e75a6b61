import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The migration that drizzle-kit itself makes of a schema of tests/fixtures; `folder` takes it. */
export async function drizzleSql(schema: string, folder: string, casing: string | null): Promise<string> {
  const out = path.relative(root, folder);
  const options = ["--dialect=postgresql", `--schema=${schema}`, `--out=${out}`];
  if (casing !== null) options.push(`--casing=${casing}`);
  await run(process.execPath, ["node_modules/drizzle-kit/bin.cjs", "generate", ...options], { cwd: root });
  const [file = ""] = (await readdir(folder)).filter((name) => name.endsWith(".sql"));
  return readFile(path.join(folder, file), "utf8");
}
