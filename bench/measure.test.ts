import { describe, expect, test } from "vitest";
import { makeRow, median, percentile, ratioOf } from "./measure.ts";

describe("median", () => {
  test("is the value in the middle, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  test("is the mean of the two in the middle of an even number", () => {
    expect(median([4, 1, 2, 9])).toBe(3);
  });

  test("of nothing is an error", () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe("percentile", () => {
  test.each([
    [50, 2],
    [75, 3],
    [99, 4],
    [100, 4],
  ])("%d of 1, 2, 3, 4 is %d", (percent, value) => {
    expect(percentile([4, 1, 3, 2], percent)).toBe(value);
  });
});

describe("ratio", () => {
  test("is above 1 when the second side does more, or takes less time", () => {
    expect(ratioOf([100], [200], "rate")).toBe(2);
    expect(ratioOf([10], [5], "time")).toBe(2);
  });

  test.each([
    ["jobs/s", "quick", 4],
    ["ms", "slow", 0.5],
  ])("of a row in %s is held against the best of the others, %s", (unit, against, ratio) => {
    const sides = { slow: [1, 1, 1], quick: [2, 1, 9], ours: [2, 8, 8] };
    const row = makeRow({ what: "a", unit, sides, of: "ours", against: ["slow", "quick"] });
    expect(row).toMatchObject({ against, ratio: unit === "ms" ? 0.125 : ratio });
  });
});
