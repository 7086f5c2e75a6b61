import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRunsDatabase, type Run, type RunsDatabase } from "#core/reconcile/runs-database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at, deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { waitFor } from "../../support/processes/wait-for.ts";

let queue: Queue;
let runs: RunsDatabase;
beforeEach(async () => {
  queue = await createQueue();
  runs = createRunsDatabase(createCallFunction(queue.pool), 15);
});
afterEach(() => queue?.drop());

const take = async (kind: "backfill" | "sweep" | "compare" | null, applies = true, idleSeconds = 0) => {
  const taken = await runs.take({ kind, applies, idleSeconds });
  return "token" in taken ? { ...taken, id: taken.run.id } : { ...taken, id: "", token: "", read_at: "" };
};
const listRuns = async () =>
  (await queue.pool.query<Run>("select * from clerk_sync.sync_runs order by started_at desc")).rows;
/** So much time passes for the open run. */
const pass = (interval: string) =>
  queue.one(`update clerk_sync.sync_runs set lease_until = lease_until - interval '${interval}',
    updated_at = updated_at - interval '${interval}', started_at = started_at - interval '${interval}'`);
const job = (id: string, read_at?: string) => ({
  event_id: `backfill_${id}`,
  job_type: "USER_CREATED" as const,
  clerk_id: id,
  version: at(1),
  payload: { clerk_id: id, email: `${id}@example.com`, name: "Ada" },
  source: "backfill",
  ...(read_at === undefined ? {} : { read_at }),
});

describe("a run", () => {
  it("has one runner: a second one is told who", async () => {
    const first = await take("backfill");
    expect(first.outcome).toBe("started");
    expect(await take("backfill")).toMatchObject({ outcome: "busy", run: { id: first.id } });
    expect((await take(null)).outcome).toBe("busy");
  });

  it("is started once when two start it at the same moment", async () => {
    const first = await queue.pool.connect();
    await first.query("begin");
    await first.query("select clerk_sync_take_run('backfill')");
    const second = take("backfill"); // sees no run yet, and waits
    await waitFor("the second to wait", async () =>
      Boolean(await queue.one("select 1 from pg_locks where not granted limit 1")),
    );
    await first.query("commit");
    first.release();
    expect((await second).outcome).toBe("busy");
    expect(await queue.one("select count(*)::int as n from clerk_sync.sync_runs")).toEqual({ n: 1 });
  });

  it("whose runner died is carried on where it was, and the dead one can store nothing any more", async () => {
    const dead = await take("backfill");
    await runs.advance(dead.id, dead.token, { cursor: { after: "user_a" }, counts: { read: 1 } });
    await pass("2 minutes");
    const next = await take(null);
    expect(next).toMatchObject({
      outcome: "resumed",
      run: { id: dead.id, cursor: { after: "user_a" }, counts: { read: 1 } },
    });
    expect(await runs.advance(dead.id, dead.token, { jobs: [job("user_b")], cursor: {} })).toEqual({ held: false });
    expect(await runs.end(dead.id, dead.token, { status: "COMPLETED" })).toBe(false);
    expect(await queue.one("select 1 from job_queue")).toBeUndefined();
  });

  it("that is paused waits for the schedule, not for a person who names it", async () => {
    const run = await take("backfill");
    await runs.end(run.id, run.token, { status: "RUNNING", error: "clerk_unavailable: down", pauseSeconds: 60 });
    expect((await take(null)).outcome).toBe("busy");
    expect((await take("backfill")).outcome).toBe("resumed");
  });

  it("that applies does not give way to another for a day, a dry one does at once, and the schedule leaves it", async () => {
    await take("compare", false);
    await pass("2 minutes");
    expect((await take(null)).outcome).toBe("busy");
    expect((await take("sweep")).outcome).toBe("started");
    await pass("2 minutes");
    expect((await take("compare")).outcome).toBe("busy");
    await pass("1 day");
    expect((await take("compare")).outcome).toBe("started");
    const { rows } = await queue.pool.query("select kind, status, error from clerk_sync.sync_runs order by started_at");
    expect(rows.filter((row) => row.status === "FAILED").map((row) => row.error)).toEqual(
      Array(2).fill("run_abandoned: nobody carried it on"),
    );
  });

  it("is not started again before its time, unless it did not complete", async () => {
    const first = await take("sweep");
    await runs.end(first.id, first.token, { status: "FAILED", error: "clerk_rejected: no" });
    const second = await take("sweep", true, 3600);
    expect(second.outcome).toBe("started");
    await runs.end(second.id, second.token, { status: "COMPLETED" });
    expect((await take("sweep", true, 3600)).outcome).toBe("none");
    await pass("61 minutes");
    expect((await take("sweep", true, 3600)).outcome).toBe("started");
  });

  it("that swept and found nothing is forgotten an hour later, and the last one that completed is not", async () => {
    const sweep = async (jobs: ReturnType<typeof job>[]) => {
      const { id, token } = await take("sweep");
      await runs.advance(id, token, { number: 1, jobs });
      await runs.end(id, token, { status: "COMPLETED" });
      await queue.one(
        "update clerk_sync.sync_runs set started_at = started_at - interval '40 minutes', finished_at = finished_at - interval '40 minutes'",
      );
      return id;
    };
    const found = await sweep([job("user_a")]);
    await sweep([]);
    const [recent, last] = [await sweep([]), await sweep([])];
    const open = await take("sweep");
    expect((await listRuns()).map(({ id }) => id)).toEqual([open.id, last, recent, found]);
  });

  it("that sweeps goes back to the beginning of the last one that applied, and a quarter of an hour more", async () => {
    const compare = await take("compare");
    await runs.end(compare.id, compare.token, { status: "COMPLETED" });
    const sweep = await take("sweep");
    const floor = new Date(Number("run" in sweep ? sweep.run?.cursor["floor"] : 0)).getTime();
    expect(Date.parse(compare.read_at) - floor).toBeCloseTo(15 * 60_000, -1);
  });
});

