import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FreshUser } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { createRunsDatabase } from "#core/reconcile/runs-database.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at, deletedEvent, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

let queue: Queue;
let clerk: Map<string, FreshUser>;
beforeEach(async () => {
  queue = await createQueue();
  clerk = new Map();
});
afterEach(() => queue?.drop());

const rules = { fields: rootFields, deleteBrake: null } as const;
/** As a version of build-event.ts. */
const nowVersion = () => Date.now() - at(0);
const tenYears = 10 * 365 * 86_400_000;
const forged = (id: string, facts: Partial<UserFacts> = {}) =>
  userEvent("user.updated", { id, version: nowVersion() + tenYears, role: "admin", ...facts });

function setAtClerk(facts: UserFacts): void {
  const { data } = userEvent("user.updated", facts);
  clerk.set(facts.id, { deleted: false, version: data.updated_at, user: parseUser(data) });
}

/** Works as a worker with CLERK_SECRET_KEY does, without a mirror. */
function work() {
  const readUser = async (id: string) => clerk.get(id) ?? { deleted: true as const };
  return processQueue(
    { database: queue.database, mirrorUser: null, readUser, now: Date.now, ...rules },
    { budgetMilliseconds: 10_000 },
  );
}

function accept(events: readonly unknown[]) {
  const jobs = events.map((event, place) => toJob(event, `msg_${crypto.randomUUID()}_${place}`));
  return queue.pool.query("select public.clerk_sync_accept($1::jsonb)", [JSON.stringify(jobs)]);
}

async function compare(facts: UserFacts): Promise<unknown[]> {
  const { data } = userEvent("user.updated", facts);
  const row = { clerk_id: facts.id, version: data.updated_at, payload: mapUser(parseUser(data), rootFields) };
  return createRunsDatabase(createCallFunction(queue.pool), 15).compareUsers([row], false, false);
}

const age = (id: string, time: string) =>
  queue.pool.query(`update clerk_sync.records set last_synced_at = now() - $2::interval where id = $1`, [id, time]);

const stores = {
  "after the webhook left it to a worker": async (events: readonly unknown[]) => {
    await accept(events);
    await queue.run();
  },
  "by a worker": async (events: readonly unknown[]) => {
    await queue.sendAll(events);
    await queue.run();
  },
};

