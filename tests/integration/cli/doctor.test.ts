import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { schemaVersion } from "#core/database/schema-version.ts";
import { startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

type Finding = { check: string; state: string; what: string; remedy?: string };

/** Runs the command against the real server. */
async function doctor(...args: string[]) {
  const { url, webhookSecret } = server.settings;
  const { exitCode, stdout } = await runCommand(["doctor", "--url", url, "--secret", webhookSecret, ...args]);
  return { exitCode, lines: stdout.split("\n") };
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

it("everything is looked at, and what is not well has a remedy", async () => {
  const found = await findings("--secret-key", server.settings.secretKey);
  expect([...found].map(([check, { state }]) => [check, state])).toEqual([
    ["environment", "ok"],
    ["endpoint", "ok"],
    ["signature", "ok"],
    ["secret", "ok"],
    ["clock", "ok"],
    ["processor", "ok"],
    ["clerk key", "skipped"],
    ["database", "ok"],
    ["objects", "ok"],
    ["tables", "ok"],
    ["mapping", "ok"],
    ["foreign keys", "ok"],
    ["mapped columns", "ok"],
    ["rows without id", "ok"],
    ["refused values", "ok"],
    ["privileges", "ok"],
    ["schedule", "skipped"],
    ["queue", "ok"],
    ["delete brake", "ok"],
    ["dead letters", "ok"],
    ["instances", "ok"],
    ["alerts", "skipped"],
  ]);
  for (const { state, remedy } of found.values()) expect(remedy !== undefined).toBe(state !== "ok");
});

it("a file of variables is checked and used: its key for the database, Clerk's key at Clerk's API", async () => {
  const clerk = await startClerkStandIn();
  const folder = await createTestFolder();
  const file = path.join(folder.path, "production.env");
  const { url, webhookSecret, secretKey } = server.settings;
  const lines = [
    `CLERK_SYNC_URL=${url}`,
    `CLERK_WEBHOOK_SECRET="${webhookSecret}"`,
    `SUPABASE_SECRET_KEY=${secretKey}`,
    `CLERK_SECRET_KEY=${clerk.secretKey}`,
    `CLERK_API_URL=${clerk.url}`,
  ];
  await writeFile(file, lines.join("\n"));
  const { exitCode, stdout } = await runCommand(["doctor", "--env-file", file]);
  await Promise.all([clerk.stop(), folder.remove()]);
  expect(stdout.split("\n").filter((line) => /^[✗!]/.test(line))).toEqual([]);
  expect(stdout).toContain("✓ clerk key: Clerk's API knows it");
  expect(stdout).toContain("✓ database: reached; the migrations are applied");
  for (const secret of [webhookSecret, secretKey, clerk.secretKey]) expect(stdout).not.toContain(secret);
  expect(exitCode).toBe(0);
});

it("without the signing secret of an address all that needs none is looked at", async () => {
  const { stdout, exitCode } = await runCommand(["doctor", "--url", server.settings.url], { environment: {} });
  expect(stdout.split("\n")).toEqual(
    expect.arrayContaining([
      "✓ signature: a wrong signature is refused",
      "– secret: no signing secret is known for this address",
      "    Set CLERK_WEBHOOK_SECRET or pass --secret.",
    ]),
  );
  expect(exitCode).toBe(0);
});

it("a pasted placeholder is a finding, and all else is looked at", async () => {
  const found = await findings("--secret", "whsec_…", "--secret-key", server.settings.secretKey);
  expect(found.get("secret")).toMatchObject({
    state: "failed",
    what: "--secret is not whsec_ followed by base64",
  });
  expect(found.get("instances")).toBeDefined();
});

it("a file that is not there is a usage error", async () => {
  const { exitCode, stderr } = await runCommand(["doctor", "--env-file", "nowhere.env"]);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("--env-file nowhere.env cannot be read"),
  });
});

it("a row that was not linked is a warning that names both rows and the command", async () => {
  await server.pool.query(
    `insert into clerk_sync.records (id, version) values ('user_two', 1);
     insert into public.users (clerk_id, "updatedAt") values ('user_two', now());
     insert into clerk_sync.user_state (clerk_id, unlinked_row) values ('user_two', 'row_1'), ('user_left', 'row_2')`,
  );
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("linked rows")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(
      /^user_two has row [0-9a-f-]{36} of public\.users, and row row_1 has the user's address and no Clerk id$/,
    ),
    remedy: expect.stringMatching(/^clerk-sync users link user_two --row row_1 shows/),
  });
  await server.pool.query("delete from clerk_sync.user_state");
});

it("objects that are missing or changed are named, with the command that restores them", async () => {
  await server.pool.query("alter table public.job_queue disable trigger record_edit, disable row level security");
  const { lines } = await doctor("--secret-key", server.settings.secretKey);
  await server.pool.query("alter table public.job_queue enable trigger record_edit, enable row level security");
  expect(lines).toContain("✗ objects: row level security of public.job_queue is changed");
  expect(lines).toContain("! objects: trigger record_edit on public.job_queue is changed");
  expect(lines.join()).toContain("clerk-sync migrate --repair");
});

