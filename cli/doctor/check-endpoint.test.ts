import { expect, test } from "vitest";
import { checkEndpoint } from "./check-endpoint.ts";

const endpoint = {
  webhookUrl: "https://app.example.com/hook",
  webhookSecret: `whsec_${btoa("the right secret")}` as string | null,
  secretName: "--secret",
};
const now = Date.parse("2026-01-01T00:00:00Z");
const clock = { now: () => now, sleep: async () => undefined };
const invalid = JSON.stringify({ error: "Invalid signature" });

type Answers = { unsigned?: Response; wrong?: Response; right?: Response };

/** A webhook that answers as told; by itself as ours does. */
function check({ unsigned, wrong, right }: Answers, webhookSecret = endpoint.webhookSecret) {
  const headers = { date: new Date(now).toUTCString() };
  const answers = [
    unsigned ?? new Response(invalid, { status: 401, headers }),
    wrong ?? new Response(invalid, { status: 401 }),
    right ?? new Response("{}", { status: 200 }),
  ];
  const fetch = async () => answers.shift() ?? new Response(null, { status: 500 });
  return checkEndpoint({ ...endpoint, webhookSecret }, { fetch, clock });
}

test("a webhook as it should be is well in every check", async () => {
  expect((await check({})).map(({ check, state }) => [check, state])).toEqual([
    ["endpoint", "ok"],
    ["signature", "ok"],
    ["secret", "ok"],
    ["clock", "ok"],
  ]);
});

test.each([
  ["a redirect", new Response(null, { status: 307, headers: { location: "https://www.example.com/hook" } }), "307"],
  ["no route", new Response("", { status: 404 }), "404"],
  ["a webhook without its secret", new Response('{"error":"The webhook is off: …"}', { status: 503 }), "is off"],
  [
    "verify_jwt or a session middleware",
    new Response('{"msg":"Missing authorization header"}', { status: 401 }),
    "401",
  ],
  ["a page", new Response("<html>", { status: 200 }), "200"],
])("%s is the one finding, with its remedy", async (_, unsigned, words) => {
  const findings = await check({ unsigned });
  expect(findings).toMatchObject([{ check: "endpoint", state: "failed", remedy: expect.any(String) }]);
  expect(findings[0]?.what).toContain(words);
});

test("an endpoint that believes a wrong signature is a failure", async () => {
  expect(await check({ wrong: new Response("{}", { status: 202 }) })).toContainEqual(
    expect.objectContaining({ check: "signature", state: "failed" }),
  );
});

test("a secret of another endpoint is a failure that says where to copy it", async () => {
  const findings = await check({ right: new Response(invalid, { status: 401 }) });
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: "secret",
      state: "failed",
      remedy: expect.stringMatching(/Signing Secret.*the server's CLERK_WEBHOOK_SECRET/),
    }),
  );
});

test.each([
  ["no secret", null, "skipped", "no signing secret is known for this address"],
  ["a placeholder", "whsec_…", "failed", "--secret is not whsec_ followed by base64"],
])("with %s everything but the secret is looked at", async (_, secret, state, what) => {
  const findings = await check({}, secret);
  expect(findings.map(({ check }) => check)).toEqual(["endpoint", "signature", "secret", "clock"]);
  expect(findings.filter((finding) => finding.state !== "ok")).toMatchObject([{ check: "secret", state, what }]);
});

test.each([
  [30, "ok"],
  [-120, "warning"],
  [400, "failed"],
])("clocks that are %i s apart are %s", async (seconds, state) => {
  const headers = { date: new Date(now + seconds * 1000).toUTCString() };
  const findings = await check({ unsigned: new Response(invalid, { status: 401, headers }) });
  expect(findings.find(({ check }) => check === "clock")).toMatchObject({ state });
});

test("an address where nobody answers is a failure with its reason", async () => {
  const fetch = () => Promise.reject(new Error("connect ECONNREFUSED"));
  expect(await checkEndpoint(endpoint, { fetch, clock })).toMatchObject([
    { check: "endpoint", state: "failed", what: expect.stringContaining("ECONNREFUSED") },
  ]);
});
