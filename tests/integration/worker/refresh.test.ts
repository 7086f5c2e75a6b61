import { afterEach, beforeEach, expect, it } from "vitest";
import type { FreshUser } from "#core/clerk/clerk-api.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { SyncError } from "#core/errors.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { at, deletedEvent, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
/** What Clerk's API answers, by Clerk id. */
let clerk: Map<string, FreshUser | Error>;
beforeEach(async () => {
  queue = await createQueue();
  clerk = new Map();
});
afterEach(() => queue?.drop());

const rules = { fields: rootFields, deleteBrake: null } as const;

async function readUser(clerkId: string): Promise<FreshUser> {
  const answer = clerk.get(clerkId) ?? { deleted: true };
  if (answer instanceof Error) throw answer;
  return answer;
}

function setAtClerk(facts: UserFacts): void {
  const { data } = userEvent("user.updated", facts);
  clerk.set(facts.id, { deleted: false, version: data.updated_at, user: parseUser(data) });
}

/** Works as a worker with CLERK_SECRET_KEY does, without a mirror. */
function work() {
  return processQueue(
    { database: queue.database, mirrorUser: null, readUser, now: Date.now, ...rules },
    { budgetMilliseconds: 10_000 },
  );
}

const request = (id: string) => queue.one("select public.clerk_sync_request_refresh(array[$1], 'test') as n", [id]);
const refreshOf = (id: string) =>
  queue.one("select * from public.job_queue where source = 'refresh' and clerk_id = $1", [id]);

it("who lost an address is read from Clerk's API and gets what Clerk has, although the event was lost", async () => {
  await queue.send(userEvent("user.created", { id: "user_a", version: 1, email: "shared@example.com" }));
  await queue.run();
  setAtClerk({ id: "user_a", version: 2, email: "moved@example.com" });
  await queue.send(userEvent("user.created", { id: "user_b", version: 3, email: "shared@example.com" }));
  await work();
  expect(await queue.user("user_a")).toMatchObject({ email: "moved@example.com" });
  expect(await queue.user("user_b")).toMatchObject({ email: "shared@example.com" });
  expect(await queue.state("user_a")).toMatchObject({
    version: String(at(2)),
    refresh_reason: null,
    refresh_due_at: null,
  });
  expect(await refreshOf("user_a")).toMatchObject({
    status: "COMPLETED",
    attempts: 1,
    payload: { reason: "email_taken", email: "moved@example.com", clerk_id: "user_a" },
    result: { applied: true },
  });
});

it("a user whom Clerk's API does not know any more is deleted", async () => {
  await queue.send(userEvent("user.created", { id: "user_gone", version: 1 }));
  await queue.run();
  await request("user_gone");
  await work();
  expect(await queue.user("user_gone")).toBeUndefined();
  expect(await queue.state("user_gone")).toMatchObject({ deleted_at: expect.any(Date), refresh_reason: null });
  expect(await refreshOf("user_gone")).toMatchObject({ job_type: "USER_DELETED", status: "COMPLETED" });
});

it("a user nobody has heard of is created from Clerk's API", async () => {
  setAtClerk({ id: "user_missed", version: 5 });
  await request("user_missed");
  await work();
  expect(await queue.user("user_missed")).toMatchObject({ email: "user_missed@example.com" });
});

it("a fresh read revives a deleted user, and events of that user count again", async () => {
  await queue.send(deletedEvent({ id: "user_back", version: 9 }));
  await queue.run();
  setAtClerk({ id: "user_back", version: 4 });
  await request("user_back");
  await work();
  expect(await queue.user("user_back")).toMatchObject({ name: "Ada Lovelace" });
  expect(await queue.state("user_back")).toMatchObject({ deleted_at: null, version: String(at(4)) });
  await queue.send(userEvent("user.updated", { id: "user_back", version: 5, firstName: "Grace" }));
  await queue.run();
  expect(await queue.user("user_back")).toMatchObject({ name: "Grace Lovelace" });
});

it("a read that began before the deletion was known revives nobody", async () => {
  await queue.send(userEvent("user.created", { id: "user_race", version: 1 }));
  await queue.run();
  await request("user_race");
  const batch = await queue.database.runJobs({ limit: 10, leaseSeconds: null, canRead: true, ...rules });
  await queue.pool.query("update clerk_sync.records set deleted_at = clock_timestamp() where id = 'user_race'");
  await queue.pool.query("delete from public.users where clerk_id = 'user_race'");
  const payload = { clerk_id: "user_race", name: "Ada Lovelace", user_role: "user" };
  const reads = batch.reads.map(({ job_id }) => ({ job_id, deleted: false, version: at(2), payload }));
  const applied = await queue.database.applyReads(batch.token, reads, false, rules);
  expect(applied.jobs).toMatchObject([{ status: "COMPLETED" }]);
  expect(await queue.user("user_race")).toBeUndefined();
  expect(await refreshOf("user_race")).toMatchObject({ result: { applied: false, reason: "user_deleted" } });
});

