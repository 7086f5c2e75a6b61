import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { allRecords } from "../../../../../tests/support/clerk/record-fields.ts";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { deliver, webhookWith } from "../../../../../tests/support/webhook/webhook.ts";
import { mapEvent } from "../clerk/map-event.ts";
import { parseEvent } from "../clerk/parse-event.ts";
import type { AcceptedEvent } from "../database/database.ts";
import { handleWebhook } from "./handle-webhook.ts";

const handled = [
  ["user.created", "User creation job queued"],
  ["user.updated", "User update job queued"],
  ["user.deleted", "User deletion job queued"],
] as const;

describe("202", () => {
  test.each(handled)("%s is stored and answered %o", async (name, message) => {
    const { dependencies, calls } = webhookWith({ outcome: "queued", job_id: "job_1" });
    const response = await deliver(fixtureBytes(name), dependencies, { id: "msg_7" });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ success: true, message, jobId: "job_1" });
    const event = parseEvent(fixtureBytes(name));
    if (event.type === "unhandled") throw new Error("the fixture is not handled");
    expect(calls.accepted).toEqual([{ jobs: [mapEvent(event, "msg_7", rootFields)], maxAttempts: 15 }]);
    expect(calls.wakes).toBe(1);
  });

  test("is not said before the job is committed, and no worker is woken before", async () => {
    const { dependencies, calls } = webhookWith({ outcome: "queued" });
    const reached = Promise.withResolvers<void>();
    const committed = Promise.withResolvers<AcceptedEvent[]>();
    dependencies.acceptEvents = () => {
      reached.resolve();
      return committed.promise;
    };
    let answered = false;
    const response = deliver(fixtureBytes("user.created"), dependencies).finally(() => {
      answered = true;
    });
    await reached.promise;
    for (let turn = 0; turn < 5; turn += 1) await setImmediate();
    expect({ answered, wakes: calls.wakes }).toEqual({ answered: false, wakes: 0 });
    committed.resolve([{ event_id: "msg_1", outcome: "queued", job_id: "job_1", user: null }]);
    expect((await response).status).toBe(202);
    expect(calls.wakes).toBe(1);
  });

  test("is answered to a dead letter that is delivered again, and a worker is woken", async () => {
    const { dependencies, calls } = webhookWith({ outcome: "requeued", job_id: "job_1" });
    const response = await deliver(fixtureBytes("user.updated"), dependencies);
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ success: true, message: "User update job queued", jobId: "job_1" });
    expect(calls.wakes).toBe(1);
  });

  test("is answered to a deletion that names nobody, stored as a dead letter; no worker is woken", async () => {
    const { dependencies, calls } = webhookWith({ outcome: "dead", job_id: "job_1" });
    const response = await deliver(fixtureBytes("user.deleted.no-id"), dependencies);
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ success: true, jobId: "job_1" });
    expect(calls.accepted[0]?.jobs[0]?.dead_reason).toMatch(/^user_unknown: /);
    expect(calls.wakes).toBe(0);
  });

  test("is answered to a body whose escapes would not survive being written again", async () => {
    const text = new TextDecoder()
      .decode(fixtureBytes("user.updated"))
      .replace("Ada & Co <math>", "Ada \\u0026 Co \\u003cmath\\u003e");
    expect(text).toContain("\\u0026");
    const { dependencies, calls } = webhookWith({ outcome: "queued" });
    const response = await deliver(new TextEncoder().encode(text), dependencies);
    expect(response.status).toBe(202);
    expect(calls.accepted[0]?.jobs[0]?.payload).toMatchObject({ name: "Ada & Co <math> Lovelace" });
  });

  test("is answered to webhook-* headers as well", async () => {
    const { dependencies, calls } = webhookWith({ outcome: "queued" });
    const response = await deliver(fixtureBytes("user.created"), dependencies, { id: "msg_w", prefix: "webhook" });
    expect(response.status).toBe(202);
    expect(calls.accepted[0]?.jobs[0]?.event_id).toBe("msg_w");
  });
});

