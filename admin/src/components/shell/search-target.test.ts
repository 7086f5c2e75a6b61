import { expect, it } from "vitest";
import { findTarget } from "./search-target.ts";

const id = "0b7a3a0e-1111-4222-8333-444455556666";
const organization = "org_2abcdefghijklmnopqrstuvwxyz";

it.each([
  ["user_2abC9", { kind: "user", path: "/users/user_2abC9" }],
  ["user_clerksync_canary_1", { kind: "user", path: "/users/user_clerksync_canary_1" }],
  [` ${id.toUpperCase()} `, { kind: "job", id, path: `/jobs?q=${id.toUpperCase()}` }],
  ["msg_2x", { kind: "event", path: "/jobs?q=msg_2x" }],
  [organization, { kind: "event", path: `/jobs?q=${organization}` }],
  ["ada+1@example.com", { kind: "text", path: "/users?q=ada%2B1%40example.com" }],
  ["Ada Lovelace", { kind: "text", path: "/users?q=Ada%20Lovelace" }],
  ["org_ada", { kind: "text", path: "/users?q=org_ada" }],
  ["user_2/../jobs?x=1", { kind: "text", path: "/users?q=user_2%2F..%2Fjobs%3Fx%3D1" }],
])("%j leads to %j", (entered, target) => {
  expect(findTarget(entered)).toEqual(target);
});

it("nothing entered leads nowhere", () => {
  expect(findTarget("  ")).toBeNull();
});
