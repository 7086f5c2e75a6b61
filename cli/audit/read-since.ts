import { SyncError } from "#core/errors.ts";

const milliseconds: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `30m`, `24h`, `7d` or a time, and returns it as ISO 8601. Throws SyncError `usage_invalid`, which names the option; PostgreSQL has no year 0. */
export function readSince(text: string, now: number, option = "--since"): string {
  const [, count, unit] = text.match(/^(\d{1,6})([mhd])$/) ?? [];
  const time = unit === undefined ? Date.parse(text) : now - Number(count) * (milliseconds[unit] ?? 0);
  const year = new Date(time).getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) {
    throw new SyncError(
      "usage_invalid",
      `${option} ${text} is neither 30m, 24h, 7d nor a time as 2026-11-20T10:00:00Z.`,
    );
  }
  return new Date(time).toISOString();
}
