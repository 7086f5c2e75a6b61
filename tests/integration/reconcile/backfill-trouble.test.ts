import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { makeUsers } from "../../support/clerk/make-users.ts";
import { cliFor, runCli } from "../../support/processes/run-cli.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";

let clerk: ClerkStandIn;
let server: TestServer;
beforeEach(async () => {
  clerk = await startClerkStandIn();
  server = await startTestServer({ AUTH_MIRROR: "off" });
});
afterEach(async () => {
  await server?.stop();
  await clerk?.stop();
});

const lease = () => server.one("select lease_token from clerk_sync.sync_runs where status = 'RUNNING'");

it("Clerk's API that cannot be reached is named with the reason, and is not called a queue that stands still", async () => {
  const { options, environment } = cliFor(server.settings, clerk);
  const url = `http://127.0.0.1:${await findFreePort()}`;
  let now = Date.now();
  const sleep = async (milliseconds: number) => {
    now += milliseconds;
  };
  const clock = { now: () => now, sleep };
  const done = await runCli(["backfill", ...options], { ...environment, CLERK_API_URL: url }, { clock });
  expect(done).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(
      `error clerk_unavailable: Clerk's API cannot be reached at ${url}: connect ECONNREFUSED`,
    ),
  });
  expect(done.stderr).not.toContain("Nothing has moved");
});

it("Ctrl-C says that it stops, ends the wait for Clerk's API, and gives the run back", async () => {
  clerk.users.fill(makeUsers(600));
  const { options, environment } = cliFor(server.settings, clerk);
  let interrupt = (): void => undefined;
  const onInterrupt = (listener: () => void) => {
    interrupt = listener;
    return () => undefined;
  };
  // Once it waits, it would wait for ever.
  const sleep = (_: number, signal?: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      interrupt();
    });
  const away = { ...environment, CLERK_API_URL: `http://127.0.0.1:${await findFreePort()}` };
  const done = await runCli(["backfill", ...options], away, { onInterrupt, clock: { now: Date.now, sleep } });
  expect(done).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/Asking again in 2 s …\nStopping …$/) });
  expect(done.stdout).toContain("Interrupted. The same command, or the processor, carries it on.");
  expect(await lease()).toEqual({ lease_token: null });
});

it("a file of variables names project and keys, before the process's own", async () => {
  clerk.users.fill(makeUsers(20));
  const { url, secretKey } = server.settings;
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  const lines = [
    `CLERK_SYNC_URL=${url}`,
    `SUPABASE_SECRET_KEY=${secretKey}`,
    `CLERK_SECRET_KEY=${clerk.secretKey}`,
    `CLERK_API_URL=${clerk.url}`,
  ];
  await writeFile(path.join(folder.path, "production.env"), lines.join("\n"));
  const run = (command: string) =>
    runCli([command, "--env-file", "production.env"], { CLERK_SECRET_KEY: "sk_live_other" }, { folder: folder.path });
  for (const command of ["backfill", "reconcile"]) expect(await run(command)).toMatchObject({ exitCode: 0 });
});

it.each([
  ["a page", 200],
  ["a page that is not found", 404],
  ["a redirect", 307],
])("an address that answers with %s is not taken for a project", async (_, status) => {
  const other = createServer((_request, response) => {
    response.writeHead(status, { "content-type": "text/html", location: "/sign-in" }).end("<html>");
  });
  const port = await findFreePort();
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void other.close().closeAllConnections());
  const { environment } = cliFor(server.settings, clerk);
  const url = `http://127.0.0.1:${port}`;
  const done = await runCli(["backfill", "--url", url, "--secret-key", "sb_secret_x"], environment);
  expect(done.stderr).toBe(`error database_rejected: ${url} is not a Supabase project's API (it answered ${status}).`);
});
