import { afterEach, beforeEach, expect, it } from "vitest";
import { createDatabase } from "#core/database/database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const plain = { limit: 250, leaseSeconds: null, canRead: false, deleteBrake: null } as const;
const mirrored = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;

async function sendMany(count: number): Promise<void> {
  const jobs = Array.from({ length: count }, (_, place) =>
    toJob(userEvent("user.created", { id: `user_${place}`, version: 1 }), `msg_${place}`),
  );
  await queue.database.enqueue(jobs, 15);
}

it("one job that cannot be applied fails alone, the others of its batch are completed", async () => {
  await sendMany(20);
  await queue.pool.query("alter table public.users add constraint no_seven check (email <> 'user_7@example.com')");
  const statuses = await queue.run();
  expect(statuses.filter((status) => status === "COMPLETED")).toHaveLength(19);
  const job = await queue.job("msg_7");
  expect(job).toMatchObject({
    status: "FAILED",
    attempts: 1,
    error: expect.stringContaining("database_rejected 23514"),
  });
  expect(job.error).not.toContain("@");
});

it("a job whose row a user's own transaction holds waits for no one and fails alone", async () => {
  await sendMany(3);
  await queue.run();
  const holder = await queue.pool.connect();
  await holder.query("begin; update public.users set name = 'busy' where clerk_id = 'user_1'");
  for (const place of [0, 1, 2]) {
    await queue.send(
      userEvent("user.updated", { id: `user_${place}`, version: 2, firstName: "Grace" }),
      `msg_again_${place}`,
    );
  }
  await queue.run();
  await holder.query("rollback");
  holder.release();
  expect(await queue.job("msg_again_1")).toMatchObject({ status: "FAILED", error: expect.stringContaining("55P03") });
  expect(await queue.user("user_0")).toMatchObject({ name: "Grace Lovelace" });
  expect(await queue.user("user_2")).toMatchObject({ name: "Grace Lovelace" });
});

it("the other due jobs of users who have several in a batch come along, up to three times as many", async () => {
  const events = Array.from({ length: 61 }, (_, place) =>
    userEvent("user.updated", { id: "user_a", version: place + 1 }),
  );
  await queue.sendAll(events);
  const [first, second] = [await queue.database.runJobs({ ...plain, limit: 10 }), await queue.database.runJobs(plain)];
  expect([first.jobs.length, second.jobs.length]).toEqual([40, 21]);
  expect(new Set([...first.jobs, ...second.jobs].map((job) => job.id)).size).toBe(61);
  const newest = "select max(j.version) from public.job_queue as j where j.clerk_id = s.clerk_id";
  const inStep = `select count(*)::int as n from clerk_sync.known_users as s where s.version = (${newest})`;
  expect(await queue.one(inStep)).toEqual({ n: 1 });
});

it("four workers that run at once never take the same job", async () => {
  await sendMany(400);
  const workers = Array.from({ length: 4 }, () => createDatabase(createCallFunction(queue.pool)));
  const batches = await Promise.all(
    workers.flatMap((worker) => Array.from({ length: 10 }, () => worker.runJobs({ ...mirrored, limit: 20 }))),
  );
  const ids = batches.flatMap((batch) => batch.jobs.map((job) => job.id));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.length).toBe(400);
  expect(await queue.one("select count(*)::int as n from public.job_queue where attempts = 1")).toEqual({ n: 400 });
});

it("a second connection passes over the jobs and users a first one holds, without waiting", async () => {
  await queue.send(userEvent("user.created", { id: "user_held", version: 1 }), "msg_held_1");
  await queue.send(userEvent("user.updated", { id: "user_held", version: 2 }), "msg_held_2");
  await queue.send(userEvent("user.created", { id: "user_free", version: 1 }), "msg_free");
  const first = await queue.pool.connect();
  await first.query("begin");
  await first.query("select clerk_sync.claim_jobs(1, false, now())"); // holds msg_held_1 and the user
  const batch = await queue.database.runJobs(plain);
  await first.query("rollback");
  first.release();
  const free = await queue.job("msg_free");
  expect(batch.jobs.map((job) => job.id)).toEqual([free.id]);
});

it("while a user's mirror call is under way, no other job of that user is taken", async () => {
  await queue.send(userEvent("user.created", { id: "user_busy", version: 1 }));
  const first = await queue.database.runJobs(mirrored);
  expect(first.mirror).toHaveLength(1);
  await queue.send(userEvent("user.updated", { id: "user_busy", version: 2 }));
  expect((await queue.database.runJobs(mirrored)).jobs).toEqual([]);
  const outcomes = first.mirror.map((order) => ({ job_id: order.job_id, outcome: "completed" as const }));
  await queue.database.settleJobs(first.token ?? "", outcomes);
  expect((await queue.database.runJobs(mirrored)).mirror).toHaveLength(1);
});

it("the database itself refuses a second job in PROCESSING for one user", async () => {
  await queue.send(userEvent("user.created", { id: "user_twice", version: 1 }));
  await queue.send(userEvent("user.updated", { id: "user_twice", version: 2 }));
  await expect(queue.pool.query("update public.job_queue set status = 'PROCESSING'")).rejects.toMatchObject({
    code: "23505",
  });
});

it("several jobs of one user in a batch owe one mirror call, with the newest state", async () => {
  for (const version of [2, 3, 1]) {
    await queue.send(userEvent("user.updated", { id: "user_many", version, firstName: `V${version}` }));
  }
  const batch = await queue.database.runJobs(mirrored);
  expect(batch.mirror).toMatchObject([{ clerk_id: "user_many", name: "V3 Lovelace" }]);
  expect(batch.jobs.map((job) => job.status).sort()).toEqual(["COMPLETED", "COMPLETED", "PROCESSING"]);
});

it("sign-ups are taken before updates, updates before what a backfill brings", async () => {
  const [backfill, update, create] = [
    { ...toJob(userEvent("user.updated", { id: "user_x", version: 1 }), "msg_backfill"), source: "backfill" },
    toJob(userEvent("user.updated", { id: "user_y", version: 1 }), "msg_update"),
    toJob(userEvent("user.created", { id: "user_z", version: 1 }), "msg_create"),
  ];
  await queue.database.enqueue([backfill, update, create], 15);
  for (const expected of ["msg_create", "msg_update", "msg_backfill"]) {
    await queue.database.runJobs({ ...plain, limit: 1 });
    expect(await queue.job(expected)).toMatchObject({ status: "COMPLETED" });
  }
  expect([(await queue.one("select priority from public.job_queue where event_id = 'msg_create'"))?.priority]).toEqual([
    2,
  ]);
});

it("the claim reads the index of due jobs, also while statistics say that the table is empty", async () => {
  await sendMany(500);
  const { rows } = await queue.pool.query<{ "QUERY PLAN": string }>(
    `explain select j.id from public.job_queue as j
     where j.status in ('PENDING', 'FAILED') and j.waits_for is null and j.run_at <= now()
     order by j.priority desc, j.run_at, j.id limit 250 for update skip locked`,
  );
  expect(rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain("job_queue_due_idx");
});

it("the ids of jobs are UUIDs that begin with the time, so that new ones are neighbours in the index", async () => {
  const before = Date.now();
  const { job_id } = await queue.send(userEvent("user.created", { id: "user_first", version: 1 }));
  expect(job_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const time = Number.parseInt((job_id ?? "").replaceAll("-", "").slice(0, 12), 16);
  expect(Math.abs(time - before)).toBeLessThan(60_000);
});
