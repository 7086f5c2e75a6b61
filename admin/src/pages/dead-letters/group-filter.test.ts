import { expect, test } from "vitest";
import { groupFilter } from "./group-filter.ts";

test("a group is found by its code, among dead letters only", () => {
  expect(groupFilter("database_rejected 23514")).toEqual({ status: ["DEAD"], code: "database_rejected 23514" });
});

test("a group without a code, or with one that no filter takes, has no filter that would find others", () => {
  expect(groupFilter("")).toBeNull();
  expect(groupFilter("x".repeat(81))).toBeNull();
  expect(groupFilter("x".repeat(80))).not.toBeNull();
});
