import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Series, seriesSchema, type Window } from "#core/admin/contract/overview.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

// Time is given: everything happens around this noon, after the installation.
const noon = Date.UTC(2030, 0, 10, 12);
const time = (seconds: number) => new Date(noon + seconds * 1000).toISOString();

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

/** A finished job that came and was completed at these seconds. */
const finish = (came: number, done: number, { source = "webhook", status = "COMPLETED", count = 1 } = {}) =>
  queue.pool.query(
    `insert into job_queue (job_type, clerk_id, source, status, attempts, created_at, updated_at, processed_at)
     select 'USER_UPDATED', 'user_' || n, $3, $4, 1, $1, $2, $2 from generate_series(1, $5::int) as n`,
    [time(came), time(done), source, status, count],
  );
const rollUp = async (seconds: number, limit = 20_000) =>
  (await queue.one("select clerk_sync.roll_up($1, $2) as more", [time(seconds), limit]))?.["more"];
const total = async (name: string) =>
  Number(
    (
      await queue.one("select sum(count) as n from clerk_sync.metric_counts where grain = 'total' and name = $1", [
        name,
      ])
    )?.["n"],
  );

async function series(window: Window, seconds: number): Promise<Series> {
  const row = await queue.one("select clerk_sync_series($1, $2) as series", [window, time(seconds)]);
  return seriesSchema.parse(row?.["series"]);
}

const sums = ({ points }: Series) => ({
  received: points.reduce((sum, point) => sum + point.received, 0),
  completed: points.reduce((sum, point) => sum + point.completed, 0),
  failed_attempts: points.reduce((sum, point) => sum + point.failed_attempts, 0),
  dead: points.reduce((sum, point) => sum + point.dead, 0),
});

it.each([
  ["1h", 60, 60],
  ["24h", 900, 96],
  ["7d", 7200, 84],
] as const)("the window %s has every interval, zeros where nothing was", async (window, seconds, count) => {
  const { interval_seconds, points } = await series(window, 30);
  expect(interval_seconds).toBe(seconds);
  expect(points).toHaveLength(count);
  const times = points.map((point) => Date.parse(point.at));
  expect(times.at(-1)).toBe(noon);
  expect(times.every((time, place) => place === 0 || time - (times[place - 1] ?? 0) === seconds * 1000)).toBe(true);
  expect(points[0]).toMatchObject({ received: 0, completed: 0, failed_attempts: 0, dead: 0, latency_p50: null });
});

it.each([
  ["24h", 23 * 3600, { 0: 3, 900: 2 }],
  ["7d", 6 * 86_400, { 0: 5 }],
] as const)(
  "the window %s shows what finished at its beginning, after the jobs are purged",
  async (window, now, counts) => {
    await finish(5, 65, { count: 3 });
    await finish(905, 965, { count: 2 });
    for (let purge = 0; purge < 2; purge++) await queue.one("select clerk_sync_purge_jobs(0, 5000, $1)", [time(now)]);
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 0 });
    const points = (await series(window, now)).points.filter(({ completed }) => completed > 0);
    expect(Object.fromEntries(points.map(({ at, completed }) => [(Date.parse(at) - noon) / 1000, completed]))).toEqual(
      counts,
    );
  },
);

it("an unknown window is refused", async () => {
  await expect(queue.one("select clerk_sync_series('30d')")).rejects.toMatchObject({ code: "SY002" });
});

describe("what happened is in the interval it belongs to", () => {
  it.each([
    ["before it is rolled up", 121],
    ["after it is rolled up", 600],
  ])("%s", async (_, now) => {
    await finish(5, 65, { count: 3 });
    await finish(61, 66, { status: "CANCELLED" });
    if (now > 300) await rollUp(300);
    const { points } = await series("1h", now);
    const of = (seconds: number) => points.find((point) => point.at.startsWith(time(seconds).slice(0, 16)));
    expect(of(0)).toMatchObject({ received: 3, completed: 0, latency_p50: null });
    expect(of(60)).toMatchObject({ received: 1, completed: 3, latency_p50: expect.closeTo(45_000, 0) });
    for (const window of ["1h", "24h", "7d"] as const) {
      expect(sums(await series(window, now)), window).toMatchObject({ received: 4, completed: 3 });
    }
  });

  it("open jobs and dead letters count as received", async () => {
    const event = userEvent("user.created", { id: "user_1", version: 1 });
    await queue.send(event, "msg_open");
    await queue.pool.query("update job_queue set created_at = $1", [time(10)]);
    expect(sums(await series("1h", 30)).received).toBe(1);
    await queue.pool.query("update job_queue set status = 'DEAD', updated_at = $1", [time(20)]);
    expect(sums(await series("1h", 30)).received).toBe(1);
  });

  it("latency is that of Clerk's events: a backfill's is left out", async () => {
    await finish(0, 3600, { source: "backfill", count: 5 });
    expect((await series("1h", 3630)).points.at(-1)).toMatchObject({ completed: 5, latency_p95: null });
    await finish(3610, 3611);
    expect((await series("1h", 3630)).points.at(-1)).toMatchObject({
      completed: 6,
      latency_p95: expect.closeTo(975, 0),
    });
  });
});

