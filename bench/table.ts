import { medianOf, type Row } from "./measure.ts";

/** The rows as a Markdown table: medians of all sides, the ratio, what it is held against, and where asked for the aim. */
export function formatRows(rows: readonly Row[], { withAims = false } = {}): string {
  const sides = [...new Set(rows.flatMap((row) => Object.keys(row.sides)))];
  const numbers = [...sides, "ratio"].map((title) => ({ title, align: "right" as const }));
  const words = ["against", ...(withAims ? ["aim"] : [])].map((title) => ({ title, align: "left" as const }));
  const cells = rows.map((row) => {
    const medians = sides.map((side) => formatMedian(medianOf(row, side), row.unit));
    const aim = withAims ? [row.goal === null ? "" : `≥ ${row.goal}`] : [];
    return [row.what, ...medians, row.ratio.toFixed(2), row.against, ...aim];
  });
  return formatTable([{ title: "", align: "left" }, ...numbers, ...words], cells);
}

function formatMedian(value: number | null, unit: string): string {
  return value === null ? "" : `${formatNumber(value)} ${unit}`;
}

export function formatNumber(value: number): string {
  return value >= 100 || value === 0 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

export type Column = { title: string; align: "left" | "right" };

/** Cells as a Markdown table. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titles = columns.map(({ title }) => title);
  const rule = columns.map(({ align }) => (align === "right" ? "---:" : "---"));
  return [titles, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
