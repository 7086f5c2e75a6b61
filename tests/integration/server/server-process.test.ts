import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findFreePort, isAlive } from "../../../local/postgres/embedded-postgres.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import {
  createServerFolder,
  exists,
  type ServerProcess,
  spawnServer,
  startServerProcess,
  waitForExit,
} from "../../support/processes/server-process.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let folder: Awaited<ReturnType<typeof createServerFolder>>;
let running: ServerProcess[] = [];

beforeEach(async () => {
  folder = await createServerFolder();
  running = [];
});
afterEach(async () => {
  for (const server of running) {
    if (server.process.exitCode === null && server.process.signalCode === null) await server.end("SIGTERM");
  }
  await folder.remove();
});

const inFolder = (...names: string[]) => path.join(folder.path, ".clerk-sync", ...names);
const env = () => ({ PORT: String(folder.port) });

async function start() {
  const server = await startServerProcess(folder.path, env());
  running.push(server);
  return server;
}

async function postgresPid(): Promise<number> {
  return Number((await readFile(inFolder("postgres", "postmaster.pid"), "utf8")).split("\n")[0]);
}

it("a start prints where everything is and what to try, a stop leaves nothing running", async () => {
  const server = await start();
  for (const text of [
    `http://127.0.0.1:${folder.port}/functions/v1/clerk-webhook`,
    server.settings.webhookSecret,
    "npx clerk-sync simulate",
  ]) {
    expect(server.output()).toContain(text);
  }
  expect(await readFile(inFolder(".gitignore"), "utf8")).toBe("*\n");
  const pid = await postgresPid();
  expect(await server.end("SIGTERM")).toBe(0);
  expect(isAlive(pid)).toBe(false);
  expect(await exists(inFolder("server.pid"))).toBe(false);
  const probe = createServer().listen(folder.port, "127.0.0.1");
  await once(probe, "listening");
  probe.close();
});

it("a closed terminal stops it as Ctrl-C does, also under load on open connections", async () => {
  const server = await start();
  const pid = await postgresPid();
  let isStopping = false;
  const load = Array.from({ length: 10 }, async (_, worker) => {
    for (let version = 1; !isStopping; version++) {
      await postEvent(server.settings, userEvent("user.updated", { id: `user_${worker}`, version })).catch(
        () => undefined,
      );
    }
  });
  await postEvent(server.settings, userEvent("user.created", { id: "user_first", version: 1 }));
  expect(await server.end("SIGHUP")).toBe(0);
  isStopping = true;
  await Promise.all(load);
  expect(isAlive(pid)).toBe(false);
  expect(server.output()).not.toContain("connection_lost");
});

it("when the embedded PostgreSQL ends by itself the server says so and ends too", async () => {
  const server = await start();
  process.kill(await postgresPid(), "SIGINT");
  expect(await waitForExit(server)).toBe(1);
  expect(server.output()).toContain("The embedded PostgreSQL has ended");
});

it("what was answered 202 before a stop is in the rows after the next start, with the same secrets", async () => {
  const first = await start();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, place) =>
      postEvent(first.settings, userEvent("user.created", { id: `user_${place}`, version: 1 })),
    ),
  );
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
  expect(await first.end("SIGINT")).toBe(0);
  const second = await start();
  expect(second.settings.webhookSecret).toBe(first.settings.webhookSecret);
  const ids = Array.from({ length: 50 }, (_, place) => `user_${place}`);
  await expect.poll(() => countRows(second.settings, ids)).toBe(50);
});

async function countRows(settings: { url: string; secretKey: string }, ids: string[]): Promise<number> {
  const response = await fetch(`${settings.url}/rest/v1/rpc/clerk_sync_users`, {
    method: "POST",
    headers: { apikey: settings.secretKey, "content-type": "application/json" },
    body: JSON.stringify({ p_clerk_ids: ids }),
  });
  const rows = (await response.json()) as { row: unknown; open_jobs: number }[];
  return rows.filter((row) => row.row !== null && row.open_jobs === 0).length;
}

it("after a kill the next start stops the PostgreSQL that was left behind and goes on", async () => {
  const killed = await start();
  await postEvent(killed.settings, userEvent("user.created", { id: "user_kept", version: 1 }));
  const orphan = await postgresPid();
  await killed.end("SIGKILL");
  expect(isAlive(orphan)).toBe(true);
  const server = await start();
  expect(isAlive(orphan)).toBe(false);
  expect((await postEvent(server.settings, userEvent("user.created", { id: "user_next", version: 1 }))).status).toBe(
    202,
  );
  await expect.poll(() => countRows(server.settings, ["user_next"])).toBe(1);
});

