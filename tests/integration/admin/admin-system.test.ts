import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { auditPageSchema, overviewSchema, runSchema, runsSchema } from "#core/admin/contract/overview.ts";
import { callAdmin, callRaw, clearQueue } from "../../support/admin/admin-calls.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => clearQueue(queue));
afterAll(() => queue?.drop());

describe("the overview", () => {
  const overview = () => callAdmin(queue, overviewSchema.omit({ version: true }).strict(), "overview");

  it("of an idle system is healthy, with nothing in it", async () => {
    expect(await overview()).toMatchObject({
      health: { status: "healthy", reasons: [] },
      jobs: { most: 10000, at_least: [], statuses: { PENDING: 0, COMPLETED: 0 } },
      users: 0,
      drift: null,
      open_run: null,
      circuits: [{ name: "auth", state: "closed", waiting: 0 }, { name: "clerk" }],
      brake: { engaged_at: null, waiting: 0 },
    });
  });

  it("says what is wrong, how much there is, and what runs", async () => {
    await queue.pool.query(
      "insert into job_queue (job_type, status, run_at) select 'USER_UPDATED', s, now() - interval '1 hour' from unnest('{PENDING,FAILED,DEAD,COMPLETED,CANCELLED,CANCELLED}'::text[]) as s",
    );
    await queue.pool.query("insert into users (clerk_id) values ('user_a')");
    await queue.one("select clerk_sync_record_deliveries(now(), '[]')");
    await queue.one("select clerk_sync_take_run('compare', false)");
    await queue.pool.query(
      `insert into clerk_sync.sync_runs (kind, status, applies, counts, started_at, finished_at)
       values ('compare', 'COMPLETED', true, '{"read": 9, "missing": 2}', now() - interval '1 day', now() - interval '1 day')`,
    );
    const answer = await overview();
    expect(answer).toMatchObject({
      health: { status: "compromised" },
      jobs: { statuses: { PENDING: 1, PROCESSING: 0, FAILED: 1, DEAD: 1, COMPLETED: 1, CANCELLED: 2 } },
      users: 1,
      oldest_due_at: expect.any(String),
      last_event_at: expect.any(String),
      last_applied_at: expect.any(String),
      drift: { users: 2, read: 9 },
      open_run: { kind: "compare", status: "RUNNING", applies: false },
    });
    expect(answer.health.reasons.map(({ code }) => code)).toContain("dead_letters");
    await queue.pool.query("delete from clerk_sync.sync_runs");
  });
});

describe("runs", () => {
  it("are listed newest first over pages, and read one by one", async () => {
    await queue.pool.query(
      `insert into clerk_sync.sync_runs (kind, status, applies, started_at, finished_at)
       select 'sweep', 'COMPLETED', true, now() - n / 2 * interval '1 hour', now() from generate_series(1, 5) as n`,
    );
    const strict = runsSchema.extend({ runs: z.array(runSchema.strict()) }).strict();
    const read = (cursor: string | null | undefined) =>
      callAdmin(queue, strict, "runs", { p_cursor: cursor ?? null, p_limit: 2 });
    const first = await read(null);
    const second = await read(first.next);
    const third = await read(second.next);
    const runs = [...first.runs, ...second.runs, ...third.runs];
    expect([new Set(runs.map((run) => run.id)).size, third.next]).toEqual([5, null]);
    expect(runs.map((run) => run.started_at)).toEqual(
      runs
        .map((run) => run.started_at)
        .toSorted()
        .toReversed(),
    );
    expect(await callAdmin(queue, runSchema.strict(), "run", { p_id: runs[4]?.id })).toEqual(runs[4]);
    expect(await callRaw(queue, "run", { p_id: randomUUID() })).toBeNull();
    await queue.pool.query("delete from clerk_sync.sync_runs");
  });
});

describe("the audit", () => {
  const read = (filter: object = {}, cursor: string | null = null, limit = 50) =>
    callAdmin(queue, auditPageSchema.strict(), "audit", { p_filter: filter, p_cursor: cursor, p_limit: limit });

  it("is newest first over pages, by kind, source, subject and time, and notes what operators do", async () => {
    const note = (code: string, subject: string, minute: number) =>
      queue.one("select clerk_sync_note_action('ada', $1, $2, 1, $3, $4)", [
        code,
        subject,
        JSON.stringify({ why: code }),
        new Date(Date.UTC(2026, 10, 20, 10, minute)).toISOString(),
      ]);
    await note("reveal_job", "job_1", 1);
    await note("resync_user", "user_a", 2);
    await note("reveal_job", "job_2", 2);
    const first = await read({}, null, 2);
    const second = await read({}, first.next, 2);
    expect([...first.entries, ...second.entries].map(({ subject }) => subject)).toEqual(["user_a", "job_2", "job_1"]);
    expect(second.next).toBeNull();
    expect(second.entries).toMatchObject([{ source: "ada", code: "reveal_job", detail: { why: "reveal_job" } }]);
    const subjects = async (filter: object) => (await read(filter)).entries.map(({ subject }) => subject);
    expect(await subjects({ kind: "operator_action", subject: "job_1" })).toEqual(["job_1"]);
    expect(await subjects({ source: "eve" })).toEqual([]);
    expect(await subjects({ since: "2026-11-20T10:02:00Z" })).toEqual(["user_a", "job_2"]);
    await expect(read({ sinse: "x" })).rejects.toMatchObject({ code: "SY002" });
    await expect(read({}, "00")).rejects.toMatchObject({ code: "SY002" });
  });
});
