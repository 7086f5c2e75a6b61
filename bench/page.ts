import { mkdir, writeFile } from "node:fs/promises";
import { medianOf, type Row } from "./measure.ts";
import { type Result, readResults, storedFolder } from "./results.ts";
import { scenarios } from "./scenarios/scenarios.ts";
import { formatNumber, formatRows } from "./table.ts";

const docs = new URL("../docs/", import.meta.url);

/** Writes docs/performance.md and its plots from the stored results. */
export async function writePage(): Promise<void> {
  for (const [name, text] of formatDocs(await readResults(storedFolder))) {
    const file = new URL(name, docs);
    await mkdir(new URL("./", file), { recursive: true });
    await writeFile(file, text);
  }
}

/** What docs/ holds of the results: the names of the files in it, and their texts. */
export function formatDocs(results: readonly Result[]): Map<string, string> {
  const plots = results.map(
    ({ scenario, question, rows }) => [`performance/${scenario}.svg`, formatPlot(capitalise(question), rows)] as const,
  );
  return new Map([["performance.md", formatPage(results)], ...plots]);
}

const head = `# Performance

Written by \`npm run bench\`, not by hand, from the stored results in \`bench/results/\`, which hold every single measurement.
[How it is measured](../bench/README.md). [What follows for millions of users](scale.md).

Read the ratio: above 1 it is in favour of this project. Where two or more others did the same work, the ratio is against the
best of them. Client, servers and PostgreSQL share one machine with a local disk: rates elsewhere differ, ratios should not by much.
`;

/** The scenarios in the order in which they run; a result of another one comes last. */
function formatPage(results: readonly Result[]): string {
  const order = scenarios.map(({ name }) => name);
  const place = ({ scenario }: Result) => (order.includes(scenario) ? order.indexOf(scenario) : order.length);
  const sorted = [...results].sort((one, other) => place(one) - place(other));
  return [head, ...sorted.map(formatSection)].join("\n");
}

function formatSection({ scenario, question, rows, notes, ...result }: Result): string {
  return `## ${scenario}

${capitalise(question)}

${formatRows(rows)}

![${scenario}: bars of the table above](performance/${scenario}.svg)

${notes.map((note) => `- ${note}`).join("\n")}

${describeRun(result)}
`;
}

function describeRun({
  date,
  commit,
  machine,
  load,
  options,
}: Omit<Result, "scenario" | "question" | "rows" | "notes">) {
  const settings = Object.entries(options).map(([name, value]) => `${name} ${value.toLocaleString("en-US")}`);
  const on = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, PostgreSQL ${machine.postgres}, Node ${machine.node}`;
  const peers = `pg-boss ${machine.pgBoss}, graphile-worker ${machine.graphileWorker}`;
  const busy = `Load average ${load.before.toFixed(1)} before the run, ${load.after.toFixed(1)} at the end of the scenario`;
  return `${date.slice(0, 10)}, commit ${commit}: ${on}; ${peers}. ${busy}. Options: ${settings.join(", ")}.`;
}

function capitalise(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

const width = 960;
const characterWidth = 6.4;
const right = 90;
const barHeight = 16;
const gap = 14;
const colours = ["#0b6bcb", "#c94f2b", "#3f8f4f", "#8a5fbf", "#b08900", "#5b6770", "#c0468a"];

/**
 * The rows of the first one's unit as bars: medians, with a line from the least round to the most. Rows that hold the
 * same measurements against another side are drawn once.
 */
export function formatPlot(title: string, rows: readonly Row[]): string {
  const [first] = rows;
  const shown = rows.filter((row, place) => row.unit === first?.unit && !repeats(row, rows.slice(0, place)));
  const sides = [...new Set(shown.flatMap((row) => Object.keys(row.sides)))];
  const most = Math.max(...shown.flatMap((row) => Object.values(row.sides).flat()));
  const left = 20 + characterWidth * Math.max(...shown.map(({ what }) => what.length));
  const toX = (value: number) => left + (value / most) * (width - left - right);
  const parts: string[] = [];
  let top = 40 + 20 * Math.ceil(sides.length / 4);
  for (const row of shown) {
    const drawn = sides.filter((side) => medianOf(row, side) !== null);
    const middle = top + (drawn.length * barHeight) / 2 + 4;
    parts.push(`<text x="${left - 10}" y="${middle}" text-anchor="end">${toXml(row.what)}</text>`);
    for (const side of drawn) {
      parts.push(...drawBar({ row, side, top, colour: colourOf(sides, side), toX }));
      top += barHeight;
    }
    top += gap;
  }
  const heading = `${toXml(title)} (${toXml(first?.unit ?? "")})`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<title>${heading}</title>`,
    `<rect width="${width}" height="${top}" fill="#fff"/>`,
    `<text x="10" y="22" font-size="14">${heading}</text>`,
    ...drawLegend(sides),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function repeats(row: Row, others: readonly Row[]): boolean {
  const isIn = (other: Row) =>
    Object.entries(row.sides).every(([side, values]) => `${values}` === `${other.sides[side]}`);
  return others.some(isIn);
}

type Bar = { row: Row; side: string; top: number; colour: string; toX: (value: number) => number };

function drawBar({ row, side, top, colour, toX }: Bar): string[] {
  const values = row.sides[side] ?? [];
  const value = medianOf(row, side) ?? 0;
  const [end, least, most] = [value, Math.min(...values), Math.max(...values)].map((x) => toX(x).toFixed(1));
  const [left, middle] = [toX(0), top + barHeight / 2 - 1];
  return [
    `<rect x="${left}" y="${top}" width="${(toX(value) - left).toFixed(1)}" height="${barHeight - 2}" fill="${colour}"><title>${toXml(side)}: ${formatNumber(value)} ${toXml(row.unit)}</title></rect>`,
    `<path d="M${least} ${middle}H${most}" stroke="#222" stroke-opacity="0.6"/>`,
    `<text x="${Math.max(Number(end), Number(most)) + 6}" y="${top + barHeight - 4}">${formatNumber(value)}</text>`,
  ];
}

function drawLegend(sides: readonly string[]): string[] {
  return sides.flatMap((side, place) => {
    const [x, y] = [10 + (place % 4) * 215, 34 + Math.floor(place / 4) * 20];
    return [
      `<rect x="${x}" y="${y}" width="12" height="12" fill="${colourOf(sides, side)}"/>`,
      `<text x="${x + 18}" y="${y + 11}">${toXml(side)}</text>`,
    ];
  });
}

function colourOf(sides: readonly string[], side: string): string {
  return colours[sides.indexOf(side) % colours.length] ?? "#222";
}

function toXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// node bench/page.ts: the page and the plots of the stored results, measured before.
if (import.meta.main) await writePage();
