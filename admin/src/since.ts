/** How far back a list goes; `value` stands in the address. */
export const sinceChoices = [
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
] as const;

const hours: Readonly<Record<string, number>> = { h: 1, d: 24 };

/** ISO 8601 of what stands in the address: "24h", "7d" or a time. Null for anything else. */
export function readSince(text: string | undefined, now: number): string | null {
  if (!text) return null;
  const [, count, unit = ""] = /^(\d{1,4})([hd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : now - Number(count) * (hours[unit] ?? 0) * 3_600_000;
  const year = new Date(time).getUTCFullYear();
  return year >= 1 && year <= 9999 ? new Date(time).toISOString() : null;
}
