import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { type CommandRun, runCommand } from "../../support/processes/run-command.ts";
import { startTestServer } from "../../support/processes/test-server.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { startEdgeSystem } from "../../support/systems/edge-system.ts";
import { type PartialSystem, startPartialSystem } from "../../support/systems/partial-system.ts";

type Target = { url: string; webhookSecret: string; secretKey: string };
type Step = { step: string; state: string; hop?: string; what: string; remedy?: string; hops: Record<string, number> };
type Report = { canary: string; verdict: string; steps: Step[]; cleanUp: { done: boolean; what: string } };

/** Verifies by the environment, as CI does: the secrets are no arguments. */
function verify({ url, webhookSecret, secretKey }: Target, args: string[] = [], changes = {}): Promise<CommandRun> {
  const environment = { CLERK_SYNC_URL: url, CLERK_WEBHOOK_SECRET: webhookSecret, SUPABASE_SECRET_KEY: secretKey };
  return runCommand(["verify", ...args], { environment, ...changes });
}

async function report(target: Target, changes = {}): Promise<Report & { exitCode: number }> {
  const { exitCode, stdout } = await verify(target, ["--json"], changes);
  return { exitCode, ...(JSON.parse(stdout || "{}") as Report) };
}

/**
 * Verifies by a clock of the test's: each time the next of these has come true, a minute goes by. It is asked while
 * verify waits, so that the minute never passes before the waiting has begun.
 */
async function reportAfter(target: Target, ...reached: (() => Promise<boolean>)[]) {
  let later = 0;
  const sleep = async () => {
    await delay(20);
    if (!(await reached[0]?.())) return;
    reached.shift();
    later += 60_000;
  };
  return report(target, { clock: { now: () => Date.now() + later, sleep } });
}

/** What is in the database of canaries, counted table by table. */
async function leftOf(pool: pg.Pool): Promise<Record<string, number>> {
  const { rows } = await pool.query<Record<string, number>>(`
    select
      (select count(*)::int from public.users where clerk_id like 'user\\_clerksync\\_canary\\_%') as users,
      (select count(*)::int from auth.users where email like '%@canary.invalid') as auth_users,
      (select count(*)::int from public.job_queue where clerk_id like 'user\\_clerksync\\_canary\\_%') as jobs,
      (select count(*)::int from clerk_sync.known_users where clerk_id like 'user\\_clerksync\\_canary\\_%') as states,
      (select count(*)::int from clerk_sync.canary) as canaries`);
  return rows[0] ?? {};
}

const nothing = { users: 0, auth_users: 0, jobs: 0, states: 0, canaries: 0 };
const names = ["prepared", "created", "updated", "repeated", "late", "deleted"];

describe.each([
  ["the mirror on", {}, "the row is gone"],
  ["the mirror off", { AUTH_MIRROR: "off" }, "the row is gone"],
] satisfies [string, Record<string, string>, string][])("a server with %s", (_, env, deleted) => {
  let server: Awaited<ReturnType<typeof startTestServer>>;
  beforeAll(async () => {
    server = await startTestServer(env);
  });
  afterAll(() => server?.stop());

  it("passes every step, each hop timed, and keeps nothing of the canary", async () => {
    const { exitCode, verdict, steps, cleanUp } = await report(server.settings);
    expect(steps.map(({ step, state }) => [step, state])).toEqual(names.map((name) => [name, "ok"]));
    expect({ exitCode, verdict, done: cleanUp.done }).toEqual({ exitCode: 0, verdict: "passed", done: true });
    expect(steps.at(-1)?.what).toBe(deleted);
    const hops = Object.keys(steps[1]?.hops ?? {}).sort();
    const mirrored = "AUTH_MIRROR" in env ? [] : ["mirrored"];
    expect(hops).toEqual(["answer", "applied", ...mirrored, "total"].sort());
    expect(await leftOf(server.pool)).toEqual(nothing);
  });
});

describe("the Edge Functions under Deno", () => {
  let system: Awaited<ReturnType<typeof startEdgeSystem>>;
  beforeAll(async () => {
    system = await startEdgeSystem();
  });
  afterAll(() => system?.stop());

  it("pass every step, and the lines say so for a person", async () => {
    const { exitCode, stdout } = await verify(system.settings);
    expect(
      stdout
        .split("\n")
        .filter((line) => line.startsWith("✓"))
        .map((line) => line.split(":")[0]),
    ).toEqual([...names, "cleaned up"].map((name) => `✓ ${name}`));
    expect(stdout.split("\n").at(-1)).toMatch(/^The installation works/);
    expect(exitCode).toBe(0);
  });

  it("no secret is in what is printed", async () => {
    const { stdout, stderr } = await verify(system.settings, ["--json"]);
    const text = `${stdout}${stderr}`;
    expect(text).not.toContain(system.settings.secretKey);
    expect(text).not.toContain(system.settings.webhookSecret.slice(6));
  });
});

