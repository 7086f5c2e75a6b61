import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import type { CallFunction } from "#core/database/database.ts";
import { createRunsDatabase, type RunKind } from "#core/reconcile/runs-database.ts";
import { type SliceResult, walkSlice } from "#core/reconcile/walk-run.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { noFakeRecords } from "../../support/database/fake-runs-database.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { waitFor } from "../../support/processes/wait-for.ts";

// Versions are minutes here: the sync is installed in minute 0, and the tests say in which minute they look.
const minute = 60_000;
const time = (minutes: number) => new Date(at(minutes * minute)).toISOString();
/** A minute as the facts write it. */
const factAt = (minutes: number) =>
  expect.stringMatching(new RegExp(`^${time(minutes).replace(".000Z", "[+]00:00")}$`));

let clerk: ClerkStandIn;
let queue: Queue;
beforeAll(async () => {
  clerk = await startClerkStandIn();
});
afterAll(() => clerk?.stop());
beforeEach(async () => {
  clerk.users.clear();
  queue = await createQueue();
  await queue.pool.query("update clerk_sync.silence set installed_at = $1", [time(0)]);
});
afterEach(() => queue?.drop());

/** A user changes at Clerk in this minute; what of it is delivered is the tests' business. */
function change(id: string, minutes: number, facts: Partial<UserFacts> = {}, createdAt = minutes) {
  const event = userEvent("user.updated", { id, version: minutes * minute, ...facts });
  clerk.users.set(id, { ...event.data, created_at: at(createdAt * minute) });
  return event;
}

/** The delivery arrives in this minute and is worked through. */
async function deliver(event: unknown, minutes: number) {
  await queue.send(event);
  await queue.run();
  await accept(minutes);
}

const accept = (minutes: number) => queue.one("select clerk_sync_record_deliveries($1)", [time(minutes)]);

const healthSchema = z.object({
  reasons: z.array(z.object({ code: z.string(), remedy: z.string() })),
  facts: z.object({ silence: z.record(z.string(), z.unknown()) }),
});

/** What the health says of silence in this minute, and the facts it rests on. */
async function silence(minutes: number) {
  const answer = await queue.one("select clerk_sync_health($1) as health", [time(minutes)]);
  const { reasons, facts } = healthSchema.parse(answer?.["health"]);
  const found = reasons.find(({ code }) => code === "silence_suspected" || code === "silence_confirmed");
  return { state: found?.code.replace("silence_", "") ?? "none", remedy: found?.remedy, ...facts.silence };
}

type WalkOptions = { kind?: RunKind; idleSeconds?: number; before?: (name: string) => Promise<void> };

/** Walks a run in this minute, with Clerk's API and the database as they are, and has its jobs worked on. */
async function walk(minutes: number, { kind = "sweep", idleSeconds = 0, before }: WalkOptions = {}) {
  const call = createCallFunction(queue.pool);
  const clocked: CallFunction = async (name, args) => {
    await before?.(name);
    return call(name, /_(take|advance|end)_run$|_compare_users$/.test(name) ? { ...args, p_now: time(minutes) } : args);
  };
  const slices = {
    runs: createRunsDatabase(clocked, 15),
    clerk: createClerkApi({ secretKey: clerk.secretKey, apiUrl: clerk.url }),
    records: noFakeRecords,
    fields: rootFields,
    auth: null,
    mirrors: false,
    checked: { runId: null },
    mostUnknownPercent: 20,
    deletesForeign: false,
    withValues: false,
    watcher: {},
    sleep: null,
    now: Date.now,
  };
  for (let state: SliceResult["state"] = "waiting"; ; ) {
    ({ state } = await walkSlice(slices, { kind, idleSeconds, applies: true, budgetMilliseconds: 60_000 }));
    if (state !== "waiting") return state;
    await queue.run();
  }
}

/** Walks a sweep in this minute, and answers what the health says of silence then. */
async function check(minutes: number, options: WalkOptions = {}): Promise<string> {
  expect(await walk(minutes, options)).toBe("done");
  return (await silence(minutes)).state;
}

