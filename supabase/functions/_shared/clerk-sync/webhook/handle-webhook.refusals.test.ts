import { describe, expect, test } from "vitest";
import { fixtureBytes, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { signedHeaders } from "../../../../../tests/support/clerk/sign.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { deliver, webhookWith } from "../../../../../tests/support/webhook/webhook.ts";
import { SyncError } from "../errors.ts";
import { handleWebhook, type WebhookDependencies } from "./handle-webhook.ts";
import { createLoadLimit } from "./limit-load.ts";

const body = fixtureBytes("user.created");
const url = "http://localhost/functions/v1/clerk-webhook";
const untouched = { accepted: [], wakes: 0 };

const post = (headers: Headers, dependencies: WebhookDependencies, sent: BodyInit = body) =>
  handleWebhook(new Request(url, { method: "POST", headers, body: sent }), dependencies);

describe("401", () => {
  const refused: [string, (headers: Headers) => void][] = [
    ["without svix-id", (headers) => headers.delete("svix-id")],
    ["without svix-timestamp", (headers) => headers.delete("svix-timestamp")],
    ["without svix-signature", (headers) => headers.delete("svix-signature")],
    ["with another id", (headers) => headers.set("svix-id", "msg_2")],
    ["with an old timestamp", (headers) => headers.set("svix-timestamp", "1731704000")],
    ["with a signature of something else", (headers) => headers.set("svix-signature", `v1,${"A".repeat(43)}=`)],
  ];

  test.each(refused)("is answered to a delivery %s, and nothing is stored", async (_, spoil) => {
    const { dependencies, calls } = webhookWith({});
    const headers = signedHeaders({ body });
    spoil(headers);
    const response = await post(headers, dependencies);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: "Invalid signature" });
    expect(calls).toEqual(untouched);
  });

  test("says that the signature is invalid, as the contract has it, and why", async () => {
    const response = await post(new Headers(), webhookWith({}).dependencies);
    expect(await response.json()).toEqual({
      error: "Invalid signature",
      code: "signature_missing",
      reason: "Missing header: svix-id, svix-timestamp, svix-signature.",
    });
  });

  test("is answered to a changed body, even one that is not JSON", async () => {
    const { dependencies, calls } = webhookWith({});
    const response = await post(signedHeaders({ body }), dependencies, "not what was signed");
    expect(response.status).toBe(401);
    expect(calls).toEqual(untouched);
  });
});

describe("400", () => {
  test.each([
    ["no JSON", new TextEncoder().encode("{")],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["no event", jsonBytes([])],
    ["no type", jsonBytes({ data: { id: "user_1" } })],
    ["a user without an id", jsonBytes({ type: "user.created", data: { object: "user" } })],
    ["an empty body", new Uint8Array()],
  ])("is answered to a signed body that is %s, and nothing is stored", async (_, malformed) => {
    const { dependencies, calls } = webhookWith({});
    const response = await deliver(malformed, dependencies);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.any(String), code: "event_malformed" });
    expect(calls).toEqual(untouched);
  });
});

test("413 is answered to a body that is too large, signed or not", async () => {
  const { dependencies, calls } = webhookWith({});
  const large = new Uint8Array(512 * 1024 + 1).fill(32);
  const signed = await deliver(large, dependencies);
  expect(signed.status).toBe(413);
  expect(await signed.json()).toMatchObject({ code: "body_too_large" });
  expect((await post(new Headers(), dependencies, large)).status).toBe(413);
  expect(calls).toEqual(untouched);
});

test.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])("405 is answered to %s", async (method) => {
  const { dependencies, calls } = webhookWith({});
  const response = await handleWebhook(new Request(url, { method }), dependencies);
  expect(response.status).toBe(405);
  expect(calls).toEqual(untouched);
});

describe("503", () => {
  const failed = [
    ["user.created", "Failed to queue user creation"],
    ["user.updated", "Failed to queue user update"],
    ["user.deleted", "Failed to queue user deletion"],
  ] as const;

  const failures: [string, () => Promise<never[]>][] = [
    ["is down", () => Promise.reject(new SyncError("database_unavailable", "down", { retryable: true }))],
    ["refuses the job", () => Promise.reject(new SyncError("database_rejected", "refused"))],
    ["fails in an unknown way", () => Promise.reject(new Error("connect ECONNREFUSED postgres:secret@db"))],
    ["answers nothing", async () => []],
  ];

  describe.each(failures)("when the database %s", (_, enqueue) => {
    test.each(failed)("%s is answered %o, to be delivered again", async (name, error) => {
      const { dependencies, calls } = webhookWith({});
      dependencies.acceptEvents = enqueue;
      const response = await deliver(fixtureBytes(name), dependencies);
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("5");
      expect(await response.json()).toMatchObject({ error });
      expect(calls.wakes).toBe(0);
    });
  });

  test("says what could not be queued, as the contract has it, and the code", async () => {
    const { dependencies } = webhookWith({});
    dependencies.acceptEvents = () => Promise.reject(new SyncError("database_unavailable", "down"));
    const response = await deliver(body, dependencies);
    expect(await response.json()).toEqual({ error: "Failed to queue user creation", code: "database_unavailable" });
  });

  test("is answered while no secret is set, to signed and unsigned deliveries alike", async () => {
    const { dependencies, calls } = webhookWith({});
    const off = { ...dependencies, verifySignature: null };
    expect((await deliver(body, off)).status).toBe(503);
    expect((await post(new Headers(), off)).status).toBe(503);
    expect(calls).toEqual(untouched);
  });
});

