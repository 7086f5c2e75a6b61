import { afterEach, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { acceptedEventSchema } from "#core/database/database.ts";
import { processAlone, processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

// How single calls take what the database refuses; hostile-tables.test.ts has the same with whole systems.

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const created = (id: string, version = 1) => userEvent("user.created", { id, version });

/** Stores events in one call, as the webhook does with those that come together. */
async function accept(events: readonly [unknown, string][], limitMilliseconds = 2000) {
  const args = { p_jobs: events.map(([event, id]) => toJob(event, id)) };
  const answer = await createCallFunction(queue.pool)("clerk_sync_accept", args, { limitMilliseconds });
  return z.array(acceptedEventSchema).parse(answer);
}

/** A trigger on users, for those whose id begins with user_bad. */
const addTrigger = (body: string) =>
  queue.pool.query(
    `create function public.bad() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
     create trigger bad before insert or update on public.users for each row
       when (new.clerk_id like 'user\\_bad%') execute function public.bad()`,
  );

const addDeferredKey = () =>
  queue.pool.query(
    `create table public.orders (user_id uuid references public.users (id) deferrable initially deferred);
     insert into public.orders select u.id from public.users as u where u.clerk_id like 'user\\_bad%'`,
  );

it("a job that fails at the commit fails alone", async () => {
  await accept([[created("user_bad"), "msg_1"]]);
  await addDeferredKey();
  await queue.send(deletedEvent({ id: "user_bad", version: 2 }), "msg_2");
  await queue.send(created("user_good"), "msg_good");
  await queue.run();
  expect(await queue.job("msg_good")).toMatchObject({ status: "COMPLETED" });
  expect(await queue.job("msg_2")).toMatchObject({
    status: "FAILED",
    attempts: 1,
    error: expect.stringMatching(/^delete_blocked 23503 orders_user_id_fkey: /),
  });
});

it("a job whose trigger asserts fails alone", async () => {
  await addTrigger("assert false, 'impossible';");
  await queue.send(created("user_bad"), "msg_bad");
  await queue.send(created("user_good"), "msg_good");
  await queue.run();
  expect(await queue.job("msg_good")).toMatchObject({ status: "COMPLETED" });
  expect(await queue.job("msg_bad")).toMatchObject({ status: "FAILED", error: "database_rejected P0004: impossible" });
});

it("a savepoint checks what another one of its call left to the commit", async () => {
  await accept([
    [created("user_bad_1"), "msg_1"],
    [created("user_bad_2"), "msg_2"],
  ]);
  await addDeferredKey();
  await queue.send(deletedEvent({ id: "user_bad_1", version: 2 }), "msg_3");
  await queue.send(deletedEvent({ id: "user_bad_2", version: 2 }), "msg_4");
  await queue.run();
  for (const id of ["msg_3", "msg_4"]) expect(await queue.job(id)).toMatchObject({ status: "FAILED", attempts: 1 });
});

it("a deletion that a foreign key stops is a dead letter the second time", async () => {
  await accept([[created("user_bad"), "msg_1"]]);
  await queue.pool.query(
    `create table public.posts (user_id uuid references public.users (id));
     insert into public.posts select u.id from public.users as u`,
  );
  await queue.send(deletedEvent({ id: "user_bad", version: 2 }), "msg_2");
  await queue.run();
  expect(await queue.job("msg_2")).toMatchObject({ status: "FAILED" });
  await queue.pool.query("update public.job_queue set run_at = now() where event_id = 'msg_2'");
  await queue.run();
  expect(await queue.job("msg_2")).toMatchObject({
    status: "DEAD",
    attempts: 2,
    error: expect.stringMatching(/^delete_blocked 23503 posts_user_id_fkey: .*on delete cascade.*delete softly/),
  });
  expect(await queue.one("select clerk_sync_blocking_references() as found")).toEqual({
    found: [{ table: "public.posts", constraint: "posts_user_id_fkey" }],
  });
});

it("an event that hangs is stored in the call that was cut, and leaves its company to the worker", async () => {
  await addTrigger("perform pg_sleep(60);");
  const answers = await accept(
    [
      [created("user_bad"), "msg_bad"],
      [created("user_good"), "msg_good"],
    ],
    300,
  );
  expect(answers).toMatchObject([
    { outcome: "queued", applied: "no" },
    { outcome: "queued", applied: "no" },
  ]);
  for (const id of ["msg_bad", "msg_good"]) expect(await queue.job(id)).toMatchObject({ runs_alone: true });
  const work = {
    ...queue,
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
  };
  expect(await processQueue({ ...work, now: Date.now }, { budgetMilliseconds: 1000 })).toMatchObject({ alone: true });
  await processAlone({ ...work, now: Date.now }, { budgetMilliseconds: 1000 });
  expect(await queue.job("msg_good")).toMatchObject({ status: "COMPLETED" });
  expect(await queue.job("msg_bad")).toMatchObject({
    status: "FAILED",
    error: expect.stringMatching(/^database_timeout: /),
  });
  // Its user runs alone until one of its jobs is applied; the others do not.
  const later = await accept(
    [
      [created("user_bad", 2), "msg_bad_2"],
      [created("user_good_2"), "msg_good_2"],
    ],
    300,
  );
  expect(later).toMatchObject([{ applied: "no" }, { applied: "all" }]);
  expect(await queue.job("msg_bad_2")).toMatchObject({ runs_alone: true });
  expect(await queue.job("msg_good")).toMatchObject({ runs_alone: false });
});

it("a call that ends the connection has its jobs set apart, and the attempt of each counts", async () => {
  await addTrigger("perform pg_terminate_backend(pg_backend_pid());");
  await queue.send(created("user_bad"), "msg_bad");
  await queue.send(created("user_good"), "msg_good");
  const work = {
    ...queue,
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
  };
  await processQueue({ ...work, now: Date.now }, { budgetMilliseconds: 1000 });
  await processAlone({ ...work, now: Date.now }, { budgetMilliseconds: 1000 });
  expect(await queue.job("msg_good")).toMatchObject({ status: "COMPLETED" });
  expect(await queue.job("msg_bad")).toMatchObject({ status: "FAILED", attempts: 1 });
});

it("an event is stored while the table users is locked", async () => {
  const holder = await queue.pool.connect();
  await holder.query("begin; lock table public.users in access exclusive mode");
  const stored = await accept([[created("user_a"), "msg_a"]]);
  const queued = await queue.send(created("user_b"), "msg_b");
  await holder.query("rollback");
  holder.release();
  expect([...stored, queued]).toMatchObject([
    { outcome: "queued", applied: "no" },
    { outcome: "queued", applied: "no" },
  ]);
  await queue.run();
  expect(await queue.user("user_a")).toBeDefined();
});
