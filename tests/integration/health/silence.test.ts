import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { createSilenceCheck, type SilenceResult } from "#core/health/detect-silence.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

// Versions are minutes here: the sync is installed in minute 0, and the tests say in which minute they look.
const minute = 60_000;
const time = (minutes: number) => new Date(at(minutes * minute)).toISOString();

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
const silence = () => queue.one("select * from clerk_sync.silence");

/** Checks in this minute, with Clerk's API and the database as they are. */
async function check(minutes: number, everySeconds = 60): Promise<SilenceResult> {
  const call = createCallFunction(queue.pool);
  const clocked: typeof call = (name, args) =>
    call(name, /silence_check/.test(name) ? { ...args, p_now: time(minutes) } : args);
  const api = createClerkApi({ secretKey: clerk.secretKey, apiUrl: clerk.url });
  return createSilenceCheck({ call: clocked, clerk: api })(everySeconds);
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
    expect(await silence()).toMatchObject({ state: "confirmed", since: new Date(time(1)), missing: 1 });
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
    const health = (await queue.one("select clerk_sync_health() as h"))?.["h"] as { reasons: { remedy: string }[] };
    expect(health.reasons[0]?.remedy).toContain(`missing messages since ${time(1).replace(".000", "")}`);
  });

  it("and none ever came, it is silent since the first change that is missing", async () => {
    change("user_1", 5);
    expect(await check(60)).toBe("confirmed");
    expect(await silence()).toMatchObject({ since: new Date(time(5)) });
  });

  it("a busy instance whose newest hundred changes are all young is seen through", async () => {
    await deliver(change("user_0", 1), 1);
    change("user_old", 20);
    for (let place = 0; place < 150; place++) change(`user_young_${place}`, 65);
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
      if (request === "GET /v1/users/user_1") await accept(90);
    });
    expect(await check(90)).toBe("none");
    clerk.beforeAnswer(() => undefined);
  });

  it("for a change whose delivery arrives while it is being looked at", async () => {
    await deliver(change("user_1", 1), 1);
    const event = change("user_1", 20, { firstName: "Just Now" });
    clerk.beforeAnswer(async (request) => {
      if (request === "GET /v1/users/user_1") await queue.send(event, "msg_late");
    });
    expect(await check(90)).toBe("none");
    clerk.beforeAnswer(() => undefined);
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
    expect(await silence()).toMatchObject({
      state: null,
      ended_since: new Date(time(1)),
      ended_at: new Date(time(80)),
    });
    expect(await check(81)).toBe("none");
  });

  it("and not with a reconcile, or a resync, that brings what was missing: the endpoint is as dead as before", async () => {
    await queue.pool.query("select clerk_sync_request_refresh(array['user_1'])");
    await queue.send(userEvent("user.updated", { id: "user_1", version: 20 * minute, firstName: "Augusta" }));
    await queue.pool.query("update job_queue set source = 'reconcile' where version = $1", [at(20 * minute)]);
    await queue.run();
    expect([await check(80), await check(90)]).toEqual(["confirmed", "confirmed"]);
    expect(await silence()).toMatchObject({ state: "confirmed", since: new Date(time(1)), missing: 0, ended_at: null });
    await accept(100);
    expect(await check(101)).toBe("none");
    expect(await silence()).toMatchObject({ ended_since: new Date(time(1)), ended_at: new Date(time(100)) });
  });

  it("and one that is confirmed is not suspected again because of a newer change", async () => {
    await queue.send(userEvent("user.updated", { id: "user_1", version: 20 * minute, firstName: "Augusta" }));
    await queue.run();
    change("user_1", 60, { firstName: "Byron" });
    expect(await check(75)).toBe("confirmed");
    expect(await silence()).toMatchObject({ state: "confirmed", since: new Date(time(1)), missing: 1 });
  });
});

it("Clerk's API down says unknown, neither silent nor quiet", async () => {
  await deliver(change("user_1", 1), 1);
  change("user_1", 20, { firstName: "Augusta" });
  clerk.failNext({ status: 502, body: "<html>" });
  expect(await check(70)).toBe("unknown");
  expect(await silence()).toMatchObject({ state: null, error: "clerk_unavailable", checked_at: null });
  await check(71);
  clerk.failNext({ status: 502, body: "<html>" });
  expect(await check(80)).toBe("unknown");
  expect(await silence()).toMatchObject({ state: "confirmed", error: "clerk_unavailable" });
});

it("the users at Clerk and here are counted", async () => {
  await deliver(change("user_1", 1), 1);
  change("user_2", 1, {}, -10);
  await check(20);
  expect(await silence()).toMatchObject({ users_at_clerk: "2", users_here: "1" });
});

it("who checks too soon after another does not", async () => {
  expect([await check(10, 900), await check(20, 900), await check(26, 900)]).toEqual(["none", "skipped", "none"]);
});