describe("500", () => {
  test.each([
    ["an unusable secret", new SyncError("config_invalid", "A webhook secret is not whsec_")],
    ["something nobody foresaw", new TypeError("x is undefined")],
  ])("is answered to %s, without the reason", async (_, failure) => {
    const { dependencies, calls } = webhookWith({});
    const broken = { ...dependencies, verifySignature: () => Promise.reject(failure) };
    const response = await deliver(body, broken);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: "Internal server error" });
    expect(calls).toEqual(untouched);
  });
});

test("a worker that cannot be woken does not make a stored event fail", async () => {
  const { dependencies } = webhookWith({ outcome: "queued", job_id: "job_1" });
  const response = await deliver(body, {
    ...dependencies,
    onQueued: () => {
      throw new Error("no worker");
    },
  });
  expect(response.status).toBe(202);
});

describe("the log", () => {
  test("of every kind of delivery holds no personal data and no secret", async () => {
    const lines = await captureLog();
    const { dependencies } = webhookWith({});
    const down = { ...dependencies, acceptEvents: () => Promise.reject(new Error("ada@example.com")) };
    await deliver(body, dependencies);
    await deliver(body, down);
    await deliver(jsonBytes({ type: "user.created", data: { id: ["ada@example.com"] } }), dependencies);
    await deliver(body, webhookWith({ outcome: "dead" }).dependencies);
    await post(signedHeaders({ body, id: "msg_2" }), dependencies, "ada@example.com");
    expect(lines.map(({ text }) => JSON.parse(text).event)).toEqual([
      "webhook.stored",
      "webhook.not_stored",
      "webhook.refused",
      "webhook.stored",
      "job.dead",
      "webhook.refused",
    ]);
    expect(lines.map(({ text }) => text).join()).not.toMatch(/ada|lovelace|whsec_/i);
  });

  test("of an event that could not be stored is an error that names it by id, type and code", async () => {
    const lines = await captureLog();
    const { dependencies } = webhookWith({});
    dependencies.acceptEvents = () => Promise.reject(new SyncError("database_rejected", "refused"));
    await deliver(body, dependencies, { id: "msg_9" });
    expect(lines.map(({ method }) => method)).toEqual(["error"]);
    expect(JSON.parse(lines[0]?.text ?? "")).toMatchObject({
      event: "webhook.not_stored",
      event_id: "msg_9",
      event_type: "user.created",
      code: "database_rejected",
    });
  });
});

describe("too much at once", () => {
  /** A webhook that takes one event at a time and whose database answers when told. */
  function slowWebhook() {
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const { dependencies, calls } = webhookWith({});
    const loadLimit = createLoadLimit({ events: 1, bytes: 100_000, now: () => 0 });
    const acceptEvents: WebhookDependencies["acceptEvents"] = async (jobs, most) => {
      await answered;
      return dependencies.acceptEvents(jobs, most);
    };
    return { dependencies: { ...dependencies, acceptEvents, loadLimit }, calls, answer };
  }

  test("is answered 503 with Retry-After and nothing is stored of it, until the first one is done", async () => {
    const { dependencies, calls, answer } = slowWebhook();
    const first = deliver(body, dependencies, { id: "msg_1" });
    const second = await deliver(body, dependencies, { id: "msg_2" });
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await second.json()).toMatchObject({ code: "overloaded" });
    answer();
    expect((await first).status).toBe(202);
    expect((await deliver(body, dependencies, { id: "msg_3" })).status).toBe(202);
    expect(calls.accepted).toHaveLength(2);
  });

  test("is not made of requests whose signature is wrong", async () => {
    const { dependencies } = slowWebhook();
    const first = deliver(body, dependencies);
    expect((await post(new Headers(), dependencies)).status).toBe(401);
    expect((await deliver(body, dependencies)).status).toBe(503);
    void first;
  });

  test("a connection that ends half way is the sender's failure: 400", async () => {
    const stream = new ReadableStream({ pull: (controller) => controller.error(new Error("aborted")) });
    const request = new Request(url, { method: "POST", body: stream, duplex: "half" } as RequestInit);
    const response = await handleWebhook(request, webhookWith({}).dependencies);
    expect([response.status, await response.json()]).toMatchObject([400, { code: "body_incomplete" }]);
  });
});
