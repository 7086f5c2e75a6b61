import { expect, it } from "vitest";
import { describeVersion } from "./describe-version.ts";

it.each([
  [0, "1970-01-01T00:00:00.000Z"],
  [8.64e15, "+275760-09-13T00:00:00.000Z"],
  [8.64e15 + 1, "8640000000000001"],
  [9_007_199_254_740_991, "9007199254740991"],
])("version %d is shown as %s", (version, shown) => {
  expect(describeVersion(version)).toBe(shown);
});
