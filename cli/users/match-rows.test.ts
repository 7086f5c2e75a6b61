import { describe, expect, test } from "vitest";
import { matchRows } from "./match-rows.ts";

const row = (clerk_id: string, ...keys: string[]) => ({ clerk_id, keys, is_unverified: false, is_deleted: false });
const instance = (users: Record<string, string>) => {
  const matches = new Map<string, string[]>();
  for (const [id, key] of Object.entries(users)) matches.set(key, [...(matches.get(key) ?? []), id]);
  return { ids: new Set(Object.keys(users)), matches };
};
const none = { known: 0, pairs: [], ambiguous: [], unmatched: [], taken: [], unverified: [] };

describe("a row whose Clerk id the instance does not have", () => {
  test("gets the one user with its key", () => {
    const matching = matchRows([row("dev_a", "a"), row("dev_b", "b")], instance({ live_a: "a", live_c: "c" }));
    expect(matching).toEqual({ ...none, pairs: [{ from: "dev_a", to: "live_a" }], unmatched: ["dev_b"] });
  });

  test("stays when several users have its key", () => {
    expect(matchRows([row("dev_a", "a")], instance({ live_1: "a", live_2: "a" }))).toEqual({
      ...none,
      ambiguous: ["dev_a"],
    });
  });

  test("stays when its keys mean different users", () => {
    const users = instance({ live_1: "a", live_2: "b" });
    expect(matchRows([row("dev_a", "a", "b")], users)).toEqual({ ...none, ambiguous: ["dev_a"] });
  });

  test("stays when another row has the key too", () => {
    const rows = [row("dev_a", "a"), row("dev_b", "a")];
    expect(matchRows(rows, instance({ live: "a" }))).toEqual({ ...none, ambiguous: ["dev_a", "dev_b"] });
  });

  test("stays when the user has a row already", () => {
    const rows = [row("dev_a", "a"), row("live", "a")];
    expect(matchRows(rows, instance({ live: "a" }))).toEqual({ ...none, known: 1, taken: ["dev_a"] });
  });

  test("stays when the user has a row that is marked as deleted", () => {
    const rows = [row("dev_a", "a"), { ...row("live", "a"), is_deleted: true }];
    expect(matchRows(rows, instance({ live: "a" }))).toEqual({ ...none, taken: ["dev_a"] });
  });

  test("is left out when it is marked as deleted", () => {
    const rows = [{ ...row("dev_a", "a"), is_deleted: true }, row("dev_b", "a")];
    expect(matchRows(rows, instance({ live: "a" }))).toEqual({ ...none, pairs: [{ from: "dev_b", to: "live" }] });
  });

  test("stays when its address was never verified", () => {
    const rows = [{ ...row("dev_a", "a"), is_unverified: true }];
    expect(matchRows(rows, instance({ live: "a" }))).toEqual({ ...none, unverified: ["dev_a"] });
  });
});

test("a row whose Clerk id the instance has is known, whatever its key", () => {
  expect(matchRows([row("live", "b")], instance({ live: "a", other: "b" }))).toEqual({ ...none, known: 1 });
});