describe("an installation that is broken", () => {
  let system: PartialSystem;
  beforeEach(async () => {
    system = await startPartialSystem();
  });
  afterEach(() => system?.stop());

  const isQueued = async () => (await system.one("select 1 as one from job_queue")) !== undefined;
  /** True once such a job has failed; it is not tried again then. */
  const hasFailed = (jobType: string) => async () => {
    const later = "update job_queue set run_at = now() + interval '1 hour' where status = 'FAILED' and job_type = $1";
    return (await system.pool.query(later, [jobType])).rowCount === 1;
  };

  const failedStep = ({ steps }: Report) => steps.find(({ state }) => state === "failed");

  it("a wrong signing secret fails at the answer and points to doctor", async () => {
    const done = await report({ ...system, webhookSecret: `whsec_${btoa("of another endpoint")}` });
    expect(done).toMatchObject({ exitCode: 1, verdict: "failed" });
    expect(failedStep(done)).toMatchObject({
      step: "created",
      hop: "answer",
      what: expect.stringContaining("401"),
      remedy: expect.stringContaining("clerk-sync doctor"),
    });
    expect(done.steps.at(-1)).toMatchObject({ step: "deleted", state: "skipped" });
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("a wrong secret key fails before anything is sent", async () => {
    const done = await report({ ...system, secretKey: "sb_secret_wrong" });
    expect(failedStep(done)).toMatchObject({
      step: "prepared",
      hop: "database",
      what: expect.stringContaining("401"),
      remedy: "The secret key is refused. Take sb_secret_… or the service role key of this project.",
    });
    expect(done.exitCode).toBe(1);
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("without a worker the job stays PENDING, which is said with the remedy, and goes with the canary", async () => {
    system.faults.noWorker = true;
    const done = await reportAfter(system, isQueued);
    expect(failedStep(done)).toMatchObject({
      step: "created",
      hop: "applied",
      what: expect.stringMatching(/PENDING \(attempts: 0, waited 60 s\)/),
      remedy: expect.stringContaining("Nobody works through the queue"),
    });
    expect(done.exitCode).toBe(1);
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("while Auth is down the mirror is what fails, and what may be in Auth is not forgotten", async () => {
    system.faults.authDown = true;
    const done = await reportAfter(system, hasFailed("USER_CREATED"), hasFailed("USER_DELETED"));
    expect(failedStep(done)).toMatchObject({
      step: "created",
      hop: "mirrored",
      what: expect.stringContaining("auth_unavailable"),
      remedy: expect.stringContaining("docs/errors.md"),
    });
    expect(done.cleanUp).toMatchObject({ done: false, what: expect.stringContaining("USER_DELETED") });
    expect(await leftOf(system.pool)).toMatchObject({ jobs: 2, states: 1, canaries: 1 });
  });

  it("a later run takes out what an earlier one had to leave", async () => {
    system.faults.authDown = true;
    await reportAfter(system, hasFailed("USER_CREATED"), hasFailed("USER_DELETED"));
    system.faults.authDown = false;
    await system.pool.query("update clerk_sync.canary set started_at = now() - interval '61 minutes'");
    await system.pool.query("update job_queue set run_at = now()");
    const { steps, verdict } = await report(system);
    expect(steps[0]?.what).toBe("canaries of earlier runs: 1 removed");
    expect(verdict).toBe("passed");
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("a run that died before its deletion is taken out later too, from Auth as well", async () => {
    const clerkId = "user_clerksync_canary_died";
    await system.pool.query("select clerk_sync_start_canary($1, now() - interval '2 hours')", [clerkId]);
    await system.pool.query("insert into users (clerk_id) values ($1)", [clerkId]);
    await system.pool.query("insert into clerk_sync.records (id, version) values ($1, 1)", [clerkId]);
    const auth = createAuthAdmin({ supabaseUrl: system.url, secretKey: system.secretKey });
    const user = { id: authUserIdOf(clerkId), email: `${clerkId}@canary.invalid`, app_metadata: {}, user_metadata: {} };
    expect(await auth.createUser(user)).toMatchObject({ ok: true });
    expect((await report(system)).steps[0]?.what).toBe("canaries of earlier runs: 1 removed");
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("an engaged delete brake is the reason that is named", async () => {
    system.faults.brake = { count: 100, percent: 10, minutes: 60 };
    await system.pool.query(
      "update clerk_sync.delete_brake set engaged_at = now(), reason = 'more than 1 deletions' where kind = 'user'",
    );
    const done = await report(system);
    expect(failedStep(done)).toMatchObject({
      step: "deleted",
      what: expect.stringContaining("delete_brake: more than 1 deletions"),
      remedy: expect.stringContaining("clerk_sync_release_delete_brake"),
    });
    expect(done.cleanUp.done).toBe(false);
    expect(await leftOf(system.pool)).toMatchObject({ users: 1, auth_users: 1, canaries: 1 });
  });

  it("a trigger that changes the row is a wrong row", async () => {
    await system.pool.query(`
      create function public.meddle() returns trigger language plpgsql as 'begin new.name := null; return new; end';
      create trigger meddle before insert or update on public.users for each row execute function public.meddle()`);
    const done = await report(system);
    expect(failedStep(done)).toMatchObject({ step: "created", hop: "row", what: 'name is null, not "Canary Created"' });
    expect(done.cleanUp.done).toBe(true);
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("an Auth user that is changed behind the mirror's back is a wrong mirror", async () => {
    await system.pool.query(`
      create function auth.meddle() returns trigger language plpgsql as
        'begin new.raw_user_meta_data := ''{}''; return new; end';
      create trigger meddle before insert or update on auth.users for each row execute function auth.meddle()`);
    expect(failedStep(await report(system))).toMatchObject({ step: "created", hop: "auth" });
    expect(await leftOf(system.pool)).toEqual(nothing);
  });

  it("Ctrl-C ends the waiting, and the canary is taken out all the same", async () => {
    system.faults.noWorker = true;
    let interrupt: () => void = () => undefined;
    const onInterrupt = (listener: () => void) => {
      interrupt = listener;
      return () => undefined;
    };
    const running = verify(system, [], { onInterrupt });
    await waitFor("a job", async () => (await leftOf(system.pool))["jobs"] === 1);
    interrupt();
    const { exitCode, stdout, stderr } = await running;
    expect(exitCode).toBe(130);
    expect(stderr).toContain("taking the canary out again");
    expect(stdout.split("\n").at(-1)).toBe("Interrupted: nothing is proved.");
    expect(await leftOf(system.pool)).toEqual(nothing);
  });
});
