import { afterEach, beforeEach, expect, it } from "vitest";
import { SyncError } from "#core/errors.ts";
import { at, deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { withSoftDeletion } from "../../support/mapping/contract-mapping.ts";
import { createEnsureCalls, type EnsureCalls } from "../../support/webhook/ensure-calls.ts";

let calls: EnsureCalls;
beforeEach(async () => {
  calls = await createEnsureCalls();
});
afterEach(() => calls?.queue.drop());

it("a row that is there is answered with every column its owner may read, and Clerk is not asked", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_here", version: 1 }));
  await calls.queue.run();
  const row = await calls.ensure("user_here");
  expect(Object.keys(row).sort()).toEqual([
    "clerk_id",
    "createdAt",
    "created_at",
    "deleted_at",
    "email",
    "id",
    "medical_profile",
    "name",
    "preferences",
    "role",
    "updatedAt",
    "updated_at",
  ]);
  expect(row).toMatchObject({
    clerk_id: "user_here",
    email: "user_here@example.com",
    name: "Ada Lovelace",
    role: "user",
  });
  expect(calls.clerk.reads).toEqual([]);
});

it("a column that users may not read is not in the answer", async () => {
  await calls.queue.pool.query("alter table public.users add column internal_note text default 'not yours'");
  await calls.queue.pool.query("revoke select on public.users from authenticated");
  await calls.queue.pool.query("grant select (id, clerk_id, name) on public.users to authenticated");
  await calls.queue.send(userEvent("user.created", { id: "user_here", version: 1 }));
  await calls.queue.run();
  expect(Object.keys(await calls.ensure("user_here")).sort()).toEqual(["clerk_id", "id", "name"]);
});

it("a row that was there before the sync is answered as it is", async () => {
  await calls.queue.pool.query("insert into public.users (clerk_id, name) values ('user_old', 'Old')");
  expect(await calls.ensure("user_old")).toMatchObject({ name: "Old" });
});

it("a missing row is made from Clerk's API in one transaction with its job, and the mirror is owed to the queue", async () => {
  calls.clerk.set({ id: "user_new", version: 1, role: "admin" });
  expect(await calls.ensure("user_new")).toMatchObject({ clerk_id: "user_new", name: "Ada Lovelace", role: "admin" });
  expect(await calls.jobsOf("user_new")).toMatchObject([
    {
      event_id: `ensure_user_new_${at(1)}`,
      source: "ensure",
      status: "COMPLETED",
      attempts: 1,
      result: { applied: true },
    },
    { source: "ensure", status: "PENDING", attempts: 0, result: { applied: true } },
  ]);
  expect(await calls.queue.state("user_new")).toMatchObject({ version: String(at(1)), mirrored_at: null });
  expect(await calls.work()).toEqual({ mirrored: ["user_new"], dead: 0, failed: 0 });
  expect(JSON.stringify(await calls.jobsOf("user_new"))).not.toContain("private");
});

it("a user deleted at Clerk and unknown here stays unknown", async () => {
  await expect(calls.ensure("user_never")).rejects.toMatchObject({ code: "user_deleted" });
  expect(await calls.queue.state("user_never")).toBeUndefined();
});

it("a user deleted at Clerk whose state is known is deleted by a refresh, not by the request", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_gone", version: 1 }));
  await calls.queue.run();
  await calls.queue.pool.query("delete from public.users where clerk_id = 'user_gone'");
  await expect(calls.ensure("user_gone")).rejects.toMatchObject({ code: "user_deleted" });
  expect(await calls.queue.state("user_gone")).toMatchObject({ deleted_at: null, refresh_reason: "ensure" });
  await calls.work();
  expect(await calls.queue.state("user_gone")).toMatchObject({ deleted_at: expect.any(Date) });
});

it("a deleted user whose token is still valid gets no row", async () => {
  await calls.queue.sendAll([userEvent("user.created", { id: "user_dead", version: 1 })]);
  await calls.queue.run();
  await calls.queue.send(deletedEvent({ id: "user_dead", version: 2 }));
  await withSoftDeletion(calls.queue.pool, () => calls.queue.run());
  await expect(calls.ensure("user_dead")).rejects.toMatchObject({ code: "user_deleted" });
  expect(await calls.queue.user("user_dead")).toMatchObject({ deleted_at: expect.any(Date) });
});

