import fc from "fast-check";
import { expect } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { quoteTable } from "../../../mapping/quote.ts";
import { at } from "../clerk/build-event.ts";
import { createRowModel } from "../mapping/row-model.ts";
import { addressOf, forgedEvent, type Model, type ModelUser, playHistory } from "./clerk-model.ts";
import { runSchedule } from "./run-schedule.ts";
import { type Schedule, schedules } from "./schedule.ts";
import { droppedPlaces } from "./schedule-system.ts";
import type { ScheduleTable } from "./schedule-tables.ts";

type RowModel = ReturnType<typeof createRowModel>;
type Emails = Awaited<ReturnType<RowModel["emails"]>>;
type AuthUsers = Awaited<ReturnType<typeof runSchedule>>;

/**
 * Plays so many schedules on an empty table and expects after each that rows, user state and Auth are what Clerk has.
 * Answers in how many a circuit opened.
 */
export async function checkSchedules(
  table: ScheduleTable,
  { runs, seed }: { runs: number; seed: number },
): Promise<number> {
  let count = 0;
  let opened = 0;
  await clearAway(table, count);
  const property = fc.asyncProperty(schedules, async (schedule) => {
    await checkSchedule(table, schedule, `s${count++}`);
    opened += (await clearAway(table, count)) ? 1 : 0;
  });
  await fc.assert(property, { numRuns: runs, seed, endOnFailure: false });
  return opened;
}

async function checkSchedule(table: ScheduleTable, schedule: Schedule, prefix: string): Promise<void> {
  const model = playHistory(schedule.steps, prefix, schedule.canRead);
  const rows = createRowModel(table.pool, table.mapping, { order: "any" });
  await insertRows(table, schedule, prefix);
  await rows.start();
  const auth = await runSchedule({ table, schedule, model, prefix });
  tellRows(rows, schedule, model, prefix);
  await rows.followLinks();
  const emails = await rows.emails();
  expect(await rows.read()).toEqual(await rows.rows());
  expect(await rows.readEmails()).toEqual(emails);
  expect(await readStates(table, prefix)).toEqual(expectedStates(model, emails));
  expect(await readLeftovers(table)).toEqual([]);
  const mirrored = await readMirrored(table);
  for (const user of model.users) expectAuth(user, mirrored, auth);
  expect(auth.size).toBeLessThanOrEqual(model.users.filter((user) => !user.deleted).length);
}

/** The rows that are there before the sync. */
async function insertRows({ mapping, insert }: ScheduleTable, schedule: Schedule, prefix: string): Promise<void> {
  for (const user of schedule.known) await insert(`user_${prefix}_${user}`, `old.${prefix}.${user}@example.com`);
  // A user with a row of the app who claims the address of an unlinked row has none until a read; without reads, for ever.
  const settles = schedule.canRead || schedule.known.length === 0;
  if (schedule.unlinked !== null && mapping.users.linkBy !== null && settles)
    await insert(null, addressOf(schedule.unlinked, prefix));
}

/** Tells the model of rows what happened at Clerk. Of users whose events were lost it is the last that counts, by a read. */
function tellRows(rows: RowModel, schedule: Schedule, { changes }: Model, prefix: string): void {
  const dropped = new Set(droppedPlaces(schedule, { users: [], changes }));
  for (const [place, { user, event }] of changes.entries()) {
    const isLast = changes.findLastIndex(({ user: { clerkId } }) => clerkId === user.clerkId) === place;
    if (dropped.has(place) && !isLast) rows.mayArrive(event);
    else rows.arrive(event, `msg_${place}`);
  }
  for (const action of schedule.actions) {
    if (action.kind !== "forge" || !schedule.canRead) continue;
    const id = `user_${prefix}_${action.user}`;
    if (changes.some(({ user }) => user.clerkId === id)) rows.mayArrive(forgedEvent(id, 0));
  }
}

type Mirrored = ReadonlyMap<string, { email: string | null; role: string | null }>;

/** What the mirror in Auth has of rows; a role only where the table has a column for it. */
async function readMirrored({ pool }: ScheduleTable): Promise<Mirrored> {
  const { rows } = await pool.query<{ clerk_id: string; email: string | null; role: string | null }>(
    "select clerk_id, email, role from clerk_sync.user_rows",
  );
  return new Map(rows.map(({ clerk_id, ...row }) => [clerk_id, row]));
}

function expectAuth(user: ModelUser, mirrored: Mirrored, users: AuthUsers): void {
  const id = authUserIdOf(user.clerkId);
  const mirror = users.get(id);
  if (user.deleted) {
    expect(mirror, user.clerkId).toBeUndefined();
    return;
  }
  const row = mirrored.get(user.clerkId);
  const email = row?.email ?? null;
  const role = row?.role ?? user.role ?? "user";
  if (email === null) {
    expect([undefined, `${id}@removed.invalid`]).toContain(mirror?.email);
    return;
  }
  expect(mirror).toMatchObject({
    email: user.emailVerified ? email : `${id}@removed.invalid`,
    banned: true,
    app_metadata: { clerk_id: user.clerkId, role, banned: user.banned },
    user_metadata: { full_name: `${user.firstName} Lovelace`, role },
  });
}

/** What the sync knows of living users, and which deleted ones it knows to be deleted. */
async function readStates({ pool }: ScheduleTable, prefix: string): Promise<Record<string, unknown>[]> {
  const { rows } = await pool.query(
    `select clerk_id, case when deleted_at is null then version end as version, deleted_at is not null as deleted, refresh_reason
     from clerk_sync.known_users where clerk_id like $1 order by clerk_id`,
    [`user_${prefix}_%`],
  );
  return rows;
}

/** Who has not the own address is read again, now and then. */
function expectedStates(model: Model, emails: Emails): Record<string, unknown>[] {
  return model.users
    .map((user) => ({
      clerk_id: user.clerkId,
      version: user.deleted ? null : String(at(user.version)),
      deleted: user.deleted,
      refresh_reason:
        user.deleted || user.email === null || emails[user.clerkId] === user.email
          ? null
          : expect.stringMatching(/^email_/),
    }))
    .sort((left, right) => (left.clerk_id < right.clerk_id ? -1 : 1));
}

/** Jobs that still hold something of a deleted person. */
async function readLeftovers({ pool, fields }: ScheduleTable): Promise<unknown[]> {
  const { rows } = await pool.query(
    `select j.payload from public.job_queue as j join clerk_sync.known_users as s on s.clerk_id = j.clerk_id
     where s.deleted_at is not null and j.payload ?| $1`,
    [[...fields]],
  );
  return rows;
}

/** Makes room for the next, mostly by delete: truncate takes ten times as long. True when a circuit had opened. */
async function clearAway({ pool, mapping }: ScheduleTable, count: number): Promise<boolean> {
  const empty = count % 10 === 0 ? "truncate" : "delete from";
  const users = `${empty} ${quoteTable(mapping.users.table)}${count % 10 === 0 ? " cascade" : ""}`;
  await pool.query(users);
  for (const table of ["public.job_queue", "clerk_sync.records", "clerk_sync.user_state"])
    await pool.query(`${empty} ${table}`);
  const { rows } = await pool.query(
    "select openings > 0 as opened, clerk_sync_reset_circuit(name) from clerk_sync.circuits",
  );
  return rows.some((row) => row.opened);
}
