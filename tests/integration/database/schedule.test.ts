import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrate } from "../../../server/migrate.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { hasDebianExtension } from "../../support/database/debian-postgres.ts";
import { createQueue, toJob } from "../../support/database/queue.ts";
import { makeUsersTable } from "../../support/database/test-database.ts";
import { type SupabaseDatabase, startSupabaseDatabase } from "../../support/supabase/start-supabase-database.ts";

const hasCron = await hasDebianExtension("pg_cron", "postgresql-15-cron");

/** Of what is set up; the rest of the state is of what happened. */
const setUp = ["cron", "net", "vault", "project_url", "processor_secret", "scheduled"];

it("a database without pg_cron is left alone, and says what is missing", async () => {
  const queue = await createQueue();
  expect(await queue.one("select clerk_sync_schedule() as done, clerk_sync_unschedule() as undone")).toEqual({
    done: false,
    undone: 0,
  });
  expect(await queue.one("select clerk_sync_schedule_state() as state")).toEqual({
    state: {
      ...Object.fromEntries(setUp.map((name) => [name, false])),
      last_run: null,
      answers: [],
      now: expect.any(String),
      due_since: null,
      last_done_at: null,
    },
  });
  await queue.drop();
});

describe.skipIf(!hasCron)("on a real pg_cron", () => {
  let database: SupabaseDatabase;
  let client: pg.Client;
  const one = async (sql: string, values: unknown[] = []) => (await client.query(sql, values)).rows[0];
  const count = async (from: string): Promise<number> => (await one(`select count(*)::int as n from ${from}`)).n;
  const enqueue = (name: string) =>
    one("select clerk_sync_enqueue($1)", [
      JSON.stringify([toJob(userEvent("user.created", { id: `user_${name}`, version: 1 }), `msg_${name}`)]),
    ]);
  /** Asked as the API asks: the service role may not look into schema cron itself. */
  const state = async () => {
    await client.query("begin; set local role service_role");
    const answer = await one("select clerk_sync_schedule_state() as state");
    await client.query("rollback");
    return answer.state;
  };
  /** What pg_cron runs, run now. */
  const runCommand = async (name = "clerk-sync-process") => {
    const { command } = await one("select command from cron.job where jobname = $1", [name]);
    await client.query(command);
  };

  beforeAll(async () => {
    database = await startSupabaseDatabase();
    client = database.client;
  });
  afterAll(() => database?.stop());

  it("the migrations set the schedule up, and leave one that was changed as it is", async () => {
    const names = "select array_agg(jobname::text order by jobname) as names from cron.job";
    expect((await one(names)).names).toEqual([
      "clerk-sync-audit",
      "clerk-sync-compare",
      "clerk-sync-process",
      "clerk-sync-purge",
      "clerk-sync-purge-cron-history",
      "clerk-sync-rescue",
      "clerk-sync-sweep",
    ]);
    await one("select clerk_sync_schedule(1, 7)");
    await client.query("delete from clerk_sync_migrations.applied");
    await makeUsersTable(client);
    await migrate(client);
    expect((await one("select command from cron.job where jobname = 'clerk-sync-purge'")).command).toContain(
      "(7, 50000)",
    );
  });

  it("without the secrets in the Vault nobody is called, and the state says which are missing", async () => {
    await enqueue("early");
    await runCommand();
    expect(await count("net.requests")).toBe(0);
    expect(await state()).toMatchObject({
      cron: true,
      net: true,
      vault: true,
      project_url: false,
      processor_secret: false,
      scheduled: true,
      answers: [],
      due_since: expect.any(String),
    });
    await one("select clerk_sync_run_jobs()");
    expect(await state()).toMatchObject({ due_since: null, last_done_at: expect.any(String) });
  });

  it("a quiet project is not called, and a due job is a call with the key from the Vault", async () => {
    await client.query(
      "insert into vault.secrets values ('clerk_sync_project_url', 'https://ref.supabase.co/'), ('clerk_sync_processor_secret', 'a secret of ours')",
    );
    await runCommand();
    expect(await count("net.requests")).toBe(0);
    await enqueue("due");
    await runCommand();
    expect(await one("select url, headers, timeout_milliseconds from net.requests limit 1")).toEqual({
      url: "https://ref.supabase.co/functions/v1/user-job-processor",
      headers: { "Content-Type": "application/json", Authorization: "Bearer a secret of ours" },
      timeout_milliseconds: 60_000,
    });
  });

  it("the answers to our calls are told apart from those to others, and the newest is first", async () => {
    await client.query("truncate clerk_sync.processor_call");
    await runCommand();
    const ours = (await one("select max(id) as id from net.requests")).id;
    const answer = "insert into net._http_response (id, status_code, timed_out, error_msg) values ($1, $2, $3, $4)";
    await client.query(answer, [ours, 401, null, null]);
    await client.query(answer, [ours + 1000, 500, null, null]);
    await client.query(
      "insert into net._http_response (id, status_code, created) values ($1, 404, now() - interval '1 hour')",
      [ours], // of before a crash, when pg_net began to count anew
    );
    expect((await state()).answers).toEqual([
      { called_at: expect.any(String), status: 401, timed_out: false, error: null },
    ]);
    await runCommand();
    await client.query(answer, [(await one("select max(id) as id from net.requests")).id, null, true, "Timeout"]);
    expect((await state()).answers.map(({ status }: { status: number | null }) => status)).toEqual([null, 401]);
  });

  it("calls older than an hour are forgotten", async () => {
    await client.query("update clerk_sync.processor_call set called_at = now() - interval '2 hours'");
    await runCommand();
    expect(await count("clerk_sync.processor_call")).toBe(1);
  });

  it("the sweep of every quarter of an hour is a call although nothing is due", async () => {
    await one("select clerk_sync_run_jobs()");
    const before = await count("net.requests");
    await runCommand("clerk-sync-sweep");
    expect(await count("net.requests")).toBe(before + 1);
    expect((await one("select body from net.requests order by id desc limit 1")).body).toEqual({
      source: "schedule",
      work: "sweep",
    });
    expect((await one("select schedule from cron.job where jobname = 'clerk-sync-sweep'")).schedule).toBe(
      "7-59/15 * * * *",
    );
  });

  it("a quiet project whose functions have no CLERK_SECRET_KEY is never called, until one that has it calls", async () => {
    const before = await count("net.requests");
    /** What a day of the schedule calls. */
    const day = async () => {
      const from = await count("net.requests");
      for (let quarter = 0; quarter < 4 * 24; quarter++) await runCommand("clerk-sync-sweep");
      await runCommand("clerk-sync-compare");
      await runCommand("clerk-sync-process");
      return (await count("net.requests")) - from;
    };
    expect(await day()).toBe(97);
    await one("select clerk_sync_beat('processor', now(), false)");
    expect(await day()).toBe(0);
    await enqueue("keyless");
    await runCommand();
    expect(await count("net.requests")).toBe(before + 98); // due work is called for all the same
    await one("select clerk_sync_run_jobs()");
    expect(await day()).toBe(0);
    await one("select clerk_sync_run_jobs(p_can_read => true)"); // the webhook's function, which drains the queue itself
    expect(await day()).toBe(97);
    await one("select clerk_sync_beat('processor', now(), false)");
    await one("select clerk_sync_beat('processor', now(), true)");
    expect(await day()).toBe(97);
    await enqueue("again");
  });

  it("an incident that somebody is to be told of is a call although nothing is due, until it is told", async () => {
    await one("select clerk_sync_run_jobs()");
    await runCommand();
    const before = await count("net.requests");
    await client.query(
      `insert into clerk_sync.incidents (code, status, what, remedy, since, first_seen_at, last_seen_at, opened_at)
       values ('drift', 'degraded', '-', '-', now(), now(), now(), now());
       insert into clerk_sync.alert_targets values ('slack', now());
       update clerk_sync.incident_check set checked_at = null`,
    );
    await runCommand();
    expect(await count("net.requests")).toBe(before + 1);
    await client.query("update clerk_sync.notices set sent_at = now()");
    await runCommand();
    expect(await count("net.requests")).toBe(before + 1);
    await enqueue("after_alert");
  });

  it("the look through the queue runs where pg_cron runs it", async () => {
    await runCommand("clerk-sync-audit");
  });

  it("pg_cron runs it by itself, at the latest at the next minute", async () => {
    expect((await state()).last_run).toMatchObject({ active: true });
    const before = await count("net.requests");
    await expect.poll(() => count("net.requests"), { interval: 500 }).toBeGreaterThan(before);
    expect(await count("cron.job_run_details where status = 'failed'")).toBe(0);
    await expect
      .poll(async () => (await state()).last_run)
      .toMatchObject({ schedule: "* * * * *", status: "succeeded", at: expect.any(String) });
    await one("select clerk_sync_run_jobs()");
  });

  it("an expired lease and a refresh that is due are work, a lease that runs is not", async () => {
    const hasWork = async (later = "0") =>
      (await one(`select clerk_sync.has_work(now() + interval '${later} seconds') as work`)).work;
    await enqueue("leased");
    await one("select clerk_sync_run_jobs(10, 60)");
    expect([await hasWork(), await hasWork("70")]).toEqual([false, true]);
    await client.query("update job_queue set status = 'COMPLETED' where status = 'PROCESSING'");
    expect(await hasWork("70")).toBe(false);
    await one("select clerk_sync_request_refresh(array['user_leased'])");
    expect(await hasWork("70")).toBe(true);
    expect(await hasWork("700")).toBe(false); // nobody here has a CLERK_SECRET_KEY
  });

  it("a run that nobody has in hand is work, for ten minutes at least and not for ever; a dry one is not", async () => {
    await client.query("update clerk_sync.records set refresh_due_at = null");
    const hasWork = async (later = "0") =>
      (await one(`select clerk_sync.has_work(now() + interval '${later} seconds') as work`)).work;
    await one("select clerk_sync_take_run('compare', true)");
    expect([await hasWork(), await hasWork("70"), await hasWork("700")]).toEqual([false, true, false]);
    await client.query("update clerk_sync.sync_runs set applies = false");
    expect(await hasWork("70")).toBe(false);
    await one("select clerk_sync_cancel_run()");
  });

  it("the processor is told which run to start, whether anything is due or not", async () => {
    await client.query("truncate net.requests");
    const command = (await one("select command from cron.job where jobname = 'clerk-sync-compare'")).command as string;
    await one(command);
    expect(await one("select body from net.requests")).toEqual({ body: { source: "schedule", work: "compare" } });
  });

  it("the schedule can be taken away", async () => {
    expect(await one("select clerk_sync_unschedule() as n")).toEqual({ n: 7 });
    expect(await count("cron.job")).toBe(0);
  });
});
