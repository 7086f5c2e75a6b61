import parse from "parse-prometheus-text-format";

export type ReadMetrics = {
  /** The value of one sample; null when there is none. */
  valueOf: (name: string, labels?: Record<string, string>) => number | null;
  /** Every sample that must not go back, by its name and labels. */
  counters: () => Map<string, number>;
  /** Every sample. */
  samples: () => { name: string; labels: Record<string, string>; value: number }[];
};

/**
 * Reads a scrape with a parser that is not ours. It throws the labels of histograms away, so that their parts are read
 * as the plain samples they are written as.
 */
export function readMetrics(text: string): ReadMetrics {
  const families = parse(text.replaceAll(/^# TYPE \S+ histogram$/gm, ""));
  const all = families.flatMap(({ name, type, metrics }) =>
    metrics.map(({ labels = {}, value }) => ({ name, type, labels, value: Number(value) })),
  );
  const values = new Map(all.map(({ name, labels, value }) => [name + keyOf(labels), value]));
  return {
    valueOf: (name, labels = {}) => values.get(name + keyOf(labels)) ?? null,
    counters: () =>
      new Map(
        all
          .filter(({ name, type }) => type === "COUNTER" || /_(bucket|sum|count)$/.test(name))
          .map(({ name, labels, value }) => [name + keyOf(labels), value]),
      ),
    samples: () => all,
  };
}

function keyOf(labels: Record<string, string>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([left], [right]) => left.localeCompare(right)));
}
