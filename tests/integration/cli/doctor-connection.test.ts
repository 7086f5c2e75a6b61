import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { type RunningServer, startServer } from "../../../server/start-server.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

// clerk-sync doctor of a server on a PostgreSQL of the user's, where nothing serves Supabase's API.

const mapped = (columns: Record<string, unknown>) =>
  JSON.stringify({ users: { table: "public.profiles", key: "clerk_id", columns } });
const columns = { full_name: "name", role: { from: "public_metadata.role", default: "member", allowed: ["member"] } };

let database: TestDatabase;
let folder: Awaited<ReturnType<typeof createTestFolder>>;
let server: RunningServer;
beforeAll(async () => {
  [database, folder] = [await createEmptyDatabase(), await createTestFolder()];
  await database.pool.query(
    "create table profiles (id int generated always as identity primary key, clerk_id text unique, full_name text, role text)",
  );
  await writeFile(path.join(folder.path, "clerk-sync.config.json"), mapped(columns));
  const environment = { DATABASE_URL: database.url };
  expect(await runCommand(["migrate"], { environment, folder: folder.path })).toMatchObject({
    exitCode: 0,
    stderr: "",
  });
  const port = String(await findFreePort());
  const secrets = { CLERK_WEBHOOK_SECRET: testSecret, SUPABASE_SECRET_KEY: "sb_secret_own" };
  const config = readConfig({ DATABASE_URL: database.url, AUTH_MIRROR: "off", PORT: port, ...secrets });
  server = await startServer({ config });
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
  await folder?.remove();
});

type Finding = { check: string; state: string; what: string; remedy?: string };

async function doctor(environment: Record<string, string> = { DATABASE_URL: database.url }, ...args: string[]) {
  const command = ["doctor", "--url", server.url, "--secret", testSecret, "--json", ...args];
  const { exitCode, stdout, stderr } = await runCommand(command, { environment, folder: folder.path });
  const findings = JSON.parse(stdout || "[]") as Finding[];
  return { exitCode, stdout, stderr, all: findings, found: new Map(findings.map((one) => [one.check, one])) };
}