it("what the table does not hold is a warning each, with what to do", async () => {
  const event = userEvent("user.created", { id: "user_nameless", version: 1, firstName: null, lastName: null });
  await postEvent(server.settings, { ...event, data: { ...event.data, public_metadata: { role: "owner" } } });
  await server.quiet();
  await server.pool.query("delete from clerk_sync.records where id = 'user_two'");
  await server.pool.query("insert into public.users (email) values ('app@example.com')");
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("mapped columns")).toEqual({
    check: "mapped columns",
    state: "warning",
    what: "name of public.users is empty in the 1 row of users",
    remedy:
      "clerk-sync backfill --columns name fills it where users have name at Clerk. If none has it, nothing is wrong.",
  });
  expect(found.get("rows without id")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(/^1 row has no Clerk id in public\.users: [0-9a-f-]{36}$/),
    remedy: expect.stringContaining("clerk-sync users link <clerk id> --row "),
  });
  expect(found.get("refused values")).toMatchObject({
    state: "warning",
    what: "role did not take a text that 1 user has at Clerk, and has its default there",
    remedy: expect.stringContaining("clerk-sync users show user_nameless"),
  });
  expect(JSON.stringify([...found])).not.toContain("app@example.com");
  expect((await doctor("--secret-key", server.settings.secretKey)).exitCode).toBe(0);
  await server.pool.query(
    "delete from clerk_sync.user_state; delete from public.users; delete from clerk_sync.records; delete from job_queue",
  );
});

it("a right that was given away is a failure", async () => {
  await server.pool.query("grant select on public.job_queue to anon");
  const found = await findings("--secret-key", server.settings.secretKey);
  await server.pool.query("revoke select on public.job_queue from anon");
  expect(found.get("privileges")).toMatchObject({
    state: "failed",
    what: "public.job_queue: anon may select",
    remedy: expect.stringContaining("migrations"),
  });
});

it("a function that was not deployed after the mapping changed is a warning that says what to run", async () => {
  const program = { name: "clerk-webhook", mapping_hash: "of an older file" };
  await server.pool.query("select clerk_sync_beat('processor', p_program => $1)", [program]);
  const found = await findings("--secret-key", server.settings.secretKey);
  await server.pool.query("delete from clerk_sync.programs where name = 'clerk-webhook'");
  expect(found.get("mapping")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(/: clerk-webhook$/),
    remedy: expect.stringContaining("npx supabase functions deploy"),
  });
});

it("a mapped table that a later migration changed is a failure with the statement that repairs it", async () => {
  await server.pool.query('alter table public.users rename column "createdAt" to elsewhere');
  const found = await findings("--secret-key", server.settings.secretKey);
  await server.pool.query('alter table public.users rename column elsewhere to "createdAt"');
  expect(found.get("tables")).toEqual({
    check: "tables",
    state: "failed",
    what: 'public.users: there is no column "createdAt"',
    remedy: 'alter table public.users add column "createdAt" timestamp;',
  });
});

it("events of two instances in one queue are a warning that counts them", async () => {
  const instances = { user_dev: "ins_development", user_prod: "ins_production", user_clerksync_canary_x: "ins_verify" };
  for (const [id, instance] of Object.entries(instances)) {
    const event = userEvent("user.created", { id, version: 1 });
    await postEvent(server.settings, { ...event, instance_id: instance });
  }
  await server.quiet();
  expect((await findings("--secret-key", server.settings.secretKey)).get("instances")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(/^the last jobs came from (ins_(production|development) \(1 job\)(, )?){2}$/),
  });
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
  await server.pool.query(
    "update clerk_sync.delete_brake set engaged_at = now(), reason = 'more than 5 deletions' where kind = 'user'",
  );
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("dead letters")).toMatchObject({ state: "warning", what: "1 job gave up and waits for a person" });
  expect(found.get("delete brake")).toMatchObject({
    state: "warning",
    remedy: expect.stringContaining("clerk_sync_release_delete_brake"),
  });
  expect((await doctor("--secret-key", server.settings.secretKey)).exitCode).toBe(0);
});

it("work that nobody takes is a failure", async () => {
  await server.pool.query("update job_queue set processed_at = now() - interval '1 hour' where status = 'COMPLETED'");
  await server.pool.query(
    "insert into job_queue (job_type, clerk_id, run_at, status, lease_token, lease_until) values ('USER_UPDATED', 'user_y', now() - interval '1 hour', 'PROCESSING', gen_random_uuid(), now() + interval '1 hour')",
  );
  // Due behind a job that is in hand for an hour: no worker may take it.
  await server.pool.query(
    "insert into job_queue (job_type, clerk_id, run_at) values ('USER_UPDATED', 'user_y', now() - interval '3 minutes')",
  );
  const found = await findings("--secret-key", server.settings.secretKey);
  await server.pool.query("delete from job_queue where clerk_id = 'user_y'");
  expect(found.get("queue")).toMatchObject({ state: "failed", what: expect.stringContaining("nobody takes it") });
});

it.each([
  ["20261124000001", "Run: npx supabase db push --remote"],
  ["29991231000000", "Upgrade clerk-sync"],
])("a schema of version %s says who is older: %s", async (version, remedy) => {
  const define = (answer: string) =>
    server.pool.query(
      `create or replace function public.clerk_sync_schema_version() returns text language sql immutable
       set search_path = '' as $$ select '${answer}'; $$`,
    );
  await define(version);
  const found = await findings("--secret-key", server.settings.secretKey);
  await define(schemaVersion);
  expect(found.get("database")).toMatchObject({ state: "failed", remedy: expect.stringContaining(remedy) });
});

it("a database without the migrations says so", async () => {
  await server.pool.query("alter function clerk_sync_schema_version rename to renamed");
  const found = await findings("--secret-key", server.settings.secretKey);
  expect(found.get("database")).toMatchObject({
    state: "failed",
    remedy: expect.stringContaining("Run: npx supabase db push --remote"),
  });
});
