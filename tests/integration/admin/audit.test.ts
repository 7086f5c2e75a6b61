import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

type Entry = {
  kind: string;
  source: string;
  subject: string;
  code: string;
  count: number;
  detail: { jobs?: string[] };
};

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const audit = async (filter: object = {}, limit = 100): Promise<Entry[]> =>
  (await queue.one("select clerk_sync_audit($1, $2) as entries", [JSON.stringify(filter), limit]))?.[
    "entries"
  ] as Entry[];
const record = (entries: object[], acceptedAt: string | null = null) =>
  queue.one("select clerk_sync_record_deliveries($1, $2)", [acceptedAt, JSON.stringify(entries)]);
const refused = (source: string, changes: object = {}) => ({
  kind: "delivery_refused",
  at: "2026-11-20T10:00:40Z",
  source,
  code: "signature_invalid",
  count: 1,
  ...changes,
});

describe("deliveries", () => {
  it("that were refused are one row a source and minute, with their number", async () => {
    await record([refused("203.0.113.7", { count: 3 }), refused("203.0.113.8")]);
    await record([refused("203.0.113.7", { count: 2, at: "2026-11-20T10:00:59Z" })]);
    await record([refused("203.0.113.7", { at: "2026-11-20T10:01:00Z" })]);
    expect((await audit()).map(({ source, count }) => [source, count])).toEqual([
      ["203.0.113.7", 1],
      ["203.0.113.7", 5],
      ["203.0.113.8", 1],
    ]);
  });

  it("of a flood from everywhere cannot fill the table", async () => {
    for (let round = 0; round < 5; round++) {
      await record(Array.from({ length: 150 }, (_, place) => refused(`198.51.100.${place}-${round}`)));
    }
    const entries = await audit({}, 1000);
    expect(entries.length).toBeLessThanOrEqual(51);
    expect(entries.find(({ source }) => source === "(other)")?.count).toBe(700);
  });

  it("that were taken are known by the time of the last one", async () => {
    await record([], "2026-11-20T10:00:40Z");
    await record([], "2026-11-20T10:00:30Z"); // another process, a little behind
    expect(await queue.one("select at from clerk_sync.heartbeats where name = 'webhook'")).toEqual({
      at: new Date("2026-11-20T10:00:40Z"),
    });
  });
});

describe("a job", () => {
  it("that was changed by hand says by whom, in its history and in the audit", async () => {
    const { job_id } = await queue.send(userEvent("user.created", { id: "user_h", version: 1 }), "msg_h");
    await queue.pool.query("update job_queue set run_at = now() where event_id = 'msg_h'");
    expect((await queue.job("msg_h")).history.at(-1)).toMatchObject({ status: "PENDING", by: "postgres" });
    expect(await audit()).toMatchObject([
      { kind: "job_edited", source: "postgres", code: "update", count: 1, detail: { jobs: [job_id] } },
    ]);
  });

  it("that was made, changed or deleted with the API's key says so, too", async () => {
    const client = await queue.pool.connect();
    await client.query("begin; set local role service_role");
    await client.query("insert into job_queue (job_type) values ('USER_CREATED'), ('USER_UPDATED')");
    await client.query("update job_queue set status = 'CANCELLED'");
    await client.query("delete from job_queue");
    await client.query("commit");
    client.release();
    expect((await audit()).map(({ source, code, count }) => [source, code, count]).sort()).toEqual([
      ["postgres as service_role", "delete", 2],
      ["postgres as service_role", "insert", 2],
      ["postgres as service_role", "update", 2],
    ]);
  });

  it("that a person retries or cancels in SQL says by whom, in its history and in the audit", async () => {
    const { job_id } = await queue.send(userEvent("user.created", { id: "user_s", version: 1 }), "msg_s");
    await queue.one("select clerk_sync_cancel_jobs($1)", [[job_id]]);
    await queue.one("select clerk_sync_retry_matching_jobs($1)", [{ status: "CANCELLED" }]);
    expect((await queue.job("msg_s")).history).toMatchObject([
      { status: "PENDING" },
      { status: "CANCELLED", by: "postgres" },
      { status: "PENDING", by: "postgres" },
    ]);
    expect((await audit()).map(({ kind, source, code, count }) => [kind, source, code, count]).sort()).toEqual([
      ["job_edited", "postgres", "cancel", 1],
      ["job_edited", "postgres", "retry", 1],
    ]);
  });

  it("that the sync moves, from the first call to the purge, has nobody's name and is in no audit", async () => {
    const { job_id } = await queue.send(userEvent("user.created", { id: "user_f", version: 1 }), "msg_f");
    const batch = await queue.database.runJobs({
      limit: 10,
      leaseSeconds: 60,
      canRead: false,
      deleteBrake: null,
    });
    await queue.database.settleJobs(batch.token, [{ job_id: String(job_id), outcome: "released" }]);
    await queue.database.runJobs({
      limit: 10,
      leaseSeconds: null,
      canRead: false,
      deleteBrake: null,
    });
    expect((await queue.job("msg_f")).history.filter((entry) => "by" in entry)).toEqual([]);
    expect(await audit()).toEqual([]);
    await queue.pool.query("update job_queue set processed_at = now() - interval '2 days'");
    await queue.pool.query("delete from clerk_sync.audit"); // of this edit, which is one
    await queue.one("select clerk_sync_purge_jobs(1, 10)");
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 0 });
    expect(await audit()).toEqual([]);
  });

  it("edited in a transaction in which a function of ours ran is an edit all the same", async () => {
    const { job_id } = await queue.send(userEvent("user.created", { id: "user_t", version: 1 }), "msg_t");
    await queue.pool.query(`do $$ begin
      perform public.clerk_sync_cancel_jobs(array['${job_id}']::uuid[]);
      update public.job_queue set priority = 5;
    end $$`);
    expect((await queue.job("msg_t")).history.map((entry) => [entry.status, "by" in entry])).toEqual([
      ["PENDING", false],
      ["CANCELLED", true],
      ["CANCELLED", true],
    ]);
    expect((await audit()).map(({ code }) => code).sort()).toEqual(["cancel", "update"]);
  });

  it("is one of many: a statement that changes a thousand is one entry with ten of their ids", async () => {
    await queue.pool.query("insert into job_queue (job_type) select 'USER_UPDATED' from generate_series(1, 1000)");
    const [entry] = await audit();
    expect(entry).toMatchObject({ code: "insert", count: 1000 });
    expect(entry?.detail.jobs).toHaveLength(10);
  });
});