it("a database that is well is looked at whole, on a connection", async () => {
  const { all, exitCode, stderr } = await doctor();
  expect(all.filter(({ state }) => state === "failed" || state === "warning")).toEqual([]);
  expect(all.map(({ check, state }) => [check, state])).toEqual([
    ["environment", "ok"],
    ["endpoint", "ok"],
    ["signature", "ok"],
    ["secret", "ok"],
    ["clock", "ok"],
    ["processor", "ok"],
    ["clerk key", "skipped"],
    ["configuration", "ok"],
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
  expect(exitCode).toBe(0);
  const { host, pathname } = new URL(database.url);
  expect(stderr).toContain(`Asking the database ${host}${pathname} (DATABASE_URL).`);
});

it("a key of the server's own leads to the connection all the same, and an option names another database", async () => {
  const key = { SUPABASE_SECRET_KEY: "sb_secret_own" };
  const { found } = await doctor({ DATABASE_URL: database.url, ...key });
  expect(found.get("objects")).toMatchObject({ state: "ok" });
  const elsewhere = await doctor({ DATABASE_URL: "postgres://u:hidden@127.0.0.1:1/none", ...key });
  expect(elsewhere.found.get("database")).toMatchObject({
    state: "failed",
    what: expect.stringContaining("DATABASE_URL cannot be reached"),
  });
  expect(elsewhere.exitCode).toBe(1);
  expect(elsewhere.stdout + elsewhere.stderr).not.toContain("hidden");
  const named = await doctor({ DATABASE_URL: "postgres://u:p@127.0.0.1:1/none" }, "--db-url", database.url);
  expect(named.found.get("objects")).toMatchObject({ state: "ok" });
});

it("without a way to the database it says how to name one", async () => {
  const remedy = expect.stringContaining("set DATABASE_URL or pass --database-url");
  expect((await doctor({})).found.get("database")).toMatchObject({ state: "skipped", remedy });
  expect((await doctor({ SUPABASE_SECRET_KEY: "sb_secret_own" })).found.get("database")).toMatchObject({
    state: "skipped",
    what: `${server.url} is a server of your own, and its database is not known`,
    remedy,
  });
});

it("a file that names the installation is not mixed with the DATABASE_URL of the process", async () => {
  await writeFile(path.join(folder.path, "production.env"), `CLERK_SYNC_URL=${server.url}\n`);
  const { found } = await doctor({ DATABASE_URL: database.url }, "--env-file", "production.env");
  expect(found.get("database")).toMatchObject({ state: "skipped" });
});

it("objects that another tool dropped or changed are named, and what restores them", async () => {
  await database.pool.query(
    "alter table public.job_queue disable row level security; drop trigger record_edit on job_queue",
  );
  const { all, exitCode } = await doctor();
  const objects = all.filter(({ check }) => check === "objects").map(({ what }) => what);
  expect(objects.sort()).toEqual([
    "row level security of public.job_queue is changed",
    "trigger record_edit on public.job_queue is missing",
  ]);
  expect(all.find(({ check }) => check === "objects")?.remedy).toContain("clerk-sync migrate --repair");
  expect(exitCode).toBe(1);
  const repaired = await runCommand(["migrate", "--repair", "--db-url", database.url], { folder: folder.path });
  expect(repaired.exitCode).toBe(0);
  expect((await doctor()).found.get("objects")).toMatchObject({ state: "ok" });
});

it("empty columns, rows without an id and refused values are named with commands of a server", async () => {
  const event = userEvent("user.created", { id: "user_nameless", version: 1, firstName: null, lastName: null });
  const data = { ...event.data, public_metadata: { role: "owner" } };
  await postEvent({ url: server.url, webhookSecret: testSecret }, { ...event, data });
  await waitFor("the row", async () => (await database.pool.query("select from profiles")).rowCount === 1);
  await database.pool.query("insert into profiles (full_name) values (null)");
  const { found } = await doctor();
  expect(found.get("mapped columns")).toMatchObject({
    state: "warning",
    what: "full_name of public.profiles is empty in the 1 row of users",
  });
  expect(found.get("rows without id")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(/^1 row has no Clerk id in public\.profiles: \d+$/),
    remedy: expect.stringContaining("clerk-sync migrate, restart each server"),
  });
  expect(found.get("refused values")).toMatchObject({
    state: "warning",
    what: "role did not take a text that 1 user has at Clerk, and has its default there",
    remedy: expect.stringContaining("clerk-sync migrate, restart each server"),
  });
  await database.pool.query("delete from clerk_sync.user_state; delete from profiles; delete from job_queue");
});

it("a file that changed since the migration, and a program of another mapping, are named", async () => {
  const program = { name: "server of yesterday", mapping_hash: "of an older file" };
  await database.pool.query("select clerk_sync_beat('worker', p_program => $1)", [program]);
  await writeFile(path.join(folder.path, "clerk-sync.config.json"), mapped({ full_name: "name" }));
  const { found } = await doctor();
  await writeFile(path.join(folder.path, "clerk-sync.config.json"), mapped(columns));
  await database.pool.query("delete from clerk_sync.programs where name = $1", [program.name]);
  const remedy = expect.stringMatching(/npx clerk-sync migrate, then restart each server\./);
  expect(found.get("configuration")).toMatchObject({
    state: "warning",
    what: "clerk-sync.config.json, or a table that it names, has changed since the database was migrated",
    remedy,
  });
  expect(found.get("mapping")).toMatchObject({
    state: "warning",
    what: expect.stringMatching(/: server of yesterday$/),
    remedy,
  });
});

it("a table that another tool changed is a failure with the statement that corrects it", async () => {
  await database.pool.query("alter table profiles rename column full_name to elsewhere");
  const { found } = await doctor();
  await database.pool.query("alter table profiles rename column elsewhere to full_name");
  expect(found.get("tables")).toMatchObject({ state: "failed", what: "public.profiles: there is no column full_name" });
});

it("a database of another version, and one without the migrations, name the command of a server", async () => {
  const define = (answer: string) =>
    database.pool.query(
      `create or replace function public.clerk_sync_schema_version() returns text language sql immutable
       set search_path = '' as $$ select '${answer}'; $$`,
    );
  await define("20261124000001");
  const older = await doctor();
  await define(schemaVersion);
  const remedy = "Apply the migrations. Run: npx clerk-sync migrate";
  expect(older.found.get("database")).toMatchObject({ state: "failed", remedy });
  const empty = await createEmptyDatabase();
  const { found } = await doctor({}, "--database-url", empty.url);
  await empty.drop();
  expect(found.get("database")).toMatchObject({ state: "failed", what: expect.stringContaining("missing"), remedy });
});
