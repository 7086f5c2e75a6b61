import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  countSchema,
  deadLetterGroupSchema,
  deadLettersSchema,
  type JobFilter,
  type JobPage,
  jobCountsSchema,
  jobPageSchema,
} from "#core/admin/contract/jobs.ts";
import { jobSchema as briefJobSchema, storedJobSchema } from "#core/database/job.ts";
import { callAdmin, callRaw, clearQueue, type GivenJob, insertJob } from "../../support/admin/admin-calls.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => clearQueue(queue));
afterAll(() => queue?.drop());

const page = (filter: JobFilter = {}, cursor: string | null = null, limit = 50): Promise<JobPage> =>
  callAdmin(queue, jobPageSchema.strict(), "jobs", { p_filter: filter, p_cursor: cursor, p_limit: limit });
const found = async (filter: JobFilter) => (await page(filter)).jobs.map((job) => job.id);
const insert = (job: GivenJob = {}) => insertJob(queue, job);
const at = (minute: number) => new Date(Date.UTC(2026, 10, 20, 10, minute)).toISOString();

/** All pages, one after the other. */
async function walk(filter: JobFilter, limit: number): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let pages = 0;
  for (let cursor: string | null = null; pages === 0 || cursor !== null; pages++) {
    const answer = await page(filter, cursor, limit);
    ids.push(...answer.jobs.map((job) => job.id));
    cursor = answer.next;
  }
  return { ids, pages };
}

