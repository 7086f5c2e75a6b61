import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { formatTable } from "./format-table.ts";
import type { Row } from "./scenario.ts";
import { median } from "./statistics.ts";

const folder = new URL("./", import.meta.url);

export type Machine = { cpu: string; cores: number; memoryGb: number; node: string; postgres: string };
export type Result = {
  scenario: string;
  date: string;
  commit: string;
  machine: Machine;
  /** As the scenario ran: what is not set in an older result was not known then. */
  options: Record<string, number>;
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
  const numbers = [...sides, "ratio"].map((title) => ({ title, align: "right" as const }));
  const cells = rows.map((row) => {
    const medians = sides.map((side) => `${format(median(row.sides[side] ?? []))} ${row.unit}`);
    return [row.what, ...medians, row.ratio.toFixed(2)];
  });
  return formatTable([{ title: "", align: "left" }, ...numbers], cells);
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

/**
 * Writes the result with every single measurement: into a folder of the caller's, or else as the stored one, with its
 * table in bench/README.md.
 */
export async function writeResult(result: Result, out: string | null): Promise<void> {
  const name = `${result.scenario}.json`;
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (out !== null) {
    await mkdir(out, { recursive: true });
    return writeFile(path.join(out, name), text);
  }
  await writeFile(new URL(`results/${name}`, folder), text);
  await writeTable(result);
}

async function writeTable({ scenario, machine, rows, date, commit }: Result): Promise<void> {
  const readme = new URL("README.md", folder);
  const note = `${date.slice(0, 10)}, commit ${commit}: ${machine.cpu}, ${machine.cores} cores, PostgreSQL ${machine.postgres}, Node ${machine.node}`;
  await writeFile(readme, replaceSection(await readFile(readme, "utf8"), scenario, `${toTable(rows)}\n\n${note}`));
}
