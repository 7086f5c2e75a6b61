import fc from "fast-check";
import { expect, test } from "vitest";
import { readMetrics } from "../../../../../tests/support/metrics/read-metrics.ts";
import { histogram } from "./families.ts";
import { formatMetrics, type MetricFamily } from "./format-metrics.ts";

const family = (samples: MetricFamily["samples"], help = "Help."): MetricFamily => ({
  name: "a_total",
  type: "counter",
  help,
  samples,
});

test("a metric has its help, its type and one line per sample", () => {
  const samples = [
    { labels: { code: "x", kind: "y" }, value: 3 },
    { labels: {}, value: 0.5 },
  ];
  expect(formatMetrics([family(samples)])).toBe(
    '# HELP a_total Help.\n# TYPE a_total counter\na_total{code="x",kind="y"} 3\na_total 0.5\n',
  );
});

test("a metric without samples is left out", () => {
  expect(formatMetrics([family([])])).toBe("");
});

test("help and label values cannot break out of their line", () => {
  const text = formatMetrics([family([{ labels: { code: 'a"} 1\nb_total \\' }, value: 1 }], "one\ntwo \\")]);
  expect(text.split("\n")).toEqual([
    "# HELP a_total one\\ntwo \\\\",
    "# TYPE a_total counter",
    'a_total{code="a\\"} 1\\nb_total \\\\"} 1',
    "",
  ]);
});

test("whatever a label's value is, a parser reads the same", () => {
  const text = fc.string({ unit: "binary", minLength: 1 }); // to Prometheus an empty one is none
  fc.assert(
    fc.property(text, fc.double({ noNaN: true, noDefaultInfinity: true }), (code, value) => {
      const read = readMetrics(formatMetrics([family([{ labels: { code }, value }])]));
      expect(read.samples()).toMatchObject([{ labels: { code }, value: Number(String(value)) }]);
    }),
  );
});

test("numbers that are none have their names", () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21, 1e-7];
  const text = formatMetrics([family(values.map((value) => ({ labels: {}, value })))]);
  expect(text.match(/(?<=^a_total ).*$/gm)).toEqual(["NaN", "+Inf", "-Inf", "1e+21", "1e-7"]);
});

test("a histogram has cumulative buckets, all of them, and is there before anything was measured", () => {
  const counts = [{ name: "latency", labels: { source: "webhook" }, count: 4, sum: 9, buckets: { "0": 1, "2": 3 } }];
  const facts = { counts, bounds: [1, 5] };
  const ofEach = (samples: MetricFamily["samples"]) =>
    samples.map(({ suffix, labels, value }) => [suffix, labels["le"], value]);
  expect(ofEach(histogram(facts, "latency", { source: "webhook" }))).toEqual([
    ["_bucket", "1", 1],
    ["_bucket", "5", 1],
    ["_bucket", "+Inf", 4],
    ["_sum", undefined, 9],
    ["_count", undefined, 4],
  ]);
  expect(histogram(facts, "processing", {}).map(({ value }) => value)).toEqual([0, 0, 0, 0, 0]);
});
