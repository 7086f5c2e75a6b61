import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";

type Reason = { code: string; status: string; what: string; since?: string };
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

describe("a service that is down", () => {
  beforeEach(() =>
    queue.pool.query(
      `update clerk_sync.circuits
       set since = '2026-11-20T10:00:00Z', probe_at = now(), last_error = 'auth_unavailable'
       where name = 'auth'`,
    ),
  );

  it("degrades, and the work that waits for it is not late however long it takes", async () => {
    await queue.pool.query(
      "insert into job_queue (job_type, run_at, waits_for) values ('USER_UPDATED', now() - interval '1 day', 'auth')",
    );
    const { status, reasons, facts } = await health("1 day");
    expect([status, reasons.map(({ code }) => code)]).toEqual(["degraded", ["circuit_open"]]);
    expect(reasons[0]).toMatchObject({
      what: "Calls are paused to Supabase Auth (auth_unavailable). Users are written all the same; what needs the service waits.",
      since: "2026-11-20T10:00:00+00:00",
    });
    expect(facts).toMatchObject({ oldest_due_at: null, open: { PENDING: 1 }, circuits: { auth: { state: "open" } } });
  });

  it("does not hide that nobody does the rest", async () => {
    await queue.pool.query(
      "insert into job_queue (job_type, run_at) values ('USER_UPDATED', now() - interval '1 hour')",
    );
    expect(await codes()).toEqual(["compromised", "queue_late compromised", "circuit_open degraded"]);
  });

  it("of Clerk explains the refreshes that wait", async () => {
    await queue.pool.query("update clerk_sync.circuits set probe_at = now() where name = 'clerk'");
    await queue.one("select clerk_sync_request_refresh(array['user_r'])");
    expect(await codes("1 day")).toEqual(["degraded", "circuit_open degraded"]);
  });
});

describe("the last compare", () => {
  /** A run that ended so many hours ago. */
  const insertRun = (
    kind: string,
    status: string,
    hours: number,
    changes: { counts?: object; applies?: boolean } = {},
  ) =>
    queue.pool.query(
      `insert into clerk_sync.sync_runs (kind, status, applies, counts, error, started_at, finished_at)
       values ($1, $2, $3, $4, 'clerk_instance_mismatch: too many', now() - $5::interval, now() - $5::interval)`,
      [kind, status, changes.applies ?? true, JSON.stringify(changes.counts ?? {}), `${hours} hours`],
    );
  const drifted = { read: 500, missing: 4, stale: 3, differs: 2, extra: 1, unmirrored: 1, edited: 90, foreign: 90 };

  it("that found more users out of step than is usual degrades, until one finds fewer", async () => {
    await insertRun("compare", "COMPLETED", 3, { counts: drifted });
    expect(await health()).toMatchObject({
      status: "degraded",
      reasons: [{ code: "drift", what: "The last compare with Clerk found 11 users out of step." }],
    });
    await insertRun("sweep", "COMPLETED", 2, { counts: { read: 5 } });
    expect(await codes()).toEqual(["degraded", "drift degraded"]);
    await insertRun("compare", "COMPLETED", 1, { counts: { ...drifted, extra: 0 }, applies: false });
    expect(await codes()).toEqual(["healthy"]);
  });

  it("of many users has to find one in a hundred", async () => {
    await insertRun("compare", "COMPLETED", 1, { counts: { read: 5000, stale: 50 } });
    expect(await codes()).toEqual(["healthy"]);
    await insertRun("compare", "COMPLETED", 0, { counts: { read: 5000, stale: 51 } });
    expect(await codes()).toEqual(["degraded", "drift degraded"]);
  });

  it("that failed degrades, by its code alone, until one completes; a dry one is its caller's business", async () => {
    await insertRun("compare", "FAILED", 9, { applies: false });
    expect(await codes()).toEqual(["healthy"]);
    await insertRun("compare", "FAILED", 5);
    await insertRun("sweep", "COMPLETED", 4);
    expect(await health()).toMatchObject({
      status: "degraded",
      reasons: [{ code: "run_failed", what: "The last compare failed: clerk_instance_mismatch." }],
    });
    await insertRun("compare", "COMPLETED", 3);
    expect(await codes()).toEqual(["healthy"]);
  });

  it("makes up for a backfill and a sweep that failed before, and not for those after", async () => {
    await insertRun("backfill", "FAILED", 5);
    await insertRun("sweep", "FAILED", 4);
    expect(await codes()).toEqual(["degraded", "run_failed degraded"]);
    await insertRun("compare", "COMPLETED", 3);
    expect(await codes()).toEqual(["healthy"]);
    await insertRun("sweep", "FAILED", 2);
    expect(await codes()).toEqual(["degraded", "run_failed degraded"]);
  });
});