describe("a step", () => {
  it("stores its jobs, its marks and where it stands together, or nothing of it", async () => {
    const { id, token } = await take("compare");
    await queue.pool.query("insert into users (clerk_id) values ('user_a'), ('user_b')");
    await runs.advance(id, token, {
      jobs: [job("user_a")],
      marks: ["user_a"],
      cursor: { after: "user_a" },
      counts: { read: 1 },
    });
    expect(await runs.countUnmarked()).toEqual({ users: 2, unmarked: 1, several: false });
    expect(await runs.unmarkedUsers("", 10, false)).toEqual({ clerk_ids: ["user_b"], foreign: ["user_b"], next: null });
    const broken = { ...job("user_b"), job_type: "NONSENSE" as "USER_CREATED" };
    await expect(
      runs.advance(id, token, { jobs: [broken], marks: ["user_b"], cursor: { after: "user_b" }, counts: { read: 1 } }),
    ).rejects.toMatchObject({ code: "database_rejected" });
    expect(await listRuns()).toMatchObject([{ cursor: { after: "user_a" }, counts: { read: 1, queued: 1 } }]);
    expect(await runs.countUnmarked()).toEqual({ users: 2, unmarked: 1, several: false });
  });

  it("made a second time, with its answer lost, makes no second job", async () => {
    const { id, token } = await take("backfill");
    await runs.advance(id, token, { jobs: [job("user_a")] });
    await runs.advance(id, token, { jobs: [job("user_a")] });
    expect(await listRuns()).toMatchObject([{ counts: { queued: 1, duplicate: 1 } }]);
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 1 });
  });

  it("with a number is stored once", async () => {
    const { id, token } = await take("compare");
    const step = { number: 1, jobs: [job("user_a")], counts: { read: 1, missing: 1 }, cursor: { after: "user_a" } };
    await runs.advance(id, token, step);
    await runs.advance(id, token, {});
    expect(await runs.advance(id, token, step)).toMatchObject({ held: true, run: { cursor: { after: "user_a" } } });
    expect(await listRuns()).toMatchObject([{ steps: 1, counts: { read: 1, missing: 1, queued: 1 } }]);
  });

  it("queues the mirror of each user once, and of no user who is deleted", async () => {
    await queue.send(userEvent("user.created", { id: "user_a", version: 1 }));
    await queue.send(userEvent("user.created", { id: "user_b", version: 1 }));
    await queue.run();
    await queue.send(deletedEvent({ id: "user_b", version: 2 }));
    await queue.run();
    const { id, token } = await take("compare");
    await runs.advance(id, token, { mirror: ["user_a", "user_b"] });
    await runs.advance(id, token, { mirror: ["user_a", "user_b"] });
    expect(await listRuns()).toMatchObject([{ counts: { queued: 1 } }]);
    const { rows } = await queue.pool.query(
      "select clerk_id, job_type, applied_at is not null as applied from job_queue where source = 'reconcile'",
    );
    expect(rows).toEqual([{ clerk_id: "user_a", job_type: "USER_UPDATED", applied: true }]);
  });

  it("answers how many jobs wait, deletions that the brake holds aside", async () => {
    const { id, token } = await take("backfill");
    const deletion = { ...job("user_c"), job_type: "USER_DELETED" as const };
    const advanced = await runs.advance(id, token, { jobs: [job("user_a"), job("user_b"), deletion] });
    expect(advanced).toMatchObject({ open_jobs: 2 });
  });
});

describe("a page that was read", () => {
  it("before a deletion does not revive its user, after it does", async () => {
    await queue.send(userEvent("user.created", { id: "user_a", version: 1 }));
    await queue.run();
    const { id, token, read_at } = await take("backfill");
    await queue.send(deletedEvent({ id: "user_a", version: 2 }));
    await queue.run();
    const before = await runs.advance(id, token, { jobs: [job("user_a", read_at)] });
    await queue.run();
    expect(await queue.user("user_a")).toBeUndefined();
    const readAt = before.held ? before.read_at : "";
    await runs.advance(id, token, { jobs: [{ ...job("user_a", readAt), event_id: "backfill_again" }] });
    await queue.run();
    expect(await queue.user("user_a")).toMatchObject({ email: "user_a@example.com" });
  });

  it("does not set a user back who changed since", async () => {
    await queue.send(userEvent("user.updated", { id: "user_a", version: 9, firstName: "New" }));
    await queue.run();
    const { id, token, read_at } = await take("backfill");
    await runs.advance(id, token, { jobs: [{ ...job("user_a", read_at), job_type: "USER_UPDATED" }] });
    await queue.run();
    expect(await queue.user("user_a")).toMatchObject({ name: "New Lovelace" });
  });
});
