import { afterEach, beforeEach, expect, it } from "vitest";
import { processQueue } from "#core/worker/process-queue.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { captureLog } from "../../support/processes/capture-log.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const brake = { count: 5, percent: 100, minutes: 60 };

const idOf = (place: number) => `user_${place}`;
const places = (from: number, to: number) => Array.from({ length: to - from }, (_, place) => from + place);

/** Users who were there before the window of the brake began. */
async function establish(count: number): Promise<void> {
  await queue.sendAll(places(0, count).map((place) => userEvent("user.created", { id: idOf(place), version: 1 })));
  await queue.run();
  await queue.pool.query("update clerk_sync.records set first_seen_at = now() - interval '61 minutes'");
}

async function sendDeletes(from: number, to: number): Promise<void> {
  await queue.sendAll(places(from, to).map((place) => deletedEvent({ id: idOf(place), version: 2 })));
}

/** Works batch by batch until nothing is due. */
function work(deleteBrake: typeof brake | null = brake) {
  const rules = {
    fields: rootFields,
    deleteBrake,
    readUser: null,
    mirrorUser: null,
    now: Date.now,
  } as const;
  return processQueue({ database: queue.database, ...rules }, { budgetMilliseconds: 10_000 });
}

const countUsers = async () => (await queue.one("select count(*)::int as n from public.users"))?.["n"];
const state = async () => (await queue.one("select public.clerk_sync_delete_brake() as brake"))?.["brake"];
const decide = async (decision: string, limit = 1000) =>
  (await queue.one("select public.clerk_sync_release_delete_brake($1, $2) as answer", [decision, limit]))?.["answer"];

it("as many deletions as allowed are applied, one more waits with its reason, and everything else goes on", async () => {
  await establish(10);
  await sendDeletes(0, 5);
  await work();
  expect(await countUsers()).toBe(5);
  await sendDeletes(5, 6);
  await queue.send(userEvent("user.updated", { id: idOf(5), version: 3, firstName: "Grace" }));
  await work();
  expect(await countUsers()).toBe(5);
  expect(await queue.user(idOf(5))).toMatchObject({ name: "Grace Lovelace" });
  const reason = "more than 5 deletions of users within 60 minutes";
  expect(
    await queue.one("select status, attempts, error, run_at > now() as later from job_queue where error is not null"),
  ).toEqual({ status: "PENDING", attempts: 0, error: `delete_brake: ${reason}`, later: true });
  expect(await state()).toEqual({ engaged_at: expect.any(String), reason, released_at: null, waiting: 1 });
});

it("a burst in one batch is held as a whole", async () => {
  await establish(20);
  await sendDeletes(0, 20);
  await work();
  expect(await countUsers()).toBe(20);
  expect(await state()).toMatchObject({ waiting: 20 });
});

it("the log says once a batch that deletions are held, and why", async () => {
  await establish(10);
  await sendDeletes(0, 10);
  const lines = await captureLog();
  await work();
  const held = lines.filter((line) => line.text.includes("delete_brake.engaged"));
  expect(held.map((line) => [line.method, JSON.parse(line.text)])).toMatchObject([
    ["error", { held: 10, reason: "delete_brake: more than 5 deletions of users within 60 minutes" }],
  ]);
});

it("a share of all users engages it, from ten deletions on", async () => {
  const percent = { count: 1000, percent: 10, minutes: 60 };
  await establish(200);
  await sendDeletes(0, 20);
  await work(percent);
  expect(await countUsers()).toBe(180);
  await sendDeletes(20, 21);
  await work(percent);
  expect(await countUsers()).toBe(180);
  expect(await state()).toMatchObject({ reason: "21 deletions within 60 minutes, more than 10 % of 200 users" });
});

it("in a small project ten users may be deleted, whatever their share", async () => {
  await establish(10);
  await sendDeletes(0, 10);
  await work({ count: 1000, percent: 1, minutes: 60 });
  expect(await countUsers()).toBe(0);
});

it("users who came within the window do not count", async () => {
  await queue.sendAll(places(0, 50).map((place) => userEvent("user.created", { id: idOf(place), version: 1 })));
  await work();
  await sendDeletes(0, 50);
  await work();
  expect(await countUsers()).toBe(0);
});

