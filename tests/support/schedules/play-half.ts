import { it, onTestFinished } from "vitest";
import { checkSchedules } from "./check-schedules.ts";
import { openScheduleTable, tableNames } from "./schedule-tables.ts";

// SCHEDULES says how many, SEED repeats a run: SEED=123 SCHEDULES=100000 npm run test:schedules
const all = Number(process.env["SCHEDULES"] ?? 300);

/**
 * The tests of one half of the schedules, a third of it over each table, on databases of their own: two files, so that
 * vitest gives each a process. Every test has a seed of its own. With SEED the tests of the first half have this seed and
 * those of the second the next; a test is found again by the seed and the table in its title.
 */
export function playHalf(half: 0 | 1): void {
  const parts = tableNames.length * 2;
  for (const [place, name] of tableNames.entries()) {
    const part = place * 2 + half;
    const runs = Math.max(1, Math.floor(all / parts) + (part < all % parts ? 1 : 0));
    const given = process.env["SEED"];
    const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given) + half;

    it(`after any of ${runs} schedules over the table ${name} users, user state and Auth are what Clerk has (seed ${seed})`, async () => {
      const table = await openScheduleTable(name);
      onTestFinished(() => table.drop());
      const opened = await checkSchedules(table, { runs, seed });
      console.log(`${name}: a circuit opened in ${opened} of ${runs} schedules`);
    }, 36_000_000);
  }
}
