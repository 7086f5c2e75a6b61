import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { captureLog } from "../../support/processes/capture-log.ts";
import { type AlertSystem, startAlertSystem } from "../../support/systems/alert-system.ts";

let system: AlertSystem;
beforeEach(async () => {
  system = await startAlertSystem();
});
afterEach(() => system?.stop());

const one = async (sql: string, values?: unknown[]) => (await system.queue.one(sql, values)) ?? {};
/** Opens an incident, so that its notice is due at the second 60 and is sent then. */
const openIncident = async () => {
  await one("insert into job_queue (job_type, status) values ('USER_UPDATED', 'DEAD')");
  await system.lookAt(0);
  await system.lookAt(60);
};
const closeIncident = async (from: number) => {
  await one("delete from job_queue");
  await system.lookAt(from);
  await system.lookAt(from + 300);
};
const idsAt = (path: string) =>
  system.receiver.received.filter((notice) => notice.path === path).map(({ headers }) => headers["webhook-id"]);

describe("a target that fails", () => {
  it("with 500 gets the notice again after half a minute, then a minute, until it accepts it: then no more", async () => {
    system.receiver.answerNext("/webhook", { status: 500 }, { status: 500 });
    await openIncident();
    await system.lookAt(89);
    expect(system.told()).toHaveLength(1);
    await system.lookAt(90);
    expect(system.told()).toHaveLength(2);
    await system.lookAt(149);
    expect(system.told()).toHaveLength(2);
    for (const seconds of [150, 600, 1800]) await system.lookAt(seconds);
    expect(system.told()).toHaveLength(3);
    expect(new Set(idsAt("/webhook")).size).toBe(1);
  });

  it("does not make another be told twice", async () => {
    system.receiver.answerNext("/webhook", { status: 503 }, { status: 503 }, { status: 503 });
    await openIncident();
    for (const seconds of [120, 240, 480]) await system.lookAt(seconds);
    expect([system.told().length, system.told("slack").length]).toEqual([4, 1]);
  });

  it("is left alone as long as it asks for", async () => {
    system.receiver.answerNext("/slack", { status: 429, headers: { "retry-after": "200" } });
    await openIncident();
    await system.lookAt(259);
    expect(system.told("slack")).toHaveLength(1);
    await system.lookAt(260);
    expect(system.told("slack")).toHaveLength(2);
  });

  it.each([400, 404, 410, 301])("for good (%i) is tried once an hour, and said once in the log", async (status) => {
    const lines = await captureLog("error");
    system.receiver.answerNext("/slack", { status }, { status });
    await openIncident();
    for (const seconds of [120, 1800, 3659, 3660, 7000, 7260]) await system.lookAt(seconds);
    expect(system.told("slack")).toHaveLength(3);
    expect(lines.map(({ text }) => JSON.parse(text))).toMatchObject([
      { event: "alert.failed", target: "slack", incident: "dead_letters", code: "alert_rejected" },
    ]);
    expect(lines[0]?.text).not.toContain(system.receiver.url);
  });

  it("is told of the end only after it was told of the beginning", async () => {
    system.receiver.answerNext("/webhook", { status: 503, headers: { "retry-after": "600" } });
    await openIncident();
    await closeIncident(90);
    await system.lookAt(420);
    expect(system.told()).toEqual(["opened dead_letters"]);
    for (const seconds of [660, 661, 662]) await system.lookAt(seconds);
    expect(system.told()).toEqual(["opened dead_letters", "opened dead_letters", "closed dead_letters"]);
  });

  it("for three days is told no more", async () => {
    system.receiver.answerNext("/webhook", { status: 404 });
    await openIncident();
    await system.lookAt(60 + 3 * 86_400);
    expect(system.told()).toHaveLength(1);
  });
});

describe("a worker that dies between sending and saying so", () => {
  const take = async (seconds: number) =>
    (
      await one("select clerk_sync_check_incidents(array['webhook'], p_now => $1) -> 'notices' as notices", [
        system.at(seconds),
      ])
    )["notices"] as { id: string; token: string }[];

  it("leaves its notices to others after two minutes, and can say nothing of them any more", async () => {
    system.configure("webhook");
    await one("insert into job_queue (job_type, status) values ('USER_UPDATED', 'DEAD')");
    await take(0);
    const [dead] = await take(60);
    expect(await take(175)).toEqual([]);
    const [taken] = await take(185);
    expect([taken?.id, taken?.token === dead?.token]).toEqual([dead?.id, false]);
    const settle = (notice: typeof dead) =>
      one("select clerk_sync_settle_notices($1) as n", [JSON.stringify([{ ...notice, outcome: "sent" }])]);
    expect([await settle(dead), await settle(taken)]).toEqual([{ n: 0 }, { n: 1 }]);
  });
});

describe("the schedule calls the processor for alerts", () => {
  const due = async (seconds: number) =>
    (await one("select clerk_sync.alerts_due($1) as due", [system.at(seconds)]))["due"];

  it("when somebody is to be told, and not while all is well or an attempt has to wait", async () => {
    await system.lookAt(0);
    expect([await due(60), await due(120)]).toEqual([false, false]);
    await one("insert into job_queue (job_type, status) values ('USER_UPDATED', 'DEAD')");
    expect([await due(180), await due(240)]).toEqual([false, true]);
    system.receiver.answerNext("/slack", { status: 500 });
    await system.lookAt(245);
    expect([await due(250), await due(280)]).toEqual([false, true]);
  });

  it("looks itself no more than once a minute", async () => {
    const checkedAt = async () => (await one("select checked_at::text as at from clerk_sync.incident_check"))["at"];
    await due(0);
    const first = await checkedAt();
    await due(50);
    expect(await checkedAt()).toBe(first);
    await due(60);
    expect(await checkedAt()).not.toBe(first);
  });

  it("never where no target is configured, and no longer when none has been named for an hour", async () => {
    await one("insert into job_queue (job_type, status) values ('USER_UPDATED', 'DEAD')");
    expect([await due(0), await due(60), await due(120)]).toEqual([false, false, false]);
    await system.lookAt(130);
    system.configure();
    await system.lookAt(3800);
    expect(await one("select count(*)::int as n from clerk_sync.alert_targets")).toEqual({ n: 0 });
  });

  it("and for its other work although the look fails", async () => {
    await one("drop function clerk_sync.health_facts");
    expect(await due(60)).toBe(false);
  });
});

describe("a test notice", () => {
  it("goes to every target once, says that nothing is wrong, and is of use for ten minutes", async () => {
    await system.lookAt(0);
    const { id } = await one("select clerk_sync_test_alert($1) as id", [system.at(5)]);
    await system.lookAt(10);
    await system.lookAt(40);
    expect(system.told()).toEqual(["test test"]);
    expect(system.told("slack")).toEqual([expect.stringMatching(/^User sync: this is a test\. .+Nothing is wrong\./)]);
    expect((await one("select clerk_sync_alert_state($1) -> 'notices' as n", [id]))["n"]).toMatchObject([
      { target: "slack", kind: "test", sent_at: expect.any(String), last_error: null },
      { target: "webhook", kind: "test", sent_at: expect.any(String), last_error: null },
    ]);
    system.configure();
    await one("select clerk_sync_test_alert($1)", [system.at(45)]);
    system.configure("webhook", "slack");
    await system.lookAt(700);
    expect(system.told()).toHaveLength(1);
  });
});
