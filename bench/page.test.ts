import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { makeRow } from "./measure.ts";
import { formatDocs, formatPage, formatPlot, storedFolder } from "./page.ts";
import { readResults } from "./results.ts";
import { scenarios } from "./scenarios/scenarios.ts";
import { formatRows } from "./table.ts";

test("a table has the median of every side, the ratio, and what it is held against", () => {
  const sides = { none: [1000, 3000, 2000], some: [1, 2, 1.5] };
  const rows = [
    makeRow({ what: "drain", unit: "jobs/s", sides, of: "some", against: ["none"], goal: 0.5 }),
    makeRow({ what: "wait", unit: "ms", sides: { some: [1], other: [2] }, of: "some", against: ["other"] }),
  ];
  expect(formatRows(rows).split("\n")).toEqual([
    "|  | none | some | other | ratio | against | aim |",
    "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    "| drain | 2,000 jobs/s | 1.50 jobs/s |  | 0.00 | none | ≥ 0.5 |",
    "| wait |  | 1.00 ms | 2.00 ms | 2.00 | other |  |",
  ]);
});

test("a plot has a bar for every side of the rows in the first one's unit, each measurement once", () => {
  const sides = { "a<b": [1, 3, 2], b: [4] };
  const [of, against] = ["b", ["a<b"]];
  const rows = [
    makeRow({ what: "drain", unit: "jobs/s", sides, of, against }),
    makeRow({ what: "drain, against b", unit: "jobs/s", sides: { b: [4] }, of, against: ["b"] }),
    makeRow({ what: "fill", unit: "jobs/s", sides: { b: [5] }, of, against: ["b"] }),
    makeRow({ what: "wait", unit: "ms", sides: { b: [6] }, of, against: ["b"] }),
  ];
  expect(formatPlot("how?", rows).match(/<title>.*?<\/title>/g)).toEqual([
    "<title>how? (jobs/s)</title>",
    "<title>a&lt;b: 2.00 jobs/s</title>",
    "<title>b: 4.00 jobs/s</title>",
    "<title>b: 5.00 jobs/s</title>",
  ]);
});

describe("docs/performance.md", () => {
  const docs = new URL("../docs/", import.meta.url);

  test("scale.md and the plots are what npm run bench writes of the stored results", async () => {
    const written = formatDocs(await readResults(storedFolder), order);
    for (const [name, text] of written) expect(await readFile(new URL(name, docs), "utf8"), name).toBe(text);
    const plots = (await readdir(new URL("performance/", docs))).map((name) => `performance/${name}`);
    expect([...written.keys()].filter((name) => name.endsWith(".svg"))).toEqual(plots.sort());
  });

  test("says of every aim whether it is reached", () => {
    const rows = [0.9, 0.8].map((ratio) => ({ ...makeRow({ ...facts, goal: 0.9 }), what: `at ${ratio}`, ratio }));
    const page = formatPage([{ ...result, rows: [...rows, makeRow(facts)] }], order);
    expect(page.match(/^\| \[.*$/gm)).toEqual([
      "| [x](#x) | at 0.9 | a | 0.90 | ≥ 0.9 | yes |",
      "| [x](#x) | at 0.8 | a | 0.80 | ≥ 0.9 | no |",
    ]);
  });

  test("has a result of every scenario, and of nothing else", async () => {
    const stored = await readResults(storedFolder);
    expect(stored.map(({ scenario }) => scenario).sort()).toEqual([...order].sort());
  });
});

const facts = { what: "drain", unit: "jobs/s", sides: { a: [1], b: [1] }, of: "b", against: ["a"] };
const machine = {
  cpu: "A",
  cores: 2,
  memoryGb: 8,
  node: "v24.0.0",
  postgres: "17.0",
  pgBoss: "12",
  graphileWorker: "0.18",
};
const result = {
  scenario: "x",
  question: "how?",
  date: "2026-11-25",
  commit: "abc",
  machine,
  load: { before: 0, after: 1 },
  options: {},
  notes: [],
};
const order = scenarios.map(({ name }) => name);