it("a process that got the id of a PostgreSQL long gone is left alone, and the start goes on", async () => {
  await (await start()).end("SIGTERM");
  const bystander = spawn("sleep", ["60"]);
  await writeFile(inFolder("postgres", "postmaster.pid"), `${bystander.pid}\n${inFolder("postgres")}\n`);
  const server = await start();
  expect(isAlive(bystander.pid ?? 0)).toBe(true);
  bystander.kill();
  expect((await postEvent(server.settings, userEvent("user.created", { id: "user_1", version: 1 }))).status).toBe(202);
});

async function refuses(expected: RegExp, variables: Record<string, string> = env()): Promise<void> {
  const server = spawnServer(folder.path, variables);
  running.push(server);
  expect(await waitForExit(server)).toBe(1);
  expect(server.output()).toMatch(expected);
  expect(server.output()).not.toMatch(/\n\s+at /);
}

it("a port in use is refused with the way out, before anything was started", async () => {
  const blocker = createServer().listen(folder.port, "127.0.0.1");
  await once(blocker, "listening");
  await refuses(new RegExp(`Port ${folder.port} .* is in use.*PORT=`));
  expect(await exists(inFolder("postgres"))).toBe(false);
  blocker.close();
});

it("a second server in the same folder is refused, the first goes on", async () => {
  const first = await start();
  await refuses(/Another server \(process \d+\) works in/, { PORT: String(await findFreePort()) });
  expect((await postEvent(first.settings, userEvent("user.created", { id: "user_1", version: 1 }))).status).toBe(202);
});

it("below a folder that is root's alone, root starts it all the same", async () => {
  await chmod(folder.path, 0o700);
  const server = await start();
  expect((await postEvent(server.settings, userEvent("user.created", { id: "user_1", version: 1 }))).status).toBe(202);
});

it("a broken data folder is refused with the command that begins anew", async () => {
  await mkdir(inFolder("postgres"), { recursive: true });
  await writeFile(inFolder("postgres", "PG_VERSION"), "9.1\n");
  await refuses(/data_folder_unusable: .*remove the folder \.clerk-sync/s);
});

it("a place that cannot be written is refused by name", async () => {
  await writeFile(inFolder(), "a file where the folder should be");
  await refuses(/Cannot make .*\.clerk-sync/);
});

it("a wrong environment is refused with every problem at once, and no value of it", async () => {
  const wrong = { PORT: "http", CLERK_WEBHOOK_SECRET: "sk_live_oops", DELETE_MODE: "soft", MAX_ATTEMPTS: "0" };
  await refuses(/4 problem.*CLERK_WEBHOOK_SECRET.*DELETE_MODE.*MAX_ATTEMPTS.*PORT/s, wrong);
  expect(running[0]?.output()).not.toContain("sk_live_oops");
});

it("a database that cannot be reached is refused by its variable", async () => {
  await refuses(/database_unavailable: DATABASE_URL cannot be reached/, {
    ...env(),
    DATABASE_URL: "postgres://postgres:secret@127.0.0.1:1/none",
  });
  expect(running[0]?.output()).not.toContain("secret@");
});

it("the embedded PostgreSQL asks everybody for a password, which is in local.json and nowhere else", async () => {
  const server = await start();
  const url = new URL(server.settings.databaseUrl);
  expect(url.password).toMatch(/^local_[\w-]{32}$/);
  expect((await stat(inFolder("local.json"))).mode & 0o777).toBe(0o600);
  expect(server.output()).not.toContain(url.password);
  expect(await readFile(`/proc/${await postgresPid()}/cmdline`, "utf8").catch(() => "")).not.toContain(url.password);
  const kept = url.password;
  for (const password of ["", "postgres"]) {
    url.password = password;
    await expect(query(url.href, "select 1")).rejects.toThrow(/password/i);
  }
  await server.end("SIGTERM");
  expect(new URL((await start()).settings.databaseUrl).password).toBe(kept);
});

it("data of a version that let everybody in is kept, and its PostgreSQL asks for a password from then on", async () => {
  const first = await start();
  await query(first.settings.databaseUrl, "create table public.kept as select 1 as n");
  await query(first.settings.databaseUrl, "alter role postgres password null");
  await first.end("SIGTERM");
  await writeFile(inFolder("postgres", "pg_hba.conf"), "host all all 127.0.0.1/32 trust\n");
  await writeFile(
    inFolder("local.json"),
    JSON.stringify({ ...first.settings, databaseUrl: "postgres://postgres@127.0.0.1:1/postgres" }),
  );
  const { settings } = await start();
  const url = new URL(settings.databaseUrl);
  expect(await query(url.href, "select n from public.kept")).toEqual([{ n: 1 }]);
  url.password = "";
  await expect(query(url.href, "select 1")).rejects.toThrow(/password/i);
});

async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
