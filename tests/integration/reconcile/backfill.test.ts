import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type ClerkStandIn,
  type ClerkStandInOptions,
  startClerkStandIn,
} from "../../../local/clerk/start-clerk-stand-in.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { clerkIdOf, makeUser, makeUsers } from "../../support/clerk/make-users.ts";
import { cliFor, runCli } from "../../support/processes/run-cli.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let clerk: ClerkStandIn;
let server: TestServer;
beforeEach(async () => {
  server = await startTestServer({ AUTH_MIRROR: "off" });
  await startClerk();
});
afterEach(async () => {
  await server?.stop();
  await clerk?.stop();
});

async function startClerk(options: ClerkStandInOptions = {}): Promise<void> {
  await clerk?.stop().catch(() => undefined);
  clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in", ...options });
}

const cli = () => cliFor(server.settings, clerk);
const idsHere = async () =>
  (await server.pool.query<{ clerk_id: string }>("select clerk_id from users order by clerk_id")).rows.map(
    (row) => row.clerk_id,
  );
const idsAtClerk = () => [...clerk.users.values()].map((user) => user.id).sort();

describe("a backfill", () => {
  it("brings everybody in, page by page, and says that the counts agree", async () => {
    clerk.users.fill(makeUsers(1200));
    const done = await cli().run("backfill");
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(done.stdout).toContain(
      "1,200 queued, 0 were here and as new already\n  Clerk has 1,200 users, 1,200 are here",
    );
    expect(await idsHere()).toEqual(idsAtClerk());
  });

  it("run a second time queues nothing", async () => {
    clerk.users.fill(makeUsers(30));
    await cli().run("backfill");
    const { summary } = await cli().json("backfill");
    expect(summary.counts).toMatchObject({ read: 30, exists: 30 });
    expect(await server.one("select count(*)::int as n from job_queue")).toEqual({ n: 30 });
  });

  it("leaves events that came meanwhile in front of it, and the newer state in place", async () => {
    clerk.users.fill(makeUsers(700));
    const snapshot = clerk.users.get(clerkIdOf(600));
    await postEvent(
      server.settings,
      userEvent("user.updated", { id: clerkIdOf(600), version: 9000, firstName: "New" }),
    );
    const done = await cli().run("backfill");
    expect(done.exitCode).toBe(0);
    expect(snapshot).toMatchObject({ first_name: "Ada" });
    expect(await server.one("select name from users where clerk_id = $1", [clerkIdOf(600)])).toEqual({
      name: "New Lovelace",
    });
    expect(await server.one("select distinct priority from job_queue where source = 'backfill'")).toEqual({
      priority: 0,
    });
  });

  it("names users it cannot read, goes on, and counts them", async () => {
    clerk.users.fill(makeUsers(20));
    let deep: unknown = 1;
    for (let level = 0; level < 80; level++) deep = [deep];
    const odd = { ...makeUser(7), public_metadata: deep };
    clerk.users.set(odd.id, odd);
    const done = await cli().run("backfill");
    expect(done.stdout).toContain(`1 could not be read and were left out: ${odd.id}`);
    expect(done.stdout).toContain("Clerk has 20 users, 19 are here");
    expect(done.stdout).not.toContain("see clerk-sync reconcile");
    expect(done.exitCode).toBe(1);
  });

  it("says how many dead letters there are when users cannot be stored", async () => {
    clerk.users.fill(makeUsers(20));
    await server.pool.query("alter table users add constraint no_three check (clerk_id <> 'user_0000003')");
    await server.pool.query("alter table job_queue alter column max_attempts set default 1");
    const environment = { ...cli().environment, MAX_ATTEMPTS: "1" };
    const done = await runCli(["backfill", ...cli().options], environment);
    expect(done.stdout).toContain("1 dead letter: clerk-sync jobs list --status dead");
    expect(done.stdout).not.toContain("see clerk-sync reconcile");
    expect(done.exitCode).toBe(1);
  });

  it.each(["rejected", "not_found", "empty"] as const)(
    "sees everybody while users come, go and change, also when the user of its cursor goes (%s)",
    async (unknownCursor) => {
      await startClerk({ unknownCursor });
      clerk.users.fill(makeUsers(1600));
      let next = 5000;
      clerk.beforeAnswer((request, cursor) => {
        if (request !== "GET /v1/users" || cursor === undefined || next > 5010) return;
        clerk.users.delete(cursor);
        clerk.users.delete(clerkIdOf(next - 5000));
        clerk.users.set(clerkIdOf(next), makeUser(next));
        const changed = clerk.users.get(clerkIdOf(next - 4900));
        if (changed) clerk.users.set(changed.id, { ...changed, updated_at: changed.updated_at + next });
        next += 1;
      });
      expect((await cli().run("backfill")).stderr).toBe("");
      expect(next).toBe(5011);
      const here = new Set(await idsHere());
      expect(idsAtClerk().filter((id) => !here.has(id))).toEqual([]);
    },
  );

  it("goes on through a storm of refusals, and asks no sooner than it was told", async () => {
    clerk.users.fill(makeUsers(600));
    const storm = (count: number, seconds: string) =>
      Array.from({ length: count }, () => ({ status: 429, headers: { "retry-after": seconds }, body: "{}" }));
    clerk.failNext(...storm(5, "0"), { status: 502, body: "<html>" }, ...storm(1, "30"), { status: 200, body: "[" });
    const done = await cli().run("backfill");
    expect(done.exitCode).toBe(0);
    expect(done.stderr).toContain("Clerk's API asks to slow down. Asking again in 30 s …");
    expect(await idsHere()).toHaveLength(600);
  });

  it("of a user whom an event deletes while it runs leaves the user deleted", async () => {
    clerk.users.fill(makeUsers(30));
    const id = clerkIdOf(4);
    await postEvent(server.settings, userEvent("user.created", { id, version: 1 }));
    await server.quiet();
    let isTold = false;
    const watched = cliFor(server.settings, clerk);
    await runCli(["backfill", ...watched.options], watched.environment, {
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (String(input).includes("/v1/users?limit=500") && !isTold) {
          isTold = true; // the page is read; now the user is deleted, before the page is stored
          await response.clone().text();
          clerk.users.delete(id);
          await postEvent(server.settings, deletedEvent({ id, version: 2 }));
          await server.quiet();
        }
        return response;
      },
    });
    expect(isTold).toBe(true);
    expect(await server.one("select 1 from users where clerk_id = $1", [id])).toBeUndefined();
    expect(await server.one("select result from job_queue where source = 'backfill' and clerk_id = $1", [id])).toEqual({
      result: { applied: false, reason: "user_deleted" },
    });
    expect(await idsHere()).toEqual(idsAtClerk());
  });

  it("revives a user whose deletion was a mistake of ours: Clerk has it now", async () => {
    clerk.users.fill(makeUsers(5));
    await postEvent(server.settings, deletedEvent({ id: clerkIdOf(2), version: 90 }));
    await server.quiet();
    await cli().run("backfill");
    expect(await idsHere()).toEqual(idsAtClerk());
  });
});

