import fc from "fast-check";
import { expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import type { Json } from "../sanitise.ts";
import { summariseEvent } from "./summarise-event.ts";

test("of an event its kind, ids and times stay, and nothing of the person", () => {
  const event = JSON.parse(new TextDecoder().decode(fixtureBytes("user.updated")));
  expect(summariseEvent(event)).toEqual({
    type: "user.updated",
    object: "event",
    timestamp: event.timestamp,
    instance_id: event.instance_id,
    data: { id: event.data.id, object: "user", created_at: event.data.created_at, updated_at: event.data.updated_at },
  });
});

test("whatever an event is made of, no more than ten plain values of it stay", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (value, inner) => {
      const data = { id: inner, first_name: inner, created_at: inner };
      const { data: kept, ...rest } = summariseEvent({ type: value, data, email: value } as Json);
      const values = [...Object.values(rest), ...Object.values(kept as Record<string, unknown>)];
      expect(Object.keys(rest).filter((key) => key !== "type")).toEqual([]);
      expect(Object.keys(kept as object).filter((key) => !["id", "created_at"].includes(key))).toEqual([]);
      expect(values.filter((entry) => typeof entry === "object")).toEqual([]);
    }),
  );
});

test.each([null, "event", 7, [], { data: null }, { data: [] }])("an event that is none leaves nothing: %j", (event) => {
  expect(summariseEvent(event)).toEqual({ data: {} });
});
