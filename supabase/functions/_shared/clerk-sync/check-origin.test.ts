import { expect, test } from "vitest";
import { fixtureBytes, jsonBytes } from "../../../../tests/support/clerk-fixture.ts";
import { checkOrigin } from "./check-origin.ts";
import type { HandledEvent } from "./map-user.ts";
import { parseEvent } from "./parse-event.ts";

const own = "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA";
const parse = (bytes: Uint8Array) => parseEvent(bytes) as HandledEvent;

test.each(["user.created", "user.updated", "user.deleted", "user.deleted.no-id"])("%s is of its instance", (name) => {
  const event = parse(fixtureBytes(name));
  expect(checkOrigin(event, [])).toBe("instance");
  expect(checkOrigin(event, ["ins_staging", own])).toBe("instance");
  expect(checkOrigin(event, ["ins_staging"])).toBe("other_instance");
});

test("an event that names no instance is not of a pinned one", () => {
  const event = parse(jsonBytes({ type: "user.deleted", data: { id: "user_1" } }));
  expect(checkOrigin(event, [])).toBe("instance");
  expect(checkOrigin(event, [own])).toBe("other_instance");
});

test.each(["dashboard-sample.user.created", "openapi-sample.user.created.seconds-timestamp"])(
  "%s is a sample, pinned or not",
  (name) => {
    const event = parse(fixtureBytes(name));
    expect(checkOrigin(event, [])).toBe("sample");
    expect(checkOrigin(event, [own])).toBe("sample");
  },
);

test("whatever the sample's instance sends is a sample", () => {
  const event = parse(jsonBytes({ type: "user.deleted", instance_id: "ins_123", data: { id: "user_1" } }));
  expect(checkOrigin(event, [])).toBe("sample");
});

test("a deletion of the sample's user is a sample, too", () => {
  const data = { id: "user_29w83sxmDNGwOuEthce5gg56FcC", deleted: true };
  expect(checkOrigin(parse(jsonBytes({ type: "user.deleted", data })), [])).toBe("sample");
});
