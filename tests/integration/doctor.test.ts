import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, it } from "vitest";
import { main } from "../../cli/main.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

type Finding = { check: string; state: string; what: string; remedy?: string };

/** Runs the command against the real server. */
async function doctor(...args: string[]) {
  const lines: string[] = [];
  const { url, webhookSecret } = server.settings;
  const exitCode = await main(["doctor", "--url", url, "--secret", webhookSecret, ...args], {
    print: (line) => lines.push(line),
    note: (line) => lines.push(line),
    folder: tmpdir(),
  });
  return { exitCode, lines };
}

async function findings(...args: string[]): Promise<Map<string, Finding>> {
  const { lines } = await doctor("--json", ...args);
  return new Map((JSON.parse(lines[0] ?? "[]") as Finding[]).map((finding) => [finding.check, finding]));
}

it("a running server is well, and the look at it leaves nothing behind", async () => {
  const { exitCode, lines } = await doctor("--secret-key", server.settings.secretKey);
  expect(lines.filter((line) => /^[✗!]/.test(line))).toEqual([]);
  expect(exitCode).toBe(0);
  expect(await server.one("select count(*)::int as n from job_queue")).toEqual({ n: 0 });
});

it("without a secret key only the endpoint is looked at, and it says so", async () => {
  expect((await findings()).get("database")).toMatchObject({ state: "skipped" });
});

it("a wrong webhook secret and a wrong key are failures", async () => {
  const secret = `whsec_${btoa("of another endpoint")}`;
  const found = await findings("--secret", secret, "--secret-key", "sb_secret_wrong");
  expect(found.get("secret")).toMatchObject({ state: "failed" });
  expect(found.get("database")).toMatchObject({ state: "failed", what: "the secret key is refused" });
  expect((await doctor("--secret", secret)).exitCode).toBe(1);
});

it("dead letters and an engaged delete brake are warnings that say what to do", async () => {
  await server.pool.query(
    "insert into job_queue (job_type, clerk_id, status) values ('USER_CREATED', 'user_x', 'DEAD')",
  );
  await server.pool.query("update clerk_sync.delete_brake set engaged_at = now(), reason = 'more than 5 deletions'");
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("dead letters")).toMatchObject({ state: "warning", what: "1 jobs gave up and wait for a person" });
  expect(found.get("delete brake")).toMatchObject({
    state: "warning",
    remedy: expect.stringContaining("clerk_sync_release_delete_brake"),
  });
  expect((await doctor("--secret-key", server.settings.secretKey)).exitCode).toBe(0);
});

it("a database without the migrations says so", async () => {
  await server.pool.query("alter function clerk_sync_schedule_state rename to renamed");
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("database")).toMatchObject({ state: "failed", remedy: expect.stringContaining("supabase db push") });
});
