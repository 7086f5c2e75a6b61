import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { makeRow } from "./measure.ts";
import { formatDocs, formatPlot } from "./page.ts";
import { readResults, storedFolder } from "./results.ts";
import { scenarios } from "./scenarios/scenarios.ts";
import { formatRows } from "./table.ts";

test("a table has the median of every side, the ratio, what it is held against, and where asked for the aim", () => {
  const sides = { none: [1000, 3000, 2000], some: [1, 2, 1.5] };
  const rows = [
    makeRow({ what: "drain", unit: "jobs/s", sides, of: "some", against: ["none"], goal: 0.5 }),
    makeRow({ what: "wait", unit: "ms", sides: { some: [1], other: [2] }, of: "some", against: ["other"] }),
  ];
  expect(formatRows(rows, { withAims: true }).split("\n")).toEqual([
    "|  | none | some | other | ratio | against | aim |",
    "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    "| drain | 2,000 jobs/s | 1.50 jobs/s |  | 0.00 | none | ≥ 0.5 |",
    "| wait |  | 1.00 ms | 2.00 ms | 2.00 | other |  |",
  ]);
  expect(formatRows(rows).split("\n").at(-1)).toBe("| wait |  | 1.00 ms | 2.00 ms | 2.00 | other |");
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

  test("and the plots are what npm run bench writes of the stored results", async () => {
    const written = formatDocs(await readResults(storedFolder));
    for (const [name, text] of written) expect(await readFile(new URL(name, docs), "utf8"), name).toBe(text);
    const plots = (await readdir(new URL("performance/", docs))).map((name) => `performance/${name}`);
    expect([...written.keys()].filter((name) => name.endsWith(".svg"))).toEqual(plots.sort());
  });

  test("has a result of every scenario, and of nothing else", async () => {
    const stored = await readResults(storedFolder);
    expect(stored.map(({ scenario }) => scenario).sort()).toEqual(scenarios.map(({ name }) => name).sort());
  });
});

test("bench/README.md names every aim that the stored results miss, with its ratio", async () => {
  const readme = await readFile(new URL("README.md", import.meta.url), "utf8");
  const missed = (await readResults(storedFolder)).flatMap(({ scenario, rows }) =>
    rows.flatMap(({ what, against, ratio, goal }) =>
      goal === null || ratio >= goal ? [] : [`| ${scenario} | ${what} | ${against} | ${ratio.toFixed(2)} | ${goal} |`],
    ),
  );
  const named = readme.match(/^\| [a-z-]+ \| .+ \| .+ \| [\d.]+ \| [\d.]+ \|$/gm) ?? [];
  expect(named.sort()).toEqual(missed.sort());
});
