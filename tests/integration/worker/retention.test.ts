import { afterEach, beforeEach, expect, it } from "vitest";
import { at, deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const erased = (id: string) => ({ clerk_id: id, retry_count: 0, erased: true, original_event: expect.anything() });
const purge = (days: number, limit: number, later: string) =>
  queue.one(`select public.clerk_sync_purge_jobs($1, $2, now() + interval '${later}') as n`, [days, limit]);

it("a job keeps what is applied, and of its event only kind, ids and times", async () => {
  const event = userEvent("user.created", { id: "user_kept", version: 1, phone: "+15005550006" });
  await queue.send(event, "msg_kept");
  await queue.run();
  expect((await queue.job("msg_kept")).payload).toEqual({
    clerk_id: "user_kept",
    email: "user_kept@example.com",
    email_verified: true,
    phone: "+15005550006",
    phone_verified: true,
    name: "Ada Lovelace",
    user_role: "user",
    external_id: null,
    banned: false,
    locked: false,
    deprovisioned: false,
    created_at: expect.any(String),
    retry_count: 0,
    original_event: {
      type: "user.created",
      object: "event",
      timestamp: at(1),
      instance_id: expect.stringMatching(/^ins_/),
      data: { id: "user_kept", object: "user", created_at: expect.any(Number), updated_at: at(1) },
    },
  });
});

it("a job that failed keeps what it is to apply, and of its event no more than a finished one", async () => {
  await queue.pool.query("alter table public.users add constraint nobody check (false) not valid");
  await queue.send(userEvent("user.created", { id: "user_failed", version: 1 }), "msg_failed");
  await queue.run();
  const payload = JSON.stringify((await queue.job("msg_failed")).payload);
  expect(payload).toContain("user_failed@example.com");
  expect(payload).not.toContain("other.user_failed@example.com");
});

it("when a user is deleted, all older jobs lose what they held of the person, whatever became of them", async () => {
  const id = "user_forgotten";
  for (const [place, name] of ["done", "dead", "cancelled", "waiting"].entries()) {
    await queue.send(userEvent("user.updated", { id, version: place + 1 }), `msg_${name}`);
    if (name === "done") await queue.run();
  }
  await queue.pool.query(
    "update job_queue set status = 'DEAD', attempts = 3, error = 'database_rejected 23514: ada' where event_id = 'msg_dead'",
  );
  await queue.pool.query("update job_queue set status = 'CANCELLED' where event_id = 'msg_cancelled'");
  await queue.pool.query("update job_queue set run_at = now() + interval '1 hour' where event_id = 'msg_waiting'");
  await queue.send(userEvent("user.created", { id: "user_other", version: 1 }), "msg_other");
  await queue.send(deletedEvent({ id, version: 9 }), "msg_delete");
  await queue.run();
  for (const name of ["done", "cancelled", "waiting", "delete"]) {
    expect((await queue.job(`msg_${name}`)).payload, name).toEqual(erased(id));
  }
  const dead = await queue.job("msg_dead");
  expect(dead).toMatchObject({ payload: { erased: true, retry_count: 2 }, error: "database_rejected 23514" });
  expect(JSON.stringify(dead.history)).not.toContain("ada");
  const { rows } = await queue.pool.query("select j::text as job from job_queue as j where clerk_id = $1", [id]);
  for (const row of rows) expect(row.job).not.toMatch(/@example\.com|Lovelace/);
  expect((await queue.job("msg_other")).payload).toHaveProperty("email");
});

it("with the mirror, the jobs are erased when the Auth user is gone as well", async () => {
  const id = "user_mirrored";
  const rules = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;
  await queue.send(userEvent("user.created", { id, version: 1 }), "msg_created");
  await queue.run();
  await queue.send(deletedEvent({ id, version: 2 }), "msg_deleted");
  const { token, mirror } = await queue.database.runJobs(rules);
  expect((await queue.job("msg_created")).payload).toHaveProperty("email");
  await queue.database.settleJobs(
    token,
    mirror.map(({ job_id }) => ({ job_id, outcome: "completed", mirror: { outcome: "deleted" } })),
  );
  expect((await queue.job("msg_created")).payload).toEqual(erased(id));
  expect((await queue.job("msg_deleted")).payload).toEqual(erased(id));
});

it("an event that comes after the deletion leaves nothing of the person either", async () => {
  await queue.send(deletedEvent({ id: "user_late", version: 2 }));
  await queue.run();
  await queue.send(userEvent("user.updated", { id: "user_late", version: 1 }), "msg_late");
  await queue.run();
  expect(await queue.job("msg_late")).toMatchObject({ status: "COMPLETED", payload: { erased: true } });
  expect((await queue.job("msg_late")).payload).not.toHaveProperty("email");
});

it("a dead letter of a deleted user that is tried again brings nothing back", async () => {
  const id = "user_redriven";
  await queue.send(userEvent("user.created", { id, version: 5 }), "msg_redriven");
  await queue.pool.query("update job_queue set status = 'DEAD', attempts = 3 where event_id = 'msg_redriven'");
  await queue.send(deletedEvent({ id, version: 6 }));
  await queue.run();
  await queue.pool.query("update clerk_sync.records set deleted_at = null, version = 0 where id = $1", [id]);
  await queue.pool.query("update job_queue set status = 'PENDING' where event_id = 'msg_redriven'");
  await queue.run();
  expect(await queue.job("msg_redriven")).toMatchObject({ status: "COMPLETED", result: { applied: false } });
  expect(await queue.user(id)).toBeUndefined();
});

it("finished jobs are purged after their days, in steps of a bounded size, and dead letters stay", async () => {
  await queue.sendAll(
    Array.from({ length: 25 }, (_, place) => userEvent("user.created", { id: `user_${place}`, version: 1 })),
  );
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_dead", version: 1 }), "msg_dead");
  await queue.pool.query("update job_queue set status = 'DEAD', attempts = 15 where event_id = 'msg_dead'");
  expect(await purge(30, 10, "29 days")).toEqual({ n: 0 });
  expect([
    await purge(30, 10, "31 days"),
    await purge(30, 10, "31 days"),
    await purge(30, 10, "31 days"),
    await purge(30, 10, "31 days"),
  ]).toEqual([{ n: 10 }, { n: 10 }, { n: 5 }, { n: 0 }]);
  expect(await queue.job("msg_dead")).toMatchObject({ status: "DEAD" });
});
