import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { type AlertSystem, alertSecret, startAlertSystem } from "../../support/systems/alert-system.ts";

let system: AlertSystem;
beforeEach(async () => {
  system = await startAlertSystem();
});
afterEach(() => system?.stop());

const run = (sql: string) => system.queue.pool.query(sql);
/** As a worker does, from one second to another. */
const watch = async (from: number, to: number, step = 30) => {
  for (let seconds = from; seconds <= to; seconds += step) await system.lookAt(seconds);
};

const insertJobs = (status: string, jobs: number, runAt: string) =>
  `insert into job_queue (job_type, status, attempts, run_at, updated_at)
   select 'USER_UPDATED', '${status}', 1, ${runAt}, now() + interval '5 minutes' from generate_series(1, ${jobs})`;
const insertCompare = (drift: number) =>
  `insert into clerk_sync.sync_runs (kind, status, applies, counts, started_at, finished_at)
   values ('compare', 'COMPLETED', true, '{"read": 500, "stale": ${drift}}', clock_timestamp(), clock_timestamp())`;
const emptyQueue = "delete from job_queue";

describe("an incident is told once when it opens and once when it is over", () => {
  it.each([
    ["queue_late", insertJobs("PENDING", 1, "now() - interval '3 minutes'"), emptyQueue],
    ["dead_letters", insertJobs("DEAD", 1, "now()"), emptyQueue],
    ["error_rate", insertJobs("FAILED", 10, "now() + interval '1 day'"), emptyQueue],
    [
      "silence",
      "update clerk_sync.silence set changed_at = now() - interval '20 minutes'",
      "update clerk_sync.silence set changed_at = null",
    ],
    ["drift", insertCompare(50), insertCompare(0)],
    [
      "circuit_open auth",
      "update clerk_sync.circuits set probe_at = now(), last_error = 'auth_unavailable' where name = 'auth'",
      "update clerk_sync.circuits set probe_at = null",
    ],
    [
      "delete_brake",
      "update clerk_sync.delete_brake set engaged_at = now(), reason = '120 deletions within 60 minutes' where kind = 'user'",
      "update clerk_sync.delete_brake set engaged_at = null, reason = null",
    ],
  ])("%s", async (code, begin, end) => {
    await watch(0, 30);
    await run(begin);
    await watch(60, 90);
    expect(system.told()).toEqual([]);
    await watch(120, 300);
    expect(system.told()).toEqual([`opened ${code}`]);
    await run(end);
    await watch(330, 600);
    expect(system.told()).toEqual([`opened ${code}`]);
    await watch(630, 1200, 60);
    expect(system.told()).toEqual([`opened ${code}`, `closed ${code}`]);
    expect(system.told("slack")).toEqual([
      expect.stringMatching(new RegExp(`^User sync degraded: ${code}\\. .+ Since .+ Next step: `)),
      expect.stringMatching(new RegExp(`^User sync: over: ${code}\\. .+ until `)),
    ]);
  });
});

