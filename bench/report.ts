import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import type { Options, Row, Scenario } from "./scenario.ts";
import { median } from "./statistics.ts";

const folder = new URL("./", import.meta.url);

export type Machine = { cpu: string; cores: number; memoryGb: number; node: string; postgres: string };
export type Result = {
  scenario: string;
  date: string;
  commit: string;
  machine: Machine;
  options: Options;
  rows: Row[];
};

/** What the numbers were taken on. */
export function describeMachine(postgres: string): Machine {
  const [cpu] = cpus();
  const memoryGb = Math.round(totalmem() / 1024 ** 3);
  return { cpu: cpu?.model.trim() ?? "unknown", cores: cpus().length, memoryGb, node: process.version, postgres };
}

export function readCommit(): string {
  return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: folder, encoding: "utf8" }).trim();
}

/** The rows as a Markdown table: medians of both sides, and the ratio. */
export function toTable(rows: readonly Row[]): string {
  const [first] = rows;
  const sides = Object.keys(first?.sides ?? {});
  const lines = [
    ["", ...sides, "ratio"],
    ["---", ...sides.map(() => "---:"), "---:"],
  ];
  for (const row of rows) {
    const medians = sides.map((side) => `${format(median(row.sides[side] ?? []))} ${row.unit}`);
    lines.push([row.what, ...medians, row.ratio.toFixed(2)]);
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

/** Puts a text between the markers of a scenario, and leaves the rest as it is. Throws when they are missing. */
export function replaceSection(text: string, scenario: string, content: string): string {
  const [start, end] = [`<!-- ${scenario} -->`, `<!-- /${scenario} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from === -1 || to < from) throw new RangeError(`the markers ${start} and ${end} are missing`);
  return `${text.slice(0, from + start.length)}\n${content}\n${text.slice(to)}`;
}

/** Writes the result with every single measurement, and its table into bench/README.md. */
export async function writeResult(scenario: Scenario, result: Result): Promise<void> {
  await writeFile(new URL(`results/${scenario.name}.json`, folder), `${JSON.stringify(result, null, 2)}\n`);
  const readme = new URL("README.md", folder);
  const { machine, rows, date, commit } = result;
  const note = `${date.slice(0, 10)}, commit ${commit}: ${machine.cpu}, ${machine.cores} cores, PostgreSQL ${machine.postgres}, Node ${machine.node}`;
  await writeFile(readme, replaceSection(await readFile(readme, "utf8"), scenario.name, `${toTable(rows)}\n\n${note}`));
}
