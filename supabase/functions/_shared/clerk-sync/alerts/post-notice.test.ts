import { expect, test } from "vitest";
import type { Notice } from "./format-notice.ts";
import type { AlertTarget } from "./post-notice.ts";
import { postNotice } from "./post-notice.ts";

const notice: Notice = {
  id: "11111111-1111-4111-8111-111111111111",
  kind: "opened",
  incident: {
    id: "2",
    code: "dead_letters",
    subject: "",
    status: "degraded",
    what: "1 jobs gave up.",
    remedy: "Look at them.",
    since: "2026-11-24T10:00:00Z",
    opened_at: "2026-11-24T10:00:00Z",
    absent_since: null,
    closed_at: null,
  },
};
const slack: AlertTarget = { name: "slack", url: "https://hooks.slack.com/services/T0/B0/secret" };

/** Posts it to a fetch that does this, and answers what was asked for. */
async function post(target: AlertTarget, answer: (request: Request) => Response | Promise<Response>) {
  const requests: Request[] = [];
  const fakeFetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    requests.push(request);
    return answer(request);
  };
  const options = { adminUrl: null, fetch: fakeFetch, now: () => 1_764_000_000_500, timeoutMilliseconds: 20 };
  const error = await postNotice(target, notice, options).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { requests, error };
}

test("a webhook without a secret gets the id and the time, and no signature", async () => {
  const target: AlertTarget = { name: "webhook", url: "https://example.com/hook", secret: null };
  const { requests, error } = await post(target, () => new Response("ok"));
  const [request] = requests;
  expect([error, request?.method, request?.url, request?.redirect]).toEqual([
    null,
    "POST",
    "https://example.com/hook",
    "manual",
  ]);
  const headers = Object.fromEntries(request?.headers ?? []);
  expect(headers).toEqual({
    "content-type": "application/json; charset=utf-8",
    "webhook-id": `msg_${notice.id}`,
    "webhook-timestamp": "1764000000",
  });
});

test.each([
  [500, "alert_unavailable", true],
  [503, "alert_unavailable", true],
  [408, "alert_unavailable", true],
  [429, "alert_rate_limited", true],
  [400, "alert_rejected", false],
  [403, "alert_rejected", false],
  [404, "alert_rejected", false],
  [410, "alert_rejected", false],
])("%i is %s", async (status, code, retryable) => {
  const { error } = await post(slack, () => new Response("no_service", { status, headers: { "retry-after": "7" } }));
  expect(error).toMatchObject({
    code,
    retryable,
    retryAfterSeconds: 7,
    message: `The slack target answered ${status}.`,
  });
});

test("a redirect is not followed: an address that has moved is to be corrected", async () => {
  const { requests, error } = await post(slack, () => Response.redirect("https://elsewhere.example.com", 302));
  expect([requests.length, error]).toEqual([1, expect.objectContaining({ code: "alert_rejected" })]);
});

test("a target that does not answer is given up, and one that cannot be reached says nothing of its address", async () => {
  const hang = await post(
    slack,
    (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(request.signal.reason));
      }),
  );
  expect(hang.error).toMatchObject({
    code: "alert_unavailable",
    retryable: true,
    message: "The target did not answer within 20 ms.",
  });
  const gone = await post(slack, (request) =>
    Promise.reject(new TypeError(`error sending request for url (${request.url})`)),
  );
  expect(gone.error).toMatchObject({ code: "alert_unavailable", message: "The target could not be reached." });
  expect((gone.error as Error).cause).toBeUndefined();
});
