import { expect, it } from "vitest";
import { findTarget } from "./search-target.ts";

const id = "0b7a3a0e-1111-4222-8333-444455556666";

it.each([
  ["user_2abC9", { kind: "user", path: "/users/user_2abC9" }],
  [` ${id.toUpperCase()} `, { kind: "job", id, path: `/jobs?q=${id.toUpperCase()}` }],
  ["ada+1@example.com", { kind: "list", of: "users", path: "/users?q=ada%2B1%40example.com" }],
  ["msg_2x", { kind: "list", of: "jobs", path: "/jobs?q=msg_2x" }],
  ["user_2/../jobs?x=1", { kind: "list", of: "jobs", path: "/jobs?q=user_2%2F..%2Fjobs%3Fx%3D1" }],
])("%j leads to %j", (entered, target) => {
  expect(findTarget(entered)).toEqual(target);
});

it("nothing entered leads nowhere", () => {
  expect(findTarget("  ")).toBeNull();
});
