import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { changedSchema } from "#core/admin/contract/jobs.ts";
import { auditPageSchema } from "#core/admin/contract/overview.ts";
import { callAdmin, clearQueue, type GivenJob, insertJob } from "../../support/admin/admin-calls.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => clearQueue(queue));
afterAll(() => queue?.drop());

const insert = (job: GivenJob = {}) => insertJob(queue, job);
const change = async (action: string, target: object) =>
  (
    await callAdmin(queue, changedSchema.strict(), "change_jobs", {
      p_action: action,
      p_target: target,
      p_actor: "ada",
    })
  ).changed;
const audited = async () =>
  (await callAdmin(queue, auditPageSchema, "audit", { p_filter: { kind: "operator_action" } })).entries;
const statusesOf = async (ids: string[]) =>
  (await queue.pool.query("select status from job_queue where id = any($1) order by status", [ids])).rows.map(
    (row) => row.status,
  );

it("an action on one job is audited with who did it to which", async () => {
  const id = await insert({ status: "DEAD", error: "a: 1" });
  expect(await change("retry", { ids: [id] })).toBe(1);
  expect(await change("cancel", { ids: [id] })).toBe(1);
  expect(await change("cancel", { ids: [id] })).toBe(0);
  expect(await statusesOf([id])).toEqual(["CANCELLED"]);
  const entries = (await audited()).toSorted((one, other) => one.code.localeCompare(other.code));
  expect(entries).toMatchObject([
    { source: "ada", subject: id, code: "cancel_jobs", count: 1 },
    { source: "ada", subject: id, code: "retry_jobs", count: 1 },
  ]);
});

it("an action on several jobs is one entry with their ids; two such actions are two", async () => {
  const ids = [await insert({ status: "DEAD" }), await insert({ status: "FAILED" }), await insert()];
  expect(await change("retry", { ids })).toBe(2);
  expect(await change("cancel", { ids })).toBe(3);
  expect(await audited()).toHaveLength(2);
  for (const entry of await audited()) expect(entry.detail["jobs"]).toEqual(ids);
});

it("an action on all that match goes on in slices until none is left, is one entry, and leaves what is searched for out of it", async () => {
  const given = { status: "DEAD", clerk_id: "user_a", payload: { email: "a@example.com" } };
  for (let place = 0; place < 5; place++) await insert({ ...given, error: "a: 1" });
  const others = [await insert({ ...given, error: "b: 1" }), await insert({ status: "CANCELLED", error: "a: 1" })];
  const before = new Date(Date.now() + 60_000).toISOString();
  const operation = randomUUID();
  const target = { filter: { code: "a", q: "a@example.com" }, operation, before, limit: 2 };
  expect([
    await change("retry", target),
    await change("retry", target),
    await change("retry", target),
    await change("retry", target),
  ]).toEqual([2, 2, 1, 0]);
  expect(await statusesOf(others)).toEqual(["CANCELLED", "DEAD"]);
  const entries = await audited();
  expect(entries.reduce((sum, entry) => sum + entry.count, 0)).toBe(5);
  for (const entry of entries) {
    expect(entry).toMatchObject({ source: "ada", subject: operation, code: "retry_jobs" });
    expect(entry.detail).toEqual({ filter: { code: "a" }, before });
  }
});

it("each job of an action on several, and on all that match, has in its history who did it, also in SQL", async () => {
  const ids = [await insert({ status: "DEAD" }), await insert({ status: "DEAD" })];
  const before = new Date(Date.now() + 60_000).toISOString();
  await change("retry", { ids });
  await change("cancel", { filter: { status: ["PENDING"] }, operation: randomUUID(), before });
  await queue.pool.query("select clerk_sync_retry_jobs($1)", [ids]);
  const entries =
    "select e ->> 'status' as status, e ->> 'by' as by from job_queue, jsonb_array_elements(history) as e";
  for (const id of ids) {
    const { rows } = await queue.pool.query(`${entries} where id = $1`, [id]);
    expect(rows.map(({ status, by }) => [status, by])).toEqual([
      ["DEAD", "postgres"],
      ["PENDING", "ada"],
      ["CANCELLED", "ada"],
      ["PENDING", "postgres"],
    ]);
  }
});

it("an action leaves alone what changed since it began", async () => {
  const ids = [await insert({ status: "DEAD" })];
  expect(await change("retry", { filter: {}, operation: randomUUID(), before: "2020-01-01T00:00:00Z" })).toBe(0);
  expect(await statusesOf(ids)).toEqual(["DEAD"]);
  expect(await audited()).toEqual([]);
});

it("an action finds the few that match behind many that do not", async () => {
  const id = await insert({ status: "DEAD", error: "a: 1", created_at: "2026-11-20T10:00:00Z" });
  await queue.pool.query(
    "insert into job_queue (job_type, status, error) select 'USER_UPDATED', 'DEAD', 'b: 1' from generate_series(1, 10100)",
  );
  const before = new Date(Date.now() + 60_000).toISOString();
  expect(await change("retry", { filter: { code: "a" }, operation: randomUUID(), before })).toBe(1);
  expect(await statusesOf([id])).toEqual(["PENDING"]);
});

it("an action is no edit by hand, and more than fifty a minute are all kept", async () => {
  for (let place = 0; place < 60; place++) await change("cancel", { ids: [await insert()] });
  expect(await audited()).toHaveLength(50);
  const { entries } = await callAdmin(queue, auditPageSchema, "audit", { p_limit: 200 });
  expect(entries.filter(({ kind }) => kind === "operator_action")).toHaveLength(60);
  expect(entries.filter(({ kind, code }) => kind === "job_edited" && code === "update")).toEqual([]);
});

it("an action that is not known is refused", async () => {
  await expect(change("delete", { ids: [await insert()] })).rejects.toMatchObject({ code: "SY002" });
});
