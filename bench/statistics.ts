/** The middle of the values; of an even number of them the mean of the two in the middle. Throws for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  if (low === undefined || high === undefined) throw new RangeError("no values, no median");
  return (low + high) / 2;
}

/** The least value that so many percent of the values do not exceed. Throws for none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  const value = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
  if (value === undefined) throw new RangeError("no values, no percentile");
  return value;
}

/** How the second side stands against the first; above 1 is faster. */
export function ratioOf(first: readonly number[], second: readonly number[], kind: "rate" | "time"): number {
  return kind === "rate" ? median(second) / median(first) : median(first) / median(second);
}
