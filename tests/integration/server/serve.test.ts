import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../../server/start-server.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { postEvent, postUnsigned } from "../../support/webhook/post-event.ts";

let database: TestDatabase;
let servers: RunningServer[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const server of servers) await server.stop();
  servers = [];
  await database.drop();
});

async function start(env: Record<string, string> = {}, options: Partial<ServerOptions> = {}) {
  const port = await findFreePort();
  const config = readConfig({ DATABASE_URL: database.url, AUTH_MIRROR: "off", PORT: String(port), ...env });
  const server = await startServer({ config, ...options });
  servers.push(server);
  return { url: server.url, webhookSecret: testSecret };
}

const event = userEvent("user.created", { id: "user_1", version: 1 });
const withSecret = { CLERK_WEBHOOK_SECRET: testSecret };

async function get(url: string) {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
}

async function setVersion(version: string): Promise<void> {
  await database.pool.query(
    `create or replace function public.clerk_sync_schema_version() returns text language sql as $$ select '${version}' $$`,
  );
}

const countRows = async (sql: string) => (await database.pool.query(`select count(*)::int as n ${sql}`)).rows[0].n;

it("without secrets everything is closed: no event is taken, no key opens the processor, nothing is stood in for", async () => {
  const before = await readdir(".");
  const target = await start();
  expect((await postEvent(target, event)).status).toBe(503);
  const call = (path: string, apikey: string) => fetch(target.url + path, { method: "POST", headers: { apikey } });
  for (const key of ["", "undefined", "null"]) {
    expect((await call("/functions/v1/user-job-processor", key)).status).toBe(401);
  }
  expect((await call("/rest/v1/rpc/clerk_sync_users", "x")).status).toBe(404);
  expect((await call("/auth/v1/admin/users", "x")).status).toBe(404);
  expect(await readdir(".")).toEqual(before);
});

it("with its secret an event is taken and ends as a row", async () => {
  const target = await start(withSecret);
  expect((await postEvent(target, event)).status).toBe(202);
  await waitFor("the row", async () => (await countRows("from users")) === 1);
  expect((await postUnsigned(target, JSON.stringify(event))).status).toBe(401);
});

it("an instance that only takes events leaves the job to one that only works, which takes none", async () => {
  const webhook = await start({ ...withSecret, APPLY_AT_ONCE: "off" }, { only: "webhook" });
  for (let version = 1; version <= 20; version++) {
    const later = userEvent("user.updated", { id: "user_1", version });
    expect((await postEvent(webhook, later)).status).toBe(202); // a worker would have been woken by the first
  }
  expect((await fetch(`${webhook.url}/functions/v1/user-job-processor`, { method: "POST" })).status).toBe(404);
  expect(await countRows("from job_queue where status = 'PENDING'")).toBe(20);

  const worker = await start(withSecret, { only: "worker" });
  await waitFor("the row", async () => (await countRows("from users")) === 1);
  const refused = await postEvent(worker, event);
  expect(refused).toMatchObject({ status: 404, body: { error: expect.stringContaining("is a worker") } });
});

it("an instance that only takes events writes the row and leaves the mirror to a worker", async () => {
  const target = await start({ ...withSecret, AUTH_MIRROR: "on" }, { only: "webhook" });
  expect((await postEvent(target, event)).status).toBe(202);
  expect(await countRows("from users")).toBe(1);
  expect(await countRows("from job_queue where status = 'PENDING'")).toBe(1);
});

it("a database without the migrations, or of another version, is refused; --migrate brings it up to date", async () => {
  const empty = await createEmptyDatabase();
  const env = { DATABASE_URL: empty.url };
  await expect(start(env)).rejects.toMatchObject({ code: "schema_outdated" });
  await start(env, { migrate: true });
  await start(env);
  await servers.pop()?.stop();
  await servers.pop()?.stop();
  await empty.drop();
  await setVersion("20000101000000");
  await expect(start()).rejects.toMatchObject({ code: "schema_outdated" });
  await setVersion("99991231000000");
  await expect(start()).rejects.toMatchObject({ code: "schema_newer" });
  await expect(start({}, { migrate: true })).rejects.toMatchObject({ code: "schema_newer" });
});

it("health follows the database; the process itself is alive all the while", async () => {
  let now = Date.now();
  const { url } = await start({}, { now: () => now });
  const after = async (change: () => Promise<unknown>) => {
    await change();
    now += 1000;
    return get(`${url}/health`);
  };
  expect(await get(`${url}/health`)).toEqual({ status: 200, body: { status: "ok" } });
  expect(await after(() => setVersion("99991231000000"))).toEqual({
    status: 503,
    body: { status: "unavailable", code: "schema_newer" },
  });
  expect(await after(() => database.pool.query("drop function clerk_sync_schema_version"))).toMatchObject({
    status: 503,
    body: { code: "schema_outdated" },
  });
  expect(await get(`${url}/health/live`)).toEqual({ status: 200, body: { status: "ok" } });
  // a function that is made by hand lacks what the migration gives it
  expect(await after(() => setVersion(schemaVersion))).toMatchObject({
    status: 503,
    body: { code: "objects_missing" },
  });
  const rights = "grant execute on function clerk_sync_schema_version to service_role";
  expect(await after(() => database.pool.query(rights))).toEqual({
    status: 200,
    body: { status: "degraded", code: "objects_changed", missing: [] },
  });
});
