import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { toMilliseconds } from "./clerk-values.ts";
import { type ClerkEvent, parseEvent } from "./parse-event.ts";

function parseUser(data: Record<string, unknown>, envelope: Record<string, unknown> = {}) {
  const event = parseEvent(jsonBytes({ type: "user.updated", data: { id: "user_1", ...data }, ...envelope }));
  if (event.type !== "user.created" && event.type !== "user.updated") throw new Error(`parsed as ${event.type}`);
  return event;
}

function parseDeleted(data: Record<string, unknown>, envelope: Record<string, unknown> = {}): ClerkEvent {
  return parseEvent(jsonBytes({ type: "user.deleted", data, ...envelope }));
}

describe("fixtures", () => {
  const names = fixtureNames();
  const expectedType = (name: string) => name.match(/user\.(?:created|updated|deleted)/)?.[0] ?? "unhandled";

  test("there are fixtures of every kind", () => {
    const types = new Set(names.map(expectedType));
    expect(types).toEqual(new Set(["user.created", "user.updated", "user.deleted", "unhandled"]));
  });

  test.each(names)("%s is parsed as what it is", (name) => {
    expect(parseEvent(fixtureBytes(name)).type).toBe(expectedType(name));
  });

  test("an event of another kind is unhandled, and nothing of its content is kept", () => {
    expect(parseEvent(fixtureBytes("session.created"))).toEqual({ type: "unhandled", name: "session.created" });
  });

  test("an event type that nobody knows yet is unhandled", () => {
    const event = { type: "user.teleported", data: { id: 7 } };
    expect(parseEvent(jsonBytes(event))).toEqual({ type: "unhandled", name: "user.teleported" });
  });

  test("an event of an instance whose id would have to be changed to be stored is of none that is known", () => {
    expect(parseDeleted({ id: "user_1" }, { instance_id: "ins_1\0" })).toMatchObject({ instanceId: null });
  });

  test("an unhandled event need not have data", () => {
    expect(parseEvent(jsonBytes({ type: "user.teleported" }))).toEqual({ type: "unhandled", name: "user.teleported" });
  });
});

describe("version", () => {
  test("it is the user's updated_at, not the envelope's timestamp", () => {
    const event = parseEvent(fixtureBytes("user.updated"));
    expect(event).toMatchObject({ version: 1763973600000, original: { timestamp: 1763973600012 } });
  });

  test("it is in milliseconds although the envelope counts seconds", () => {
    expect(parseEvent(fixtureBytes("openapi-sample.user.created.seconds-timestamp"))).toMatchObject({
      version: 1716883200000,
      original: { timestamp: 1716883200 },
    });
  });

  test.each([undefined, null, 0, -1, "1763973600000", {}])(
    "without a usable updated_at (%o) it is the timestamp",
    (time) => {
      expect(parseUser({ updated_at: time }, { timestamp: 1763973600012 }).version).toBe(1763973600012);
      expect(parseUser({ updated_at: time }, { timestamp: 1763973600 }).version).toBe(1763973600000);
    },
  );

  test("an updated_at in seconds counts in milliseconds", () => {
    expect(parseUser({ updated_at: 1763973600 }, { timestamp: 1763973600012 }).version).toBe(1763973600000);
  });

  test("of an event without any time it is 0", () => {
    expect(parseUser({}).version).toBe(0);
    expect(parseUser({}, { timestamp: "now" }).version).toBe(0);
  });

  test("of a deletion it is the timestamp, in milliseconds", () => {
    expect(parseDeleted({ id: "user_1" }, { timestamp: 1763977200000 })).toMatchObject({ version: 1763977200000 });
    expect(parseDeleted({ id: "user_1" }, { timestamp: 1763977200 })).toMatchObject({ version: 1763977200000 });
  });

  test.each([
    [null, 0],
    [undefined, 0],
    [0, 0],
    [1716883200, 1716883200000],
    [1716883200.5, 1716883200500],
    [99_999_999_999, 99_999_999_999_000],
    [100_000_000_000, 100_000_000_000],
    [1763973600000.9, 1763973600000],
    [9007199254740991, 9007199254740991],
    [9007199254740992, 0],
    [Number.POSITIVE_INFINITY, 0],
  ])("the time %d is %d ms", (time, milliseconds) => {
    expect(toMilliseconds(time)).toBe(milliseconds);
  });
});

