import { parseArgs } from "node:util";
import { SyncError } from "#core/errors.ts";

export type Options = {
  rounds: number;
  /** Finished jobs in the table, for the scenarios that ask for history. */
  history: number;
  /** A second, longer history; 0: none. */
  longHistory: number;
  /** Milliseconds that one load is held, where time and not a number of jobs ends it. */
  load: number;
  /** Jobs in the queue, where a number of jobs ends it. */
  jobs: number;
  /** Jobs in the queue for the scenario of memory. */
  queued: number;
  /** Users in the tables whose size is measured. */
  users: number;
};

/**
 * What to run and how. out: where its results go; null: they become the stored ones. postgres: a folder with another
 * PostgreSQL's programs; null: the one of npm.
 */
export type Run = { names: string[]; options: Options; out: string | null; postgres: string | null };

/** The options that are numbers: what each is when it is not given, and the least it may be. */
const numbers = {
  rounds: { value: 5, least: 1 },
  history: { value: 1_000_000, least: 1 },
  "long-history": { value: 0, least: 0 },
  load: { value: 500, least: 100 },
  jobs: { value: 20_000, least: 100 },
  queued: { value: 100_000, least: 1000 },
  users: { value: 50_000, least: 1000 },
} as const;

/**
 * Reads the command line: names of scenarios (none: all), --rounds N, --history N, --long-history N, --load MILLISECONDS,
 * --jobs N, --queued N, --users N, --out FOLDER, --postgres FOLDER. Throws SyncError `usage_invalid`, also when results
 * of another PostgreSQL would become the stored ones.
 */
export function readOptions(args: readonly string[], known: readonly string[]): Run {
  const names = Object.keys(numbers) as (keyof typeof numbers)[];
  const parsed = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
      out: { type: "string" },
      postgres: { type: "string" },
    },
  });
  const { positionals } = parsed;
  const values: Record<string, unknown> = parsed.values;
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new SyncError("usage_invalid", `No scenario ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
  }
  const folder = (name: "out" | "postgres") => (typeof values[name] === "string" ? values[name] : null);
  if (folder("postgres") !== null && folder("out") === null) {
    throw new SyncError("usage_invalid", "--postgres needs --out: the stored results are of npm's PostgreSQL.");
  }
  const read = (name: keyof typeof numbers) => toCount(name, values[name]);
  return {
    names: positionals.length === 0 ? [...known] : positionals,
    options: {
      rounds: read("rounds"),
      history: read("history"),
      longHistory: read("long-history"),
      load: read("load"),
      jobs: read("jobs"),
      queued: read("queued"),
      users: read("users"),
    },
    out: folder("out"),
    postgres: folder("postgres"),
  };
}

function toCount(name: keyof typeof numbers, text: unknown): number {
  const { value, least } = numbers[name];
  if (text === undefined) return value;
  const count = Number(text);
  if (Number.isInteger(count) && count >= least) return count;
  throw new SyncError("usage_invalid", `--${name} must be a whole number from ${least} on, not ${text}.`);
}
