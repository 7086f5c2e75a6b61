import { afterEach, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { type AcceptedEvent, acceptedEventSchema } from "#core/database/database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

/** Stores events in one call, as the webhook does with those that come together. */
async function accept(events: readonly [unknown, string][], { mirrors = false } = {}) {
  const args = { p_jobs: events.map(([event, id]) => toJob(event, id)), p_mirrors: mirrors };
  const answer = await createCallFunction(queue.pool)("clerk_sync_accept", args, { limitMilliseconds: 2000 });
  return z.array(acceptedEventSchema).parse(answer);
}

const rules = { deleteBrake: null } as const;
const created = (id: string, version = 1) => userEvent("user.created", { id, version });
const updated = (id: string, version: number, firstName = "Grace") =>
  userEvent("user.updated", { id, version, firstName });
const applied = (answers: readonly AcceptedEvent[]) => answers.map((answer) => answer.applied);

it("the row is there, and the job done, when the answer is", async () => {
  const answers = await accept([[created("user_a"), "msg_a"]]);
  expect(answers).toMatchObject([{ outcome: "queued", applied: "all" }]);
  expect(await queue.user("user_a")).toMatchObject({ email: "user_a@example.com" });
  expect(await queue.job("msg_a")).toMatchObject({ status: "COMPLETED", attempts: 1, result: { applied: true } });
});

it("with a mirror the row is there and the job waits for a worker, which mirrors it in its first attempt", async () => {
  expect(applied(await accept([[created("user_a"), "msg_a"]], { mirrors: true }))).toEqual(["row"]);
  expect(await queue.user("user_a")).toBeDefined();
  expect(await queue.job("msg_a")).toMatchObject({ status: "PENDING", attempts: 0 });
  const batch = await queue.database.runJobs({ ...rules, limit: 10, leaseSeconds: 60, canRead: false });
  expect(batch.mirror).toMatchObject([{ clerk_id: "user_a", email: "user_a@example.com" }]);
  expect(await queue.job("msg_a")).toMatchObject({ status: "PROCESSING", attempts: 1 });
});

it("while the circuit of Supabase Auth is open the row is written and the mirror waits for it", async () => {
  await queue.pool.query(
    "update clerk_sync.circuits set since = now(), probe_at = now() + interval '1 minute' where name = 'auth'",
  );
  await accept([[created("user_a"), "msg_a"]], { mirrors: true });
  expect(await queue.user("user_a")).toBeDefined();
  expect(await queue.job("msg_a")).toMatchObject({ status: "PENDING", attempts: 0, waits_for: "auth" });
});

it("a user's own edit between the row and the mirror stays", async () => {
  await accept([[created("user_a"), "msg_a"]], { mirrors: true });
  await queue.pool.query("update public.users set name = 'Own' where clerk_id = 'user_a'");
  await queue.database.runJobs({ ...rules, limit: 10, leaseSeconds: 60, canRead: false });
  expect(await queue.user("user_a")).toMatchObject({ name: "Own" });
});

it("an event that was applied and then overtaken says so of itself", async () => {
  await accept([[created("user_a"), "msg_1"]], { mirrors: true });
  await accept([[updated("user_a", 2), "msg_2"]], { mirrors: true });
  await queue.database.runJobs({ ...rules, limit: 10, leaseSeconds: 60, canRead: false });
  expect(await queue.job("msg_1")).toMatchObject({ status: "COMPLETED", result: { applied: true } });
  expect(await queue.job("msg_2")).toMatchObject({ status: "PROCESSING" });
});

it("a late event does not overwrite a newer one, nor revive a deleted user", async () => {
  await accept([[updated("user_a", 5, "New"), "msg_5"]]);
  await accept([[updated("user_a", 4, "Old"), "msg_4"]]);
  expect(await queue.user("user_a")).toMatchObject({ name: "New Lovelace" });
  await accept([[deletedEvent({ id: "user_a", version: 6 }), "msg_6"]]);
  await queue.run();
  await accept([[updated("user_a", 7), "msg_7"]]);
  await queue.run();
  expect(await queue.user("user_a")).toBeUndefined();
  expect(await queue.job("msg_7")).toMatchObject({ status: "COMPLETED", result: { reason: "user_deleted" } });
});

it("of several events of one user in one call the newest wins, whatever their order", async () => {
  const answers = await accept([
    [updated("user_a", 3, "Third"), "msg_3"],
    [created("user_a"), "msg_1"],
    [updated("user_a", 2, "Second"), "msg_2"],
  ]);
  expect(applied(answers)).toEqual(["all", "all", "all"]);
  expect(await queue.user("user_a")).toMatchObject({ name: "Third Lovelace" });
});

it("an address that two users claim is left to a worker, and the other events of the call are applied", async () => {
  const claim = (id: string, version: number) =>
    userEvent("user.created", { id, version, email: "shared@example.com" });
  const first = await accept([
    [claim("user_a", 1), "msg_a"],
    [claim("user_b", 2), "msg_b"],
    [created("user_c"), "msg_c"],
  ]);
  expect(applied(first)).toEqual(["no", "no", "all"]);
  await queue.run();
  expect(await queue.user("user_b")).toMatchObject({ email: "shared@example.com" });
  const second = await accept([
    [claim("user_d", 3), "msg_d"],
    [created("user_e"), "msg_e"],
  ]);
  expect(applied(second)).toEqual(["no", "all"]);
});

it("an event that cannot be applied is queued all the same, and a worker finds out why", async () => {
  await queue.pool.query("alter table public.users add constraint no_b check (email <> 'user_b@example.com')");
  expect(applied(await accept([[created("user_b"), "msg_b"]]))).toEqual(["no"]);
  expect(await queue.job("msg_b")).toMatchObject({ status: "PENDING", attempts: 0, error: null });
  await queue.run();
  expect(await queue.job("msg_b")).toMatchObject({ status: "FAILED", error: expect.stringContaining("23514") });
});

it("an event whose row an app's transaction holds is queued, and its sender hardly waits", async () => {
  await accept([[created("user_a"), "msg_1"]]);
  const holder = await queue.pool.connect();
  await holder.query("begin; update public.users set name = 'busy' where clerk_id = 'user_a'");
  const answers = await accept([[updated("user_a", 2), "msg_2"]]);
  await holder.query("rollback");
  holder.release();
  expect(answers).toMatchObject([{ outcome: "queued", applied: "no" }]);
  expect(await queue.job("msg_2")).toMatchObject({ runs_alone: false }); // the call did not wait until it was cut
  await queue.run();
  expect(await queue.user("user_a")).toMatchObject({ name: "Grace Lovelace" });
});

it("a user whom a worker has in hand is left to it", async () => {
  await accept([[created("user_a"), "msg_1"]]);
  await queue.send(updated("user_a", 2), "msg_2");
  const worker = await queue.pool.connect();
  await worker.query("begin; select clerk_sync.claim_jobs(1, false, now())");
  const answers = await accept([
    [updated("user_a", 3), "msg_3"],
    [created("user_b"), "msg_b"],
  ]);
  await worker.query("rollback");
  worker.release();
  expect(applied(answers)).toEqual(["no", "all"]);
});

it("a user whose mirror call is under way is left to the worker that makes it", async () => {
  await queue.send(created("user_a"), "msg_1");
  await queue.database.runJobs({ ...rules, limit: 10, leaseSeconds: 60, canRead: false });
  expect(applied(await accept([[updated("user_a", 2), "msg_2"]], { mirrors: true }))).toEqual(["no"]);
  expect(await queue.user("user_a")).toMatchObject({ name: "Ada Lovelace" });
});

it("a deletion is left to a worker, whom the delete brake can stop", async () => {
  await accept([[created("user_a"), "msg_1"]]);
  const answers = await accept([[deletedEvent({ id: "user_a", version: 2 }), "msg_2"]]);
  expect(answers).toMatchObject([{ outcome: "queued", applied: "no" }]);
  expect(await queue.user("user_a")).toBeDefined();
  await queue.run();
  expect(await queue.user("user_a")).toBeUndefined();
});

it("a known event does nothing, and one that was dead is queued for a worker", async () => {
  const event = updated("user_a", 1);
  await accept([[event, "msg_1"]]);
  await queue.pool.query("delete from public.users");
  expect(await accept([[event, "msg_1"]])).toMatchObject([{ outcome: "duplicate", applied: "no" }]);
  expect(await queue.user("user_a")).toBeUndefined();
  await queue.pool.query("update public.job_queue set status = 'DEAD'");
  expect(await accept([[event, "msg_1"]])).toMatchObject([{ outcome: "requeued", applied: "no" }]);
});

it("two connections that take events of the same users at once end with the newest of each", async () => {
  const ids = Array.from({ length: 20 }, (_, place) => `user_${place}`);
  const send = (version: number) =>
    accept(ids.map((id): [unknown, string] => [updated(id, version, `V${version}`), `msg_${id}_${version}`]));
  await Promise.all([1, 2, 3, 4, 5, 6].map(send));
  while ((await queue.run()).length > 0);
  const rows = await queue.pool.query("select distinct name from public.users");
  expect(rows.rows).toEqual([{ name: "V6 Lovelace" }]);
  expect(await queue.one("select count(*)::int as n from job_queue where status <> 'COMPLETED'")).toEqual({ n: 0 });
});

it("an event that is left to a worker says why, and the reason is counted", async () => {
  await accept([
    [updated("user_a", 5), "msg_a5"],
    [created("user_b"), "msg_b1"],
    [created("user_c"), "msg_c1"],
  ]);
  await queue.send(deletedEvent({ id: "user_c", version: 2 }));
  await queue.run();
  const answers = await accept([
    [updated("user_a", 4), "msg_a4"],
    [deletedEvent({ id: "user_b", version: 2 }), "msg_b2"],
    [updated("user_c", 3), "msg_c3"],
    [userEvent("user.created", { id: "user_d", version: 1, email: "user_a@example.com" }), "msg_d1"],
    [userEvent("user.created", { id: "user_e", version: Date.now() }), "msg_e1"],
    [created("user_f"), "msg_f1"],
  ]);
  expect(answers.map(({ left }) => left ?? null)).toEqual(["late", "deletion", "deleted", "disputed", "future", null]);
  await queue.pool.query("alter table public.users add constraint no_b check (email <> 'user_g@example.com')");
  expect(await accept([[created("user_g"), "msg_g1"]])).toMatchObject([{ left: "refused 23514" }]);
  const { rows } = await queue.pool.query(
    "select labels ->> 'reason' as reason, count::int from clerk_sync.metric_events where name = 'left_to_worker' order by 1",
  );
  expect(rows.map(({ reason, count }) => [reason, count])).toEqual(
    ["deleted", "deletion", "disputed", "future", "late", "refused 23514"].map((reason) => [reason, 1]),
  );
});

it("what metadata Clerk gave is remembered, also of an event that is passed over", async () => {
  const given = async () => (await queue.one("select given from clerk_sync.records where id = 'user_a'"))?.["given"];
  await accept([[updated("user_a", 5), "msg_5"]]);
  expect(await given()).toEqual([]);
  await accept([[userEvent("user.updated", { id: "user_a", version: 4, role: "admin" }), "msg_4"]]);
  await queue.run();
  expect(await queue.user("user_a")).toMatchObject({ role: "user" });
  expect(await given()).toEqual(["public_metadata.role"]);
});
