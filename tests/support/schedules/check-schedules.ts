import fc from "fast-check";
import type pg from "pg";
import { expect } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { at } from "../clerk/build-event.ts";
import { heldEmail, type Model, type ModelUser, playHistory } from "./clerk-model.ts";
import { runSchedule } from "./run-schedule.ts";
import { type Schedule, schedules } from "./schedule.ts";

type AuthUsers = Awaited<ReturnType<typeof runSchedule>>;

async function readRows(pool: pg.Pool, prefix: string): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query(
    "select clerk_id, email, name, role from public.users where clerk_id like $1 order by clerk_id",
    [`user_${prefix}_%`],
  );
  return rows;
}

function expectedRows(model: Model): Record<string, unknown>[] {
  return model.users
    .filter((user) => !user.deleted)
    .map((user) => ({
      clerk_id: user.clerkId,
      email: heldEmail(model, user),
      name: `${user.firstName} Lovelace`,
      role: user.role,
    }))
    .sort((left, right) => (left.clerk_id < right.clerk_id ? -1 : 1));
}

function expectAuth(user: ModelUser, email: string | null, users: AuthUsers): void {
  const id = authUserIdOf(user.clerkId);
  const mirror = users.get(id);
  if (user.deleted) {
    expect(mirror, user.clerkId).toBeUndefined();
    return;
  }
  if (email === null) {
    expect([undefined, `${id}@removed.invalid`]).toContain(mirror?.email);
    return;
  }
  expect(mirror).toMatchObject({
    email: user.emailVerified ? email : `${id}@removed.invalid`,
    banned: true,
    app_metadata: { clerk_id: user.clerkId, role: user.role, banned: user.banned },
    user_metadata: { full_name: `${user.firstName} Lovelace`, role: user.role },
  });
}

/** What the sync knows of living users, and which deleted ones it knows to be deleted. */
async function readStates(pool: pg.Pool, prefix: string): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query(
    `select clerk_id, case when deleted_at is null then version end as version, deleted_at is not null as deleted, refresh_reason
     from clerk_sync.known_users where clerk_id like $1 order by clerk_id`,
    [`user_${prefix}_%`],
  );
  return rows;
}

function expectedStates(model: Model): Record<string, unknown>[] {
  return model.users
    .map((user) => ({
      clerk_id: user.clerkId,
      version: user.deleted ? null : String(at(user.version)),
      deleted: user.deleted,
      refresh_reason: user.deleted || heldEmail(model, user) === user.email ? null : expect.stringMatching(/^email_/),
    }))
    .sort((left, right) => (left.clerk_id < right.clerk_id ? -1 : 1));
}

/** Jobs that still hold something of a deleted person. */
async function readLeftovers(pool: pg.Pool): Promise<unknown[]> {
  const { rows } = await pool.query(
    `select j.payload from public.job_queue as j join clerk_sync.known_users as s on s.clerk_id = j.clerk_id
     where s.deleted_at is not null and (j.payload ? 'email' or j.payload ? 'name')`,
  );
  return rows;
}

/**
 * Plays so many schedules on an empty database and expects after each that users, user state and Auth are what Clerk
 * has. Answers in how many a circuit opened.
 */
export async function checkSchedules(pool: pg.Pool, { runs, seed }: { runs: number; seed: number }): Promise<number> {
  let count = 0;
  let opened = 0;
  const property = fc.asyncProperty(schedules, async (schedule) => {
    await checkSchedule(pool, schedule, `s${count++}`);
    opened += (await clearAway(pool, count)) ? 1 : 0;
  });
  await fc.assert(property, { numRuns: runs, seed, endOnFailure: false });
  return opened;
}

async function checkSchedule(pool: pg.Pool, schedule: Schedule, prefix: string): Promise<void> {
  const model = playHistory(schedule.steps, prefix, schedule.canRead);
  const auth = await runSchedule(pool, schedule, model, prefix);
  expect(await readRows(pool, prefix)).toEqual(expectedRows(model));
  expect(await readStates(pool, prefix)).toEqual(expectedStates(model));
  expect(await readLeftovers(pool)).toEqual([]);
  for (const user of model.users) expectAuth(user, heldEmail(model, user), auth);
  expect(auth.size).toBeLessThanOrEqual(model.users.filter((user) => !user.deleted).length);
}

/** Makes room for the next, mostly by delete: truncate takes ten times as long. True when a circuit had opened. */
async function clearAway(pool: pg.Pool, count: number): Promise<boolean> {
  const empty = count % 10 === 0 ? "truncate" : "delete from";
  for (const table of ["public.job_queue", "public.users", "clerk_sync.records", "clerk_sync.user_state"])
    await pool.query(`${empty} ${table}`);
  const { rows } = await pool.query(
    "select openings > 0 as opened, clerk_sync_reset_circuit(name) from clerk_sync.circuits",
  );
  return rows.some((row) => row.opened);
}