describe.each(Object.entries(stores))("an event from the future, applied %s", (_, store) => {
  it("is replaced by an event that is newer than its arrival, and its user is read all the same", async () => {
    await store([forged("user_f")]);
    await store([userEvent("user.updated", { id: "user_f", version: nowVersion() + 60_000, firstName: "Grace" })]);
    expect(await queue.user("user_f")).toMatchObject({ role: "user", name: "Grace Lovelace" });
    expect(await queue.state("user_f")).toMatchObject({ trusted_version: null, refresh_reason: "version_in_future" });
  });

  it("gets the time of its arrival as version, and its user is read again", async () => {
    await store([userEvent("user.created", { id: "user_f", version: 1 })]);
    await store([forged("user_f")]);
    expect(await queue.user("user_f")).toMatchObject({ role: "admin" });
    const state = await queue.state("user_f");
    expect(state).toMatchObject({ refresh_reason: "version_in_future", refresh_due_at: expect.any(Date) });
    expect(Math.abs(Number(state?.["version"]) - Date.now())).toBeLessThan(60_000);
    const job = await queue.one("select result from public.job_queue where version > $1", [at(nowVersion() + 1e9)]);
    expect(job).toMatchObject({ result: { applied: true, refresh: "version_in_future" } });
  });

  it("is settled by the read from Clerk's API, however old the user is there", async () => {
    await store([userEvent("user.created", { id: "user_f", version: 1 })]);
    await store([forged("user_f")]);
    setAtClerk({ id: "user_f", version: 1 });
    await work();
    expect(await queue.user("user_f")).toMatchObject({ role: "user" });
    expect(await queue.state("user_f")).toMatchObject({ version: String(at(1)), refresh_reason: null });
  });

  it("is replaced by an event that was under way before it and is newer than what was known, without CLERK_SECRET_KEY", async () => {
    await store([userEvent("user.created", { id: "user_f", version: 1 })]);
    await store([forged("user_f")]);
    await store([userEvent("user.updated", { id: "user_f", version: 3, firstName: "Grace" })]);
    await store([userEvent("user.updated", { id: "user_f", version: 2, firstName: "Joan" })]);
    expect(await queue.user("user_f")).toMatchObject({ role: "user", name: "Grace Lovelace" });
    expect(await queue.state("user_f")).toMatchObject({
      version: String(at(3)),
      trusted_version: null,
      refresh_reason: "version_in_future",
    });
  });

  it("is not replaced by an event that is older than what was known before it", async () => {
    await store([userEvent("user.updated", { id: "user_f", version: 3, firstName: "Grace" })]);
    await store([forged("user_f")]);
    await store([userEvent("user.updated", { id: "user_f", version: 1, firstName: "Joan" })]);
    await store([userEvent("user.updated", { id: "user_f", version: 2, firstName: "Jean" })]);
    expect(await queue.user("user_f")).toMatchObject({ role: "admin" });
    expect(await queue.state("user_f")).toMatchObject({ trusted_version: String(at(3)) });
    setAtClerk({ id: "user_f", version: 3, firstName: "Grace" });
    await work();
    expect(await queue.user("user_f")).toMatchObject({ role: "user", name: "Grace Lovelace" });
    expect(await queue.state("user_f")).toMatchObject({ version: String(at(3)), trusted_version: null });
  });

  it("is not settled by a read that is older than what was known before it", async () => {
    await store([userEvent("user.updated", { id: "user_f", version: 3, firstName: "Grace" })]);
    await store([forged("user_f")]);
    setAtClerk({ id: "user_f", version: 2, firstName: "Jean" });
    await work();
    expect(await queue.one("select error from public.job_queue where source = 'refresh'")).toMatchObject({
      error: expect.stringMatching(/^clerk_stale/),
    });
    expect(await queue.state("user_f")).toMatchObject({ trusted_version: String(at(3)) });
  });

  it("may come together with a true one: a read settles it", async () => {
    const other = userEvent("user.updated", { id: "user_f", version: 2, firstName: "Grace" });
    await store([forged("user_f"), other]);
    setAtClerk({ id: "user_f", version: 2, firstName: "Grace" });
    await work();
    expect(await queue.user("user_f")).toMatchObject({ role: "user", name: "Grace Lovelace" });
  });

  it("may be one of two, of which the later one counts, until a read settles it", async () => {
    await store([forged("user_f", { version: nowVersion() + 2 * tenYears, firstName: "Grace" })]);
    await store([forged("user_f", { firstName: "Joan" })]);
    expect(await queue.user("user_f")).toMatchObject({ name: "Joan Lovelace" });
    setAtClerk({ id: "user_f", version: 1 });
    await work();
    expect(await queue.user("user_f")).toMatchObject({ role: "user", name: "Ada Lovelace" });
  });

  it("that deletes a user whom Clerk has is undone by the read", async () => {
    await store([userEvent("user.created", { id: "user_f", version: 1 })]);
    await store([deletedEvent({ id: "user_f", version: nowVersion() + tenYears })]);
    expect(await queue.user("user_f")).toBeUndefined();
    expect(await queue.state("user_f")).toMatchObject({ refresh_reason: "version_in_future" });
    setAtClerk({ id: "user_f", version: 1 });
    await work();
    expect(await queue.user("user_f")).toMatchObject({ role: "user" });
    expect(await queue.state("user_f")).toMatchObject({ deleted_at: null, version: String(at(1)) });
  });
});

it("a deletion that was applied does not delete its user again when a read has revived it before the mirror is done", async () => {
  await queue.send(deletedEvent({ id: "user_r", version: nowVersion() + tenYears }), "msg_deletion");
  const batch = await queue.database.runJobs({ limit: 10, leaseSeconds: 60, canRead: false, ...rules });
  const outcomes = batch.mirror.map(({ job_id }) => ({
    job_id,
    outcome: "retry" as const,
    error: "auth_unavailable: …",
    retry_after: 60,
  }));
  await queue.database.settleJobs(batch.token, outcomes);
  setAtClerk({ id: "user_r", version: 1 });
  await work();
  expect(await queue.user("user_r")).toBeDefined();
  await queue.pool.query("update public.job_queue set run_at = now() where event_id = 'msg_deletion'");
  await queue.run();
  expect(await queue.user("user_r")).toBeDefined();
  expect(await queue.job("msg_deletion")).toMatchObject({ status: "COMPLETED" });
});

