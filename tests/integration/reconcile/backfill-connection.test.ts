import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { type RunningServer, startServer } from "../../../server/start-server.ts";
import { makeUsers } from "../../support/clerk/make-users.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCli } from "../../support/processes/run-cli.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

// Runs on a PostgreSQL of the user's, where nothing serves Supabase's API.

let database: TestDatabase;
let folder: Awaited<ReturnType<typeof createTestFolder>>;
let server: RunningServer;
let clerk: ClerkStandIn;
beforeAll(async () => {
  [database, folder, clerk] = [await createEmptyDatabase(), await createTestFolder(), await startClerkStandIn()];
  clerk.users.fill(makeUsers(30));
  await database.pool.query("create table profiles (id text primary key, full_name text)");
  const columns = { full_name: "name" };
  const file = JSON.stringify({ users: { table: "public.profiles", key: "id", columns } });
  await writeFile(path.join(folder.path, "clerk-sync.config.json"), file);
  expect(await run("migrate")).toMatchObject({ exitCode: 0, stderr: "" });
  const port = String(await findFreePort());
  const secrets = { CLERK_WEBHOOK_SECRET: testSecret, SUPABASE_SECRET_KEY: "sb_secret_own" };
  server = await startServer({
    config: readConfig({ DATABASE_URL: database.url, AUTH_MIRROR: "off", PORT: port, ...secrets }),
  });
});
afterAll(async () => {
  await server?.stop();
  await clerk?.stop();
  await database?.drop();
  await folder?.remove();
});

function run(command: string, args: string[] = [], more: Record<string, string> = {}) {
  const environment = {
    DATABASE_URL: database.url,
    CLERK_SECRET_KEY: clerk.secretKey,
    CLERK_API_URL: clerk.url,
    ...more,
  };
  return runCli([command, ...args], environment, { folder: folder.path });
}

const countRows = async () => (await database.pool.query("select count(*)::int as n from profiles")).rows[0].n;

it("backfill brings everybody in over DATABASE_URL, and says which database it is", async () => {
  const done = await run("backfill");
  const { host, pathname } = new URL(database.url);
  expect(done).toMatchObject({ exitCode: 0, stderr: `Asking the database ${host}${pathname} (DATABASE_URL).` });
  expect(await countRows()).toBe(30);
});

it("what no mirror needs is not read into the queue", async () => {
  const { rows } = await database.pool.query("select payload from job_queue where source = 'backfill' limit 1");
  expect(Object.keys(rows[0].payload)).not.toEqual(expect.arrayContaining(["email"]));
});

it("reconcile compares and repairs, with a key of the server's own, too, and --columns fills one column", async () => {
  await database.pool.query("update profiles set full_name = null where id = (select min(id) from profiles)");
  const environment = { CLERK_SYNC_URL: server.url, SUPABASE_SECRET_KEY: "sb_secret_own" };
  expect(await run("reconcile", [], environment)).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/full_name/),
  });
  expect(await run("backfill", ["--columns", "full_name"], environment)).toMatchObject({ exitCode: 0 });
  expect(await run("reconcile", ["--db-url", database.url], { DATABASE_URL: "" })).toMatchObject({ exitCode: 0 });
});

it("a server of one's own without DATABASE_URL says that it has no API", async () => {
  const environment = { DATABASE_URL: "", CLERK_SYNC_URL: server.url, SUPABASE_SECRET_KEY: "sb_secret_own" };
  expect(await run("backfill", [], environment)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining(`${server.url} is a server of your own: it has no Supabase API. Set DATABASE_URL`),
  });
});