it("a read that began after the deletion revives the user, as a refresh does", async () => {
  await calls.queue.send(deletedEvent({ id: "user_again", version: 9 }));
  await calls.queue.run();
  calls.clerk.set({ id: "user_again", version: 4 });
  expect(await calls.ensure("user_again")).toMatchObject({ name: "Ada Lovelace" });
  expect(await calls.queue.state("user_again")).toMatchObject({ deleted_at: null, version: String(at(4)) });
});

it("a row that somebody deleted by hand is made again, at the same version too", async () => {
  calls.clerk.set({ id: "user_hand", version: 1 });
  await calls.ensure("user_hand");
  await calls.queue.pool.query("delete from public.users where clerk_id = 'user_hand'");
  expect(await calls.ensure("user_hand")).toMatchObject({ name: "Ada Lovelace" });
});

it("a read that is older than what is known makes no row", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_lag", version: 8 }));
  await calls.queue.run();
  await calls.queue.pool.query("delete from public.users where clerk_id = 'user_lag'");
  calls.clerk.set({ id: "user_lag", version: 7 });
  await expect(calls.ensure("user_lag")).rejects.toMatchObject({ code: "user_pending" });
  expect(await calls.queue.user("user_lag")).toBeUndefined();
});

it("a row the table refuses is pending; its one job says why, however often it is asked for, and is tried again", async () => {
  await calls.queue.pool.query("alter table public.users add constraint no_ada check (name <> 'Ada Lovelace')");
  calls.clerk.set({ id: "user_bad", version: 1 });
  await expect(calls.ensure("user_bad")).rejects.toMatchObject({ code: "user_pending" });
  await expect(calls.ensure("user_bad")).rejects.toMatchObject({ code: "user_pending" });
  expect(await calls.jobsOf("user_bad")).toMatchObject([{ source: "ensure", status: "FAILED", attempts: 1 }]);
  await calls.queue.pool.query("alter table public.users drop constraint no_ada");
  await calls.queue.pool.query("update public.job_queue set run_at = now()");
  expect(await calls.work()).toEqual({ mirrored: ["user_bad"], dead: 0, failed: 0 });
  expect(await calls.queue.user("user_bad")).toMatchObject({ name: "Ada Lovelace" });
});

it("an address that a user before holds goes to the newest claim, and the other is read again", async () => {
  await calls.queue.send(userEvent("user.created", { id: "user_had", version: 1, email: "one@example.com" }));
  await calls.queue.run();
  calls.clerk.set({ id: "user_has", version: 2, email: "one@example.com" });
  expect(await calls.ensure("user_has")).toMatchObject({ email: "one@example.com" });
  expect(await calls.queue.user("user_had")).toMatchObject({ email: null });
  expect(await calls.queue.state("user_had")).toMatchObject({ refresh_reason: "email_taken" });
});

it("an address without a Clerk id is linked to the user who has proved it", async () => {
  await calls.queue.pool.query("insert into public.users (email, name) values ('old@example.com', 'Old')");
  calls.clerk.set({ id: "user_linked", version: 1, email: "old@example.com" });
  await calls.ensure("user_linked");
  expect(await calls.queue.one("select count(*)::int as n from public.users")).toEqual({ n: 1 });
});

it("without CLERK_SECRET_KEY a missing row is left to the webhook", async () => {
  await expect(calls.ensure("user_wait", null)).rejects.toMatchObject({ code: "user_pending" });
  expect(await calls.queue.state("user_wait")).toBeUndefined();
});

it("while Clerk's API is down nothing is stored", async () => {
  calls.clerk.answers.set("user_down", new SyncError("clerk_unavailable", "down", { retryable: true }));
  await expect(calls.ensure("user_down")).rejects.toMatchObject({ code: "clerk_unavailable" });
  expect(await calls.queue.state("user_down")).toBeUndefined();
});

it("the time of the sign-up counts for the delete brake, as if a webhook had brought the user", async () => {
  calls.clerk.set({ id: "user_first", version: 1 });
  await calls.ensure("user_first");
  const row = await calls.queue.one(
    "select s.first_seen_at = u.created_at as same from clerk_sync.known_users as s join public.users as u using (clerk_id)",
  );
  expect(row).toEqual({ same: true });
});
