import { parseArgs } from "node:util";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Row } from "./measure.ts";
import { type Result, readResults, storedFolder } from "./results.ts";
import { formatTable } from "./table.ts";

/** A row of either run. `percentWorse` is below 0 for a better one, and null where there is nothing to compare with. */
type ComparedRow = {
  scenario: string;
  what: string;
  stored: number | null;
  fresh: number | null;
  percentWorse: number | null;
  state: "same" | "better" | "worse" | "new" | "gone";
};

type Comparison = { rows: ComparedRow[]; notes: string[] };

const tolerancePercent = 20;

/**
 * Compares two runs row by row, by the ratios alone: a ratio was taken within one run, on one machine, and can be held
 * against one from elsewhere; a time or a rate cannot. Of several fresh runs of a scenario each row counts at its best,
 * so that what one run was disturbed in is no regression. The notes say what else was not the same.
 */
export function compareResults(stored: readonly Result[], fresh: readonly Result[]): Comparison {
  const [before, after] = [rowsByName(stored), rowsByName(fresh)];
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return {
    rows: names.flatMap((name) => compareRow(before.get(name), after.get(name))),
    notes: [...new Set(fresh.flatMap((result) => describeDifferences(stored, result)))],
  };
}

/** The rows that are 20 % or more worse. */
export function findRegressions({ rows }: Comparison): ComparedRow[] {
  return rows.filter(({ state }) => state === "worse");
}

/** The table, what was not the same, and the verdict. */
export function formatComparison(comparison: Comparison): string[] {
  const columns = [
    { title: "scenario", align: "left" },
    { title: "row", align: "left" },
    { title: "stored ratio", align: "right" },
    { title: "this run", align: "right" },
    { title: "change", align: "left" },
  ] as const;
  const cells = comparison.rows.map((row) => [
    row.scenario,
    row.what,
    row.stored?.toFixed(2) ?? "",
    row.fresh?.toFixed(2) ?? "",
    describeChange(row),
  ]);
  return [formatTable(columns, cells), "", ...comparison.notes, describeVerdict(comparison)];
}

type NamedRow = { scenario: string; row: Row };

/** Each row once, at its best. */
function rowsByName(results: readonly Result[]): Map<string, NamedRow> {
  const named = results.flatMap(({ scenario, rows }) => rows.map((row) => ({ scenario, row })));
  const best = new Map<string, NamedRow>();
  for (const candidate of named) {
    const name = `${candidate.scenario}: ${candidate.row.what}`;
    const known = best.get(name);
    if (known === undefined || isBetter(candidate.row, known.row)) best.set(name, candidate);
  }
  return best;
}

function isBetter(row: Row, than: Row): boolean {
  return row.better === "higher" ? row.ratio > than.ratio : row.ratio < than.ratio;
}

function compareRow(stored: NamedRow | undefined, fresh: NamedRow | undefined): ComparedRow[] {
  const named = fresh ?? stored;
  if (named === undefined) return [];
  const row = {
    scenario: named.scenario,
    what: named.row.what,
    stored: stored?.row.ratio ?? null,
    fresh: fresh?.row.ratio ?? null,
  };
  if (row.stored === null) return [{ ...row, percentWorse: null, state: "new" }];
  if (row.fresh === null) return [{ ...row, percentWorse: null, state: "gone" }];
  const percentWorse = toPercentWorse(row.stored, row.fresh, named.row.better);
  return [{ ...row, percentWorse, state: judge(percentWorse) }];
}

/** To a tenth, so that what is judged is what is printed. */
function toPercentWorse(stored: number, fresh: number, better: Row["better"]): number {
  const rise = Math.round((fresh / stored - 1) * 1000) / 10;
  return better === "lower" ? rise : 0 - rise;
}

function judge(percentWorse: number): "same" | "better" | "worse" {
  if (percentWorse >= tolerancePercent) return "worse";
  return percentWorse <= -tolerancePercent ? "better" : "same";
}

function describeChange({ percentWorse, state }: ComparedRow): string {
  if (percentWorse === null) return state === "new" ? "new" : "not in this run";
  if (percentWorse === 0) return "none";
  const change = `${Math.abs(percentWorse).toFixed(1)} % ${percentWorse > 0 ? "worse" : "better"}`;
  return state === "worse" ? `**${change}**` : change;
}

function describeVerdict(comparison: Comparison): string {
  const worse = findRegressions(comparison);
  if (worse.length > 0) {
    const names = worse.map(({ scenario, what }) => `${scenario}, ${what}`);
    return `${tolerancePercent} % or more worse than the stored results: ${names.join("; ")}.`;
  }
  const isCompared = comparison.rows.some(({ percentWorse }) => percentWorse !== null);
  if (!isCompared) return "Nothing was compared: the two runs have no row in common.";
  return `No row is ${tolerancePercent} % or more worse than in the stored results.`;
}

/** What was not the same in the two runs: ratios bear most of it, but a reader should know. */
function describeDifferences(results: readonly Result[], fresh: Result): string[] {
  const stored = results.find(({ scenario }) => scenario === fresh.scenario);
  if (stored === undefined) return [];
  const parts = [
    ["on another machine or version", differences(stored.machine, fresh.machine)],
    ["with other options", differences(stored.options, fresh.options)],
  ] as const;
  return parts.flatMap(([how, found]) =>
    found.length === 0 ? [] : [`${fresh.scenario} was stored (${stored.commit}) ${how}: ${found.join(", ")}.`],
  );
}

function differences(stored: Record<string, string | number>, fresh: Record<string, string | number>): string[] {
  return Object.keys(fresh)
    .filter((key) => stored[key] !== fresh[key])
    .map((key) => `${key} ${stored[key] ?? "not set"}, now ${fresh[key]}`);
}

if (import.meta.main) {
  // npm run bench:compare: the results of a run (.bench-results, or the folder named) against the stored ones; of several
  // folders the best of each row.
  try {
    const { positionals } = parseArgs({ allowPositionals: true });
    const folders = positionals.length === 0 ? [".bench-results"] : positionals;
    const fresh = await Promise.all(folders.map(readResults));
    const comparison = compareResults(await readResults(storedFolder), fresh.flat());
    for (const line of formatComparison(comparison)) console.log(line);
    process.exitCode = findRegressions(comparison).length === 0 ? 0 : 1;
  } catch (error) {
    console.error(`${error instanceof SyncError ? `${error.code}: ` : ""}${errorMessage(error)}`);
    process.exitCode = 1;
  }
}
