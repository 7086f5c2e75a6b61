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

// Before any webhook: its drain in the background would take the job.
it("under Deno the processor works through what is due", async () => {
  await supabase.send(userEvent("user.created", { id: "user_deno", version: 1 }), "msg_deno");
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

it("under Deno an event goes from the signed request to the row and the Auth user, without any schedule", async () => {
  const target = { url: webhook.url, webhookSecret };
  const event = userEvent("user.created", { id: "user_alone", version: 1 });
  expect(await postEvent(target, event, "msg_alone")).toMatchObject({
    status: 202,
    body: { success: true, message: "User creation job queued" },
  });
  await expect.poll(async () => (await supabase.job("msg_alone")).status, { timeout: 15_000 }).toBe("COMPLETED");
  expect(await supabase.user("user_alone")).toMatchObject({ name: "Ada Lovelace" });
  expect(await supabase.one("select email from auth.users where id = $1", [authUserIdOf("user_alone")])).toEqual({
    email: "user_alone@example.com",
  });
});

it("under Deno a burst of events is in the rows soon after it was answered", async () => {
  const target = { url: webhook.url, webhookSecret };
  const send = (_: unknown, place: number) =>
    postEvent(target, userEvent("user.created", { id: `user_burst_${place}`, version: 1 }));
  const answers = await Promise.all(Array.from({ length: 40 }, send));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
  const count = async () =>
    (await supabase.one("select count(*)::int as n from users where clerk_id like 'user_burst_%'"))?.["n"];
  await expect.poll(count, { timeout: 15_000 }).toBe(40);
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