describe("of two runs at once", () => {
  it("one refuses, and says which one is under way", async () => {
    clerk.users.fill(makeUsers(1600));
    let other: Awaited<ReturnType<ReturnType<typeof cli>["run"]>> | undefined;
    clerk.beforeAnswer(async () => {
      clerk.beforeAnswer(() => undefined);
      other = await cli().run("reconcile");
    });
    expect(await cli().run("backfill")).toMatchObject({ exitCode: 0 });
    expect(other?.exitCode).toBe(1);
    expect(other?.stderr).toMatch(
      /^error run_active: A backfill that started at \S+ is still marked .+ To end it: clerk-sync backfill --cancel\.$/,
    );
  });

  it("a cancelled one stops at its next step", async () => {
    clerk.users.fill(makeUsers(1600));
    let requests = 0;
    clerk.beforeAnswer(async (request) => {
      if (request === "GET /v1/users" && ++requests === 2) await cli().run("backfill", "--cancel");
    });
    expect(await cli().run("backfill")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^error run_lost: /),
    });
    expect((await idsHere()).length).toBeLessThan(1600);
  });
});

describe("the key", () => {
  it("of another instance brings nobody in", async () => {
    clerk.users.fill(makeUsers(20));
    await cli().run("backfill");
    const mine = await idsHere();
    clerk.users.clear();
    clerk.users.fill([...makeUsers(60)].slice(40));
    const refused = await cli().run("backfill");
    expect(refused.stderr).toMatch(/^error clerk_instance_mismatch: Clerk does not know 20 of 20 users looked for\./);
    expect(await idsHere()).toEqual(mine);
  });

  it("that Clerk refuses is named", async () => {
    const { environment, options } = cli();
    const refused = await runCli(["backfill", ...options], { ...environment, CLERK_SECRET_KEY: "sk_live_wrong" });
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error clerk_unauthorized: /) });
  });

  it("missing is named, with where it is found", async () => {
    const refused = await runCli(["backfill", ...cli().options], {});
    expect(refused.stderr).toMatch(/^error config_invalid: CLERK_SECRET_KEY is not set here/);
  });
});