it("a failed attempt and the dead letter it makes are counted with their code", async () => {
  const event = userEvent("user.created", { id: "user_1", version: 1 });
  await queue.database.enqueue([{ ...toJob(event, "msg_dead"), dead_reason: "user_unknown: nobody" }], 15);
  await queue.pool.query("alter table public.users add constraint nobody check (false) not valid");
  await queue.send(event, "msg_failing");
  await queue.pool.query("update job_queue set max_attempts = 2");
  await queue.run();
  await queue.pool.query("update job_queue set run_at = now() where status = 'FAILED'");
  await queue.run();
  await queue.pool.query("select clerk_sync.roll_up(now() + interval '2 minutes')");
  await queue.pool.query("select clerk_sync.roll_up(now() + interval '4 minutes')");
  const row = await queue.one("select clerk_sync_series('1h') as series");
  expect(sums(seriesSchema.parse(row?.["series"]))).toMatchObject({ failed_attempts: 2, dead: 2 });
  const { rows } = await queue.pool.query(
    "select name, labels ->> 'code' as code, count::int from clerk_sync.metric_counts where grain = 'total' order by 1, 2",
  );
  expect(rows).toEqual([
    { name: "dead", code: "database_rejected", count: 1 },
    { name: "dead", code: "user_unknown", count: 1 },
    { name: "failed_attempts", code: "database_rejected", count: 2 },
  ]);
});

describe("the roll-up", () => {
  it("counts everything once, however often it runs", async () => {
    await finish(5, 65, { count: 10 });
    await rollUp(300);
    await rollUp(300);
    await rollUp(400);
    expect(await total("finished")).toBe(10);
  });

  it("leaves the last minute alone: what is dated there may commit later", async () => {
    await finish(0, 20);
    await rollUp(79);
    expect(await total("finished")).toBe(0);
    await finish(0, 20);
    await rollUp(81);
    expect(await total("finished")).toBe(2);
  });

  it("is bounded and catches up, also when more finished at one moment than it takes", async () => {
    await finish(0, 10, { count: 50 });
    for (let second = 0; second < 10; second++) await finish(11, 20 + second, { count: 2 });
    const calls: unknown[] = [];
    do calls.push(await rollUp(300, 8));
    while (calls.at(-1) === true);
    expect(calls.length).toBeGreaterThan(3);
    expect(await total("finished")).toBe(70);
  });

  it("is done by one of two connections at a time, and nothing is counted twice or lost", async () => {
    await finish(0, 10, { count: 50 });
    const holder = await queue.pool.connect();
    await holder.query("begin");
    await holder.query("select clerk_sync.roll_up($1)", [time(300)]);
    expect(await rollUp(300)).toBe(false);
    expect(await total("finished")).toBe(0);
    await holder.query("commit");
    holder.release();
    await Promise.all(Array.from({ length: 8 }, () => rollUp(300)));
    expect(await total("finished")).toBe(50);
  });

  it("that is rolled back counted nothing", async () => {
    await finish(0, 10);
    await queue.pool.query("insert into clerk_sync.metric_events (at, name) values ($1, 'dead')", [time(10)]);
    // One connection: PostgreSQL sends the error before it releases the roll-up's lock.
    const client = await queue.pool.connect();
    await expect(client.query(`select clerk_sync.roll_up('${time(300)}'); select 1 / 0`)).rejects.toThrow(
      "division by zero",
    );
    await client.query("select clerk_sync.roll_up($1)", [time(300)]);
    client.release();
    expect([await total("finished"), await total("dead")]).toEqual([1, 1]);
  });

  it("comes before the purge: nothing goes uncounted, and the totals stay when the minutes go", async () => {
    const days = 40 * 86_400;
    await finish(0, 10, { count: 30 });
    await queue.one("select clerk_sync_purge_jobs(30, 5000, $1)", [time(days)]);
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 0 });
    expect(await total("finished")).toBe(30);
    await queue.one("select clerk_sync_purge_jobs(30, 5000, $1)", [time(days)]);
    expect(await queue.one("select count(*)::int as n from clerk_sync.metric_counts where grain <> 'total'")).toEqual({
      n: 0,
    });
    expect(await total("finished")).toBe(30);
  });

  it("held by another, it holds the purge back", async () => {
    await finish(0, 10, { count: 30 });
    const holder = await queue.pool.connect();
    await holder.query("begin");
    await holder.query("select from clerk_sync.metric_state for update");
    await queue.one("select clerk_sync_purge_jobs(30, 5000, $1)", [time(40 * 86_400)]);
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 30 });
    await holder.query("rollback");
    holder.release();
  });
});
