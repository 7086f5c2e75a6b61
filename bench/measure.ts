/** How often each side is measured, and who is told. */
type Rounds = {
  rounds: number;
  say: (line: string) => void;
  /** The sides have done the like in this run: none needs to be warmed up. */
  areWarm?: boolean;
};

/**
 * Measures all sides round by round. Round 0 warms them up and does not count. Who begins changes, so that none always
 * runs after the same other one.
 */
export async function alternate<Side, Measured>(
  what: string,
  sides: readonly (readonly [name: string, side: Side])[],
  { rounds, say, areWarm = false }: Rounds,
  measure: (side: Side, round: number, name: string) => Promise<Measured>,
): Promise<Map<string, Measured[]>> {
  const measured = new Map<string, Measured[]>(sides.map(([name]) => [name, []]));
  for (let round = areWarm ? 1 : 0; round <= rounds; round++) {
    for (const [name, side] of round % 2 === 0 ? sides : sides.toReversed()) {
      const value = await measure(side, round, name);
      if (round > 0) measured.get(name)?.push(value);
    }
    say(`${what}: round ${round} of ${rounds}`);
  }
  return measured;
}

/** One measured thing: every round of all sides, in the same run, alternating. */
export type Row = {
  what: string;
  unit: string;
  /** The sides by name, each with all its rounds. */
  sides: Record<string, number[]>;
  /** The median of the side asked about, against that of another: speed against speed, or time against time. */
  ratio: number;
  /** The two sides of the ratio. */
  of: string;
  against: string;
  /** Which way the ratio is in our favour: a later run that went the other way is worse. */
  better: "higher" | "lower";
  /** The ratio that is aimed at; null: none. */
  goal: number | null;
};

type RowFacts = {
  what: string;
  /** What ends in /s is a rate, more is better; of all else less is. */
  unit: string;
  sides: Readonly<Record<string, readonly number[]>>;
  of: string;
  /** Held against the best of these. */
  against: readonly string[];
  goal?: number | undefined;
};

/** Makes the row; above 1 its ratio is in favour of the side asked about. */
export function makeRow({ what, unit, sides, of, against, goal }: RowFacts): Row {
  const kind = unit.endsWith("/s") ? "rate" : "time";
  const valuesOf = (name: string) => [...(sides[name] ?? [])];
  const best = against.reduce((one, other) => (ratioOf(valuesOf(one), valuesOf(other), kind) > 1 ? other : one));
  return {
    what,
    unit,
    sides: Object.fromEntries(Object.keys(sides).map((name) => [name, valuesOf(name).map(round)])),
    ratio: round(ratioOf(valuesOf(best), valuesOf(of), kind)),
    of,
    against: best,
    better: "higher",
    goal: goal ?? null,
  };
}

/** To six digits: more is noise, and makes the stored results long. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}

/** The same values by side, of one of the things that every round measured. */
export function pick<Measured>(
  measured: ReadonlyMap<string, readonly Measured[]>,
  value: (one: Measured) => number,
): Record<string, number[]> {
  return Object.fromEntries([...measured].map(([name, rounds]) => [name, rounds.map(value)]));
}

/** The sides of these names only. */
export function only(sides: Readonly<Record<string, number[]>>, names: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(Object.entries(sides).filter(([name]) => names.includes(name)));
}

export function medianOf(row: Row, side: string): number | null {
  const values = row.sides[side];
  return values === undefined || values.length === 0 ? null : median(values);
}

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
