import { afterAll, beforeAll, expect, it } from "vitest";
import { type DenoFunction, startDenoFunction } from "../../support/processes/deno-function.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";
import { type AlertReceiver, startAlertReceiver } from "../../support/systems/alert-receiver.ts";

let receiver: AlertReceiver;
let supabase: SupabaseStandIn;
let processor: DenoFunction;
beforeAll(async () => {
  receiver = await startAlertReceiver();
  supabase = await startSupabaseStandIn();
  processor = await startDenoFunction("user-job-processor", {
    SUPABASE_URL: supabase.url,
    SUPABASE_SERVICE_ROLE_KEY: supabase.keys.secret,
    AUTH_MIRROR: "off",
    ALERT_SLACK_URL: `${receiver.url}/slack`,
    ADMIN_URL: "https://sync.example.com/admin",
  });
});
afterAll(async () => {
  await processor?.stop();
  await supabase?.stop();
  await receiver?.stop();
});

const callProcessor = async () =>
  (await fetch(processor.url, { method: "POST", headers: { apikey: supabase.keys.secret } })).status;
const told = () => receiver.received.map(({ body }) => String(body["text"]).split(".")[0]);
/** As the schedule asks, some minutes ago. */
const isDue = async (minutesAgo: number) =>
  (await supabase.one("select clerk_sync.alerts_due(now() - make_interval(mins => $1)) as due", [minutesAgo]))?.["due"];

it("under Deno the processor tells of an incident once, and once of its end", async () => {
  await supabase.pool.query("insert into job_queue (job_type, status) values ('USER_UPDATED', 'DEAD')");
  await isDue(20);
  expect([await callProcessor(), await callProcessor()]).toEqual([200, 200]);
  expect(told()).toEqual(["User sync degraded: dead_letters"]);
  expect(receiver.received[0]?.text).toContain("<https://sync.example.com/admin|Open the admin page>");
  await supabase.pool.query(
    "delete from job_queue; update clerk_sync.incidents set absent_since = now() - interval '6 minutes'",
  );
  await supabase.pool.query("update clerk_sync.incident_check set checked_at = null");
  expect([await callProcessor(), await callProcessor()]).toEqual([200, 200]);
  expect(told()).toEqual(["User sync degraded: dead_letters", "User sync: over: dead_letters"]);
});

it("under Deno a queue that cannot be worked on is told of all the same", async () => {
  receiver.received.splice(0);
  await supabase.pool.query("alter function clerk_sync_run_jobs rename to clerk_sync_run_jobs_gone");
  await supabase.pool.query(
    "insert into job_queue (job_type, run_at) values ('USER_UPDATED', now() - interval '1 hour')",
  );
  await supabase.pool.query("update clerk_sync.incident_check set checked_at = null");
  await isDue(2);
  expect(await callProcessor()).toBe(503);
  expect(told().sort()).toEqual(["User sync compromised: objects_missing", "User sync compromised: queue_late"]);
  expect(receiver.received.map(({ text }) => text).join()).toContain("function public.clerk_sync_run_jobs(");
});