describe("when deliveries stop", () => {
  it("a new user who has not arrived is late at first, then suspected, then confirmed", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_2", 20);
    expect([await check(25), await check(31), await check(64), await check(66)]).toEqual([
      "none",
      "suspected",
      "suspected",
      "confirmed",
    ]);
    expect(await silence(66)).toMatchObject({ since: factAt(1), changed_at: factAt(20) });
  });

  it("the sweep repairs what it tells of", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Augusta" });
    expect(await check(31)).toBe("suspected");
    expect(await queue.user("user_1")).toMatchObject({ name: "Augusta Lovelace" });
  });

  it("a compare tells of it as well", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Augusta" });
    expect(await check(70, { kind: "compare" })).toBe("confirmed");
  });

  it("a changed user who has not arrived raises the alarm", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Augusta" });
    expect(await check(70)).toBe("confirmed");
  });

  it("the health is compromised, and names the time to replay from", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { role: "admin" });
    await check(70);
    expect((await silence(70)).remedy).toContain(`missing messages since ${time(1).replace(".000", "")}`);
  });

  it("and none ever came, it is silent since the first change that is missing", async () => {
    change("user_1", 5);
    expect(await check(60)).toBe("confirmed");
    expect(await silence(60)).toMatchObject({ since: factAt(5) });
  });

  it("a busy instance whose newest five hundred changes are all young is seen through", async () => {
    await deliver(change("user_0", 1), 1);
    change("user_old", 20);
    for (let place = 0; place < 510; place++) change(`user_young_${place}`, 65);
    expect(await check(70)).toBe("confirmed");
  });

  it("sign-ins in between do not hide the change that is missing", async () => {
    await deliver(change("user_1", 1), 1);
    await deliver(change("user_2", 2), 2);
    change("user_2", 20, { firstName: "Augusta" });
    change("user_1", 30);
    expect(await check(70)).toBe("confirmed");
  });
});

describe("there is no alarm", () => {
  it("while Clerk is quiet", async () => {
    await deliver(change("user_1", 1), 1);
    expect(await check(10_000)).toBe("none");
  });

  it("for a sign-in that only moves updated_at", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20);
    expect(await check(90)).toBe("none");
  });

  it("for a sign-in of a user who has edited the own name here", async () => {
    await deliver(change("user_1", 1), 1);
    await queue.pool.query("update users set name = 'My Own'");
    change("user_1", 20);
    expect(await check(90)).toBe("none");
  });

  it("for a user from before the installation who signs in", async () => {
    change("user_before", 20, {}, -1000);
    expect(await check(90)).toBe("none");
  });

  it("for a change that was delivered and waits, or gave up, in the queue", async () => {
    await deliver(change("user_1", 1), 1);
    await queue.send(change("user_1", 20, { firstName: "Waiting" }));
    await queue.send(change("user_2", 20, { firstName: "Dead" }), "msg_dead");
    await queue.pool.query("update job_queue set status = 'DEAD' where event_id = 'msg_dead'");
    expect(await check(90)).toBe("none");
  });

  it("for a change that was lost before the last delivery: that is drift", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Lost" });
    await deliver(change("user_2", 30), 30);
    expect(await check(90)).toBe("none");
  });

  it("when a delivery was taken while Clerk was being asked", async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Lost" });
    clerk.beforeAnswer(async (request) => {
      if (request === "GET /v1/users") await accept(90);
    });
    expect(await check(90)).toBe("none");
    clerk.beforeAnswer(() => undefined);
  });

  it("for a change whose delivery arrives while it is being looked at", async () => {
    await deliver(change("user_1", 1), 1);
    const event = change("user_1", 20, { firstName: "Just Now" });
    const compared: string[] = [];
    const before = async (name: string) => {
      if (name === "clerk_sync_advance_run" && compared.includes("clerk_sync_compare_users"))
        await queue.send(event, "msg_late");
      compared.push(name);
    };
    expect(await check(90, { before })).toBe("none");
    expect(compared).toContain("clerk_sync_compare_users");
  });

  it("for a user whose lock has run out, who signs in", async () => {
    const event = change("user_1", 1);
    await deliver({ ...event, data: { ...event.data, locked: true } }, 1);
    change("user_1", 20);
    expect(await check(90)).toBe("none");
  });

  it("for a user whose address is settled by a read that has not come, who signs in", async () => {
    await deliver(change("user_1", 1), 1);
    await queue.pool.query("update clerk_sync.records set refresh_reason = 'email_free'");
    await queue.pool.query("update users set email = null");
    change("user_1", 20);
    expect(await check(90)).toBe("none");
  });

  it("for a user whose row was deleted here by hand, who signs in", async () => {
    await deliver(change("user_1", 1), 1);
    await deliver(change("user_2", 2), 2);
    await queue.pool.query("delete from users where clerk_id = 'user_1'");
    change("user_1", 20, {}, 1);
    expect(await check(90)).toBe("none");
  });
});

