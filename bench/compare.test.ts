import { describe, expect, test } from "vitest";
import { compareResults, findRegressions, formatComparison } from "./compare.ts";
import type { Row } from "./measure.ts";
import { type Result, readResults, storedFolder } from "./results.ts";

const machine = {
  cpu: "A",
  cores: 2,
  memoryGb: 8,
  node: "v24.0.0",
  postgres: "17.0",
  pgBoss: "12.0.0",
  graphileWorker: "0.18.0",
};
const options = { history: 1000, rounds: 5 };

const run = {
  scenario: "history",
  question: "is it quick?",
  date: "2026-11-25",
  commit: "abc",
  machine,
  load: { before: 0, after: 1 },
  options,
  notes: [],
};
const plain = {
  what: "drain",
  unit: "ms",
  sides: {},
  ratio: 1,
  of: "us",
  against: "them",
  better: "higher",
  goal: null,
};

function resultOf(rows: Partial<Row>[], changes: Partial<Result> = {}): Result {
  const filled = rows.map((row) => ({ ...plain, ...row }) as Row);
  return { ...run, rows: filled, ...changes };
}

/** How one row is judged that went from one ratio to another. */
function judge(stored: number, fresh: number, better: Row["better"]) {
  return compareResults([resultOf([{ ratio: stored, better }])], [resultOf([{ ratio: fresh, better }])]).rows[0];
}

describe("a row", () => {
  test.each([
    [1, 0.8, "higher", "worse", 20],
    [1, 0.81, "higher", "same", 19],
    [1, 1.2, "higher", "better", -20],
    [0.5, 0.6, "lower", "worse", 20],
    [0.5, 0.595, "lower", "same", 19],
    [0.5, 0.4, "lower", "better", -20],
    [1, 1, "lower", "same", 0],
  ] as const)("from %d to %d, better when %s, is %s", (stored, fresh, better, state, percentWorse) => {
    expect(judge(stored, fresh, better)).toMatchObject({ state, percentWorse });
  });

  test("is compared with the row of the same scenario only", () => {
    const stored = [resultOf([{ ratio: 9 }], { scenario: "other" }), resultOf([{ ratio: 1 }])];
    const comparison = compareResults(stored, [resultOf([{ ratio: 1 }])]);
    expect(comparison.rows.map(({ scenario, state }) => [scenario, state])).toEqual([
      ["other", "gone"],
      ["history", "same"],
    ]);
  });

  test("is judged by its ratio, whatever its absolute times are", () => {
    const [slow, fast] = [resultOf([{ sides: { a: [100] } }]), resultOf([{ sides: { a: [1] } }])];
    expect(findRegressions(compareResults([fast], [slow]))).toEqual([]);
  });

  test.each([
    ["higher", 0.5, 1.1, "same"],
    ["lower", 2, 1.1, "same"],
    ["higher", 0.5, 0.6, "worse"],
  ] as const)("that is better %s, measured as %d and %d, is %s", (better, once, again, state) => {
    const fresh = [resultOf([{ ratio: once, better }]), resultOf([{ ratio: again, better }])];
    for (const runs of [fresh, fresh.toReversed()]) {
      expect(compareResults([resultOf([{ better }])], runs).rows).toMatchObject([{ state, fresh: again }]);
    }
  });

  test("without a counterpart is new or gone, and no regression", () => {
    const comparison = compareResults([resultOf([{ what: "old" }])], [resultOf([{ what: "young" }])]);
    expect(comparison.rows).toMatchObject([
      { what: "old", state: "gone" },
      { what: "young", state: "new" },
    ]);
    expect(findRegressions(comparison)).toEqual([]);
    expect(formatComparison(comparison).at(-1)).toBe("Nothing was compared: the two runs have no row in common.");
  });
});

describe("what is printed", () => {
  test("is a table with every row", () => {
    const stored = resultOf([{ what: "drain", ratio: 2 }, { what: "poll", ratio: 1 }, { what: "old" }]);
    const fresh = resultOf([
      { what: "drain", ratio: 1 },
      { what: "poll", ratio: 1.1 },
    ]);
    expect(formatComparison(compareResults([stored], [fresh]))[0]?.split("\n")).toEqual([
      "| scenario | row | stored ratio | this run | change |",
      "| --- | --- | ---: | ---: | --- |",
      "| history | drain | 2.00 | 1.00 | **50.0 % worse** |",
      "| history | poll | 1.00 | 1.10 | 10.0 % better |",
      "| history | old | 1.00 |  | not in this run |",
    ]);
  });

  test("names the rows that are worse", () => {
    const comparison = compareResults([resultOf([{ ratio: 2 }])], [resultOf([{ ratio: 1 }])]);
    expect(formatComparison(comparison).at(-1)).toBe("20 % or more worse than the stored results: history, drain.");
  });

  test("says when machine, versions or options differ", () => {
    const elsewhere = { machine: { ...machine, cores: 4, node: "v24.1.0" }, options: { history: 10, rounds: 5 } };
    const fresh = resultOf([{}], elsewhere);
    expect(compareResults([resultOf([{}])], [fresh, fresh]).notes).toEqual([
      "history was stored (abc) on another machine or version: cores 2, now 4, node v24.0.0, now v24.1.0.",
      "history was stored (abc) with other options: history 1000, now 10.",
    ]);
    expect(compareResults([resultOf([{}])], [resultOf([{}])]).notes).toEqual([]);
  });
});

const stored = await readResults(storedFolder);

describe.each(stored)("a run of $scenario", (result) => {
  const changed = (factor: (row: Row) => number) => [
    { ...result, rows: result.rows.map((row) => ({ ...row, ratio: row.ratio * factor(row) })) },
  ];
  const names = result.rows.map(({ what }) => what);

  test("has rows that can be told apart", () => {
    expect(names).toEqual([...new Set(names)]);
    expect(names.length).toBeGreaterThan(0);
  });

  test("that is 20 % slower is pointed out in every row", () => {
    const slower = changed(({ better }) => (better === "higher" ? 0.799 : 1.201));
    expect(findRegressions(compareResults(stored, slower)).map(({ what }) => what)).toEqual(names);
  });

  test("that is as quick is not pointed out, nor one that is 15 % slower", () => {
    for (const factor of [1, 0.85])
      expect(
        findRegressions(
          compareResults(
            stored,
            changed(() => factor),
          ),
        ),
      ).toEqual([]);
  });
});
