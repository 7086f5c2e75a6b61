import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { at, deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { withSoftDeletion } from "../../support/mapping/contract-mapping.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

it("a created user becomes a row and the job is completed in the same call", async () => {
  await queue.send(userEvent("user.created", { id: "user_new", version: 1000, role: "admin" }), "msg_new");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_new")).toMatchObject({
    clerk_id: "user_new",
    email: "user_new@example.com",
    name: "Ada Lovelace",
    role: "admin",
    deleted_at: null,
    preferences: { displayUnit: "A1C", reminderEnabled: false, reminderFrequency: "DAILY", theme: "system" },
    medical_profile: { preferredUnit: "MGDL" },
  });
  expect(await queue.job("msg_new")).toMatchObject({
    job_type: "USER_CREATED",
    status: "COMPLETED",
    attempts: 1,
    error: null,
    result: { applied: true },
    payload: {
      clerk_id: "user_new",
      email: "user_new@example.com",
      name: "Ada Lovelace",
      user_role: "admin",
      retry_count: 0,
    },
  });
});

it("an update for a missing row creates it", async () => {
  await queue.send(userEvent("user.updated", { id: "user_missing", version: 1000 }));
  await queue.run();
  expect(await queue.user("user_missing")).toMatchObject({ name: "Ada Lovelace" });
});

it("an old update that arrives last changes nothing", async () => {
  await queue.send(userEvent("user.updated", { id: "user_order", version: 2000, firstName: "New" }));
  await queue.run();
  await queue.send(userEvent("user.updated", { id: "user_order", version: 1999, firstName: "Old" }), "msg_old");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_order")).toMatchObject({ name: "New Lovelace" });
  expect(await queue.job("msg_old")).toMatchObject({
    result: { applied: false, reason: "newer_known", version: at(2000) },
  });
});

it("of several versions in one batch the newest wins, whatever their order in the queue", async () => {
  for (const version of [3000, 1000, 5000, 2000, 4000]) {
    await queue.send(userEvent("user.updated", { id: "user_batch", version, firstName: `V${version}` }));
  }
  expect(await queue.run()).toEqual(Array(5).fill("COMPLETED"));
  expect(await queue.user("user_batch")).toMatchObject({ name: "V5000 Lovelace" });
});

it("a deleted user is not revived by a late update or create, whatever their version", async () => {
  await queue.send(userEvent("user.created", { id: "user_gone", version: 1000 }));
  await queue.send(deletedEvent({ id: "user_gone", version: 2000 }));
  await queue.run();
  expect(await queue.user("user_gone")).toBeUndefined();
  await queue.send(userEvent("user.updated", { id: "user_gone", version: 9000 }), "msg_late");
  await queue.send(userEvent("user.created", { id: "user_gone", version: 9001 }));
  expect(await queue.run()).toEqual(["COMPLETED", "COMPLETED"]);
  expect(await queue.user("user_gone")).toBeUndefined();
  expect(await queue.job("msg_late")).toMatchObject({ result: { applied: false, reason: "user_deleted" } });
});

it("a delete that arrives before its create keeps the user away", async () => {
  await queue.send(deletedEvent({ id: "user_early", version: 2000 }));
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_early", version: 1000 }));
  await queue.run();
  expect(await queue.user("user_early")).toBeUndefined();
  expect(await queue.state("user_early")).toMatchObject({ version: String(at(2000)), deleted_at: expect.any(Date) });
});

it("soft deletion keeps the row and its data with deleted_at", async () => {
  await queue.send(userEvent("user.created", { id: "user_soft", version: 1000 }));
  await queue.run();
  await queue.send(deletedEvent({ id: "user_soft", version: 2000 }));
  await withSoftDeletion(queue.pool, () => queue.run());
  expect(await queue.user("user_soft")).toMatchObject({ deleted_at: expect.any(Date), name: "Ada Lovelace" });
});

it("a delete without an id finds its user by external_id", async () => {
  await queue.send(userEvent("user.created", { id: "user_ext", version: 1000, externalId: "crm-7" }));
  await queue.run();
  await queue.send(deletedEvent({ externalId: "crm-7", version: 2000 }));
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_ext")).toBeUndefined();
});

