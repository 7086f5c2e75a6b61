import { describe, expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { signedHeaders, testNow } from "../../../../../tests/support/clerk/sign.ts";
import { webhookWith } from "../../../../../tests/support/webhook/webhook.ts";
import { handleWebhook, type WebhookDependencies } from "./handle-webhook.ts";
import { createRateLimit } from "./limit-rate.ts";
import type { Refusal } from "./notify-hook.ts";

const body = fixtureBytes("user.created");
const url = "http://localhost/functions/v1/clerk-webhook";
const source = "192.0.2.1";
const forged = { secret: `whsec_${btoa("a secret of nobody's")}` };

function limitedWebhook(maxPerSecond = 5) {
  const { dependencies, calls } = webhookWith({});
  const refusals: Refusal[] = [];
  const verified = { count: 0 };
  const { verifySignature } = dependencies;
  const limited: WebhookDependencies = {
    ...dependencies,
    rateLimit: createRateLimit({ maxPerSecond, badSignaturesPerMinute: 3, now: () => testNow }),
    verifySignature: async (headers, bytes) => {
      verified.count += 1;
      return (await verifySignature?.(headers, bytes)) ?? "";
    },
    onRefused: (refusal) => refusals.push(refusal),
  };
  const post = (headers: Headers) =>
    handleWebhook(new Request(url, { method: "POST", headers, body }), limited, source);
  return { limited, calls, refusals, verified, post };
}

const statusesOf = async (responses: readonly Promise<Response>[]) =>
  (await Promise.all(responses)).map((response) => response.status);

describe("a flood of forged requests", () => {
  test("is answered 401 up to the limit and 429 with Retry-After beyond it, without HMAC or reading for most", async () => {
    const { post, verified, calls } = limitedWebhook();
    for (let request = 0; request < 3; request++) expect((await post(new Headers())).status).toBe(401);
    const response = await post(new Headers());
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "20"]);
    expect(await response.json()).toEqual({
      error: "Too many wrong signatures from this address.",
      code: "rate_limited",
    });
    expect(verified.count).toBe(3);
    expect(calls.accepted).toEqual([]);
  });

  test("that looks genuine is verified and answered 429, and real events of the same source are stored", async () => {
    const { post, calls, verified } = limitedWebhook();
    const flood = await statusesOf(Array.from({ length: 20 }, () => post(signedHeaders({ ...forged, body }))));
    expect(flood.filter((status) => status === 401)).toHaveLength(3);
    expect(flood.filter((status) => status === 429)).toHaveLength(17);
    expect(verified.count).toBe(20);
    expect((await post(signedHeaders({ body, id: "msg_real" }))).status).toBe(202);
    expect(calls.accepted).toHaveLength(1);
  });
});

describe("more events than the limit", () => {
  test("are answered 429 before anything is stored of them, for Svix to deliver again", async () => {
    const { post, calls } = limitedWebhook();
    const statuses = await statusesOf(
      Array.from({ length: 8 }, (_, place) => post(signedHeaders({ body, id: `msg_${place}` }))),
    );
    expect(statuses.filter((status) => status === 202)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(3);
    expect(calls.accepted).toHaveLength(5);
  });
});

describe("who is told of refusals", () => {
  test("learns code and source, and the event only when its signature was right", async () => {
    const { post, refusals } = limitedWebhook(1);
    await post(new Headers());
    await post(signedHeaders({ ...forged, body, id: "msg_forged" }));
    await post(signedHeaders({ body, id: "msg_1" }));
    await post(signedHeaders({ body, id: "msg_2" }));
    await post(new Headers());
    await post(new Headers());
    expect(refusals).toEqual([
      { code: "signature_missing", source },
      { code: "signature_invalid", source },
      { code: "rate_limited", source, eventId: "msg_2" },
      { code: "signature_missing", source },
      { code: "rate_limited", source },
    ]);
  });

  test("is not told of what is refused for another reason, and cannot change an answer", async () => {
    const { limited, refusals } = limitedWebhook();
    expect((await handleWebhook(new Request(url), limited, source)).status).toBe(405);
    expect(refusals).toEqual([]);
    const onRefused = () => {
      throw new Error("the audit is full");
    };
    const request = new Request(url, { method: "POST", body });
    expect((await handleWebhook(request, { ...limited, onRefused }, source)).status).toBe(401);
  });
});
