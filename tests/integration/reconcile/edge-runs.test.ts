import { afterAll, beforeAll, expect, it } from "vitest";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { makeUsers } from "../../support/clerk/make-users.ts";
import { type DenoFunction, startDenoFunction } from "../../support/processes/deno-function.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";

let clerk: ClerkStandIn;
let supabase: SupabaseStandIn;
let processor: DenoFunction;
beforeAll(async () => {
  clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in" });
  supabase = await startSupabaseStandIn();
  processor = await startDenoFunction("user-job-processor", {
    SUPABASE_URL: supabase.url,
    SUPABASE_SERVICE_ROLE_KEY: supabase.keys.secret,
    CLERK_SECRET_KEY: clerk.secretKey,
    CLERK_API_URL: clerk.url,
  });
});
afterAll(async () => {
  await processor?.stop();
  await supabase?.stop();
  await clerk?.stop();
});

function callProcessor(body: unknown): Promise<Response> {
  return fetch(processor.url, {
    method: "POST",
    headers: { apikey: supabase.keys.secret, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

it("under Deno the processor walks a run with its jobs in between, and repeats requests that fail", async () => {
  clerk.users.fill(makeUsers(1100));
  clerk.failNext({ status: 502, body: "<html>" });
  expect(await (await callProcessor({ work: "backfill" })).json()).toMatchObject({ processed: 1100, completed: 1100 });
  expect((await supabase.one("select clerk_sync_admin_runs(null, 1) -> 'runs' as runs"))?.["runs"]).toMatchObject([
    { kind: "backfill", status: "COMPLETED", counts: { read: 1100, users_here: 1100 } },
  ]);
});

it("under Deno the schedule's compare finds a row that was spoiled, and mends it", async () => {
  await supabase.pool.query("update users set email = null where clerk_id = 'user_0000007'");
  expect((await callProcessor({ source: "schedule", work: "compare" })).status).toBe(200);
  expect(await supabase.user("user_0000007")).toMatchObject({ email: "user_0000007@example.com" });
});

it("under Deno the schedule's compare finds a user whom somebody deleted in Supabase Auth, and mends that", async () => {
  const gone = "from auth.users where email = 'user_0000003@example.com'";
  await supabase.pool.query(`delete ${gone}`);
  expect(await (await callProcessor({ source: "schedule", work: "compare" })).json()).toMatchObject({ completed: 1 });
  expect(await supabase.one(`select 1 as found ${gone}`)).toEqual({ found: 1 });
});

it.each(["", "not json", '{"work":"everything"}'])("a body of %j is a call like any other", async (body) => {
  const response = await fetch(processor.url, { method: "POST", headers: { apikey: supabase.keys.secret }, body });
  expect(await response.json()).toMatchObject({ success: true, message: "No pending jobs" });
});
