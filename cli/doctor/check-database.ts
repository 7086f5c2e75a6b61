import { z } from "zod";
import { errorMessage } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";

type Rest = { baseUrl: string; secretKey: string };
type Io = Pick<CommandIo, "fetch">;

const timeoutMilliseconds = 15_000;

const scheduleSchema = z.object({
  cron: z.boolean(),
  net: z.boolean(),
  vault: z.boolean(),
  project_url: z.boolean(),
  processor_secret: z.boolean(),
  scheduled: z.boolean(),
});
const brakeSchema = z.object({ engaged_at: z.string().nullable(), reason: z.string().nullable(), waiting: z.number() });

/** Asks the database, through its API, for schema, schedule, delete brake and dead letters. */
export async function checkDatabase(rest: Rest | null, io: Io): Promise<Finding[]> {
  if (rest === null) {
    const remedy = "Pass --secret-key to have database, schedule and queue looked at.";
    return [{ check: "database", state: "skipped", what: "no secret key is known for this address", remedy }];
  }
  const schedule = await call(rest, "clerk_sync_schedule_state", {}, scheduleSchema, io);
  if ("finding" in schedule) return [schedule.finding];
  const brake = await call(rest, "clerk_sync_delete_brake", {}, brakeSchema, io);
  const dead = await call(rest, "clerk_sync_count_jobs", { p_filter: { status: "DEAD" } }, z.number(), io);
  return [
    { check: "database", state: "ok", what: "reached; the migrations are applied" },
    explainSchedule(schedule.value),
    "finding" in brake ? brake.finding : explainBrake(brake.value),
    "finding" in dead ? dead.finding : explainDead(dead.value),
  ];
}

async function call<Value>(
  { baseUrl, secretKey }: Rest,
  name: string,
  args: object,
  schema: z.ZodType<Value>,
  io: Io,
): Promise<{ value: Value } | { finding: Finding }> {
  try {
    const response = await io.fetch(`${baseUrl}/rest/v1/rpc/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json", apikey: secretKey },
      body: JSON.stringify(args),
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    if (!response.ok) return { finding: explainRefusal(name, response.status) };
    return { value: schema.parse(await response.json()) };
  } catch (error) {
    return { finding: { check: "database", state: "failed", what: `${name}: ${errorMessage(error)}` } };
  }
}

const refusals: Readonly<Record<number, { what: string; remedy: string }>> = {
  401: { what: "the secret key is refused", remedy: "Take sb_secret_… or the service role key of this project." },
  403: { what: "the key may not call the functions", remedy: "Take the secret key, not the publishable or anon key." },
  404: { what: "the functions are missing", remedy: "Apply the migrations: supabase db push." },
};

function explainRefusal(name: string, status: number): Finding {
  const known = refusals[status] ?? { what: `${name} answers ${status}`, remedy: "Look at the log of the API." };
  return { check: "database", state: "failed", ...known };
}

function explainSchedule(state: z.infer<typeof scheduleSchema>): Finding {
  const check = "schedule";
  if (!state.cron) {
    const remedy =
      "On Supabase enable pg_cron and pg_net and run the migrations again. With a Node server it is not needed.";
    return { check, state: "skipped", what: "there is no pg_cron in this database", remedy };
  }
  const missing = [
    state.net ? null : "pg_net",
    state.project_url ? null : "Vault secret clerk_sync_project_url",
    state.processor_secret ? null : "Vault secret clerk_sync_processor_secret",
    state.scheduled ? null : "the entries in cron.job",
  ].filter((name) => name !== null);
  if (missing.length === 0) return { check, state: "ok", what: "set up" };
  const remedy =
    "select vault.create_secret('…', '<name>'); then select clerk_sync_schedule(); retries wait until then.";
  return { check, state: "warning", what: `missing: ${missing.join(", ")}`, remedy };
}

function explainBrake({ engaged_at, reason, waiting }: z.infer<typeof brakeSchema>): Finding {
  const check = "delete brake";
  if (engaged_at === null) return { check, state: "ok", what: "off" };
  const remedy = "select clerk_sync_release_delete_brake('apply') if they are meant, 'cancel' if not.";
  return { check, state: "warning", what: `${waiting} deletions wait since ${engaged_at}: ${reason}`, remedy };
}

function explainDead(count: number): Finding {
  const check = "dead letters";
  if (count === 0) return { check, state: "ok", what: "none" };
  const remedy =
    "select error, count(*) from job_queue where status = 'DEAD' group by error; then clerk_sync_retry_matching_jobs.";
  return { check, state: "warning", what: `${count} jobs gave up and wait for a person`, remedy };
}
