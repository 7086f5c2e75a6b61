import { z } from "zod";
import type { Finding } from "./finding.ts";

const answerSchema = z.object({
  called_at: z.string(),
  status: z.number().nullable(),
  timed_out: z.boolean(),
  error: z.string().nullable(),
});

/** As clerk_sync_schedule_state answers it. */
export const scheduleSchema = z.object({
  cron: z.boolean(),
  net: z.boolean(),
  vault: z.boolean(),
  project_url: z.boolean(),
  processor_secret: z.boolean(),
  scheduled: z.boolean(),
  last_run: z
    .object({
      schedule: z.string(),
      active: z.boolean(),
      at: z.string().nullable(),
      status: z.string().nullable(),
      message: z.string().nullable(),
    })
    .nullable(),
  answers: z.array(answerSchema),
  now: z.string(),
  due_since: z.string().nullable(),
  last_done_at: z.string().nullable(),
});

export type Schedule = z.infer<typeof scheduleSchema>;

const check = "schedule";
/** A run may begin late by as much; pg_cron starts one when the one before has ended. */
const patienceMilliseconds = 60_000;
const longestWaitMilliseconds = 120_000;

/** Whether the schedule is set up, runs, and reaches the processor; and whether anybody does the work. */
export function explainSchedule(state: Schedule, isHosted: boolean): Finding[] {
  return [
    explainSetUp(state, isHosted) ?? explainRun(state) ?? explainAnswer(state) ?? healthy(state),
    explainQueue(state),
  ];
}

function healthy({ last_run, now }: Schedule): Finding {
  const seconds = Math.round((Date.parse(now) - Date.parse(last_run?.at ?? now)) / 1000);
  return { check, state: "ok", what: `set up; pg_cron ran it ${seconds} s ago` };
}

function explainNoCron(isHosted: boolean): Finding {
  const what = "there is no pg_cron in this database";
  if (isHosted) {
    const remedy = "Enable pg_cron and pg_net (Database, Extensions), then: select clerk_sync_schedule();";
    return { check, state: "warning", what, remedy };
  }
  const remedy =
    "On Supabase enable pg_cron and pg_net and run the migrations again. With a Node server it is not needed.";
  return { check, state: "skipped", what, remedy };
}

function explainSetUp(state: Schedule, isHosted: boolean): Finding | null {
  if (!state.cron) return explainNoCron(isHosted);
  const missing = [
    state.net ? null : "pg_net",
    state.project_url ? null : "Vault secret clerk_sync_project_url",
    state.processor_secret ? null : "Vault secret clerk_sync_processor_secret",
    state.scheduled && state.last_run?.active ? null : "the entries in cron.job",
  ].filter((name) => name !== null);
  if (missing.length === 0) return null;
  const remedy =
    "select vault.create_secret('…', '<name>'); then select clerk_sync_schedule(); retries wait until then.";
  return { check, state: "warning", what: `missing: ${missing.join(", ")}`, remedy };
}

/** How often pg_cron is to run it, in ms; null when its schedule is none of ours. */
function periodOf(schedule: string): number | null {
  const seconds = /^(\d+) seconds?$/.exec(schedule)?.[1];
  if (seconds !== undefined) return Number(seconds) * 1000;
  return schedule === "* * * * *" ? 60_000 : null;
}

function explainRun({ last_run, now }: Schedule): Finding | null {
  if (last_run?.at === null || last_run?.at === undefined) {
    const remedy =
      "A minute after it was set up it must have run. Then look at cron.job, cron.job_run_details and the log.";
    return { check, state: "warning", what: "pg_cron has not run it yet, or keeps no record (cron.log_run)", remedy };
  }
  if (last_run.status === "failed") {
    const remedy = "select * from cron.job_run_details order by runid desc limit 10 shows more of them.";
    return { check, state: "failed", what: `the last run of pg_cron failed: ${last_run.message}`, remedy };
  }
  const period = periodOf(last_run.schedule);
  const late = Date.parse(now) - Date.parse(last_run.at) - (period ?? 0);
  if (period === null || late <= patienceMilliseconds) return null;
  const remedy = "pg_cron stands still: restart the database (Supabase: Settings, General), or look at its log.";
  return {
    check,
    state: "failed",
    what: `pg_cron is ${Math.round(late / 1000)} s late; it ran last at ${last_run.at}`,
    remedy,
  };
}

const answerRemedies: Readonly<Record<number, string>> = {
  401: "The Vault's clerk_sync_processor_secret is not the function's PROCESSOR_SECRET: vault.update_secret(id, '…').",
  404: "Run: npx supabase functions deploy user-job-processor --no-verify-jwt; and is clerk_sync_project_url right?",
};

/** What the processor said to the newest call of the schedule; older ones may be from before it was mended. */
function explainAnswer({ answers: [newest] }: Schedule): Finding | null {
  if (newest === undefined || newest.status === 200) return null;
  if (newest.timed_out || newest.status === null) {
    const remedy = "Is clerk_sync_project_url right, and does the processor answer? Look at the function's log.";
    return { check, state: "failed", what: `the call of the processor ${newest.error ?? "got no answer"}`, remedy };
  }
  const remedy = answerRemedies[newest.status] ?? "Look at the log of user-job-processor.";
  return { check, state: "failed", what: `the processor answers ${newest.status} to the schedule`, remedy };
}

function explainQueue({ due_since, last_done_at, now }: Schedule): Finding {
  const waited = Date.parse(now) - Date.parse(due_since ?? now);
  if (waited <= longestWaitMilliseconds) return { check: "queue", state: "ok", what: "nothing waits for a worker" };
  const what = `something is due since ${due_since}`;
  if (last_done_at !== null && Date.parse(now) - Date.parse(last_done_at) <= longestWaitMilliseconds) {
    const remedy = "It is worked through, but slowly: wait, or raise how often the schedule runs.";
    return { check: "queue", state: "warning", what: `${what}; jobs are being done`, remedy };
  }
  const remedy =
    "Is the schedule running, or the worker of your server? `clerk-sync verify` shows where an event stops.";
  return { check: "queue", state: "failed", what: `${what}, and nobody takes it`, remedy };
}
