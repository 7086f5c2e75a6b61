import { afterAll, beforeAll, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { type DenoFunction, startDenoFunction } from "../../support/processes/deno-function.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

const webhookSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";

let supabase: SupabaseStandIn;
let webhook: DenoFunction;
let processors: DenoFunction[];

beforeAll(async () => {
  supabase = await startSupabaseStandIn();
  const { secret, serviceRoleJwt } = supabase.keys;
  const processor = { SUPABASE_URL: supabase.url, PROCESSOR_SECRET: "0123456789abcdef" };
  webhook = await startDenoFunction("clerk-webhook", {
    SUPABASE_URL: supabase.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: secret }),
    CLERK_WEBHOOK_SECRET: webhookSecret,
  });
  processors = await Promise.all([
    startDenoFunction("user-job-processor", {
      ...processor,
      SUPABASE_SECRET_KEYS: JSON.stringify({ other: "sb_secret_of_something_else", default: secret }),
    }),
    startDenoFunction("user-job-processor", { ...processor, SUPABASE_SERVICE_ROLE_KEY: serviceRoleJwt }),
  ]);
});
afterAll(async () => {
  await webhook?.stop();
  await Promise.all((processors ?? []).map((processor) => processor.stop()));
  await supabase?.stop();
});

// Before any webhook: its drain in the background would take the job.
it.each([
  ["the default of SUPABASE_SECRET_KEYS", 0],
  ["the legacy SUPABASE_SERVICE_ROLE_KEY", 1],
])("under Deno the processor works through what is due with %s", async (_title, place) => {
  const id = `user_deno_${place}`;
  await supabase.send(userEvent("user.created", { id, version: 1 }));
  const response = await fetch(processors[place]?.url ?? "", {
    method: "POST",
    headers: { authorization: "Bearer 0123456789abcdef" },
  });
  expect(await response.json()).toMatchObject({ success: true, processed: 1, completed: 1, failed: 0, dead: 0 });
  expect(await supabase.user(id)).toMatchObject({ name: "Ada Lovelace" });
  expect(await supabase.one("select email from auth.users where id = $1", [authUserIdOf(id)])).toEqual({
    email: `${id}@example.com`,
  });
});

it.each([
  ["the secret key as apikey", 0, () => ({ apikey: supabase.keys.secret }), 200],
  ["the legacy key as Bearer", 1, () => ({ authorization: `Bearer ${supabase.keys.serviceRoleJwt}` }), 200],
  ["the publishable key", 0, () => ({ apikey: supabase.keys.publishable }), 401],
  ["the legacy anon key", 1, () => ({ authorization: `Bearer ${supabase.keys.anonJwt}` }), 401],
  ["no key", 0, () => ({}), 401],
])("under Deno a call of the processor with %s", async (_title, place, headers, status) => {
  const response = await fetch(processors[place]?.url ?? "", { method: "POST", headers: headers() });
  expect(response.status).toBe(status);
});

it("under Deno an event goes from the signed request to the row and the Auth user, without any schedule", async () => {
  const target = { url: webhook.url, webhookSecret };
  const event = userEvent("user.created", { id: "user_alone", version: 1 });
  expect(await postEvent(target, event, "msg_alone")).toMatchObject({
    status: 202,
    body: { success: true, message: "User creation job queued" },
  });
  await expect.poll(async () => (await supabase.job("msg_alone")).status).toBe("COMPLETED");
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
  await expect.poll(count).toBe(40);
});

it("under Deno a wrong signature is 401", async () => {
  const target = { url: webhook.url, webhookSecret: `whsec_${btoa("another secret of ours")}` };
  expect(await postEvent(target, userEvent("user.created", { id: "user_x", version: 1 }))).toMatchObject({
    status: 401,
  });
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