describe("200", () => {
  test("is answered to a create for a row that is already as new, with the two ids only", async () => {
    const user = { id: "4b1c2d3e-0000-4000-8000-000000000000", clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe" };
    const { dependencies, calls } = webhookWith({ outcome: "exists", job_id: null, user });
    const response = await deliver(fixtureBytes("user.created"), dependencies);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ message: "User already exists", user });
    expect(calls.wakes).toBe(0);
  });

  test.each(handled)(
    "is answered to a repeated %s, and a worker looks again whether it passed over the job",
    async (name) => {
      const { dependencies, calls } = webhookWith({ outcome: "duplicate", job_id: "job_1" });
      const response = await deliver(fixtureBytes(name), dependencies);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ message: "Duplicate event" });
      expect(calls.wakes).toBe(1);
    },
  );

  const others = fixtureNames().filter((name) => !name.includes("user."));

  test("is answered to every event of a kind that is not stored, of which nothing is kept", async () => {
    expect(others.length).toBeGreaterThan(0);
    for (const name of others) {
      const { dependencies, calls } = webhookWith({ outcome: "queued" });
      const response = await deliver(fixtureBytes(name), dependencies);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ success: true, message: "Event type not handled" });
      expect(calls).toEqual({ accepted: [], wakes: 0 });
    }
  });
});

describe("events of organizations, where they are stored", () => {
  const stored = [
    ["organization.created", "Organization creation job queued"],
    ["organization.deleted", "Organization deletion job queued"],
    ["organizationMembership.updated", "Membership update job queued"],
    ["role.updated", "Role update job queued"],
    ["permission.deleted", "Permission deletion job queued"],
    ["organizationInvitation.accepted", "Invitation update job queued"],
  ] as const;

  test.each(stored)("%s is stored and answered 202: %s", async (name, message) => {
    const { dependencies, calls, notes } = webhookWith({ outcome: "queued", job_id: "job_1" });
    const response = await deliver(fixtureBytes(name), { ...dependencies, records: allRecords }, { id: "msg_7" });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ success: true, message, jobId: "job_1" });
    const event = parseEvent(fixtureBytes(name), allRecords);
    if (event.type === "unhandled") throw new Error("the fixture is not handled");
    expect(calls.accepted[0]?.jobs).toEqual([mapEvent(event, "msg_7", rootFields, allRecords)]);
    expect(notes).toEqual(["accepted"]);
  });

  test("session.created is of no interest, and counted", async () => {
    const { dependencies, calls, notes } = webhookWith({ outcome: "queued" });
    const response = await deliver(fixtureBytes("session.created"), { ...dependencies, records: allRecords });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ success: true, message: "Event type not handled" });
    expect(calls.accepted).toEqual([]);
    expect(notes).toEqual(["accepted", { skipped: "session" }]);
  });

  test("a membership that names no user is answered 202, and is a dead letter", async () => {
    const { dependencies, calls } = webhookWith({ outcome: "dead", job_id: "job_1" });
    const event = { type: "organizationMembership.created", data: { id: "orgmem_1", organization: { id: "org_1" } } };
    const response = await deliver(jsonBytes(event), { ...dependencies, records: allRecords });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ message: "Event names no record; stored as a dead letter" });
    expect(calls.accepted[0]?.jobs[0]?.dead_reason).toMatch(/^record_unknown: .*names no user$/);
  });

  test("one that cannot be stored is answered 503 with what was not queued", async () => {
    const { dependencies } = webhookWith({});
    const acceptEvents = () => Promise.reject(new Error("no database"));
    const response = await deliver(fixtureBytes("organizationMembership.deleted"), {
      ...dependencies,
      acceptEvents,
      records: allRecords,
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: "Failed to queue membership deletion" });
  });
});

test("no answer may be cached", async () => {
  const { dependencies } = webhookWith({ outcome: "queued" });
  const accepted = await deliver(fixtureBytes("user.created"), dependencies);
  const refused = await handleWebhook(new Request("http://localhost/", { method: "POST", body: "{}" }), dependencies);
  for (const response of [accepted, refused]) {
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  }
});

test("private_metadata is not handed to the database", async () => {
  const { dependencies, calls } = webhookWith({ outcome: "queued" });
  await deliver(fixtureBytes("user.updated"), dependencies);
  const stored = JSON.stringify(calls.accepted);
  expect(stored).toContain("legacy-42");
  expect(stored).not.toMatch(/private_metadata|cus_Example123/);
});