describe("the look through the queue", () => {
  const look = async (args = "") => (await queue.one(`select clerk_sync_audit_jobs(${args}) as n`))?.["n"];

  it("finds a user with very many events within an hour, once", async () => {
    await queue.sendAll(
      Array.from({ length: 21 }, (_, version) => userEvent("user.updated", { id: "user_flap", version })),
    );
    await queue.sendAll(
      Array.from({ length: 20 }, (_, version) => userEvent("user.updated", { id: "user_busy", version })),
    );
    await queue.run({ limit: 30 });
    expect([await look(), await look()]).toEqual([1, 1]);
    expect(await audit()).toMatchObject([{ kind: "flapping_user", subject: "user_flap", count: 21 }]);
  });

  it("counts the events of jobs that are dead, too", async () => {
    await queue.sendAll(
      Array.from({ length: 21 }, (_, version) => userEvent("user.updated", { id: "user_flap", version })),
    );
    await queue.pool.query("update job_queue set status = 'DEAD'");
    expect(await look()).toBe(1);
  });

  it("finds a burst, and a quiet queue has none", async () => {
    expect(await look()).toBe(0);
    const events = Array.from({ length: 11 }, (_, place) =>
      userEvent("user.created", { id: `user_${place}`, version: 1 }),
    );
    await queue.sendAll(events);
    expect(await look("p_burst => 11")).toBe(0);
    expect(await look("p_burst => 10")).toBe(1);
    expect(await audit()).toMatchObject([{ kind: "burst", count: 11 }]);
    expect(await look("p_burst => 10, p_now => now() + interval '6 minutes'")).toBe(0);
  });
});

it("entries are found by kind, source, subject and time, the newest first, and no more than asked for", async () => {
  await record([
    refused("203.0.113.7"),
    refused("203.0.113.8", { at: "2026-11-20T11:00:00Z" }),
    { kind: "instance_unknown", at: "2026-11-20T12:00:00Z", source: "", subject: "ins_x", count: 1 },
  ]);
  const kinds = async (filter: object, limit?: number) => (await audit(filter, limit)).map(({ kind }) => kind);
  expect(await kinds({}, 2)).toEqual(["instance_unknown", "delivery_refused"]);
  expect(await kinds({ kind: "instance_unknown" })).toEqual(["instance_unknown"]);
  expect(await kinds({ subject: "ins_x" })).toEqual(["instance_unknown"]);
  expect(await kinds({ source: "203.0.113.7" })).toEqual(["delivery_refused"]);
  expect(await kinds({ since: "2026-11-20T10:59:00Z" })).toHaveLength(2);
  await expect(audit({ sinse: "x" })).rejects.toMatchObject({ code: "SY002" });
});

it("entries are purged with the jobs, after the same days", async () => {
  await record([refused("203.0.113.7")]);
  await queue.one("select clerk_sync_purge_jobs(30, 10, '2026-12-20T00:00:00Z')");
  expect(await audit()).toHaveLength(1);
  await queue.one("select clerk_sync_purge_jobs(30, 10, '2026-12-21T00:00:00Z')");
  expect(await audit()).toEqual([]);
});
