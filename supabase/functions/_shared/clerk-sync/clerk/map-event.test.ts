import { expect, test } from "vitest";
import { fixtureBytes, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { mapEvent } from "./map-event.ts";
import { parseEvent } from "./parse-event.ts";

function jobOf(body: Uint8Array, eventId = "msg_1") {
  const event = parseEvent(body);
  if (event.type === "unhandled") throw new Error("the event is not handled");
  return mapEvent(event, eventId, rootFields);
}

/** Kind, ids and times of an event, as Clerk sends them. */
function summaryOf(name: string): unknown {
  const { type, object, timestamp, instance_id, data } = JSON.parse(new TextDecoder().decode(fixtureBytes(name)));
  const { id, object: kind, deleted, created_at, updated_at } = data;
  return JSON.parse(
    JSON.stringify({
      type,
      object,
      timestamp,
      instance_id,
      data: { id, object: kind, deleted, created_at, updated_at },
    }),
  );
}

test("a create becomes one USER_CREATED job with the mapped user, and kind, ids and times of its event", () => {
  expect(jobOf(fixtureBytes("user.created"), "msg_2b")).toEqual({
    event_id: "msg_2b",
    job_type: "USER_CREATED",
    clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
    version: 1763887200321,
    payload: {
      clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      email: "ada@example.com",
      email_verified: true,
      phone: null,
      phone_verified: false,
      name: "Ada Lovelace",
      user_role: "user",
      external_id: null,
      banned: false,
      locked: false,
      deprovisioned: false,
      created_at: "2025-11-23T08:40:00.000Z",
      original_event: summaryOf("user.created"),
      retry_count: 0,
    },
  });
});

test("an update becomes a USER_UPDATED job of the version it carries", () => {
  expect(jobOf(fixtureBytes("user.updated"))).toMatchObject({
    event_id: "msg_1",
    job_type: "USER_UPDATED",
    version: 1763973600000,
    payload: { email: "ada.lovelace@example.org", user_role: "admin", original_event: summaryOf("user.updated") },
  });
});

test("a deletion becomes a USER_DELETED job that names the user by both ids", () => {
  expect(jobOf(fixtureBytes("user.deleted"))).toEqual({
    event_id: "msg_1",
    job_type: "USER_DELETED",
    clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
    version: 1763977200000,
    payload: {
      clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      external_id: "legacy-42",
      original_event: summaryOf("user.deleted"),
      retry_count: 0,
    },
  });
});

test("a deletion that names nobody becomes a dead letter at once", () => {
  expect(jobOf(fixtureBytes("user.deleted.no-id"))).toEqual({
    event_id: "msg_1",
    job_type: "USER_DELETED",
    clerk_id: null,
    version: 1763977200005,
    payload: { clerk_id: null, external_id: null, original_event: summaryOf("user.deleted.no-id"), retry_count: 0 },
    dead_reason: "user_unknown: user.deleted came with neither id nor external_id",
  });
});

test.each([{ id: "user_1" }, { external_id: "legacy-42" }, { id: "user_1", external_id: "legacy-42" }])(
  "a deletion that names somebody is no dead letter: %o",
  (data) => {
    const job = jobOf(jsonBytes({ type: "user.deleted", data }));
    expect(job).not.toHaveProperty("dead_reason");
    expect(job.clerk_id).toBe(data.id ?? null);
  },
);

test("no job carries private_metadata", () => {
  const job = JSON.stringify(jobOf(fixtureBytes("user.updated")));
  expect(job).not.toContain("private_metadata");
  expect(job).not.toContain("cus_Example123");
});