describe("it ends by itself", () => {
  beforeEach(async () => {
    await deliver(change("user_1", 1), 1);
    change("user_1", 20, { firstName: "Augusta" });
    await check(70);
  });

  it("with the next delivery, and says from when until when to replay", async () => {
    await accept(80);
    expect(await silence(80)).toMatchObject({
      state: "none",
      since: null,
      ended_since: factAt(1),
      ended_at: factAt(80),
    });
    expect(await check(81)).toBe("none");
  });

  it("with the next delivery, and not with one that was taken before and is told of late", async () => {
    await accept(0);
    expect(await silence(71)).toMatchObject({ state: "confirmed", since: factAt(1) });
  });

  it("with a delivery that is told of while a run notes the change", async () => {
    await accept(80);
    const { data } = change("user_1", 100, { firstName: "Byron" });
    const job = {
      clerk_id: data.id,
      version: data.updated_at,
      payload: mapUser(parseUser(data), rootFields),
      source: "reconcile",
    };
    const run = await queue.pool.connect();
    await run.query("begin");
    await run.query("select clerk_sync.note_silence($1)", [JSON.stringify([job])]);
    expect((await run.query("select changed_at from clerk_sync.silence")).rows).toEqual([
      { changed_at: new Date(time(100)) },
    ]);
    let isTold = false;
    const told = accept(101).then(() => {
      isTold = true;
    });
    const waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    await waitFor("the delivery to wait", async () => isTold || (await queue.one(waits)) !== undefined);
    await run.query("commit");
    run.release();
    await told;
    expect(await silence(200)).toMatchObject({ state: "none", since: null });
  });

  it("and not with a reconcile, or a resync, that brings what was missing: the endpoint is as dead as before", async () => {
    await queue.pool.query("select clerk_sync_request_refresh(array['user_1'])");
    await queue.send(userEvent("user.updated", { id: "user_1", version: 20 * minute, firstName: "Augusta" }));
    await queue.pool.query("update job_queue set source = 'reconcile' where version = $1", [at(20 * minute)]);
    await queue.run();
    expect([await check(80), await check(90)]).toEqual(["confirmed", "confirmed"]);
    expect(await silence(90)).toMatchObject({ since: factAt(1), ended_at: null });
    await accept(100);
    expect(await check(101)).toBe("none");
    expect(await silence(101)).toMatchObject({ ended_since: factAt(1), ended_at: factAt(100) });
  });

  it("and one that is confirmed is not suspected again because of a newer change", async () => {
    await queue.send(userEvent("user.updated", { id: "user_1", version: 20 * minute, firstName: "Augusta" }));
    await queue.run();
    change("user_1", 60, { firstName: "Byron" });
    expect(await check(75)).toBe("confirmed");
    expect(await silence(75)).toMatchObject({ since: factAt(1), changed_at: factAt(20) });
  });
});

it("a change whose delivery comes within ten minutes leaves no trace", async () => {
  await deliver(change("user_1", 1), 1);
  const late = change("user_1", 20, { firstName: "Augusta" });
  expect(await check(21)).toBe("none");
  await deliver(late, 25);
  expect(await silence(90)).toMatchObject({ state: "none", since: null, ended_since: null, ended_at: null });
});

it("Clerk's API down says unknown, neither silent nor quiet", async () => {
  await deliver(change("user_1", 1), 1);
  change("user_1", 20, { firstName: "Augusta" });
  clerk.failNext({ status: 502, body: "<html>" });
  expect(await walk(70)).toBe("paused");
  expect(await silence(70)).toMatchObject({ state: "none", error: "clerk_unavailable", checked_at: null });
  expect(await check(71)).toBe("confirmed");
  expect(await silence(71)).toMatchObject({ error: null, checked_at: factAt(71) });
  clerk.failNext({ status: 502, body: "<html>" });
  expect(await walk(80)).toBe("paused");
  expect(await silence(80)).toMatchObject({ state: "confirmed", error: "clerk_unavailable", checked_at: factAt(71) });
});

it("the users at Clerk and here are counted", async () => {
  await deliver(change("user_1", 1), 1);
  change("user_2", -10_000);
  await check(20);
  expect(await silence(20)).toMatchObject({ users_at_clerk: 2, users_here: 1 });
});

it("who checks too soon after another does not", async () => {
  const often = { idleSeconds: 900 };
  expect([await walk(10, often), await walk(20, often), await walk(26, often)]).toEqual(["done", "none", "done"]);
});

it("a sweep asks Clerk three times", async () => {
  change("user_0", -10_000);
  await deliver(change("user_1", 1), 1);
  change("user_1", 20, { firstName: "Augusta" });
  clerk.requests.length = 0;
  await walk(30);
  expect(clerk.requests).toEqual(["GET /v1/users", "GET /v1/users", "GET /v1/users/count"]);
});