describe("one incident", () => {
  const begin = () => run(insertJobs("DEAD", 1, "now()"));
  const end = () => run(emptyQueue);

  it("is made of a reason that comes and goes, and is over when it stays away", async () => {
    await begin();
    await watch(0, 60);
    for (const seconds of [90, 360, 630]) {
      await end();
      await watch(seconds, seconds + 240); // never five minutes
      await begin();
      await system.lookAt(seconds + 269);
    }
    expect(system.told()).toEqual(["opened dead_letters"]);
    await end();
    await watch(960, 1320);
    expect(system.told()).toEqual(["opened dead_letters", "closed dead_letters"]);
    await begin();
    await watch(1350, 1410);
    expect(system.told().slice(2)).toEqual(["opened dead_letters"]);
  });

  it("is not made of a reason that is gone at the next look", async () => {
    for (const seconds of [0, 60, 120]) {
      await begin();
      await system.lookAt(seconds);
      await end();
      await system.lookAt(seconds + 30);
    }
    await watch(180, 600);
    expect(system.told()).toEqual([]);
  });

  it("is a silence that is suspected, then confirmed: its end says the worst of it", async () => {
    await run("update clerk_sync.silence set changed_at = now() - interval '20 minutes'");
    await watch(0, 60);
    await run("update clerk_sync.silence set changed_at = now() - interval '50 minutes'");
    await watch(90, 150);
    await run("update clerk_sync.silence set changed_at = null");
    await watch(180, 540);
    expect(system.told()).toEqual(["opened silence", "closed silence"]);
    const last = system.receiver.received.findLast(({ path }) => path === "/webhook");
    expect(last?.body).toMatchObject({
      data: { incident: { status: "compromised", ended_at: expect.any(String) } },
    });
  });

  it("is a circuit, another is another", async () => {
    await run("update clerk_sync.circuits set probe_at = now() where name = 'auth'");
    await watch(0, 60);
    await run("update clerk_sync.circuits set probe_at = now() where name = 'clerk'");
    await watch(90, 180);
    expect(system.told()).toEqual(["opened circuit_open auth", "opened circuit_open clerk"]);
  });

  it("that two workers find at the same moment is told once", async () => {
    await begin();
    await system.lookAt(0, 0, 0);
    await system.lookAt(60, 60, 60);
    await system.lookAt(61, 61, 61);
    expect(system.told()).toEqual(["opened dead_letters"]);
    expect(system.told("slack")).toHaveLength(1);
  });

  it("is told to a target that is configured while it lasts, and so is its end", async () => {
    system.configure();
    await begin();
    await watch(0, 90);
    system.configure("webhook");
    await watch(120, 180);
    expect(system.told()).toEqual(["opened dead_letters"]);
    await end();
    system.configure("webhook", "slack");
    await watch(210, 240);
    await watch(270, 600);
    expect(system.told()).toEqual(["opened dead_letters", "closed dead_letters"]);
  });

  it("is kept where nobody is to be told, with its beginning and its end", async () => {
    system.configure();
    await begin();
    await watch(0, 60);
    await end();
    await watch(90, 450);
    expect(await system.queue.one("select count(*) as n from clerk_sync.notices")).toEqual({ n: "0" });
    expect(await system.queue.one("select code, opened_at, closed_at from clerk_sync.incidents")).toEqual({
      code: "dead_letters",
      opened_at: expect.any(Date),
      closed_at: expect.any(Date),
    });
  });
});

describe("what arrives", () => {
  it("is signed as the Standard Webhooks specification says, and is personal in nothing", async () => {
    await run(
      `insert into job_queue (job_type, status, payload, clerk_id)
       values ('USER_UPDATED', 'DEAD', '{"email": "ada@example.com", "name": "Ada Lovelace"}', 'user_ada')`,
    );
    await watch(0, 60);
    const [notice] = system.receiver.received.filter(({ path }) => path === "/webhook");
    const headers = new Headers(notice?.headers as Record<string, string>);
    const verify = createVerifySignature([alertSecret], Date.now);
    await expect(verify(headers, new TextEncoder().encode(notice?.text))).resolves.toBeDefined();
    expect(notice?.body).toEqual({
      type: "incident.opened",
      timestamp: expect.stringMatching(/^\d{4}-.+Z$/),
      data: {
        incident: {
          id: expect.any(String),
          code: "dead_letters",
          subject: "",
          status: "degraded",
          what: "1 job gave up and waits for a person.",
          remedy: expect.stringContaining("clerk-sync jobs retry"),
          since: expect.stringMatching(/Z$/),
          opened_at: expect.stringMatching(/Z$/),
          ended_at: null,
        },
        summary: expect.stringContaining("dead_letters"),
        admin_url: null,
      },
    });
    for (const { text } of system.receiver.received) expect(text).not.toMatch(/ada/i);
  });
});
