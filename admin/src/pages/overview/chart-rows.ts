import type { Series } from "#core/admin/contract/overview.ts";

/** What a chart draws at one time; received and completed per minute, latencies in milliseconds. */
export type ChartRow = {
  time: string;
  received: number;
  completed: number;
  p50: number | null;
  p95: number | null;
  failed: number;
  dead: number;
};

export function toRows({ points, window, interval_seconds }: Series): ChartRow[] {
  const perMinute = 60 / interval_seconds;
  return points.map(({ at, received, completed, failed_attempts, dead, latency_p50, latency_p95 }) => ({
    time: formatTick(at, window),
    received: received * perMinute,
    completed: completed * perMinute,
    p50: latency_p50,
    p95: latency_p95,
    failed: failed_attempts,
    dead,
  }));
}

/** A line of the axis every so many minutes, at round times of the reader's zone. */
const tickMinutes: Readonly<Record<Series["window"], number>> = { "1h": 15, "24h": 360, "7d": 1440 };

/** The times of the rows that are lines of the axis: the first one of every quarter of an hour, quarter of a day, or day. */
export function chooseTicks({ points, window }: Series): string[] {
  const places = points.map(({ at }) => Math.floor(localMinutes(at) / tickMinutes[window]));
  return points
    .filter((_, index) => index > 0 && places[index] !== places[index - 1])
    .map(({ at }) => formatTick(at, window));
}

function localMinutes(at: string): number {
  const date = new Date(at);
  return date.getTime() / 60_000 - date.getTimezoneOffset();
}

/** "Nov 25" of "Nov 25 14:00": a week has a line a day. */
export function shortenTick(time: string): string {
  return time.replace(/ \d\d:\d\d$/, "");
}

/** "14:05" within a day, "Nov 25 14:00" within a week; in the reader's zone. */
function formatTick(at: string, window: Series["window"]): string {
  const date = new Date(at);
  const time = [date.getHours(), date.getMinutes()].map((part) => String(part).padStart(2, "0")).join(":");
  if (window !== "7d") return time;
  return `${date.toLocaleString("en-US", { month: "short", day: "numeric" })} ${time}`;
}

/** "received: now 12/min, at most 60/min; …" */
export function describeRows(
  rows: readonly ChartRow[],
  names: readonly (keyof ChartRow)[],
  format: (value: number) => string,
): string {
  return names.map((name) => `${name}: ${describe(rows, name, format)}`).join("; ");
}

function describe(rows: readonly ChartRow[], name: keyof ChartRow, format: (value: number) => string): string {
  const values = rows.map((row) => row[name]).filter((value) => typeof value === "number");
  const last = values.at(-1);
  return last === undefined ? "no values" : `now ${format(last)}, at most ${format(Math.max(...values))}`;
}
