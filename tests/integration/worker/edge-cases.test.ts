import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase } from "#core/database/database.ts";
import { processAlone, processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

const mirrored = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;

async function retryMirror(): Promise<void> {
  const batch = await queue.database.runJobs(mirrored);
  const outcomes = batch.mirror.map((order) => ({
    job_id: order.job_id,
    outcome: "retry" as const,
    error: "auth_unavailable: x",
  }));
  await queue.database.settleJobs(batch.token ?? "", outcomes);
  await queue.pool.query("update public.job_queue set run_at = now() where status = 'FAILED'");
}

it("a retry for the mirror's sake does not set a newer row of the same version back", async () => {
  await queue.send(userEvent("user.created", { id: "user_equal", version: 1, firstName: "First" }));
  await retryMirror();
  await queue.send(userEvent("user.updated", { id: "user_equal", version: 1, firstName: "Second" }));
  await queue.run();
  await queue.run();
  expect(await queue.user("user_equal")).toMatchObject({ name: "Second Lovelace" });
});

it("a retry for the mirror's sake does not undo what the user edited meanwhile", async () => {
  await queue.send(userEvent("user.created", { id: "user_edit", version: 1 }));
  await retryMirror();
  await queue.pool.query("update public.users set name = 'My Own' where clerk_id = 'user_edit'");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_edit")).toMatchObject({ name: "My Own" });
});

it("a newer claim of an address that is being written just now is not overlooked", async () => {
  await queue.send(userEvent("user.created", { id: "user_race_a", version: 1, email: "race@example.com" }));
  await queue.run();
  await queue.send(userEvent("user.updated", { id: "user_race_a", version: 30, email: "race@example.com" }));
  const first = await queue.pool.connect();
  await first.query("begin");
  await first.query("select public.clerk_sync_run_jobs()");
  await queue.send(
    userEvent("user.created", { id: "user_race_b", version: 20, email: "race@example.com" }),
    "msg_race_b",
  );
  await queue.run();
  expect(await queue.job("msg_race_b")).toMatchObject({ status: "FAILED", error: expect.stringContaining("55P03") });
  await first.query("commit");
  first.release();
  await queue.pool.query("update public.job_queue set run_at = now() where event_id = 'msg_race_b'");
  await queue.run();
  expect(await queue.user("user_race_a")).toMatchObject({ email: "race@example.com" });
  expect(await queue.user("user_race_b")).toMatchObject({ email: null });
});

it("a late delete by external_id does not hit a user who got that external_id afterwards", async () => {
  await queue.send(userEvent("user.created", { id: "user_first", version: 100, externalId: "ext" }));
  await queue.send(userEvent("user.created", { id: "user_later", version: 300, externalId: "ext" }));
  await queue.run();
  await queue.send(deletedEvent({ externalId: "ext", version: 200 }));
  await queue.run();
  expect(await queue.user("user_first")).toBeUndefined();
  expect(await queue.user("user_later")).toBeDefined();
});

it("a job that hangs longer than the database allows fails alone, and the others are applied", async () => {
  await queue.pool.query(
    `create function public.hang() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
     create trigger hang before insert on public.users for each row when (new.email = 'hang@example.com') execute function public.hang()`,
  );
  await queue.send(userEvent("user.created", { id: "user_hang", version: 1, email: "hang@example.com" }), "msg_hang");
  await queue.send(userEvent("user.created", { id: "user_behind", version: 1 }), "msg_behind");
  const impatient = openPool(queue.url);
  const database = createDatabase(createCallFunction(impatient, 400));
  const work = {
    database,
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now: Date.now,
  };
  expect(await processQueue(work, { budgetMilliseconds: 5000 })).toMatchObject({ alone: true });
  expect(await queue.job("msg_hang")).toMatchObject({ status: "PENDING", attempts: 0, runs_alone: true });
  await processAlone(work, { budgetMilliseconds: 1000 });
  await queue.pool.query("drop trigger hang on public.users; drop function public.hang()");
  await impatient.end();
  expect(await queue.job("msg_hang")).toMatchObject({
    status: "FAILED",
    error: expect.stringMatching(/^database_timeout: /),
  });
  expect(await queue.job("msg_behind")).toMatchObject({ status: "COMPLETED" });
});

it("an outcome that cannot be written fails its job alone, the rest of the batch is settled", async () => {
  await queue.send(userEvent("user.created", { id: "user_bad_outcome", version: 1 }), "msg_bad_outcome");
  await queue.send(userEvent("user.created", { id: "user_good_outcome", version: 1 }), "msg_good_outcome");
  const batch = await queue.database.runJobs(mirrored);
  const outcomes = batch.mirror.map((order) => ({
    job_id: order.job_id,
    outcome: "completed" as const,
    auth_user_id: order.clerk_id === "user_bad_outcome" ? "no uuid" : "5f0d6a0e-4f5c-5d0b-9a57-6a2f3c1d8e42",
  }));
  await queue.database.settleJobs(batch.token ?? "", outcomes);
  expect(await queue.job("msg_bad_outcome")).toMatchObject({
    status: "FAILED",
    error: expect.stringContaining("22P02"),
  });
  expect(await queue.job("msg_good_outcome")).toMatchObject({ status: "COMPLETED" });
});

it("jobs of one call without an event_id of their own are refused, not swallowed", async () => {
  const job = toJob(userEvent("user.created", { id: "user_twins", version: 1 }), "msg_twins");
  await expect(queue.database.enqueue([job, job], 15)).rejects.toMatchObject({ code: "database_rejected" });
});

it("a create is not called existing while a dead letter of the user still owes its mirror", async () => {
  const event = userEvent("user.created", { id: "user_owed", version: 1 });
  await queue.send(event, "msg_owed");
  const batch = await queue.database.runJobs(mirrored);
  const outcomes = batch.mirror.map((order) => ({
    job_id: order.job_id,
    outcome: "dead" as const,
    error: "auth_rejected: x",
  }));
  await queue.database.settleJobs(batch.token ?? "", outcomes);
  expect(await queue.send(event)).toMatchObject({ outcome: "queued" });
});

it("a value that fits no column is a dead letter at once", async () => {
  await queue.pool.query(
    `insert into public.job_queue (job_type, event_id, payload) values ('USER_CREATED', 'msg_cast', '{"clerk_id": "user_cast", "banned": "perhaps"}')`,
  );
  await queue.run();
  expect(await queue.job("msg_cast")).toMatchObject({
    status: "DEAD",
    attempts: 1,
    error: expect.stringContaining("22P02"),
  });
});

it("a job tried again by hand starts from zero, and its history keeps the database's own time", async () => {
  await queue.pool.query(
    "update public.job_queue set status = 'PENDING', updated_at = '2000-01-01' where event_id = 'msg_cast'",
  );
  const job = await queue.job("msg_cast");
  expect(job).toMatchObject({ status: "PENDING", attempts: 0 });
  expect(Date.parse(job.history.at(-1)?.at ?? "")).toBeGreaterThan(Date.parse("2026-01-01"));
});
