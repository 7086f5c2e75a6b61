import { expect, test } from "vitest";
import { explainSchedule, type Schedule } from "./check-schedule.ts";

const now = "2026-01-01T12:00:00Z";
const ago = (seconds: number) => new Date(Date.parse(now) - seconds * 1000).toISOString();
const run = { schedule: "10 seconds", active: true, at: ago(5), status: "succeeded", message: "1 row" };
const answer = { called_at: ago(5), status: 200, timed_out: false, error: null };
const healthy: Schedule = {
  cron: true,
  net: true,
  vault: true,
  project_url: true,
  processor_secret: true,
  scheduled: true,
  last_run: run,
  answers: [answer],
  now,
  due_since: null,
  last_done_at: null,
};

const explain = (changes: Partial<Schedule>, isHosted = false) => explainSchedule({ ...healthy, ...changes }, isHosted);

test("a schedule that runs and is answered is well, and so is an idle queue", () => {
  expect(explain({})).toEqual([
    { check: "schedule", state: "ok", what: "set up; pg_cron ran it 5 s ago" },
    { check: "queue", state: "ok", what: "nothing waits for a worker" },
  ]);
});

test.each<[string, Partial<Schedule>, string, string]>([
  ["no pg_cron", { cron: false, last_run: null }, "skipped", "no pg_cron"],
  ["a secret that is missing", { processor_secret: false }, "warning", "clerk_sync_processor_secret"],
  ["an entry that is turned off", { last_run: { ...run, active: false } }, "warning", "cron.job"],
  ["an entry that never ran", { last_run: { ...run, at: null, status: null } }, "warning", "not run it yet"],
  ["a run that failed", { last_run: { ...run, status: "failed", message: "no function" } }, "failed", "no function"],
  ["a pg_cron that stands still", { last_run: { ...run, at: ago(75) } }, "failed", "65 s late"],
  ["another secret in the Vault", { answers: [{ ...answer, status: 401 }, answer] }, "failed", "401"],
  ["a function that is not deployed", { answers: [{ ...answer, status: 404 }] }, "failed", "404"],
  [
    "a processor that takes too long",
    { answers: [{ ...answer, status: null, timed_out: true, error: "Timeout of 60000 ms reached" }] },
    "failed",
    "Timeout of 60000 ms",
  ],
])("%s", (_, changes, state, words) => {
  expect(explain(changes)[0]).toMatchObject({
    check: "schedule",
    state,
    what: expect.stringContaining(words),
    remedy: expect.any(String),
  });
});

test("no pg_cron is a warning on Supabase, where the schedule does the retries", () => {
  expect(explain({ cron: false, last_run: null }, true)[0]).toMatchObject({
    state: "warning",
    remedy: "Enable pg_cron and pg_net (Database, Extensions), then: select clerk_sync_schedule();",
  });
});

test("a call that failed before the newest one is mended, and a schedule of every minute is late after two", () => {
  expect(explain({ answers: [answer, { ...answer, status: 401 }] })[0]?.state).toBe("ok");
  const everyMinute = { ...run, schedule: "* * * * *" };
  expect(explain({ last_run: { ...everyMinute, at: ago(115) } })[0]?.state).toBe("ok");
  expect(explain({ last_run: { ...everyMinute, at: ago(125) } })[0]?.state).toBe("failed");
  expect(explain({ last_run: { ...run, schedule: "0 3 * * *", at: ago(9000) } })[0]?.state).toBe("ok");
});

test.each<[string, Partial<Schedule>, string]>([
  ["two minutes", { due_since: ago(119) }, "ok"],
  ["longer, and nobody takes it", { due_since: ago(121) }, "failed"],
  ["longer, since the last job was done long ago", { due_since: ago(500), last_done_at: ago(400) }, "failed"],
  ["longer, while others are done", { due_since: ago(500), last_done_at: ago(3) }, "warning"],
])("what is due for %s", (_, changes, state) => {
  expect(explain(changes)[1]).toMatchObject({ check: "queue", state });
});
