import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { startDenoFunction } from "../../support/processes/deno-function.ts";
import { startTestServer } from "../../support/processes/test-server.ts";
import { startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";

let clerk: ClerkStandIn;
beforeAll(async () => {
  clerk = await startClerkStandIn();
});
afterAll(() => clerk?.stop());
beforeEach(() => clerk.users.clear());

describe("the call that the schedule makes", () => {
  const environment = () => ({ CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.url });
  const call = (url: string, key: string) =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: '{"source": "schedule", "work": "sweep"}',
    });
  const checked = `select f.s ->> 'checked_at' is not null as checked, f.s ->> 'error' as error, f.s ->> 'users_at_clerk' as users_at_clerk
    from (select clerk_sync_health() #> '{facts,silence}' as s) as f`;

  it("has the processor look for silence under Deno", async () => {
    const supabase = await startSupabaseStandIn();
    const processor = await startDenoFunction("user-job-processor", {
      SUPABASE_URL: supabase.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.keys.secret }),
      ...environment(),
    });
    clerk.users.set("user_1", userEvent("user.created", { id: "user_1", version: 1 }).data);
    const { status } = await call(processor.url, supabase.keys.secret);
    await processor.stop();
    const found = await supabase.one(checked);
    const heartbeats = await supabase.one("select name from clerk_sync.heartbeats");
    await supabase.stop();
    expect([status, found]).toEqual([200, { checked: true, error: null, users_at_clerk: "1" }]);
    expect(heartbeats).toEqual({ name: "processor" });
  });

  it("has the Node server look for silence", async () => {
    const server = await startTestServer(environment());
    const { status } = await call(`${server.settings.url}/functions/v1/user-job-processor`, server.settings.secretKey);
    const found = await server.one(checked);
    await server.stop();
    expect([status, found]).toEqual([200, { checked: true, error: null, users_at_clerk: "0" }]);
  });
});
