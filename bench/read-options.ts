import { parseArgs } from "node:util";
import { SyncError } from "#core/errors.ts";
import type { Options } from "./scenario.ts";

/** What to run, how, and where its results go; null: they become the stored ones. */
export type Run = { names: string[]; options: Options; out: string | null };

/**
 * Reads the command line: names of scenarios (none: all), --history N, --rounds N, --out FOLDER. Throws SyncError
 * `usage_invalid`.
 */
export function readOptions(args: readonly string[], known: readonly string[]): Run {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      history: { type: "string", default: "2000000" },
      rounds: { type: "string", default: "5" },
      out: { type: "string" },
    },
  });
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new SyncError("usage_invalid", `No scenario ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
  }
  return {
    names: positionals.length === 0 ? [...known] : positionals,
    options: { history: toCount("history", values.history), rounds: toCount("rounds", values.rounds) },
    out: values.out ?? null,
  };
}

function toCount(name: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new SyncError("usage_invalid", `--${name} must be a whole number above 0, not ${text}.`);
}