it("rows that were there before the sync count from their first event on", async () => {
  await queue.pool.query(
    `insert into public.users (clerk_id, email, "updatedAt") select 'user_' || n, n || '@example.com', now() from generate_series(0, 9) as n`,
  );
  await sendDeletes(0, 10);
  await work();
  expect(await countUsers()).toBe(10);
});

it("deletions of users who are deleted already, or were never there, pass and do not count", async () => {
  await establish(3);
  await sendDeletes(0, 3);
  await work();
  await sendDeletes(0, 3);
  await sendDeletes(100, 110);
  await work();
  expect(await state()).toMatchObject({ engaged_at: null, waiting: 0 });
});

it("deletions older than the window do not count", async () => {
  await establish(10);
  await sendDeletes(0, 5);
  await work();
  await queue.pool.query("update clerk_sync.records set delete_counted_at = now() - interval '61 minutes'");
  await sendDeletes(5, 10);
  await work();
  expect(await countUsers()).toBe(0);
});

it("while it is engaged every further deletion waits, also past the window", async () => {
  await establish(12);
  await sendDeletes(0, 10);
  await work();
  await queue.pool.query(
    "update clerk_sync.delete_brake set engaged_at = now() - interval '2 hours' where kind = 'user'",
  );
  await sendDeletes(10, 11);
  await work();
  expect(await state()).toMatchObject({ waiting: 11 });
  await queue.pool.query("update public.job_queue set run_at = now() where status = 'PENDING'");
  await work();
  expect(await countUsers()).toBe(12);
});

it("canaries, however many and however old, do not count", async () => {
  const ids = places(0, 9).map((place) => `user_clerksync_canary_${place}`);
  await queue.sendAll(ids.map((id) => userEvent("user.created", { id, version: 1 })));
  await queue.run();
  await queue.pool.query("update clerk_sync.records set first_seen_at = now() - interval '61 minutes'");
  await queue.sendAll(ids.map((id) => deletedEvent({ id, version: 2 })));
  await work();
  expect(await countUsers()).toBe(0);
  expect(await state()).toMatchObject({ engaged_at: null });
});

it("an operator who confirms lets those pass that wait, and only those", async () => {
  await establish(30);
  await sendDeletes(0, 10);
  await work();
  expect(await decide("apply", 4)).toEqual({ changed: 4, left: 6 });
  expect(await state()).toMatchObject({ engaged_at: expect.any(String), waiting: 6 });
  expect(await decide("apply")).toEqual({ changed: 6, left: 0 });
  await work();
  expect(await countUsers()).toBe(20);
  expect(await state()).toMatchObject({ engaged_at: null, reason: null, released_at: expect.any(String), waiting: 0 });
  await sendDeletes(10, 15);
  await work();
  expect(await countUsers()).toBe(15);
  await sendDeletes(15, 16);
  await work();
  expect(await countUsers()).toBe(15);
});

it("an operator who cancels keeps the users, and the brake is off", async () => {
  await establish(10);
  await sendDeletes(0, 10);
  await work();
  expect(await decide("cancel")).toEqual({ changed: 10, left: 0 });
  await work();
  expect(await countUsers()).toBe(10);
  expect(await queue.one("select count(*)::int as n from public.job_queue where status = 'CANCELLED'")).toEqual({
    n: 10,
  });
  expect(await state()).toMatchObject({ engaged_at: null, waiting: 0 });
});

it("another decision than apply or cancel is refused", async () => {
  await expect(decide("yes")).rejects.toMatchObject({ code: "SY002" });
});

it("two workers at once do not pass more than allowed between them", async () => {
  await establish(40);
  await sendDeletes(0, 40);
  const run = (limit: number) =>
    `select public.clerk_sync_run_jobs(${limit}, null, false, '{"count": 5, "percent": 100, "minutes": 60}')`;
  const [first, second] = [await queue.pool.connect(), await queue.pool.connect()];
  await first.query("begin");
  await first.query(run(5)); // applied and counted, not committed
  await second.query(run(3)).catch(() => undefined); // waits for the count, in vain
  await second.query("select 1"); // PostgreSQL sends an error before it releases the locks
  await first.query("commit");
  first.release();
  second.release();
  await work();
  expect(await countUsers()).toBe(35);
  expect(await state()).toMatchObject({ waiting: 35 });
});

it("without a brake all deletions are applied", async () => {
  await establish(40);
  await sendDeletes(0, 40);
  await work(null);
  expect(await countUsers()).toBe(0);
});
