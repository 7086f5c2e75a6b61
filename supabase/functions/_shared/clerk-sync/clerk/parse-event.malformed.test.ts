import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { SyncError } from "../errors.ts";
import { parseEvent } from "./parse-event.ts";

function refusalOf(body: Uint8Array): SyncError {
  try {
    parseEvent(body);
  } catch (error) {
    if (error instanceof SyncError && error.code === "event_malformed") return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Fails when parseEvent throws anything but event_malformed. */
function parseOrRefuse(body: Uint8Array): void {
  try {
    parseEvent(body);
  } catch (error) {
    expect(error).toMatchObject({ name: "SyncError", code: "event_malformed", retryable: false });
  }
}

const handledTypes = ["user.created", "user.updated", "user.deleted"];

test.each([
  ["a lone continuation byte", Uint8Array.of(0x22, 0x80, 0x22)],
  ["an encoded surrogate", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00)],
])("%s is refused as not UTF-8", (_, body) => {
  expect(refusalOf(body).message).toBe("The body is not UTF-8.");
});

test.each(["", "{", "type=user.created", "{'type':'user.created'}", '{"type":"user.created"}}'])(
  "%o is refused as not JSON",
  (text) => {
    expect(refusalOf(new TextEncoder().encode(text)).message).toBe("The body is not JSON.");
  },
);

test.each([null, 1, "user.created", true, [], [{ type: "user.created" }]])("%o is refused as no event", (value) => {
  expect(refusalOf(jsonBytes(value)).message).toMatch(/^Not a Clerk event\. The event: /);
});

test.each([undefined, null, "", 7, ["user.created"], "t".repeat(256)])("an event of type %o is refused", (type) => {
  expect(refusalOf(jsonBytes({ type, data: { id: "user_1" } })).message).toContain("The event.type: ");
});

test.each(handledTypes)("%s without data is refused", (type) => {
  expect(refusalOf(jsonBytes({ type })).message).toMatch(/^Not a Clerk event\. .*data: /);
  for (const data of [null, [], "user_1", 3]) expect(refusalOf(jsonBytes({ type, data })).message).toContain("data: ");
});

test.each(["user.created", "user.updated"])("%s without a usable id is refused", (type) => {
  for (const id of [undefined, null, "", 7, {}, "u".repeat(256)]) {
    expect(refusalOf(jsonBytes({ type, data: { id } })).message).toContain("data.id: ");
  }
});

test("a deletion whose id is no text, or longer than any id, is refused", () => {
  for (const id of [7, {}, "u".repeat(256)]) refusalOf(jsonBytes({ type: "user.deleted", data: { id } }));
});

test("an id of 255 characters is accepted", () => {
  const id = "u".repeat(255);
  expect(parseEvent(jsonBytes({ type: "user.created", data: { id } }))).toMatchObject({ user: { id } });
});

test.each(["\0\0", "user_1\0", "user_\ud8001"])("the id %j is refused, not changed into another", (id) => {
  for (const type of handledTypes) {
    expect(refusalOf(jsonBytes({ type, data: { id } })).message).toContain("data.id: ");
  }
});

test("a type that would have to be changed to be one that is handled is refused", () => {
  refusalOf(jsonBytes({ type: "user.deleted\0", data: { id: "user_1" } }));
});

test.each(["[", '{"data":'])("a body of %s nested a hundred thousand deep is refused", (opening) => {
  const closing = opening === "[" ? "]" : "}";
  refusalOf(new TextEncoder().encode(`${opening.repeat(100_000)}1${closing.repeat(100_000)}`));
});

test("a refusal repeats nothing of what was sent", () => {
  const data = { id: ["ada@example.com"], first_name: "Ada", email_addresses: [{ email_address: "ada@example.com" }] };
  expect(refusalOf(jsonBytes({ type: "user.created", data })).message).not.toMatch(/ada/i);
});

test("any bytes are parsed or refused as malformed", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), parseOrRefuse), { numRuns: 500 });
});

test("any JSON is parsed or refused as malformed", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => parseOrRefuse(jsonBytes(value))));
});

test("any JSON in the place of any field of a user is parsed or refused as malformed", () => {
  const fields = fc.constantFrom(
    "id",
    "external_id",
    "first_name",
    "email_addresses",
    "phone_numbers",
    "primary_email_address_id",
    "public_metadata",
    "banned",
    "created_at",
    "updated_at",
    "__proto__",
    "toString",
  );
  const users = fc.dictionary(fields, fc.jsonValue());
  fc.assert(
    fc.property(fc.constantFrom(...handledTypes), fc.jsonValue(), users, (type, timestamp, user) => {
      parseOrRefuse(jsonBytes({ type, timestamp, data: user }));
      parseOrRefuse(jsonBytes({ type, timestamp, data: { ...user, id: "user_1" } }));
    }),
  );
});

test("the version of any event is a whole number of milliseconds that PostgreSQL and JSON can hold", () => {
  const times = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, 1e11, 2 ** 53, 1e300));
  fc.assert(
    fc.property(fc.constantFrom(...handledTypes), times, times, (type, timestamp, updatedAt) => {
      const event = parseEvent(jsonBytes({ type, timestamp, data: { id: "user_1", updated_at: updatedAt } }));
      const version = event.type === "unhandled" ? undefined : event.version;
      expect(Number.isSafeInteger(version)).toBe(true);
      expect(version).toBeGreaterThanOrEqual(0);
    }),
  );
});
