import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrateDatabase } from "../../../server/migrate-database.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

type Reason = { code: string; status: string; what: string; since?: string; remedy: string };
type Health = { status: string; reasons: Reason[]; facts: Record<string, unknown> };

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const health = async (later = "0 seconds"): Promise<Health> =>
  (await queue.one("select clerk_sync_health(clock_timestamp() + $1::interval) as h", [later]))?.["h"] as Health;
const codes = async (later?: string) => {
  const { status, reasons } = await health(later);
  return [status, ...reasons.map((reason) => `${reason.code} ${reason.status}`)];
};
const isHealthy = async (later = "0 seconds") =>
  (await queue.one("select clerk_sync_is_healthy(clock_timestamp() + $1::interval) as h", [later]))?.["h"];

/** Jobs nobody works on, in this state. */
const insertJobs = (count: number, status: string, runAt = "now()") =>
  queue.pool.query(
    `insert into job_queue (job_type, status, run_at, clerk_id) select 'USER_UPDATED', $1, ${runAt}, 'user_' || n from generate_series(1, $2) as n`,
    [status, count],
  );

it("an empty system is healthy, and says what it knows", async () => {
  const { status, reasons, facts } = await health();
  expect({ status, reasons }).toEqual({ status: "healthy", reasons: [] });
  expect(facts).toMatchObject({
    schema_version: expect.stringMatching(/^\d{14}$/),
    oldest_due_at: null,
    open: {},
    dead: { count: 0, newest_at: null },
    users: 0,
    last_applied_at: null,
    schedule: null,
    heartbeats: {},
    delete_brake: { engaged_at: null },
  });
});

it("work that is done leaves the system healthy and its time known", async () => {
  await queue.send(userEvent("user.created", { id: "user_done", version: 1 }));
  await queue.run();
  expect(await health()).toMatchObject({ status: "healthy", facts: { last_applied_at: expect.any(String), users: 1 } });
});

describe("due work", () => {
  it.each([
    ["1 minute", ["healthy"]],
    ["3 minutes", ["degraded", "queue_late degraded"]],
    ["16 minutes", ["compromised", "queue_late compromised"]],
  ])("that waits for %s means %j", async (later, expected) => {
    await queue.send(userEvent("user.created", { id: "user_late", version: 1 }));
    expect(await codes(later)).toEqual(expected);
    expect(await isHealthy(later)).toBe(expected[0] !== "compromised");
  });

  it("is found in every priority, and what is not due yet is not", async () => {
    await queue.pool.query(
      `insert into job_queue (job_type, priority, run_at) values
         ('USER_CREATED', 2, now() + interval '1 day'), ('USER_UPDATED', 1, now() - interval '1 minute'),
         ('USER_UPDATED', 0, now() - interval '1 hour'), ('USER_UPDATED', 7, now() - interval '2 minutes')`,
    );
    const { facts } = await health();
    expect(Date.now() - Date.parse(String(facts["oldest_due_at"]))).toBeGreaterThan(59 * 60_000);
    expect(facts).toMatchObject({ open: { PENDING: 4 } });
  });

  it("of refreshes waits for a key and compromises nothing", async () => {
    await queue.pool.query("insert into job_queue (job_type, source) values ('USER_UPDATED', 'refresh')");
    expect(await codes("1 day")).toEqual(["healthy"]);
    await queue.one("select clerk_sync_request_refresh(array['user_r'])");
    expect(await codes("1 day")).toEqual(["degraded", "refreshes_wait degraded"]);
  });
});

describe("dead letters", () => {
  it("degrade, and more than a hundred compromise a small project", async () => {
    await insertJobs(99, "DEAD");
    expect(await codes()).toEqual(["degraded", "dead_letters degraded"]);
    await insertJobs(1, "DEAD");
    expect(await health()).toMatchObject({
      status: "compromised",
      reasons: [{ code: "dead_letters", what: "100 jobs gave up and wait for a person.", since: expect.any(String) }],
    });
  });

  it("of less than a hundredth of the users only degrade", async () => {
    await queue.pool.query("insert into users (clerk_id) select 'user_' || n from generate_series(1, 15000) as n");
    await queue.pool.query("analyze users");
    await insertJobs(149, "DEAD");
    expect(await codes()).toEqual(["degraded", "dead_letters degraded"]);
  });

  it("are found by an index that no other query is planned with", async () => {
    const plan = async (condition: string) =>
      JSON.stringify(
        (await queue.pool.query(`explain select 1 from job_queue as j where ${condition}`)).rows.map(Object.values),
      );
    await insertJobs(200, "DEAD");
    await queue.pool.query("set enable_seqscan = off");
    expect(await plan("case when j.status = 'DEAD' then true end")).toContain("job_queue_dead_idx");
    expect(await plan("j.clerk_id = 'user_1' and j.status = 'DEAD'")).not.toContain("job_queue_dead_idx");
  });
});

