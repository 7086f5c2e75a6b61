import { describe, expect, test } from "vitest";
import { refuseUnknown } from "./check-instance.ts";

describe("so many users unknown to Clerk", () => {
  test.each([
    [0, 0],
    [0, 100],
    [1, 2],
    [10, 11],
    [20, 100],
    [11, 55],
  ])("%i of %i are deletions that were missed", (unknown, users) => {
    expect(() => refuseUnknown(unknown, users, 20)).not.toThrow();
  });

  test.each([
    [1, 1],
    [10, 10],
    [100, 100],
    [21, 100],
    [11, 54],
  ])("%i of %i are another instance", (unknown, users) => {
    expect(() => refuseUnknown(unknown, users, 20)).toThrow(
      expect.objectContaining({ code: "clerk_instance_mismatch", retryable: false }),
    );
  });

  test("are no matter when a person says so", () => {
    expect(() => refuseUnknown(100, 100, 100)).not.toThrow();
  });
});