describe("a delete without an id, whose external_id two users have", () => {
  /** Two users who have the external_id, and a deletion of it, applied. */
  async function deleteOneOfTwo(name: string) {
    for (const [place, id] of [`user_${name}_1`, `user_${name}_2`].entries()) {
      await queue.send(userEvent("user.created", { id, version: place + 1, externalId: name }));
    }
    await queue.run();
    await queue.send(deletedEvent({ externalId: name, version: 2000 }), `msg_${name}`);
    return queue.run();
  }

  it("is a dead letter that says so, and deletes neither", async () => {
    expect(await deleteOneOfTwo("twice")).toEqual(["DEAD"]);
    const error = expect.stringMatching(/^user_ambiguous: 2 users have this external_id/);
    expect(await queue.job("msg_twice")).toMatchObject({ attempts: 1, error });
    expect([await queue.user("user_twice_1"), await queue.user("user_twice_2")]).not.toContain(undefined);
  });

  it("deletes the one who has it still, when it is retried after the other was given another", async () => {
    await deleteOneOfTwo("moved");
    await queue.send(userEvent("user.updated", { id: "user_moved_2", version: 3, externalId: "moved-2" }));
    await queue.run();
    await queue.pool.query(
      "select clerk_sync_retry_jobs(array(select id from public.job_queue where event_id = 'msg_moved'))",
    );
    expect(await queue.run()).toEqual(["COMPLETED"]);
    expect(await queue.user("user_moved_1")).toBeUndefined();
    expect(await queue.user("user_moved_2")).toBeDefined();
  });

  it("waits for the events of its batch that tell who has it now", async () => {
    await queue.send(userEvent("user.created", { id: "user_passed_1", version: 1, externalId: "passed" }));
    await queue.run();
    await queue.sendAll([
      userEvent("user.updated", { id: "user_passed_1", version: 2 }),
      userEvent("user.created", { id: "user_passed_2", version: 3, externalId: "passed" }),
      deletedEvent({ externalId: "passed", version: 2000 }),
    ]);
    await queue.run();
    await queue.run();
    expect(await queue.user("user_passed_1")).toBeDefined();
    expect(await queue.user("user_passed_2")).toBeUndefined();
  });
});

it("a delete by an external_id nobody has yet is tried again", async () => {
  await queue.send(deletedEvent({ externalId: "crm-8", version: 2000 }), "msg_unknown");
  expect(await queue.run()).toEqual(["FAILED"]);
  expect(await queue.job("msg_unknown")).toMatchObject({ error: "user_unknown: no user has this external_id" });
});

it("a delete that names nobody is a dead letter at once", async () => {
  const enqueued = await queue.send(deletedEvent({ version: 2000 }), "msg_nobody");
  expect(enqueued.outcome).toBe("dead");
  expect(await queue.run()).toEqual([]);
  expect(await queue.job("msg_nobody")).toMatchObject({ status: "DEAD", clerk_id: null });
});

it("a role counts only when it is a label of UserRole", async () => {
  await queue.send(userEvent("user.created", { id: "user_root", version: 1000, role: "superuser" }));
  await queue.send(userEvent("user.created", { id: "user_typed", version: 1000, role: { admin: true } }));
  await queue.run();
  expect(await queue.user("user_root")).toMatchObject({ role: "user" });
  expect(await queue.user("user_typed")).toMatchObject({ role: "user" });
});

it("a role in unsafe_metadata does not count, and a withdrawn role goes back to user", async () => {
  await queue.send(userEvent("user.created", { id: "user_role", version: 1000, role: "admin" }));
  await queue.run();
  await queue.send(userEvent("user.updated", { id: "user_role", version: 2000, unsafeRole: "admin" }));
  await queue.run();
  expect(await queue.user("user_role")).toMatchObject({ role: "user" });
});

it("banned, locked and deprovisioned are kept beside the row", async () => {
  await queue.send(userEvent("user.created", { id: "user_ban", version: 1000, banned: true }));
  await queue.run();
  expect(await queue.state("user_ban")).toMatchObject({ banned: true, locked: false, deprovisioned: false });
});

it("private_metadata is stored nowhere", async () => {
  await queue.send(userEvent("user.created", { id: "user_private", version: 1000 }), "msg_private");
  await queue.run();
  const everything = await queue.one(
    "select (select jsonb_agg(to_jsonb(j)) from public.job_queue j)::text || (select jsonb_agg(to_jsonb(u)) from public.users u)::text as text",
  );
  expect(everything?.text).toContain("user_private");
  expect(everything?.text).not.toContain("sk_private_do_not_store");
  expect(everything?.text).not.toContain("private_metadata");
});

it("a row that would not change is not written, so updated_at is the time of the last change", async () => {
  await queue.send(userEvent("user.created", { id: "user_same", version: 1000 }));
  await queue.run();
  const before = await queue.user("user_same");
  await queue.send(userEvent("user.updated", { id: "user_same", version: 2000 }));
  await queue.run();
  expect(await queue.user("user_same")).toEqual(before);
  expect(await queue.state("user_same")).toMatchObject({ version: String(at(2000)) });
});

it("createdAt is when the user signed up at Clerk, in UTC in both columns", async () => {
  await queue.send(userEvent("user.created", { id: "user_time", version: 1000 }));
  await queue.run();
  const row = await queue.one(
    `select created_at = to_timestamp(1763887200) as with_zone, "createdAt" = timestamp '2025-11-23 08:40:00' as without
     from public.users where clerk_id = 'user_time'`,
  );
  expect(row).toEqual({ with_zone: true, without: true });
});

it("a role that a late event withdraws is mirrored again", async () => {
  await queue.pool.query(
    "insert into public.users (clerk_id, email, role) values ('user_late', 'user_late@example.com', 'admin')",
  );
  await queue.send(userEvent("user.updated", { id: "user_late", version: 9 }));
  await queue.run();
  expect(await queue.user("user_late")).toMatchObject({ role: "admin" });
  await queue.send(userEvent("user.updated", { id: "user_late", version: 5, role: "admin" }));
  await queue.run();
  expect(await queue.user("user_late")).toMatchObject({ role: "user" });
  const { rows } = await queue.pool.query("select status from public.job_queue where source = 'role_withdrawn'");
  expect(rows).toEqual([{ status: "PENDING" }]);
});