it("an engaged delete brake degrades, with its reason", async () => {
  await queue.pool.query(
    "update clerk_sync.delete_brake set engaged_at = now(), reason = 'more than 100 deletions' where kind = 'user'",
  );
  expect(await health()).toMatchObject({
    status: "degraded",
    reasons: [{ code: "delete_brake", what: "Deletions wait: more than 100 deletions" }],
  });
});

it.each([
  ["suspected", "degraded", 11],
  ["confirmed", "compromised", 46],
])("silence that is %s is %s, and says from when to replay", async (state, status, minutes) => {
  await queue.pool.query("insert into clerk_sync.heartbeats values ('webhook', '2026-11-20T10:00:00Z')");
  await queue.pool.query("update clerk_sync.silence set changed_at = now() - make_interval(mins => $1)", [minutes]);
  expect(await health()).toMatchObject({
    status,
    reasons: [
      {
        code: `silence_${state}`,
        status,
        remedy: expect.stringContaining("missing messages since 2026-11-20T10:00:00Z"),
      },
    ],
  });
});

it("checks that Clerk has not answered for hours degrade, and one that just failed does not", async () => {
  await queue.pool.query(
    `insert into clerk_sync.sync_runs (kind, status, steps, error, started_at, finished_at)
     values ('sweep', 'COMPLETED', 3, null, now() - interval '15 minutes', now()),
            ('sweep', 'RUNNING', 0, 'clerk_unavailable: down', now(), null)`,
  );
  expect(await codes("1 hour")).toEqual(["healthy"]);
  expect(await codes("4 hours")).toEqual(["degraded", "silence_unchecked degraded"]);
});

it("users that Clerk has and the table has not degrade", async () => {
  await queue.pool.query(
    `insert into clerk_sync.sync_runs (kind, status, steps, finished_at, users_at_clerk, counts)
     values ('sweep', 'COMPLETED', 3, now(), 1000, '{"users_here": 991}')`,
  );
  expect(await codes()).toEqual(["healthy"]);
  await queue.pool.query(`update clerk_sync.sync_runs set counts = '{"users_here": 989}'`);
  expect(await codes()).toEqual(["degraded", "users_differ degraded"]);
});

it("another instance's events degrade for an hour", async () => {
  await queue.one("select clerk_sync_record_deliveries(null, $1)", [
    JSON.stringify([{ kind: "instance_unknown", at: new Date(), source: "", subject: "ins_dev", count: 3 }]),
  ]);
  expect(await codes()).toEqual(["degraded", "instance_unknown degraded"]);
  expect(await codes("2 hours")).toEqual(["healthy"]);
});

it("a threshold that the owner set counts, and the next migration leaves it", async () => {
  await insertJobs(1, "PENDING", "now() - interval '5 minutes'");
  expect(await codes()).toEqual(["degraded", "queue_late degraded"]);
  await queue.pool.query("update clerk_sync.own_thresholds set due_degraded_minutes = 10");
  expect(await codes()).toEqual(["healthy"]);
  await queue.pool.query("update clerk_sync_migrations.applied set checksum = 'of another wording'");
  expect((await migrateDatabase(queue.url)).applied).not.toEqual([]);
  expect(await codes()).toEqual(["healthy"]);
});

it("the worst reason comes first and decides", async () => {
  await insertJobs(1, "DEAD");
  await insertJobs(1, "PENDING", "now() - interval '1 hour'");
  expect(await codes()).toEqual(["compromised", "queue_late compromised", "dead_letters degraded"]);
});

