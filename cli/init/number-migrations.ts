import { SyncError } from "#core/errors.ts";

/**
 * The numbers of `count` new migrations: 14 digits each, one second apart, from `now` (Unix milliseconds) on or, where
 * that is later, from one second after the newest of `existing`. The Supabase CLI compares numbers as text and
 * takes only those that sort after what a database has. Throws SyncError `project_invalid` where no number does.
 */
export function numberMigrations(count: number, existing: readonly string[], now: number): string[] {
  const newest = existing.toSorted().at(-1) ?? "";
  const numbers: string[] = [];
  let last = newest.slice(0, 14).padEnd(14, "0");
  const current = formatTime(now);
  for (let index = 0; index < count; index += 1) {
    const following = addSecond(last);
    last = index === 0 && current > following ? current : following;
    numbers.push(last);
  }
  if (numbers.every((number) => number > newest && number.length === 14)) return numbers;
  throw new SyncError(
    "project_invalid",
    `No migration can sort after ${newest} in supabase/migrations. Give that one a number of the form YYYYMMDDHHMMSS.`,
  );
}

/** One second on; a number that is no time counts on as a number. */
function addSecond(number: string): string {
  const [year = 0, month = 1, day, hour, minute, second = 0] = [
    Number(number.slice(0, 4)),
    ...[4, 6, 8, 10, 12].map((start) => Number(number.slice(start, start + 2))),
  ];
  const isTime = formatTime(Date.UTC(year, month - 1, day, hour, minute, second)) === number;
  if (isTime) return formatTime(Date.UTC(year, month - 1, day, hour, minute, second + 1));
  return String(BigInt(number) + 1n).padStart(14, "0");
}

function formatTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replaceAll(/\D/g, "").slice(0, 14);
}