describe("the list of jobs", () => {
  it("is newest first over all statuses, and its pages show each job once, also those of one moment", async () => {
    const statuses = ["PENDING", "COMPLETED", "DEAD", "CANCELLED", "FAILED", "PROCESSING"];
    const made: string[] = [];
    for (let place = 0; place < 12; place++) {
      made.push(await insert({ status: statuses[place % 6] ?? "", created_at: at(Math.floor(place / 4)) }));
    }
    const { ids, pages } = await walk({}, 5);
    expect(pages).toBe(3);
    expect(ids.toSorted()).toEqual(made.toSorted());
    const { jobs, next } = await page();
    expect(jobs.map((job) => job.id)).toEqual(ids);
    expect(jobs.map((job) => job.created_at)).toEqual(
      jobs
        .map((job) => job.created_at)
        .toSorted()
        .toReversed(),
    );
    expect(next).toBeNull();
  });

  it.each<[string, JobFilter]>([
    ["status", { status: ["DEAD"] }],
    ["several statuses", { status: ["DEAD", "FAILED"] }],
    ["job type", { job_type: "USER_DELETED" }],
    ["source", { source: "refresh" }],
    ["user", { clerk_id: "user_wanted" }],
    ["event", { event_id: "msg_wanted" }],
    ["error code", { code: "wanted" }],
    ["time", { created_after: at(9), created_before: at(11) }],
    ["a user's id as free text", { q: "user_wanted" }],
    ["an event's id as free text", { q: "msg_wanted" }],
    ["an address in any case", { q: "Wanted@Example.com" }],
    ["free text and status", { q: "user_wanted", status: ["DEAD", "PENDING"] }],
    ["event and error code", { event_id: "msg_wanted", code: "wanted" }],
  ])("finds by %s", async (_, filter) => {
    const wanted = await insert({
      status: "DEAD",
      job_type: "USER_DELETED",
      source: "refresh",
      clerk_id: "user_wanted",
      event_id: "msg_wanted",
      error: "wanted: 1",
      created_at: at(10),
      payload: { email: "wanted@EXAMPLE.com" },
    });
    await insert({ clerk_id: "user_other", event_id: "msg_other", created_at: at(12), error: "wanted_not: 1" });
    await insert({ created_at: at(9) });
    expect(await found(filter)).toEqual([wanted]);
    expect(await found({ ...filter, source: "nothing" })).toEqual([]);
    expect(await found({ ...filter, clerk_id: "user_nobody" })).toEqual([]);
  });

  it("finds a job by its id", async () => {
    const id = await insert();
    await insert();
    expect(await found({ q: id.toUpperCase() })).toEqual([id]);
  });

  it.each(["PENDING", "PROCESSING", "FAILED", "DEAD", "CANCELLED"])(
    "finds a sign-up that is %s and never became a row by its address, with the other jobs of that user",
    async (status) => {
      const first = await insert({ status, clerk_id: "user_new", payload: { email: "new@example.com" } });
      const second = await insert({ status: "COMPLETED", clerk_id: "user_new" });
      await insert({ status, payload: { email: "old@example.com" } });
      expect((await found({ q: "new@example.com" })).toSorted()).toEqual([first, second].toSorted());
    },
  );

  it.each([
    ["Ada@example.com", "Ada@example.com"],
    ["ada@example.com", "Ada@Example.com"],
  ])(
    "finds the completed jobs of a user by the address of the row (%s) as it is or in lower case: %s",
    async (email, q) => {
      await queue.send(userEvent("user.created", { id: "user_ada", version: 1, email }), "msg_ada");
      await queue.run();
      expect((await page({ q })).jobs).toMatchObject([{ event_id: "msg_ada", status: "COMPLETED" }]);
    },
  );

  it("takes an address of any length, and a payload that is no object", async () => {
    const long = await insert({ status: "DEAD", payload: { email: `${"x".repeat(5000)}@example.com` } });
    await queue.pool.query("insert into job_queue (job_type, status, payload) values ('USER_CREATED', 'DEAD', '[1]')");
    expect((await page()).jobs).toHaveLength(2);
    expect(await found({ q: "x".repeat(255) })).not.toContain(long);
  });

  it("refuses a cursor that it did not write, and a condition that it does not know", async () => {
    const users = Buffer.from(JSON.stringify({ list: "users", at: at(1), clerk_id: "user_a" })).toString("hex");
    const wrong = Buffer.from(JSON.stringify({ list: "jobs", at: "tomorrow?", id: 1 })).toString("hex");
    for (const cursor of ["", "x", "00", "7b7d", "ffff", users, wrong]) {
      await expect(page({}, cursor), cursor).rejects.toMatchObject({ code: "SY002" });
    }
    await expect(callRaw(queue, "jobs", { p_filter: { stauts: "DEAD" } })).rejects.toMatchObject({ code: "SY002" });
  });

  it("that looks for what only old jobs have comes to them, over pages that may be empty", async () => {
    const old = await insert({ source: "ensure", status: "COMPLETED", created_at: at(0) });
    await queue.pool.query(
      `insert into job_queue (job_type, status, created_at) select 'USER_UPDATED', 'COMPLETED', '2026-11-20T11:00:00Z'::timestamptz + n * interval '1 s' from generate_series(1, 10500) as n`,
    );
    expect((await page({ source: "ensure" })).jobs).toEqual([]);
    expect(await walk({ source: "ensure" }, 50)).toEqual({ ids: [old], pages: 3 });
  });
});

describe("one job", () => {
  const readJob = async (id: unknown) =>
    storedJobSchema.strict().parse((await queue.one("select clerk_sync_job($1) as job", [id]))?.["job"]);

  it("is told in the same words by a list, in full, and to a worker", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1 }), "msg_ada");
    const { id } = await queue.job("msg_ada");
    const { history, result, payload, ...line } = await readJob(id);
    expect((await page()).jobs).toEqual([line]);
    const answer = await queue.one("select clerk_sync.describe_jobs($1) as jobs", [[id]]);
    const [brief] = z.array(briefJobSchema.strict()).parse(answer?.["jobs"]);
    expect(line).toMatchObject(brief ?? {});
  });

  it("comes with its history, result and payload", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1 }), "msg_ada");
    await queue.run();
    const { id } = await queue.job("msg_ada");
    const job = await readJob(id);
    expect(job).toMatchObject({
      status: "COMPLETED",
      version: expect.any(Number),
      result: { applied: true },
      lease_until: null,
    });
    expect(job.payload).toMatchObject({ clerk_id: "user_ada" });
    expect(job.history.map((entry) => entry.status)).toEqual(["PENDING", "COMPLETED"]);
  });

  it("that holds no object is shown all the same, and there may be none", async () => {
    const row = await queue.one(
      "insert into job_queue (job_type, payload, result) values ('USER_CREATED', '[1]', '\"x\"') returning id",
    );
    const job = await readJob(row?.["id"]);
    expect([job.payload, job.result]).toEqual([{ value: [1] }, { value: "x" }]);
    expect(await queue.one("select clerk_sync_job($1) as job", [randomUUID()])).toEqual({ job: null });
  });
});

