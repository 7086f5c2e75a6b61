import { SyncError } from "#core/errors.ts";

/**
 * The numbers of `count` new migrations: 14 digits each, one second apart, up to the second before `now` (Unix
 * milliseconds): `supabase migration new` takes the time for its number, and would give one of now or later once more. Where the newest
 * of `existing` leaves too little room they begin one second after it: the Supabase CLI compares numbers as text and
 * takes only those that sort after what a database has. Throws SyncError `project_invalid` where no number does.
 */
export function numberMigrations(count: number, existing: readonly string[], now: number): string[] {
  const newest = existing.toSorted().at(-1) ?? "";
  const numbers: string[] = [];
  let last = newest.slice(0, 14).padEnd(14, "0");
  const first = formatTime(now - count * 1000);
  for (let index = 0; index < count; index += 1) {
    const following = addSecond(last);
    last = index === 0 && first > following ? first : following;
    numbers.push(last);
  }
  if (numbers.every((number) => number > newest && number.length === 14)) return numbers;
  throw new SyncError(
    "project_invalid",
    `No migration can sort after ${newest} in supabase/migrations. Give that one a number of the form YYYYMMDDHHMMSS.`,
  );
}

/** How many milliseconds after `now` the time of a number is; of one that is no time, none. */
export function millisecondsAhead(number: string, now: number): number {
  const time = Date.parse(number.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "$1-$2-$3T$4:$5:$6Z"));
  return Number.isNaN(time) ? 0 : Math.max(0, time - now);
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
