import { afterAll, beforeAll, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror-user.ts";
import { userEvent } from "../support/build-event.ts";
import { type DenoFunction, startDenoFunction } from "../support/deno-function.ts";
import { postEvent } from "../support/post-event.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../support/supabase-stand-in.ts";

const webhookSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";

let supabase: SupabaseStandIn;
let webhook: DenoFunction;
let processor: DenoFunction;

beforeAll(async () => {
  supabase = await startSupabaseStandIn();
  const keys = { SUPABASE_URL: supabase.url, SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.secretKey }) };
  webhook = await startDenoFunction("clerk-webhook", { ...keys, CLERK_WEBHOOK_SECRET: webhookSecret });
  processor = await startDenoFunction("user-job-processor", {
    SUPABASE_URL: supabase.url,
    SUPABASE_SERVICE_ROLE_KEY: supabase.secretKey, // the legacy name works as well
    PROCESSOR_SECRET: "0123456789abcdef",
  });
});
afterAll(async () => {
  await webhook?.stop();
  await processor?.stop();
  await supabase?.stop();
});

it("under Deno an event goes from the signed request to the row and the Auth user", async () => {
  const target = { url: webhook.url, webhookSecret };
  expect(await postEvent(target, userEvent("user.created", { id: "user_deno", version: 1 }), "msg_deno")).toMatchObject(
    {
      status: 202,
      body: { success: true, message: "User creation job queued" },
    },
  );
  expect(await supabase.job("msg_deno")).toMatchObject({ status: "PENDING" });
  const response = await fetch(processor.url, {
    method: "POST",
    headers: { authorization: "Bearer 0123456789abcdef" },
  });
  expect(await response.json()).toMatchObject({ success: true, processed: 1, completed: 1, failed: 0, dead: 0 });
  expect(await supabase.user("user_deno")).toMatchObject({ name: "Ada Lovelace" });
  expect(await supabase.one("select email from auth.users where id = $1", [authUserIdOf("user_deno")])).toEqual({
    email: "user_deno@example.com",
  });
});

it("under Deno a wrong signature is 401 and a call of the processor without a key too", async () => {
  const target = { url: webhook.url, webhookSecret: `whsec_${btoa("another secret of ours")}` };
  expect(await postEvent(target, userEvent("user.created", { id: "user_x", version: 1 }))).toMatchObject({
    status: 401,
  });
  expect((await fetch(processor.url, { method: "POST" })).status).toBe(401);
});

it("under Deno a database that cannot be reached is 503", async () => {
  const lost = await startDenoFunction("clerk-webhook", {
    SUPABASE_URL: "http://127.0.0.1:1",
    SUPABASE_SERVICE_ROLE_KEY: "key",
    CLERK_WEBHOOK_SIGNING_SECRET: webhookSecret,
  });
  const answer = await postEvent(
    { url: lost.url, webhookSecret },
    userEvent("user.created", { id: "user_x", version: 1 }),
  );
  await lost.stop();
  expect(answer).toMatchObject({ status: 503, body: { error: "Failed to queue user creation" } });
});

it("a function without its configuration does not boot and says every reason", async () => {
  await expect(startDenoFunction("clerk-webhook", { CLERK_WEBHOOK_SECRET: "nonsense" })).rejects.toThrow(
    /CLERK_WEBHOOK_SECRET/,
  );
});
