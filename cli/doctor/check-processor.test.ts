import { expect, test } from "vitest";
import { checkProcessor } from "./check-processor.ts";

const webhookUrl = "https://abcd.supabase.co/functions/v1/clerk-webhook";
const ours = JSON.stringify({ error: "Send the project's secret key …", code: "caller_unauthorized" });

test.each([
  ["our refusal", new Response(ours, { status: 401 }), "ok", "reached"],
  [
    "verify_jwt",
    new Response('{"code":401,"message":"Missing authorization header"}', { status: 401 }),
    "failed",
    "401",
  ],
  ["no function", new Response("", { status: 404 }), "failed", "404"],
  ["a function that does not boot", new Response("", { status: 503 }), "failed", "503"],
  ["a processor that works for anybody", new Response("{}", { status: 200 }), "failed", "200"],
])("%s", async (_, response, state, words) => {
  const finding = await checkProcessor(webhookUrl, { fetch: async () => response });
  expect(finding).toMatchObject({ check: "processor", state, what: expect.stringContaining(words) });
});

test("it is called beside the webhook, by POST and without a key", async () => {
  const requests: Request[] = [];
  const fetch: typeof globalThis.fetch = async (...args) => {
    requests.push(new Request(...args));
    return new Response(ours, { status: 401 });
  };
  await checkProcessor(webhookUrl, { fetch });
  expect(requests.map(({ method, url, headers }) => [method, url, headers.get("apikey")])).toEqual([
    ["POST", "https://abcd.supabase.co/functions/v1/user-job-processor", null],
  ]);
});

test("a webhook at a path of its own tells nothing of the processor", async () => {
  const fetch = () => Promise.reject(new Error("must not be called"));
  expect(await checkProcessor("https://app.example.com/hook", { fetch })).toMatchObject({ state: "skipped" });
});

test("a processor that nobody answers for is a failure", async () => {
  const fetch = () => Promise.reject(new Error("ECONNREFUSED"));
  expect(await checkProcessor(webhookUrl, { fetch })).toMatchObject({ state: "failed", what: "ECONNREFUSED" });
});