it("without CLERK_SECRET_KEY a refresh waits, and is queued once by the first worker that has it", async () => {
  setAtClerk({ id: "user_waits", version: 1 });
  await request("user_waits");
  await queue.run();
  expect(await refreshOf("user_waits")).toBeUndefined();
  expect(await queue.state("user_waits")).toMatchObject({ refresh_reason: "test", refresh_due_at: expect.any(Date) });
  await request("user_waits");
  await work();
  expect(await queue.one("select count(*)::int as n from public.job_queue")).toEqual({ n: 1 });
});

it("a worker without the key leaves refreshes that are queued to one that has it", async () => {
  clerk.set("user_left", new SyncError("clerk_unavailable", "down", { retryable: true }));
  await request("user_left");
  await work();
  await queue.pool.query("update public.job_queue set run_at = now()");
  const refresh = await refreshOf("user_left");
  expect(refresh).toMatchObject({ status: "FAILED" });
  expect(await queue.run()).toEqual([]);
  expect(await refreshOf("user_left")).toEqual(refresh);
});

it("while Clerk's API is down or asks to wait the refresh is retried, not before it said", async () => {
  clerk.set("user_slow", new SyncError("clerk_rate_limited", "slow down", { retryable: true, retryAfterSeconds: 120 }));
  await request("user_slow");
  await work();
  expect(await refreshOf("user_slow")).toMatchObject({ status: "FAILED", error: "clerk_rate_limited: slow down" });
  expect(await queue.one("select run_at > now() + interval '115 seconds' as waits from public.job_queue")).toEqual({
    waits: true,
  });
  setAtClerk({ id: "user_slow", version: 1 });
  await queue.pool.query("update public.job_queue set run_at = now()");
  await work();
  expect(await refreshOf("user_slow")).toMatchObject({ status: "COMPLETED", attempts: 2 });
  expect(await queue.user("user_slow")).toBeDefined();
});

it("a read that Clerk refuses for good is a dead letter, and asking again makes no second one", async () => {
  clerk.set("user_refused", new SyncError("clerk_rejected", "422 form_param_invalid"));
  await request("user_refused");
  await work();
  await request("user_refused");
  await work();
  expect(await queue.one("select count(*)::int as n, min(status) as status from public.job_queue")).toEqual({
    n: 1,
    status: "DEAD",
  });
});

it("a read that is older than what a webhook brought is tried again and changes nothing", async () => {
  await queue.send(userEvent("user.created", { id: "user_lag", version: 8, firstName: "Grace" }));
  await queue.run();
  setAtClerk({ id: "user_lag", version: 7 });
  await request("user_lag");
  await work();
  expect(await refreshOf("user_lag")).toMatchObject({
    status: "FAILED",
    error: "clerk_stale: Clerk's API answered an older state than is known",
  });
  expect(await queue.user("user_lag")).toMatchObject({ name: "Grace Lovelace" });
});

it("reads of a lost lease are dropped", async () => {
  await request("user_lost");
  const batch = await queue.database.runJobs({ limit: 10, leaseSeconds: null, canRead: true, ...rules });
  await queue.one("select public.clerk_sync_rescue_jobs(500, now() + interval '61 seconds')");
  const reads = batch.reads.map(({ job_id }) => ({ job_id, deleted: true }));
  expect(await queue.database.applyReads(batch.token, reads, false, rules)).toEqual({ jobs: [], mirror: [] });
  expect(await refreshOf("user_lost")).toMatchObject({ status: "FAILED", attempts: 1 });
});

it("a refresh that was cancelled while it was read applies nothing", async () => {
  setAtClerk({ id: "user_stopped", version: 1 });
  await request("user_stopped");
  const read = (clerkId: string) =>
    queue.pool
      .query("select public.clerk_sync_cancel_jobs(array(select id from public.job_queue))")
      .then(() => readUser(clerkId));
  await processQueue(
    { database: queue.database, mirrorUser: null, readUser: read, now: Date.now, ...rules },
    { budgetMilliseconds: 10_000 },
  );
  expect(await refreshOf("user_stopped")).toMatchObject({ status: "CANCELLED" });
  expect(await queue.user("user_stopped")).toBeUndefined();
});

it("a fresh read that does not get its address is repeated after 1, 4, 16 … minutes, five times, and the holder is read", async () => {
  await queue.send(userEvent("user.created", { id: "user_holds", version: 9, email: "one@example.com" }));
  await queue.run();
  setAtClerk({ id: "user_holds", version: 9, email: "one@example.com" });
  setAtClerk({ id: "user_wants", version: 5, email: "one@example.com" });
  await request("user_wants");
  const waits: unknown[] = [];
  for (let round = 0; round < 7; round++) {
    await work();
    const row = await queue.one(
      `select round(extract(epoch from refresh_due_at - last_synced_at) / 60)::int as minutes
       from clerk_sync.known_users where clerk_id = 'user_wants'`,
    );
    waits.push(row?.["minutes"]);
    await queue.pool.query("update clerk_sync.records set refresh_due_at = now() where refresh_due_at is not null");
  }
  expect(waits).toEqual([1, 4, 16, 64, 256, null, null]);
  expect(await queue.state("user_wants")).toMatchObject({ refresh_reason: "email_held" });
  expect(await refreshOf("user_holds")).toMatchObject({ payload: { reason: "email_doubted" }, status: "COMPLETED" });
  expect(await queue.user("user_holds")).toMatchObject({ email: "one@example.com" });
});
