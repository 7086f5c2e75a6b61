import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror-user.ts";
import { at } from "../support/build-event.ts";
import { type Model, type ModelUser, playHistory } from "../support/clerk-model.ts";
import { runSchedule } from "../support/run-schedule.ts";
import { schedules } from "../support/schedule.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

// SCHEDULES says how many, SEED repeats a run: SEED=123 SCHEDULES=100000 npm run test:schedules
const runs = Number(process.env["SCHEDULES"] ?? 2000);
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

type AuthUsers = Awaited<ReturnType<typeof runSchedule>>;

async function readRows(prefix: string): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query(
    "select clerk_id, email, name, role from public.users where clerk_id like $1 order by clerk_id",
    [`user_${prefix}_%`],
  );
  return rows;
}

function expectedRows({ users }: Model): Record<string, unknown>[] {
  return users
    .filter((user) => !user.deleted)
    .map((user) => ({ clerk_id: user.clerkId, email: user.email, name: `${user.firstName} Lovelace`, role: user.role }))
    .sort((left, right) => (left.clerk_id < right.clerk_id ? -1 : 1));
}

function expectAuth(user: ModelUser, users: AuthUsers): void {
  const id = authUserIdOf(user.clerkId);
  const mirror = users.get(id);
  if (user.deleted) {
    expect(mirror, user.clerkId).toBeUndefined();
    return;
  }
  if (user.email === null) {
    expect([undefined, `${id}@removed.invalid`]).toContain(mirror?.email);
    return;
  }
  expect(mirror).toMatchObject({
    email: user.email,
    banned: user.banned,
    app_metadata: { clerk_id: user.clerkId, role: user.role },
    user_metadata: { full_name: `${user.firstName} Lovelace`, role: user.role },
  });
}

/** What the sync knows of living users, and which deleted ones it knows to be deleted. */
async function readStates(prefix: string): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query(
    `select clerk_id, case when deleted_at is null then version end as version, deleted_at is not null as deleted, refresh_reason
     from clerk_sync.user_state where clerk_id like $1 order by clerk_id`,
    [`user_${prefix}_%`],
  );
  return rows;
}

function expectedStates({ users }: Model): Record<string, unknown>[] {
  return users
    .map(({ clerkId, deleted, version }) => ({
      clerk_id: clerkId,
      version: deleted ? null : String(at(version)),
      deleted,
      refresh_reason: null,
    }))
    .sort((left, right) => (left.clerk_id < right.clerk_id ? -1 : 1));
}

/** Jobs that still hold something of a deleted person. */
async function readLeftovers(): Promise<unknown[]> {
  const { rows } = await database.pool.query(
    `select j.payload from public.job_queue as j join clerk_sync.user_state as s on s.clerk_id = j.clerk_id
     where s.deleted_at is not null and (j.payload ? 'email' or j.payload ? 'name')`,
  );
  return rows;
}

it(`after any of ${runs} schedules users, user state and Auth are what Clerk has (seed ${seed})`, async () => {
  let count = 0;
  let opened = 0;
  const property = fc.asyncProperty(schedules, async (schedule) => {
    const prefix = `s${count++}`;
    const model = playHistory(schedule.steps, prefix);
    const auth = await runSchedule(database.pool, schedule, model, prefix);
    expect(await readRows(prefix)).toEqual(expectedRows(model));
    expect(await readStates(prefix)).toEqual(expectedStates(model));
    expect(await readLeftovers()).toEqual([]);
    for (const user of model.users) expectAuth(user, auth);
    expect(auth.size).toBeLessThanOrEqual(model.users.filter((user) => !user.deleted).length);
    await database.pool.query("truncate public.job_queue, public.users, clerk_sync.user_state");
    const { rows } = await database.pool.query(
      "select openings > 0 as opened, clerk_sync_reset_circuit(name) from clerk_sync.circuits",
    );
    opened += rows.some((row) => row.opened) ? 1 : 0;
  });
  await fc.assert(property, { numRuns: runs, seed, endOnFailure: false });
  console.log(`a circuit opened in ${opened} of ${runs} schedules`);
}, 3_600_000);
