import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { membership, organization, organizationDeleted, user, userDeleted } from "../../support/clerk/kind-events.ts";
import { createKindQueue, type KindEvent, type KindQueue } from "../../support/database/kind-queue.ts";

let queue: KindQueue;
let other: pg.PoolClient;
beforeEach(async () => {
  queue = await createKindQueue();
  other = await queue.pool.connect();
});
afterEach(async () => {
  other?.release(true);
  await queue?.drop();
});

const pair = ["org_a", "user_a"] as const;
const here = () => queue.accept(user("user_a", 0), organization("org_a", 0));

/** Applies events in a transaction of another connection, which stays open. */
async function applyElsewhere(...events: readonly KindEvent[]): Promise<void> {
  await queue.enqueue(...events);
  await other.query("begin");
  await other.query("select public.clerk_sync_run_jobs()");
}

/** As if the second had passed after which a job that met a lock is due again. */
async function runLater(): Promise<void> {
  await queue.pool.query("update public.job_queue set run_at = now() where status = 'PENDING'");
  await queue.run();
}

it.each([
  ["organization", organizationDeleted("org_a", 5)],
  ["user", userDeleted("user_a", 5)],
])("a membership is not written while its %s is being deleted, and stays out after it", async (_, deletion) => {
  await here();
  await applyElsewhere(deletion);
  expect(await queue.accept({ ...membership("orgmem_1", pair, 9), event_id: "late" })).toEqual(["no"]);
  await queue.run();
  expect(await queue.job("late")).toMatchObject({ status: "PENDING", attempts: 0 });
  await other.query("commit");
  await runLater();
  expect(await queue.members()).toEqual([]);
  expect(await queue.job("late")).toMatchObject({ status: "COMPLETED", result: { applied: false } });
});

it("a deletion waits for a membership that is being written, and ends it", async () => {
  await here();
  await applyElsewhere(membership("orgmem_1", pair, 2));
  await queue.enqueue({ ...organizationDeleted("org_a", 5), event_id: "deletion" });
  expect(await queue.run()).toEqual([]);
  await other.query("commit");
  await queue.run();
  expect(await queue.members()).toEqual([]);
  expect(await queue.job("deletion")).toMatchObject({ status: "COMPLETED" });
});

it("two memberships of one pair are never both written", async () => {
  await here();
  await applyElsewhere(membership("orgmem_1", pair, 2, { made: 1 }));
  expect(await queue.accept(membership("orgmem_2", pair, 8, { made: 7 }))).toEqual(["no"]);
  await other.query("commit");
  await runLater();
  expect(await queue.members()).toEqual(["orgmem_2"]);
});

it("two memberships of one organization are written at the same time", async () => {
  await here();
  await queue.accept(user("user_b", 0));
  await applyElsewhere(membership("orgmem_1", pair, 2));
  expect(await queue.accept(membership("orgmem_2", ["org_a", "user_b"], 2))).toEqual(["all"]);
  await other.query("commit");
  expect(await queue.members()).toEqual(["orgmem_1", "orgmem_2"]);
});
