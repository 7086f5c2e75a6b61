import { median, ratioOf } from "./statistics.ts";

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

export type RowFacts = {
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
