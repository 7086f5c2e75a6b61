import { expect, test } from "vitest";
import { listTypes } from "./list-types.ts";

test("the types of a group are counted in words", () => {
  expect(listTypes({ USER_CREATED: 1200, USER_DELETED: 1 })).toBe("1,200 users created, 1 deleted");
  expect(listTypes({ USER_UPDATED: 1 })).toBe("1 user updated");
});
