import { expect, test } from "vitest";
import { parsePage } from "#core/clerk/parse-page.ts";
import { userEvent } from "../../tests/support/clerk/build-event.ts";
import { createFakeClerk } from "../../tests/support/database/fake-runs-database.ts";
import { readInstance } from "./read-instance.ts";

const page = (...users: Parameters<typeof userEvent>[1][]) =>
  parsePage(users.map((facts) => userEvent("user.updated", facts).data));
const ada = { id: "user_ada", version: 1, email: "Ada@Example.com", externalId: "old_ada" };
const bob = { id: "user_bob", version: 1, email: "bob@example.com", verified: false };

test("addresses count in lower case, and only when Clerk has verified them", async () => {
  const read = await readInstance(createFakeClerk([page(ada), page(bob)]), "email");
  expect([...read.ids]).toEqual(["user_ada", "user_bob"]);
  expect([...read.matches]).toEqual([["ada@example.com", ["user_ada"]]]);
});

test("external ids count as they are, and a user without one has no key", async () => {
  const read = await readInstance(createFakeClerk([page(ada, bob)]), "external_id");
  expect([...read.matches]).toEqual([["old_ada", ["user_ada"]]]);
});

test("a user whom two pages show counts once", async () => {
  const read = await readInstance(createFakeClerk([page(ada), page(ada, bob)]), "email");
  expect(read.matches.get("ada@example.com")).toEqual(["user_ada"]);
});

test("a user who cannot be read is in the instance", async () => {
  const broken = { ...page(ada), unreadable: ["user_odd"] };
  expect((await readInstance(createFakeClerk([broken]), "email")).ids).toContain("user_odd");
});
