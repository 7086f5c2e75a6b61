import { parseArgs } from "node:util";
import { SyncError } from "#core/errors.ts";
import type { Options } from "./scenario.ts";

/** What to run, how, and where its results go; null: they become the stored ones. */
export type Run = { names: string[]; options: Options; out: string | null };

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
 * --jobs N, --queued N, --users N, --out FOLDER. Throws SyncError `usage_invalid`.
 */
export function readOptions(args: readonly string[], known: readonly string[]): Run {
  const names = Object.keys(numbers) as (keyof typeof numbers)[];
  const parsed = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
      out: { type: "string" },
    },
  });
  const { positionals } = parsed;
  const values: Record<string, unknown> = parsed.values;
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new SyncError("usage_invalid", `No scenario ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
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
    out: typeof values["out"] === "string" ? values["out"] : null,
  };
}

function toCount(name: keyof typeof numbers, text: unknown): number {
  const { value, least } = numbers[name];
  if (text === undefined) return value;
  const count = Number(text);
  if (Number.isInteger(count) && count >= least) return count;
  throw new SyncError("usage_invalid", `--${name} must be a whole number from ${least} on, not ${text}.`);
}
