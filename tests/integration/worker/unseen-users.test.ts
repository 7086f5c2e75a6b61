import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

// A user who was never seen has no row in user_state that could be locked: an advisory lock stands for it.
let queue: Queue;
let other: pg.Client;
beforeEach(async () => {
  queue = await createQueue();
  other = new pg.Client(queue.url);
  await other.connect();
});
afterEach(async () => {
  await other?.end();
  await queue?.drop();
});

const created = (version = 1) => userEvent("user.created", { id: "user_new", version });
const stateOf = async () => await queue.state("user_new");
const askForRefresh = "select public.clerk_sync_request_refresh(array['user_new'], 'test')";

/** A second connection does this, and has not committed yet. */
async function begin(sql: string): Promise<void> {
  await other.query("begin");
  await other.query(sql);
}

it("a worker passes over a user whom another worker is about to make, and takes the rest", async () => {
  await queue.send(created(), "msg_first");
  await begin("select public.clerk_sync_run_jobs()");
  await queue.send(created(2), "msg_second");
  await queue.send(userEvent("user.created", { id: "user_other", version: 1 }), "msg_other");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.job("msg_second")).toMatchObject({ status: "PENDING", attempts: 0 });
  await other.query("commit");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_new")).toBeDefined();
});

it("an event that comes while a worker is about to make its user is left to the next worker", async () => {
  await queue.send(created(), "msg_first");
  await begin("select public.clerk_sync_run_jobs()");
  await queue.send(created(2), "msg_second");
  const jobs = JSON.stringify([{ ...(await queue.job("msg_second")), event_id: "msg_third" }]);
  const answer = await queue.one("select public.clerk_sync_accept($1::jsonb) as answer", [jobs]);
  expect(answer).toMatchObject({ answer: [{ outcome: "queued", applied: "no" }] });
  await other.query("commit");
  await queue.run();
  expect(await queue.job("msg_third")).toMatchObject({ status: "COMPLETED", attempts: 1 });
});

it("a refresh that is asked for waits for the worker who makes the user, and is not lost", async () => {
  await queue.send(created());
  await begin("select public.clerk_sync_run_jobs()");
  await expect(queue.pool.query(`set lock_timeout = '200ms'; ${askForRefresh}`)).rejects.toMatchObject({
    code: "55P03",
  });
  await other.query("commit");
  await queue.pool.query(askForRefresh);
  expect(await stateOf()).toMatchObject({ refresh_reason: "test", version: expect.stringMatching(/[1-9]/) });
});

it("a worker passes over a user whom somebody is about to have refreshed", async () => {
  await queue.send(created(), "msg_first");
  await begin(askForRefresh);
  expect(await queue.run()).toEqual([]);
  expect(await queue.job("msg_first")).toMatchObject({ status: "PENDING", attempts: 0 });
  await other.query("commit");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await stateOf()).toMatchObject({ version: expect.stringMatching(/[1-9]/) });
});

it("who is deleted before anything else was heard counts for the delete brake, if there is a row", async () => {
  await queue.pool.query("insert into public.users (clerk_id) values ('user_new')");
  await queue.send(deletedEvent({ id: "user_new", version: 2 }), "msg_delete");
  await queue.pool.query(
    `select public.clerk_sync_run_jobs(p_delete_brake => '{"count": 0, "percent": 100, "minutes": 60}')`,
  );
  expect(await queue.user("user_new")).toBeDefined();
  expect(await queue.job("msg_delete")).toMatchObject({
    status: "PENDING",
    error: expect.stringMatching(/^delete_brake:/),
  });
  await queue.pool.query(
    `select public.clerk_sync_release_delete_brake('apply');
     select public.clerk_sync_run_jobs(p_delete_brake => '{"count": 5, "percent": 100, "minutes": 60}', p_now => now() + interval '2 hours')`,
  );
  expect(await queue.user("user_new")).toBeUndefined();
  expect(await stateOf()).toMatchObject({ deleted_at: expect.any(Date) });
});

it("when a user was first seen is kept from the event that brought it, and is unknown of who was here before", async () => {
  await queue.send(created());
  await queue.pool.query("insert into public.users (clerk_id) values ('user_before')");
  await queue.send(userEvent("user.updated", { id: "user_before", version: 1 }));
  await queue.run();
  const first = (await stateOf())?.["first_seen_at"];
  await queue.send(userEvent("user.updated", { id: "user_new", version: 2 }));
  await queue.run();
  expect(first).toBeInstanceOf(Date);
  expect(await stateOf()).toMatchObject({ first_seen_at: first });
  expect(await queue.state("user_before")).toMatchObject({ first_seen_at: null });
});
