import { afterAll, beforeAll, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../database/test-database.ts";
import { checkSchedules } from "./check-schedules.ts";

// SCHEDULES says how many, SEED repeats a run: SEED=123 SCHEDULES=100000 npm run test:schedules
const all = Number(process.env["SCHEDULES"] ?? 300);

/**
 * The test of one half of the schedules, on a database of its own: two files, so that vitest gives each a process. With
 * SEED the first half has this seed and the second the next; a half is found again by the seed in its title.
 */
export function playHalf(half: 0 | 1): void {
  const runs = Math.max(1, half === 0 ? Math.ceil(all / 2) : Math.floor(all / 2));
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31)) + half;

  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database?.drop());

  it(`after any of ${runs} schedules users, user state and Auth are what Clerk has (seed ${seed})`, async () => {
    const opened = await checkSchedules(database.pool, { runs, seed });
    console.log(`a circuit opened in ${opened} of ${runs} schedules`);
  }, 36_000_000);
}