describe("counts", () => {
  const counts = (filter: JobFilter, most?: number) =>
    callAdmin(queue, jobCountsSchema.strict(), "job_counts", {
      p_filter: filter,
      ...(most === undefined ? {} : { p_most: most }),
    });
  const none = { PENDING: 0, PROCESSING: 0, COMPLETED: 0, FAILED: 0, DEAD: 0, CANCELLED: 0 };

  it("are by status, under the filter, and say where there are more", async () => {
    for (const code of ["a", "a", "b"]) await insert({ status: "DEAD", error: `${code}: 1`, clerk_id: "user_a" });
    await insert({ status: "COMPLETED" });
    const all = { most: 10000, at_least: [] };
    expect(await counts({})).toEqual({ ...all, statuses: { ...none, DEAD: 3, COMPLETED: 1 } });
    expect(await counts({ code: "a" })).toMatchObject({ statuses: { ...none, DEAD: 2 } });
    expect(await counts({ q: "user_a" })).toEqual({ ...all, statuses: { ...none, DEAD: 3 } });
    expect(await counts({ status: ["COMPLETED"] })).toMatchObject({ statuses: { ...none, COMPLETED: 1 } });
    expect(await counts({}, 2)).toEqual({ most: 2, statuses: { ...none, DEAD: 2, COMPLETED: 1 }, at_least: ["DEAD"] });
    expect(await counts({}, 3)).toMatchObject({ at_least: [] });
  });

  it("of an action are of the jobs it would change", async () => {
    for (const status of ["PENDING", "PROCESSING", "COMPLETED", "FAILED", "DEAD", "CANCELLED"])
      await insert({ status });
    const count = (action: string, filter: JobFilter = {}, most = 10000) =>
      callAdmin(queue, countSchema.strict(), "count", { p_filter: filter, p_action: action, p_most: most });
    expect(await count("retry")).toEqual({ count: 2, is_exact: true });
    expect(await count("retry", { status: ["CANCELLED", "DEAD", "COMPLETED"] })).toEqual({ count: 2, is_exact: true });
    expect(await count("cancel")).toEqual({ count: 3, is_exact: true });
    expect(await count("cancel", { status: ["PROCESSING"] })).toEqual({ count: 1, is_exact: true });
    expect(await count("cancel", {}, 2)).toEqual({ count: 2, is_exact: false });
    await expect(count("delete")).rejects.toMatchObject({ code: "SY002" });
  });

  it("of dead letters are by error code, most first, with the newest as an example", async () => {
    for (const error of ["b: 1", "a: 1", "a: 2"]) await insert({ status: "DEAD", error, job_type: "USER_UPDATED" });
    const newest = await insert({ status: "DEAD", error: "a: 3", job_type: "USER_CREATED" });
    await insert({ status: "FAILED", error: "a: 4" });
    const group = deadLetterGroupSchema.omit({ what: true, remedy: true });
    const stored = deadLettersSchema.extend({ groups: z.array(group.strict()) });
    const read = (most: number) => callAdmin(queue, stored.strict(), "dead_letters", { p_most: most });
    const { groups, is_complete } = await read(4);
    expect(is_complete).toBe(true);
    expect(groups).toMatchObject([
      {
        code: "a",
        count: 3,
        job_types: { USER_CREATED: 1, USER_UPDATED: 2 },
        sample_error: "a: 3",
        sample_job_id: newest,
      },
      { code: "b", count: 1 },
    ]);
    expect(await read(3)).toMatchObject({ is_complete: false, groups: [{ code: "a", count: 3 }] });
    await queue.pool.query("delete from job_queue");
    expect(await read(3)).toEqual({ groups: [], is_complete: true });
  });
});
