import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

// npm run typecheck:functions: every Edge Function as Deno sees it, with its own deno.json.
const functions = fileURLToPath(new URL("../supabase/functions/", import.meta.url));
const deno = fileURLToPath(new URL("../node_modules/.bin/deno", import.meta.url));

const names = (await readdir(functions)).filter((name) => !name.startsWith("_"));
for (const name of names) {
  const config = `--config=${functions}${name}/deno.json`;
  const options = ["check", "--quiet", "--node-modules-dir=manual", config];
  const { status } = spawnSync(deno, [...options, `${functions}${name}/index.ts`], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