it("a heartbeat is written once in ten seconds at most", async () => {
  const beat = (at: string) => queue.one("select clerk_sync_beat('worker', $1)", [at]);
  const written = async () => (await queue.one("select at from clerk_sync.heartbeats where name = 'worker'"))?.["at"];
  await beat("2026-11-20T10:00:00Z");
  await beat("2026-11-20T10:00:09Z");
  expect(await written()).toEqual(new Date("2026-11-20T10:00:00Z"));
  await beat("2026-11-20T10:00:11Z");
  expect(await written()).toEqual(new Date("2026-11-20T10:00:11Z"));
});

it("what it reads does not grow with the finished jobs, nor with the open ones", async () => {
  const reads = async () => {
    await queue.pool.query("select pg_stat_force_next_flush()");
    const { rows } = await queue.pool.query(
      "select (select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes) as n",
    );
    return Number(rows[0].n);
  };
  const cost = async () => {
    const before = await reads();
    await health();
    return (await reads()) - before;
  };
  await queue.pool.query("alter table job_queue set (autovacuum_enabled = off)");
  await insertJobs(30_000, "COMPLETED");
  await insertJobs(25_000, "CANCELLED");
  expect(await cost()).toBeLessThan(2000); // a good part of it the notes of the sync's objects
  await insertJobs(30_000, "FAILED", "now() + interval '1 hour'");
  expect(await cost()).toBeLessThan(15_000);
});

it("the policy of docs/health.md lets signed-in users insert while the sync is not compromised", async () => {
  const docs = await readFile(new URL("../../../docs/health.md", import.meta.url), "utf8");
  await queue.pool.query(docs.match(/```sql\n([\s\S]+?)```/)?.[1] ?? "");
  const insert = async () => {
    const client = await queue.pool.connect();
    try {
      await client.query("set role authenticated");
      await client.query("insert into app.payouts (amount) values (1)");
    } finally {
      await client.query("reset role");
      client.release();
    }
  };
  await insert();
  await insertJobs(1, "PENDING", "now() - interval '1 hour'");
  await expect(insert()).rejects.toMatchObject({ code: "42501" });
});

describe("what another tool did", () => {
  it("a dropped queue compromises, and each object is named in the facts", async () => {
    await queue.pool.query("drop table public.job_queue cascade");
    const { status, reasons, facts } = await health();
    expect(status).toBe("compromised");
    expect(reasons.map(({ code }) => code)).toEqual(["objects_missing"]);
    expect(reasons[0]?.what).toMatch(/missing in the database: table public\.job_queue, .* and \d+ more\.$/);
    expect(reasons[0]?.remedy).toContain("clerk-sync migrate --repair");
    expect(facts["objects"]).toContainEqual({
      object: "view clerk_sync.events",
      state: "missing",
      status: "compromised",
    });
    expect(facts).toMatchObject({ schema_version: expect.stringMatching(/^\d{14}$/) });
    expect(await isHealthy()).toBe(false);
  });

  it("a lost schema compromises", async () => {
    await queue.pool.query("drop schema clerk_sync cascade");
    const { status, reasons } = await health();
    expect([status, ...reasons.map(({ what }) => what)]).toEqual([
      "compromised",
      "Objects of the sync are missing in the database: schema clerk_sync.",
    ]);
  });

  it("a dropped index and a changed policy degrade, beside what else is known", async () => {
    await queue.pool.query(
      "drop index public.job_queue_due_idx; alter policy users_select_own on public.users using (true)",
    );
    await insertJobs(1, "DEAD");
    expect(await codes()).toEqual([
      "degraded",
      "objects_missing degraded",
      "objects_changed degraded",
      "dead_letters degraded",
    ]);
  });

  it("row level security that is off, or a mapped table that does not take what is written, compromises", async () => {
    await queue.pool.query("alter table public.users disable row level security");
    await queue.pool.query("alter table public.users alter column name set not null");
    const { status, reasons } = await health();
    expect([status, ...reasons.map(({ code }) => code)]).toEqual(["compromised", "table_changed", "objects_changed"]);
    expect(reasons[0]?.what).toContain("name is not null, but the sync writes null");
    expect(reasons[1]?.what).toContain("row level security of public.users");
  });
});
