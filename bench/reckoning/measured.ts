import { medianOf, type Row } from "../measure.ts";
import type { Result } from "../results.ts";

/** A number of the stored results, and where it stands. */
export type Taken = { what: string; value: number; unit: string; scenario: string; row: string; side: string };

type Wanted = { what: string; scenario: string; row: RegExp; side: string };

const side = "clerk-sync";
/** A row's name may hold an option, such as how many were queued: it is found by the rest. */
const wanted = {
  userBytes: { what: "row and state of a user", scenario: "size", row: /^both, of a user$/, side },
  jobBytes: { what: "a finished job", scenario: "size", row: /^the queue, of a finished job$/, side },
  walBytes: {
    what: "WAL of an event, pages in hand",
    scenario: "size",
    row: /^WAL of an update, applied at once$/,
    side,
  },
  coldWalBytes: {
    what: "WAL of an event, first on its pages since a checkpoint",
    scenario: "size",
    row: /^WAL of an update, right after a checkpoint$/,
    side,
  },
  ingestPerSecond: { what: "events taken", scenario: "ingest", row: /^100 connections$/, side },
  drainPerSecond: { what: "jobs worked through", scenario: "drain", row: /^1 worker, each of another user$/, side },
  mirrorPerSecond: {
    what: "users mirrored, Auth answering in 5 ms",
    scenario: "mirror",
    row: /^1 worker$/,
    side: "clerk-sync with mirror",
  },
  backfillPerSecond: {
    what: "users brought in by a backfill",
    scenario: "backfill",
    row: / users$/,
    side: "clerk-sync backfill",
  },
  workerMegabytes: { what: "memory of a server at its peak", scenario: "memory", row: /, peak$/, side },
} satisfies Record<string, Wanted>;

/** What is reckoned from. Bytes, per second, or MB, by the name. */
export type Measured = Record<keyof typeof wanted, number>;

/** Takes the medians of the stored results. Throws RangeError, with the command that measures it, for what is missing. */
export function takeMeasured(results: readonly Result[]): Record<keyof typeof wanted, Taken> {
  const take = ({ what, scenario, row: pattern, side: name }: Wanted): Taken => {
    const row = findRow(results, scenario, pattern);
    const value = row === undefined ? null : medianOf(row, name);
    if (row === undefined || value === null) {
      throw new RangeError(`docs/scale.md needs ${what}, ${name}, of ${scenario}: npm run bench -- ${scenario}`);
    }
    return { what, value, unit: row.unit, scenario, row: row.what, side: name };
  };
  return mapValues(wanted, take);
}

export function valuesOf(taken: Record<keyof typeof wanted, Taken>): Measured {
  return mapValues(taken, ({ value }) => value);
}

/** How much more several processes did than one: the rows of the scenario scale. */
export function takeCurve(results: readonly Result[]): { what: string; ratio: number }[] {
  return rowsOf(results, "scale").map(({ what, ratio }) => ({ what, ratio }));
}

function findRow(results: readonly Result[], scenario: string, pattern: RegExp): Row | undefined {
  return rowsOf(results, scenario).find(({ what }) => pattern.test(what));
}

function rowsOf(results: readonly Result[], scenario: string): Row[] {
  return results.find((result) => result.scenario === scenario)?.rows ?? [];
}

function mapValues<Name extends string, Value, Made>(
  values: Record<Name, Value>,
  make: (value: Value) => Made,
): Record<Name, Made> {
  const names = Object.keys(values) as Name[];
  return Object.fromEntries(names.map((name) => [name, make(values[name])])) as Record<Name, Made>;
}