describe("what is noted of a delivery", () => {
  test("one that was taken is noted as taken, whatever it brought", async () => {
    const { dependencies, notes } = webhookWith({});
    await deliver(fixtureBytes("user.created"), dependencies);
    await deliver(fixtureBytes("session.created"), dependencies);
    expect(notes).toEqual(["accepted", "accepted", { skipped: "session" }]);
  });

  test("one of a kind that is not stored is counted by its kind", async () => {
    const { dependencies, notes } = webhookWith({});
    for (const name of ["organization.created", "organizationMembership.deleted", "role.updated"])
      await deliver(fixtureBytes(name), dependencies);
    expect(notes).toEqual(
      ["organization", "organizationMembership", "role"].flatMap((skipped) => ["accepted", { skipped }]),
    );
  });

  test("one that could not be stored is not, and neither are the doctor's probe and a canary of verify", async () => {
    const { dependencies, notes } = webhookWith({});
    const acceptEvents = () => Promise.reject(new Error("no database"));
    await deliver(fixtureBytes("user.created"), { ...dependencies, acceptEvents });
    await deliver(jsonBytes({ type: "clerk_sync.doctor", data: {} }), dependencies);
    const canary = { id: "user_clerksync_canary_1", object: "user" };
    expect((await deliver(jsonBytes({ type: "user.created", data: canary }), dependencies)).status).toBe(202);
    expect(notes).toEqual([]);
  });

  test("a wrong signature is noted with its source, and not with the id that anybody can make up", async () => {
    const { dependencies, notes } = webhookWith({});
    const headers = { "svix-id": "msg_forged" };
    const request = new Request("http://localhost/", { method: "POST", headers, body: "{}" });
    await handleWebhook(request, dependencies, "203.0.113.7");
    expect(notes).toEqual([{ code: "signature_missing", source: "203.0.113.7" }]);
  });

  test("whoever gives no hooks gets the same answers", async () => {
    const {
      onAccepted: _,
      onRefused: __,
      onIgnored: ___,
      instanceIds: ____,
      ...without
    } = webhookWith({}).dependencies;
    expect((await deliver(fixtureBytes("user.created"), without)).status).toBe(202);
    expect((await deliver(fixtureBytes("dashboard-sample.user.created"), without)).status).toBe(200);
    expect((await handleWebhook(new Request("http://localhost/", { method: "POST" }), without)).status).toBe(401);
  });

  test("a hook that fails changes no answer", async () => {
    const { dependencies } = webhookWith({});
    const fail = () => {
      throw new Error("a bug");
    };
    const failing = { ...dependencies, onAccepted: fail, onRefused: fail, onIgnored: fail };
    expect((await deliver(fixtureBytes("user.created"), failing)).status).toBe(202);
    expect((await deliver(fixtureBytes("dashboard-sample.user.created"), failing)).status).toBe(200);
    expect((await handleWebhook(new Request("http://localhost/", { method: "POST" }), failing)).status).toBe(401);
  });
});

test("an event without fields that Clerk's events have is taken, and noted with what is absent", async () => {
  const trimmed: unknown[] = [];
  const dependencies = {
    ...webhookWith({ outcome: "queued" }).dependencies,
    onTrimmed: (note: unknown) => trimmed.push(note),
  };
  const { data } = JSON.parse(new TextDecoder().decode(fixtureBytes("user.updated")));
  const { email_addresses: _, public_metadata: __, ...rest } = data;
  expect((await deliver(jsonBytes({ type: "user.updated", data: rest }), dependencies)).status).toBe(202);
  expect((await deliver(jsonBytes({ type: "user.updated", data }), dependencies)).status).toBe(202);
  const subject = "email, user_role";
  expect(trimmed).toEqual([{ kind: "event_trimmed", source: "unknown", subject, code: "user.updated" }]);
});

describe("an event that is signed and not applied", () => {
  test("of the dashboard's Send Example proves the signature and stores nothing", async () => {
    const { dependencies, calls, notes } = webhookWith({});
    const response = await deliver(fixtureBytes("dashboard-sample.user.created"), dependencies);
    expect([response.status, await response.json()]).toEqual([
      200,
      { success: true, message: "Sample event: signature is right, nothing is stored" },
    ]);
    expect(calls.accepted).toEqual([]);
    expect(notes).toEqual(["accepted", { kind: "sample_event", source: "unknown", code: "user.created" }]);
  });

  test("of another instance is answered 200, so that it does not come again, and noted", async () => {
    const { dependencies, calls, notes } = webhookWith({});
    const response = await deliver(fixtureBytes("user.deleted"), { ...dependencies, instanceIds: ["ins_production"] });
    expect([response.status, await response.json()]).toEqual([
      200,
      { success: true, message: "Event of another Clerk instance: not applied" },
    ]);
    expect(calls.accepted).toEqual([]);
    const subject = "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA";
    expect(notes).toEqual([{ kind: "instance_unknown", source: "unknown", subject, code: "user.deleted" }]);
  });
});

test("the status of every answer is told, whatever it is", async () => {
  const statuses: number[] = [];
  const dependencies = { ...webhookWith({}).dependencies, onAnswered: (status: number) => void statuses.push(status) };
  await deliver(fixtureBytes("user.created"), dependencies);
  await handleWebhook(new Request("http://localhost/", { method: "POST", body: "{}" }), dependencies);
  await handleWebhook(new Request("http://localhost/"), dependencies);
  expect(statuses).toEqual([202, 401, 405]);
});
