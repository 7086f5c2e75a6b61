import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clearQueue } from "../../support/admin/admin-calls.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";

// What an answer of the admin API reads is bounded, whatever the filter is and however much there is to read. Rows and
// index entries are counted, not milliseconds. Tables are analysed only before the second half: the planner knows
// nothing of the history before.
const history = 100_000;
let queue: Queue;
let reader: pg.Pool;
beforeAll(async () => {
  queue = await createQueue();
  reader = openPool(queue.url, { max: 1 });
  for (const table of [
    "public.job_queue",
    "public.users",
    "clerk_sync.records",
    "clerk_sync.user_state",
    "clerk_sync.audit",
  ]) {
    await queue.pool.query(`alter table ${table} set (autovacuum_enabled = off)`);
  }
  for (const [call] of calls.filter(([name]) => name.startsWith("users("))) {
    // A connection keeps a plan from the sixth time on: these it made while there were no users.
    for (let time = 0; time < 7; time++) await reader.query(`select public.clerk_sync_admin_${call}`);
  }
  await makeHistory();
});
afterAll(async () => {
  await reader?.end();
  await clearQueue(queue);
  await queue?.drop();
});

/** Finished jobs, of which a twentieth is dead, one user each, and an audit. The trigger is off. */
async function makeHistory(): Promise<void> {
  const client = await queue.pool.connect();
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into public.job_queue (event_id, job_type, clerk_id, status, error, created_at, updated_at, processed_at, payload)
     select 'msg_' || n, 'USER_UPDATED', 'user_' || n, d.status, case when d.status = 'DEAD' then 'a: 1' end, t.at, t.at, t.at,
       jsonb_build_object('email', 'job' || n || '@example.com')
     from generate_series(1, $1::int) as n
     cross join lateral (select '2026-11-20T10:00:00Z'::timestamptz - n * interval '1 s' as at) as t
     cross join lateral (select case when n % 20 = 0 then 'DEAD' else 'COMPLETED' end as status) as d`,
    [history],
  );
  await client.query(
    `insert into public.users (clerk_id, email, name)
     select 'user_' || n, 'user' || n || '@example.com', 'Ada ' || n
     from generate_series(1, $1::int) as n
     where n % 10 > 0`,
    [history],
  );
  await client.query(
    `insert into clerk_sync.records (id, version, deleted_at)
     select 'user_' || n, n, case when n % 10 = 0 then now() end
     from generate_series(1, $1::int) as n`,
    [history],
  );
  await client.query(
    `insert into clerk_sync.audit (kind, at, last_at)
     select 'burst', t.at, t.at
     from generate_series(1, $1::int) as n
     cross join lateral (select '2026-11-20T10:00:00Z'::timestamptz - n * interval '1 min' as at) as t`,
    [history],
  );
  await client.query("reset session_replication_role");
  client.release();
}

/** Rows and index entries that were read in our tables since the start. */
async function countReads(): Promise<number> {
  await reader.query("select pg_stat_force_next_flush()");
  const { rows } = await reader.query(
    "select (select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes) as n",
  );
  return Number(rows[0].n);
}

async function readsOf(call: string): Promise<number> {
  const before = await countReads();
  await reader.query(`select public.clerk_sync_admin_${call}`);
  return (await countReads()) - before;
}

// A page of 50 lines costs some lookups a line. A look that no index helps reads 5,000 jobs of each status twice; a count
// 10,000 once, or 3,000 twice; the audit 10,000 entries.
const calls: readonly (readonly [string, number])[] = [
  ["jobs()", 1000],
  [`jobs('{"status": ["DEAD"]}')`, 500],
  [`jobs('{"status": ["FAILED", "CANCELLED"]}')`, 100],
  [`jobs('{"created_before": "2026-11-19T12:00:00Z"}')`, 1000],
  [`jobs('{"created_after": "2030-01-01T00:00:00Z"}')`, 100],
  [`jobs('{"clerk_id": "user_99999"}')`, 100],
  [`jobs('{"event_id": "msg_99999"}')`, 100],
  [`jobs('{"q": "msg_99999"}')`, 100],
  [`jobs('{"q": "USER99999@example.com"}')`, 100],
  [`jobs('{"q": "job80000@example.com"}')`, 100],
  [`jobs('{"q": "nobody@example.com"}')`, 100],
  [`jobs('{"source": "nothing"}')`, 16_000],
  [`jobs('{"job_type": "USER_DELETED"}')`, 16_000],
  [`jobs('{"code": "nothing"}')`, 16_000],
  ["job_counts()", 16_000],
  [`job_counts('{"source": "nothing"}')`, 13_000],
  [`job_counts('{"q": "nobody@example.com"}')`, 100],
  [`count('{}', 'retry')`, 6000],
  [`count('{"code": "nothing"}', 'cancel')`, 11_000],
  ["dead_letters()", 11_000],
  ["users()", 1000],
  ["users(p_show => 'deleted')", 1000],
  ["users('user_9')", 1000],
  ["users('nobody')", 100],
  ["users('USER99999@EXAMPLE.com')", 100],
  ["users('user_99999')", 100],
  ["user('user_99999')", 100],
  ["overview()", 27_000],
  ["runs()", 100],
  ["audit()", 500],
  [`audit('{"kind": "operator_action"}')`, 11_000],
];

describe.each(["before", "after"])("%s the tables are analysed", (when) => {
  beforeAll(async () => {
    if (when === "after") await queue.pool.query("analyze");
  });

  it.each(calls)("clerk_sync_admin_%s reads fewer rows than %i", async (call, most) => {
    expect(await readsOf(call)).toBeLessThan(most);
  });

  it("the look for bursts reads the jobs of one hour alone", async () => {
    const before = await countReads();
    await reader.query("select public.clerk_sync_audit_jobs('2026-11-20T10:00:00Z')");
    expect((await countReads()) - before).toBeLessThan(4000);
  });
});
