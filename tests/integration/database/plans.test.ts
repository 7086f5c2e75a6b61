import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { createDatabase } from "#core/database/database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";

// A connection keeps the plans it made while the tables were empty, until autovacuum comes by. Work per job must
// not grow with the tables then: every lookup has to be by key. Of a table that was analysed while it was empty
// PostgreSQL is sure that it is; of one that never was it assumes ten pages.
let queue: Queue;
let worker: pg.Pool;
beforeEach(async () => {
  queue = await createQueue();
  worker = openPool(queue.url, { max: 1 });
  for (const table of ["public.job_queue", "public.users", "clerk_sync.records", "clerk_sync.user_state"]) {
    await queue.pool.query(`alter table ${table} set (autovacuum_enabled = off)`);
  }
});
afterEach(async () => {
  await worker?.end();
  await queue?.drop();
});

const users = 1000;
const rules = {
  canRead: true,
  fields: rootFields,
  deleteBrake: { count: 5000, percent: 100, minutes: 60 },
} as const;

/**
 * Rows of our tables that were read since the start; entries of rows that are gone do not count: how long they stay in
 * an index depends on the transactions of other tests.
 */
async function countReads(): Promise<number> {
  await worker.query("select pg_stat_force_next_flush()");
  const { rows } = await worker.query(
    "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) as n from pg_stat_user_tables",
  );
  return Number(rows[0].n);
}

/** How much is read per job while `work` does so many jobs. */
async function readsPerJob(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const before = await countReads();
  await work();
  return ((await countReads()) - before) / jobs;
}

const states = [
  ["that were never analysed", "select 1", 0],
  ["that were analysed while they were empty", "vacuum analyze", 0],
  ["that held one user when the plans were made", "vacuum analyze", 1],
] as const;

it.each(states)("what a job reads stays the same while tables grow %s", async (_, prepare, first) => {
  await queue.pool.query(prepare);
  const database = createDatabase(createCallFunction(worker));
  const enqueue = async (build: (id: string) => unknown, prefix: string, [from, to] = [first, users]) => {
    for (let place = from; place < to; place++) {
      await database.enqueue([toJob(build(`user_${place}`), `msg_${prefix}_${place}`)], 15);
    }
  };
  const drain = async (leaseSeconds: number | null) => {
    for (;;) {
      const batch = await database.runJobs({ limit: 50, leaseSeconds, ...rules });
      if (batch.jobs.length === 0) return;
      const outcomes = batch.mirror.map(({ job_id }) => ({ job_id, outcome: "completed" }) as const);
      if (outcomes.length > 0) await database.settleJobs(batch.token, outcomes);
    }
  };
  const creates = (id: string) => userEvent("user.created", { id, version: 1 });
  await enqueue(creates, "create", [0, first]);
  await drain(60);
  const reads = {
    creates: await readsPerJob(users, () => enqueue(creates, "create")),
    applies: await readsPerJob(users, () => drain(null)),
    updates: await readsPerJob(users, () => enqueue((id) => userEvent("user.updated", { id, version: 2 }), "update")),
    mirrors: await readsPerJob(users, () => drain(60)),
    deletes: await readsPerJob(users, () => enqueue((id) => deletedEvent({ id, version: 3 }), "delete")),
    deletions: await readsPerJob(users, () => drain(60)),
  };
  console.log("rows read per job", JSON.stringify(reads));
  const most = { creates: 5, applies: 12, updates: 5, mirrors: 30, deletes: 5, deletions: 40 };
  for (const [kind, count] of Object.entries(reads)) expect(count, kind).toBeLessThan(most[kind as keyof typeof most]);
});

// What an index leaves out by itself is not counted as read, so the plan is looked at as well.
it.each([
  ["public.users", "clerk_id", "User_clerkId_key"],
  ["public.users", "email", "User_email_key"],
  ["clerk_sync.records", "id", "records_pkey"],
  ["public.job_queue", "event_id", "job_queue_event_id_key"],
])(
  "a row is looked up by its own index, also in a table that was analysed while it was empty: %s (%s)",
  async (table, column, index) => {
    await queue.pool.query("vacuum analyze");
    await worker.query("set enable_seqscan = off; set enable_bitmapscan = off");
    const { rows } = await worker.query<{ "QUERY PLAN": string }>(
      `explain select (select true from ${table} as t where t.${column} = i) from unnest('{a}'::text[]) as i`,
    );
    expect(rows.map((row) => row["QUERY PLAN"].replaceAll('"', "")).join("\n")).toContain(`using ${index} on`);
  },
);

it.each(states.slice(0, 2))("what a call for the own row reads stays the same in tables %s", async (_, prepare) => {
  await queue.pool.query(prepare);
  const database = createDatabase(createCallFunction(worker));
  const each = async (work: (clerkId: string) => Promise<unknown>) => {
    for (let place = 0; place < users; place++) await work(`user_${place}`);
  };
  const readAt = new Date(0).toISOString();
  const make = (clerkId: string) => {
    const payload = {
      ...mapUser(parseUser(userEvent("user.updated", { id: clerkId, version: 1 }).data), rootFields),
      retry_count: 0,
    };
    return database.ensureUser({ clerkId, version: 1, payload, readAt, maxAttempts: 15 });
  };
  const reads = {
    missing: await readsPerJob(users, () => each(make)),
    present: await readsPerJob(users, () => each(database.ownRow)),
  };
  console.log("rows read per call", JSON.stringify(reads));
  for (const [kind, count] of Object.entries(reads)) expect(count, kind).toBeLessThan(20);
});
