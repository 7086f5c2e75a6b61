import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { Machine } from "./result.ts";

/** What the numbers are taken on. `postgres`: its version. */
export async function describeMachine(postgres: string): Promise<Machine> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
    postgres,
    pgBoss: await readPackageVersion("pg-boss"),
    graphileWorker: await readPackageVersion("graphile-worker"),
  };
}

async function readPackageVersion(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(file, "utf8")).version;
}

/** The commit that is checked out, with a + when files differ from it. */
export function readCommit(): string {
  const options = { cwd: fileURLToPath(new URL("./", import.meta.url)), encoding: "utf8" } as const;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], options).trim();
  const measured = ["supabase", "server", "cli", "bench", ":!bench/results"];
  const changes = execFileSync("git", ["status", "--porcelain", "--", ...measured.map(fromRoot)], options);
  return changes === "" ? commit : `${commit}+`;
}

function fromRoot(name: string): string {
  return name.startsWith(":!") ? `:(top,exclude)${name.slice(2)}` : `:(top)${name}`;
}
