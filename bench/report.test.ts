import { describe, expect, test } from "vitest";
import { readOptions } from "./read-options.ts";
import { replaceSection, toTable } from "./report.ts";
import { median, ratioOf } from "./statistics.ts";

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

describe("ratio", () => {
  test("is above 1 when the second side does more, or takes less time", () => {
    expect(ratioOf([100], [200], "rate")).toBe(2);
    expect(ratioOf([10], [5], "time")).toBe(2);
  });
});

test("a table has the median of both sides and the ratio", () => {
  const sides = { none: [1000, 3000, 2000], some: [1, 2, 1.5] };
  const row = { what: "drain", unit: "jobs/s", sides, ratio: 0.5, better: "higher" } as const;
  expect(toTable([row])).toBe(
    "|  | none | some | ratio |\n| --- | ---: | ---: | ---: |\n| drain | 2,000 jobs/s | 1.50 jobs/s | 0.50 |",
  );
});

describe("the section of a scenario", () => {
  test("is replaced between its markers only", () => {
    expect(replaceSection("a\n<!-- x -->\nold\n<!-- /x -->\nb", "x", "new")).toBe("a\n<!-- x -->\nnew\n<!-- /x -->\nb");
  });

  test("must have its markers", () => {
    expect(() => replaceSection("a", "x", "new")).toThrow("<!-- x -->");
  });
});

describe("the command line", () => {
  test("runs all scenarios when none is named", () => {
    expect(readOptions([], ["a", "b"])).toEqual({
      names: ["a", "b"],
      options: { history: 2_000_000, rounds: 5 },
      out: null,
    });
  });

  test("takes a folder for the results, so that the stored ones stay", () => {
    expect(readOptions(["--out", "fresh"], ["a"]).out).toBe("fresh");
  });

  test("names those there are when one is not known", () => {
    expect(() => readOptions(["c"], ["a", "b"])).toThrow("There are: a, b.");
  });

  test.each(["0", "-1", "x", "1.5"])("refuses --rounds %s", (rounds) => {
    expect(() => readOptions([`--rounds=${rounds}`], ["a"])).toThrow("--rounds");
  });
});