describe("a user", () => {
  test("of user.created is read with every field the sync uses", () => {
    expect(parseEvent(fixtureBytes("user.created"))).toMatchObject({
      type: "user.created",
      version: 1763887200321,
      user: {
        id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
        external_id: null,
        first_name: "Ada",
        last_name: "Lovelace",
        primary_email_address_id: "idn_35rT7wKpLm9XcVb3NqRsTyUiOzA",
        primary_phone_number_id: null,
        email_addresses: [
          {
            id: "idn_35rT7wKpLm9XcVb3NqRsTyUiOzA",
            email_address: "ada@example.com",
            verification: { status: "verified" },
          },
        ],
        phone_numbers: [],
        public_metadata: {},
        banned: false,
        locked: false,
        deprovisioned: false,
        created_at: 1763887200000,
        updated_at: 1763887200321,
      },
    });
  });

  test("with nothing but an id is a user", () => {
    expect(parseUser({}).user).toEqual({ id: "user_1" });
  });

  test.each([
    ["external_id", 7],
    ["external_id", "e".repeat(256)],
    ["external_id", "crm-7\0"],
    ["first_name", 7],
    ["last_name", [{}]],
    ["primary_email_address_id", {}],
    ["primary_email_address_id", "idn_1\ud800"],
    ["primary_phone_number_id", true],
    ["email_addresses", { 0: "x" }],
    ["phone_numbers", "x"],
    ["public_metadata", ["admin"]],
    ["public_metadata", "admin"],
    ["banned", "true"],
    ["locked", 1],
    ["deprovisioned", {}],
  ])("whose %s is %j is read as if it were not there", (field, value) => {
    expect(parseUser({ [field]: value }).user).toEqual({ id: "user_1", [field]: undefined });
  });

  test.each(["created_at", "updated_at"])("whose %s has an unexpected form has none", (field) => {
    expect(parseUser({ [field]: [{}] }).user).toMatchObject({ id: "user_1", [field]: null });
  });

  test.each(["banned", "locked", "deprovisioned"])("is %s only by true itself", (field) => {
    expect(parseUser({ [field]: true }).user).toMatchObject({ [field]: true });
    for (const value of ["true", 1, {}])
      expect(parseUser({ [field]: value }).user).toMatchObject({ [field]: undefined });
    expect(parseUser({ [field]: null }).user).toMatchObject({ [field]: null });
  });

  test("keeps the items of a list that are as expected when one is not", () => {
    const good = { id: "idn_1", email_address: "a@example.com" };
    const phone = { id: "idn_2", phone_number: "+15550100" };
    const { user } = parseUser({
      email_addresses: [null, 7, { id: "idn_0" }, { email_address: "b@example.com" }, good],
      phone_numbers: [phone, { id: 3, phone_number: "+1" }, "x"],
    });
    expect(user.email_addresses).toEqual([null, null, null, null, good]);
    expect(user.phone_numbers).toEqual([phone, null, null]);
  });

  test("keeps an address whose verification has an unexpected form", () => {
    const address = { id: "idn_1", email_address: "a@example.com", verification: "yes" };
    expect(parseUser({ email_addresses: [address] }).user.email_addresses).toEqual([
      { ...address, verification: null },
    ]);
  });
});

describe("a deletion", () => {
  test("names the user by both ids", () => {
    expect(parseEvent(fixtureBytes("user.deleted"))).toMatchObject({
      type: "user.deleted",
      version: 1763977200000,
      clerkId: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      externalId: "legacy-42",
    });
  });

  test("may name nobody", () => {
    expect(parseEvent(fixtureBytes("user.deleted.no-id"))).toMatchObject({ clerkId: null, externalId: null });
    expect(parseDeleted({ id: null, external_id: null })).toMatchObject({ clerkId: null, externalId: null });
  });

  test("whose external_id would have to be changed to be stored names nobody by it", () => {
    expect(parseDeleted({ external_id: "crm-7\0" })).toMatchObject({ clerkId: null, externalId: null });
  });

  test("whose external_id is empty names nobody by it", () => {
    expect(parseDeleted({ external_id: "" })).toMatchObject({ clerkId: null, externalId: null });
  });
});

describe("the original event", () => {
  test("is kept whole, except private_metadata", () => {
    const sent = JSON.parse(new TextDecoder().decode(fixtureBytes("user.updated")));
    expect(sent.data.private_metadata).toEqual({ stripe_customer_id: "cus_Example123" });
    delete sent.data.private_metadata;
    expect(parseUser(sent.data, sent).original).toEqual(sent);
    expect(parseEvent(fixtureBytes("user.updated"))).toMatchObject({ original: sent });
  });

  test("and the user have no character that PostgreSQL refuses", () => {
    const bytes = new TextEncoder().encode(
      '{"type":"user.created","data":{"id":"user_1","first_name":"A\\u0000d\\ud83da"}}',
    );
    expect(parseEvent(bytes)).toMatchObject({
      user: { first_name: "Ada" },
      original: { data: { first_name: "Ada" } },
    });
  });

  test("may begin with a byte order mark", () => {
    const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, ...jsonBytes({ type: "session.created", data: {} }));
    expect(parseEvent(bytes)).toEqual({ type: "unhandled", name: "session.created" });
  });
});
