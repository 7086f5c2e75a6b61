import { expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { parsePage } from "./parse-page.ts";

const { data } = JSON.parse(new TextDecoder().decode(fixtureBytes("user.created")));
const user = (id: string, created_at = 1_763_900_000_001) => ({ ...data, id, created_at, updated_at: created_at + 1 });

test("a page has its users in order, their times, and where the next one starts", () => {
  const page = parsePage([user("user_a"), user("user_b", 1_763_900_000_005)]);
  expect(page.users).toMatchObject([
    { version: 1_763_900_000_002, createdAt: 1_763_900_000_001, user: { id: "user_a" } },
    { version: 1_763_900_000_006, createdAt: 1_763_900_000_005, user: { id: "user_b" } },
  ]);
  expect(page.unreadable).toEqual([]);
  expect(page.last).toEqual({ id: "user_b", createdAt: 1_763_900_000_005 });
});

test("an empty page has no place to go on from", () => {
  expect(parsePage([])).toEqual({ users: [], unreadable: [], last: null });
});

test("users that cannot be read are named and cost the others nothing", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 100; level++) deep = [deep];
  const page = parsePage([user("user_a"), { ...user("user_deep"), public_metadata: deep }, { object: "user" }, null]);
  expect(page.users.map((entry) => entry.user.id)).toEqual(["user_a"]);
  expect(page.unreadable).toEqual(["user_deep", "unknown", "unknown"]);
  expect(page.last).toEqual({ id: "user_deep", createdAt: 1_763_900_000_001 });
});

test.each([[{ data: [] }], ["<html>"], [null], [[{ object: "user" }]]])("%j is no page", (body) => {
  expect(() => parsePage(body)).toThrow();
});

test("private_metadata does not get into a page", () => {
  expect(JSON.stringify(parsePage([{ ...user("user_a"), private_metadata: { secret: 1 } }]))).not.toContain("secret");
});