it("two clocks may be apart by some minutes: such an event is believed as it is", async () => {
  const version = nowVersion() + 200_000;
  await queue.send(userEvent("user.created", { id: "user_near", version }));
  await queue.run();
  expect(await queue.state("user_near")).toMatchObject({ version: String(at(version)), refresh_reason: null });
});

it("the time of arrival counts, not that of the worker that comes later", async () => {
  const version = nowVersion() + 3_600_000;
  await queue.send(userEvent("user.created", { id: "user_queued", version, firstName: "Forged" }));
  await queue.send(userEvent("user.updated", { id: "user_queued", version: 2, firstName: "Grace" }));
  const later = new Date(Date.now() + 2 * 3_600_000);
  await queue.pool.query("select public.clerk_sync_run_jobs(p_now => $1)", [later]);
  expect(await queue.user("user_queued")).toMatchObject({ name: "Grace Lovelace" });
});

describe("a version that lies in the future and was stored before", () => {
  beforeEach(async () => {
    await queue.send(userEvent("user.created", { id: "user_p", version: 1, role: "admin" }));
    await queue.run();
    await queue.pool.query("update clerk_sync.records set version = $1", [at(nowVersion() + tenYears)]);
  });

  it("does not stand in the way of a true event", async () => {
    await queue.send(userEvent("user.updated", { id: "user_p", version: 5, firstName: "Grace" }));
    await queue.run();
    expect(await queue.user("user_p")).toMatchObject({ role: "user", name: "Grace Lovelace" });
    expect(await queue.state("user_p")).toMatchObject({ version: String(at(5)), refresh_reason: "version_in_future" });
  });

  it("does not have a user.created answered as known", async () => {
    expect(await queue.send(userEvent("user.created", { id: "user_p", version: 5 }))).toMatchObject({
      outcome: "queued",
    });
  });

  it("loses against a read from Clerk's API", async () => {
    setAtClerk({ id: "user_p", version: 1 });
    await queue.one("select public.clerk_sync_request_refresh(array['user_p'], 'test')");
    await work();
    expect(await queue.user("user_p")).toMatchObject({ role: "user" });
    expect(await queue.state("user_p")).toMatchObject({ version: String(at(1)) });
  });

  it("is named by a compare", async () => {
    expect(await compare({ id: "user_p", version: 1 })).toMatchObject([{ clerk_id: "user_p", kind: "ahead" }]);
  });
});

describe("a forged event of this very moment", () => {
  beforeEach(async () => {
    await queue.send(userEvent("user.updated", { id: "user_n", version: nowVersion(), role: "admin" }));
    await queue.run();
    setAtClerk({ id: "user_n", version: 1 });
  });

  it("is named by a compare when it is some minutes old, not before: Clerk's list may be older than the event", async () => {
    expect(await compare({ id: "user_n", version: 1 })).toEqual([]);
    await age("user_n", "11 minutes");
    expect(await compare({ id: "user_n", version: 1 })).toMatchObject([{ clerk_id: "user_n", kind: "ahead" }]);
  });

  it("loses against a read that began more than five minutes after it", async () => {
    await age("user_n", "6 minutes");
    await queue.one("select public.clerk_sync_request_refresh(array['user_n'], 'test')");
    await work();
    expect(await queue.user("user_n")).toMatchObject({ role: "user" });
    expect(await queue.state("user_n")).toMatchObject({ version: String(at(1)) });
  });
});

describe("a name of the version that Clerk has", () => {
  it("is named by a compare as different when an event brought it, and as edited when its user wrote it", async () => {
    await queue.send(userEvent("user.updated", { id: "user_m", version: 1, firstName: "Mallory" }));
    await queue.send(userEvent("user.updated", { id: "user_o", version: 1 }));
    await queue.run();
    await queue.one("update users set name = 'My Own' where clerk_id = 'user_o'");
    expect(await compare({ id: "user_m", version: 1 })).toEqual([
      { clerk_id: "user_m", kind: "differs", fields: ["name"] },
    ]);
    expect(await compare({ id: "user_o", version: 1 })).toEqual([
      { clerk_id: "user_o", kind: "edited", fields: ["name"] },
    ]);
  });
});
