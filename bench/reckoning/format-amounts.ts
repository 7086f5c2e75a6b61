import { formatNumber } from "../table.ts";

/** 1,500,000 → 1.5 million. */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${three(count / 1e9)} billion`;
  return count >= 1e6 ? `${three(count / 1e6)} million` : formatNumber(Number(count.toPrecision(3)));
}

export function formatGb(gb: number): string {
  if (gb >= 1000) return `${three(gb / 1000)} TB`;
  return gb >= 1 ? `${three(gb)} GB` : `${three(gb * 1000)} MB`;
}

export function formatDuration(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${three(seconds / 86_400)} days`;
  if (seconds >= 2 * 3600) return `${three(seconds / 3600)} h`;
  return seconds >= 120 ? `${three(seconds / 60)} min` : `${three(seconds)} s`;
}

/** From ten times on as so many times. */
export function formatPercent(share: number): string {
  return share >= 10 ? `${three(share)} times` : `${three(share * 100)} %`;
}

export function formatDollars(dollars: number): string {
  return `$${Math.round(dollars).toLocaleString("en-US")}`;
}

/** Three digits, without noughts behind the point. */
export function three(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : `${Number(value.toPrecision(3))}`;
}
