import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await postEvent(server.settings, userEvent("user.created", { id: "user_ada", version: 1 }));
  await server.quiet();
});
afterAll(() => server?.stop());

const run = (args: string[], changes = {}) =>
  runCommand([...args, "--url", server.settings.url, "--secret-key", server.settings.secretKey], changes);
const json = async (args: string[]) => JSON.parse((await run([...args, "--json"])).stdout);
/** So many jobs that gave up with this error. */
const kill = (count: number, error: string) =>
  server.pool.query(
    "insert into job_queue (job_type, status, error, clerk_id) select 'USER_UPDATED', 'DEAD', $2, 'user_' || n from generate_series(1, $1) as n",
    [count, error],
  );
const auditOf = async (code: string) =>
  (await server.pool.query("select source, count from clerk_sync.audit where code = $1", [code])).rows;

it("status shows on one screen how the sync is, and repeats it until it is told to stop", async () => {
  const { exitCode, stdout } = await run(["status"]);
  expect([exitCode, stdout]).toEqual([
    0,
    expect.stringMatching(/users +1\n.*jobs .*completed 1.*\n.*oldest due +none/s),
  ]);
  let interrupt: () => unknown = () => undefined;
  let shown = 0;
  const sleep = async () => {
    shown += 1;
    if (shown === 3) interrupt();
  };
  const watched = await run(["status", "--watch", "--json"], {
    clock: { now: Date.now, sleep },
    onInterrupt: (listener: () => void) => {
      interrupt = listener;
      return () => undefined;
    },
  });
  expect(watched.stdout.split("\n").map((line) => JSON.parse(line).users)).toEqual([1, 1, 1]);
});

it("jobs are listed by what is asked for, with the way to the next page, and shown one by one", async () => {
  await kill(3, "auth_rejected: 422");
  const { stdout, stderr } = await run(["jobs", "list", "--status", "dead", "--limit", "2"]);
  expect(stdout.split("\n")).toHaveLength(2);
  const cursor = stderr.match(/--cursor (\S+)/)?.[1] ?? "";
  const { jobs, next } = await json(["jobs", "list", "--status", "dead", "--limit", "2", "--cursor", cursor]);
  expect([jobs.length, next]).toEqual([1, null]);
  const shown = await run(["jobs", "show", jobs[0].id]);
  expect(shown.stdout).toMatch(/^USER_UPDATED DEAD.*error +auth_rejected: 422.*history.*payload/s);
});

it("a job is retried by its id, and one that cannot be is no success", async () => {
  const { jobs } = await json(["jobs", "list", "--status", "completed"]);
  expect(await run(["jobs", "retry", jobs[0].id])).toMatchObject({ exitCode: 1, stdout: "0 jobs are due again." });
  const dead = await json(["jobs", "list", "--status", "dead", "--limit", "1"]);
  expect(await run(["jobs", "cancel", dead.jobs[0].id])).toMatchObject({ exitCode: 0, stdout: "1 job is cancelled." });
});

it("all that match are changed after a yes, in slices, and the audit names who did it", async () => {
  await kill(701, "auth_unavailable: 503");
  const args = ["jobs", "cancel", "--all", "--status", "dead", "--code", "auth_unavailable"];
  expect(await run(args, { confirm: null })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/701 jobs.*--yes/),
  });
  const questions: string[] = [];
  const confirm = async (question: string) => questions.push(question) > 1;
  expect(await run(args, { confirm })).toEqual({ exitCode: 1, stdout: "", stderr: "Nothing was changed." });
  expect((await run(args, { confirm })).stdout).toBe("701 jobs are cancelled.");
  expect(questions).toEqual(["Cancel 701 jobs?", "Cancel 701 jobs?"]);
  const entries = (await auditOf("cancel_jobs")).filter(({ count }) => count > 1);
  expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(701);
  expect(new Set(entries.map(({ source }) => source))).toEqual(new Set([expect.stringContaining("cli ")]));
});

it("an action that is stopped leaves the others as they were", async () => {
  await kill(1100, "clerk_unavailable: 503");
  let stop: () => unknown = () => undefined;
  const note = () => void stop();
  const onInterrupt = (listener: () => void) => {
    stop = listener;
    return () => undefined;
  };
  const args = ["jobs", "retry", "--all", "--code", "clerk_unavailable", "--yes"];
  expect(await run(args, { note, onInterrupt })).toMatchObject({ exitCode: 1, stdout: "500 jobs are due again." });
});

it("a user is shown with the verdict first and values masked, and found by email", async () => {
  const { exitCode, stdout } = await run(["users", "show", "user_ada"]);
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^✓ user_ada: /)]);
  expect(stdout).not.toContain("user_ada@example.com");
  expect((await run(["users", "show", "user_ada", "--reveal"])).stdout).toContain("user_ada@example.com");
  expect(await auditOf("reveal_user")).toHaveLength(1);
  expect((await json(["users", "list", "--q", "USER_ADA@example.com"])).users).toMatchObject([
    { clerk_id: "user_ada" },
  ]);
  expect(await run(["users", "show", "user_nobody"])).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/^✗ /),
  });
});

it("a revealed name reaches the terminal as text", async () => {
  const firstName = "Bo\u001b]0;evil\u0007b";
  await postEvent(server.settings, userEvent("user.created", { id: "user_bob", version: 1, firstName }));
  await server.quiet();
  expect((await run(["users", "show", "user_bob", "--reveal"])).stdout).toContain("Bo�]0;evil�b");
});

it("a job that is gone and a function that is missing are told apart", async () => {
  const nobody = "00000000-0000-4000-8000-000000000000";
  expect(await run(["jobs", "show", nobody])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/not_found/),
  });
  const elsewhere = `${server.settings.url}/other/functions/v1/clerk-webhook`;
  const missing = await runCommand(["status", "--url", elsewhere, "--secret-key", server.settings.secretKey]);
  expect(missing).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/_unreachable.*functions deploy sync-admin/),
  });
});

it("what cannot be done says what to do", async () => {
  const resync = await run(["users", "resync", "user_ada"]);
  expect(resync).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/config_invalid.*CLERK_SECRET_KEY/) });
  const target = ["--url", server.settings.url, "--secret-key"];
  const refused = await runCommand(["status", ...target, "sb_secret_wrong"]);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("caller_unauthorized") });
  const gone = await runCommand(["status", "--url", "http://127.0.0.1:1", "--secret-key", "x"]);
  expect(gone).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("endpoint_unreachable") });
  expect((await run(["jobs", "list", "--status", "lost"])).stderr).toMatch(/usage_invalid: --status/);
  expect((await run(["jobs", "retry"])).stderr).toMatch(/usage_invalid: Name the jobs/);
});
