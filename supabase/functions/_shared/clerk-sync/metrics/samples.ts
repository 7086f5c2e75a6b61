import type { MetricFacts } from "./facts.ts";
import type { Labels, MetricSample } from "./format-metrics.ts";

type Count = MetricFacts["counts"][number];
type Measured = Pick<MetricFacts, "counts" | "bounds">;

export function one(value: number): MetricSample[] {
  return [{ labels: {}, value }];
}

/** A sample for each of the values, 1 where it is the one that holds. */
export function oneOf(label: string, values: readonly string[], holds: string, labels: Labels = {}): MetricSample[] {
  return values.map((value) => ({ labels: { ...labels, [label]: value }, value: value === holds ? 1 : 0 }));
}

/** Seconds between two times of the database; null without the earlier one. */
export function ageOf(at: string | null | undefined, now: string): number | null {
  return at ? Math.max(0, (Date.parse(now) - Date.parse(at)) / 1000) : null;
}

/** No sample where there is no age: what never happened is not old. */
export function aged(labels: Labels, age: number | null): MetricSample[] {
  return age === null ? [] : [{ labels, value: age }];
}

export function sumOf(counts: readonly { count: number }[]): number {
  return counts.reduce((sum, entry) => sum + entry.count, 0);
}

export function isCompleted({ name, labels }: Count): boolean {
  return name === "finished" && labels["status"] === "COMPLETED";
}

/** What was counted under this name, by its labels. */
export function count({ counts }: Pick<MetricFacts, "counts">, name: string): MetricSample[] {
  return counts.filter((entry) => entry.name === name).map((entry) => ({ labels: entry.labels, value: entry.count }));
}

/** The samples, and 0 for those labels that are not among them: a rate needs to see a counter before it moves. */
export function zeros(samples: readonly MetricSample[], known: readonly Labels[]): MetricSample[] {
  const seen = new Set(samples.map(({ labels }) => keyOf(labels)));
  return [...samples, ...known.filter((labels) => !seen.has(keyOf(labels))).map((labels) => ({ labels, value: 0 }))];
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/** Cumulative buckets, sum and count of each set of labels; of `known` also when nothing was measured. */
export function histogram({ counts, bounds }: Measured, name: string, known: Labels): MetricSample[] {
  const measured = counts.filter((entry) => entry.name === name);
  const isKnown = measured.some(({ labels }) => keyOf(labels) === keyOf(known));
  const empty = { name, labels: known, count: 0, sum: 0, buckets: {} };
  return [...measured, ...(isKnown ? [] : [empty])].flatMap((entry) => histogramOf(entry, bounds));
}

function histogramOf({ labels, buckets, count: total, sum }: Count, bounds: readonly number[]): MetricSample[] {
  let upTo = 0;
  const samples = bounds.map((bound, bucket): MetricSample => {
    upTo += buckets[String(bucket)] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le: String(bound) }, value: upTo };
  });
  return [
    ...samples,
    { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: total },
    { suffix: "_sum", labels, value: sum },
    { suffix: "_count", labels, value: total },
  ];
}
