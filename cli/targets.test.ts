import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCommand } from "../tests/support/processes/run-command.ts";

const secret = "whsec_bG9jYWw=";
const local = { url: "http://127.0.0.1:54321", webhookSecret: secret, secretKey: "sb_secret_local" };
const own = "https://own.example.com";
const project = "https://abc.supabase.co";
const other = "https://def.supabase.co";

/** Every command that has a target. */
const commands = [
  ["status"],
  ["jobs", "list"],
  ["users", "list"],
  ["audit"],
  ["alerts"],
  ["doctor"],
  ["verify"],
  ["simulate", "--count", "1", "--timeout", "0"],
  ["backfill"],
  ["reconcile"],
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-"));
  await mkdir(path.join(folder, ".clerk-sync"));
});
afterEach(() => rm(folder, { recursive: true }));

const startLocal = () => writeFile(path.join(folder, ".clerk-sync", "local.json"), JSON.stringify(local));

/** The servers that a command asked, with the keys it sent; each answers that it is not there. */
async function ask(command: string[], environment: Record<string, string>, ...args: string[]) {
  const origins = new Set<string>();
  const keys = new Set<string>();
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init);
    const { origin, hostname } = new URL(request.url);
    if (!hostname.endsWith("clerk.com") && !hostname.endsWith("clerk.dev")) {
      origins.add(origin);
      const key = request.headers.get("apikey");
      if (key !== null) keys.add(key);
    }
    return new Response("{}", { status: 404 });
  };
  const given = { CLERK_SECRET_KEY: "sk_test_a", ...environment };
  const run = await runCommand([...command, ...args], { environment: given, folder, fetch });
  return { ...run, origins: [...origins], keys: [...keys] };
}

const keysOf = { CLERK_WEBHOOK_SECRET: secret, SUPABASE_SECRET_KEY: "sb_secret_env" };

describe.each(commands.map((command) => [command.slice(0, 2).join(" "), command] as const))("%s", (_, command) => {
  test("asks the local server when nothing else is named", async () => {
    await startLocal();
    const { origins, stderr } = await ask(command, {});
    expect(origins).toEqual([local.url]);
    expect(stderr).not.toContain("Asking");
  });

  test("asks CLERK_SYNC_URL before the local server, and says so", async () => {
    await startLocal();
    const { origins, keys, stderr } = await ask(command, { CLERK_SYNC_URL: own, ...keysOf });
    expect(origins).toEqual([own]);
    expect(keys).not.toContain(local.secretKey);
    expect(stderr).toContain(`Asking ${own} (CLERK_SYNC_URL).`);
  });

  test("asks --url, whatever the environment names", async () => {
    await startLocal();
    const environment = { CLERK_SYNC_URL: other, SUPABASE_URL: project, ...keysOf };
    expect((await ask(command, environment, "--url", own)).origins).toEqual([own]);
  });

  test("asks what --env-file names, with its keys, and mixes in none of the environment", async () => {
    await startLocal();
    const file = `CLERK_SYNC_URL=${own}\nCLERK_WEBHOOK_SECRET=${secret}\nSUPABASE_SECRET_KEY=sb_secret_file\n`;
    await writeFile(path.join(folder, "vars"), file);
    const environment = { CLERK_SYNC_URL: other, SUPABASE_URL: project, ...keysOf };
    const { origins, keys } = await ask(command, environment, "--env-file", "vars");
    expect(origins).toEqual([own]);
    for (const key of keys) expect(key).toBe("sb_secret_file");
  });

  test("names the path of an --env-file that is not there", async () => {
    const { exitCode, stderr } = await ask(command, {}, "--env-file", "nope");
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining(`error usage_invalid: --env-file nope cannot be read: ENOENT`),
    });
    expect(stderr).toContain(path.join(folder, "nope"));
  });
});
