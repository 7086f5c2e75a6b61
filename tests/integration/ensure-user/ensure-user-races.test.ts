import { afterEach, beforeEach, expect, it } from "vitest";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createEnsureCalls, type EnsureCalls } from "../../support/webhook/ensure-calls.ts";

let calls: EnsureCalls;
beforeEach(async () => {
  calls = await createEnsureCalls();
});
afterEach(() => calls?.queue.drop());

it("the webhook that comes after the row was made finds it, and older events change nothing", async () => {
  calls.clerk.set({ id: "user_late", version: 2, firstName: "Grace" });
  await calls.ensure("user_late");
  expect(await calls.queue.send(userEvent("user.created", { id: "user_late", version: 1 }))).toMatchObject({
    outcome: "exists",
  });
  await calls.queue.send(userEvent("user.updated", { id: "user_late", version: 1 }));
  await calls.queue.run();
  expect(await calls.queue.user("user_late")).toMatchObject({ name: "Grace Lovelace" });
  await calls.queue.send(userEvent("user.updated", { id: "user_late", version: 3, firstName: "Joan" }));
  await calls.queue.run();
  expect(await calls.ensure("user_late")).toMatchObject({ name: "Joan Lovelace" });
  expect(calls.clerk.reads).toEqual(["user_late"]);
});

it("an event that waits in the queue is older than the row, and one mirror call does for both", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_both", version: 1 }), "msg_both");
  calls.clerk.set({ id: "user_both", version: 2, firstName: "Grace" });
  expect(await calls.ensure("user_both")).toMatchObject({ name: "Grace Lovelace" });
  expect(await calls.work()).toMatchObject({ mirrored: ["user_both"] });
  expect(await calls.queue.job("msg_both")).toMatchObject({
    status: "COMPLETED",
    result: { applied: false, reason: "newer_known" },
  });
  expect(await calls.queue.user("user_both")).toMatchObject({ name: "Grace Lovelace" });
});

it("while a worker's batch with the user is not committed, the call waits and answers the worker's row", async () => {
  calls.clerk.set({ id: "user_race", version: 1, firstName: "Read" });
  await calls.queue.send(userEvent("user.created", { id: "user_race", version: 2, firstName: "Event" }));
  const worker = await startBatch();
  const asked = calls.ensure("user_race");
  await expect.poll(() => waiting("advisory")).toBe(1);
  await worker.end("commit");
  expect(await asked).toMatchObject({ name: "Event Lovelace" });
  expect(await calls.jobsOf("user_race")).toMatchObject([{ source: "webhook", status: "COMPLETED" }]);
});

it("a worker whose batch is rolled back leaves the row to the call that waited", async () => {
  calls.clerk.set({ id: "user_back", version: 2, firstName: "Read" });
  await calls.queue.send(userEvent("user.created", { id: "user_back", version: 1, firstName: "Event" }), "msg_back");
  const worker = await startBatch();
  const asked = calls.ensure("user_back");
  await expect.poll(() => waiting("advisory")).toBe(1);
  await worker.end("rollback");
  expect(await asked).toMatchObject({ name: "Read Lovelace" });
  await calls.queue.run();
  expect(await calls.queue.user("user_back")).toMatchObject({ name: "Read Lovelace" });
});

it("a worker that finds the user in the hand of a call leaves that user's jobs for later", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_held", version: 1 }), "msg_held");
  await calls.queue.send(userEvent("user.created", { id: "user_free", version: 1 }));
  const call = await calls.queue.pool.connect();
  await call.query("begin");
  await call.query("select public.clerk_sync_ensure_user('user_held', 5, $1, now())", [
    { clerk_id: "user_held", email: "user_held@example.com", email_verified: true, name: "Read", user_role: "user" },
  ]);
  expect(await calls.queue.run()).toEqual(["COMPLETED"]);
  expect(await calls.queue.job("msg_held")).toMatchObject({ status: "PENDING", attempts: 0 });
  await call.query("commit");
  call.release();
  await calls.queue.run();
  expect(await calls.queue.job("msg_held")).toMatchObject({ status: "COMPLETED" });
});

it("a worker that holds the user for longer than a second is not waited for: the call may be repeated", async () => {
  calls.clerk.set({ id: "user_slow", version: 1 });
  await calls.queue.send(userEvent("user.created", { id: "user_slow", version: 1 }));
  const worker = await startBatch();
  await expect(calls.ensure("user_slow")).rejects.toMatchObject({
    code: "database_unavailable",
    retryable: true,
    cause: { code: "55P03" }, // lock_not_available: the call did not wait for its own limit
  });
  await worker.end("rollback");
});

it("fifty isolates that ask for one missing user make one row and one mirror job", async () => {
  calls.clerk.set({ id: "user_crowd", version: 1 });
  const rows = await Promise.all(Array.from({ length: 50 }, () => calls.ensure("user_crowd")));
  expect(new Set(rows.map((row) => row["id"])).size).toBe(1);
  expect(await calls.queue.one("select count(*)::int as n from public.users")).toEqual({ n: 1 });
  expect((await calls.jobsOf("user_crowd")).map((job) => job.status).sort()).toEqual(["COMPLETED", "PENDING"]);
});

it("a read that began before the deletion was known revives nobody", async () => {
  calls.clerk.set({ id: "user_past", version: 5 });
  const readThenDelete = async (clerkId: string) => {
    const fresh = await calls.clerk.readUser(clerkId);
    await calls.queue.send(deletedEvent({ id: clerkId, version: 1 }));
    await calls.queue.run();
    return fresh;
  };
  await expect(calls.ensure("user_past", readThenDelete)).rejects.toMatchObject({ code: "user_deleted" });
  expect(await calls.queue.user("user_past")).toBeUndefined();
});

it("two users who ask at once with one address both get a row, and one of them the address", async () => {
  calls.clerk.set({ id: "user_a", version: 1, email: "same@example.com" });
  calls.clerk.set({ id: "user_b", version: 2, email: "same@example.com" });
  await Promise.allSettled([calls.ensure("user_a"), calls.ensure("user_b")]);
  await calls.queue.pool.query("update public.job_queue set run_at = now()");
  await calls.work();
  expect(await calls.queue.user("user_a")).toMatchObject({ email: null });
  expect(await calls.queue.user("user_b")).toMatchObject({ email: "same@example.com" });
});

/** A worker that has worked through a batch and not committed it. */
async function startBatch() {
  const worker = await calls.queue.pool.connect();
  await worker.query("begin");
  await worker.query("select public.clerk_sync_run_jobs(10)");
  return {
    end: async (how: "commit" | "rollback") => {
      await worker.query(how);
      worker.release();
    },
  };
}

async function waiting(type: string): Promise<unknown> {
  const row = await calls.queue.one(
    "select count(*)::int as n from pg_catalog.pg_locks where not granted and locktype = $1 and database = (select oid from pg_catalog.pg_database where datname = current_database())",
    [type],
  );
  return row?.["n"];
}
