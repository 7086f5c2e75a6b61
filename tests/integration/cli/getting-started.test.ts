import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { type InstalledRegistry, startInstalledRegistry } from "../../support/processes/installed-registry.ts";

// docs/getting-started.md, word for word up to where it needs the internet. Only npm ci is spared: the clone has the
// packages of this one, and npm installs from what they are.

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));
const left = new Set(["node_modules", ".git", ".test-results", ".clerk-sync", "dist"]);

const page = await readFile(path.join(root, "docs/getting-started.md"), "utf8");
const local = page.slice(0, page.indexOf("## On Supabase"));
const blocks = [...local.matchAll(/^```sh( background)?\n([\s\S]*?)^```/gm)].map(([, background, text = ""]) => ({
  isBackground: background !== undefined,
  commands: text.trim().split("\n"),
}));

let folder: string; // outside of the project, where nothing is found but what the page installs
let env: Record<string, string>;
let registry: InstalledRegistry | undefined;
let server: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-started-"));
  await chmod(folder, 0o755); // for PostgreSQL's own user
  const clone = path.join(folder, "clerk-supabase-sync");
  await cp(root, clone, { recursive: true, filter: (source) => !left.has(path.relative(root, source)) });
  await symlink(path.join(root, "node_modules"), path.join(clone, "node_modules"));
  await mkdir(path.join(folder, "app"));
  registry = await startInstalledRegistry(path.join(folder, "npm"));
  env = {
    PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}`,
    HOME: process.env["HOME"] ?? folder,
    PORT: String(await findFreePort()),
    SUPABASE_TELEMETRY_DISABLED: "1",
    ...registry.env,
  };
});
afterAll(async () => {
  await stopServer();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** npx starts the server as a child of its own: the signal goes to the group of both. */
async function stopServer(): Promise<void> {
  if (server?.pid === undefined || server.exitCode !== null) return;
  const closed = once(server, "close");
  process.kill(-server.pid, "SIGTERM");
  await closed;
}

async function startServer(command: string, cwd: string): Promise<void> {
  server = spawn("bash", ["-c", command], { cwd, env, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const output = server.stdout;
  await new Promise<void>((resolve, reject) => {
    output?.setEncoding("utf8").on("data", (text: string) => text.includes("is running") && resolve());
    server?.once("close", (code) => reject(new Error(`${command} ended with ${code}`)));
  });
}

it("the commands of docs/getting-started.md do what the page says, as far as they need no internet", async () => {
  const outputs = new Map<string, string>();
  for (const [place, { isBackground, commands }] of blocks.entries()) {
    const cwd = path.join(folder, place === 0 ? "clerk-supabase-sync" : "app");
    for (const command of commands.filter((line) => line !== "npm ci")) {
      if (isBackground) await startServer(command, cwd);
      else outputs.set(command, (await run("bash", ["-c", command], { cwd, env })).stdout);
    }
  }
  expect(outputs.get("npx clerk-sync init --dry-run")).toContain("function files");
  expect(outputs.get("npx clerk-sync init --yes")).toContain("npx supabase db push --remote");
  expect(outputs.get("npx clerk-sync simulate --count 100 --shuffle --duplicate")).toMatch(/33 of 33 users/);
  expect(outputs.get("npx clerk-sync verify")).toContain("The installation works");
  expect(outputs.get("npx clerk-sync doctor")).not.toMatch(/^[✗!]/m);
});
