import { afterEach, describe, expect, it } from "vitest";
import { createRandom } from "../../../local/simulate/random.ts";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { clerkIdOf, makeUser } from "../../support/clerk/make-users.ts";

let system: ClerkAndServer;
afterEach(() => system?.stop());

describe("reconcile --apply", () => {
  it("brings everything in step after a random fifth of all events was lost, deletions too", async () => {
    system = await startClerkAndServer();
    const random = createRandom("a fifth is lost");
    const lost = { changes: 0, deletions: 0 };
    const deleted = new Set<number>(); // Clerk never uses an id again
    for (let version = 0; version < 900; version++) {
      const place = random.integer(0, 250);
      const isLost = random.chance(20);
      if (deleted.has(place)) continue;
      if (system.clerk.users.has(clerkIdOf(place)) && random.chance(15)) {
        await system.remove(place, version, isLost);
        deleted.add(place);
        lost.deletions += Number(isLost);
        continue;
      }
      const role = random.chance(10) ? "admin" : "user";
      const [firstName, banned] = [`Ada${version}`, random.chance(10)];
      await system.change(place, { version, firstName, role, banned }, isLost);
      lost.changes += Number(isLost);
    }
    await system.grow();
    expect(lost.deletions).toBeGreaterThan(5);
    expect(await system.rowsHere()).not.toEqual(system.rowsAtClerk());

    const { exitCode, summary } = await system.cli.json("reconcile", "--apply");
    console.log(`${lost.changes} changes and ${lost.deletions} deletions were lost; found`, summary.counts);
    expect(await system.rowsHere()).toEqual(system.rowsAtClerk());
    expect(exitCode).toBe(0);
    expect(summary.usersAtClerk).toBe(summary.usersHere);
    expect((await system.cli.json("reconcile")).summary).toMatchObject({ drift: 0, differences: [] });
  });

  it("reaches Supabase Auth, for users who are missing, gone, or not mirrored", async () => {
    system = await startClerkAndServer({ AUTH_MIRROR: "on" });
    await system.createUsers(4);
    await system.change(7, { version: 7, email: "missed@example.com" }, true);
    await system.remove(0, 8, true);
    await system.server.pool.query("delete from auth.users where email = 'user_0000001@example.com'");
    await system.server.pool.query(
      "update clerk_sync.user_state set mirrored_version = null where clerk_id = 'user_0000001'",
    );
    const { summary } = await system.cli.json("reconcile", "--apply");
    expect(summary.counts).toMatchObject({ missing: 1, extra: 1, unmirrored: 1, queued: 3 });
    const { rows } = await system.server.pool.query("select email from auth.users order by email");
    expect(rows.map((row) => row.email)).toEqual([
      "missed@example.com",
      "user_0000001@example.com",
      "user_0000002@example.com",
      "user_0000003@example.com",
    ]);
  });

  it("leaves a name alone that its user edited here", async () => {
    system = await startClerkAndServer();
    await system.createUsers(3);
    await system.server.pool.query("update users set name = 'Countess' where clerk_id = 'user_0000001'");
    const { exitCode, summary } = await system.cli.json("reconcile", "--apply");
    expect(summary).toMatchObject({ drift: 0, counts: { edited: 1 } });
    expect(exitCode).toBe(0);
    expect(await system.server.one("select name from users where clerk_id = 'user_0000001'")).toEqual({
      name: "Countess",
    });
  });
});

describe("deletions", () => {
  it("of many users wait for an operator, as those of events do", async () => {
    system = await startClerkAndServer({ DELETE_BRAKE_COUNT: "3" });
    await system.createUsers(40);
    await system.server.pool.query("update clerk_sync.records set first_seen_at = null");
    for (let place = 0; place < 5; place++) await system.remove(place, 50, true);
    const done = await system.cli.run("reconcile", "--apply");
    expect(done.exitCode).toBe(1);
    expect(done.stdout).toContain("5 deletions wait for an operator: admin page, Overview, Delete brake");
    expect(await system.rowsHere()).toHaveLength(40);
  });

  it("are not made of rows that never came through the sync, unless a person asks for that", async () => {
    system = await startClerkAndServer();
    await system.createUsers(20);
    await system.server.pool.query("insert into users (clerk_id, name) values ('user_seeded', 'Seed')");
    const left = await system.cli.run("reconcile", "--apply");
    expect(left.stdout).toContain("  user_seeded foreign");
    expect(left.stdout).toContain("0 users out of step: 1 foreign");
    expect(left.exitCode).toBe(0);
    const count = () => system.server.one("select count(*)::int as n from users");
    expect(await count()).toEqual({ n: 21 });
    const { summary } = await system.cli.json("reconcile", "--apply", "--delete-foreign");
    expect(summary.counts).toMatchObject({ extra: 1, queued: 1 });
    expect(await count()).toEqual({ n: 20 });
  });

  it("are never made of a user whom Clerk does not say to be gone", async () => {
    system = await startClerkAndServer();
    await system.createUsers(20);
    const { id } = makeUser(4);
    const hidden = system.clerk.users.get(id);
    if (hidden === undefined) throw new Error("no user 4");
    system.clerk.beforeAnswer((request) => {
      if (request === "GET /v1/users")
        system.clerk.users.delete(id); // the list does not show it, whoever knows why
      else system.clerk.users.set(id, hidden);
    });
    const { summary } = await system.cli.json("reconcile", "--apply");
    expect(summary.counts["extra"] ?? 0).toBe(0);
    expect(await system.rowsHere()).toHaveLength(20);
    expect(system.clerk.requests).toContain(`GET /v1/users/${id}`);
  });

  it("are not made of who came within a quarter of an hour: Clerk's list may not show them yet", async () => {
    system = await startClerkAndServer();
    await system.createUsers(20);
    await system.change(20, { version: 21 });
    await system.server.quiet();
    system.clerk.users.delete(clerkIdOf(20));
    const { exitCode, summary } = await system.cli.json("reconcile");
    expect(summary.counts["extra"]).toBeUndefined();
    expect(exitCode).toBe(0);
    await system.grow();
    expect((await system.cli.json("reconcile")).summary.counts).toMatchObject({ extra: 1 });
  });

  it.each([
    ["an empty instance", () => system.clerk.users.clear()],
    [
      "another instance",
      () => {
        system.clerk.users.clear();
        for (let place = 100; place < 140; place++) system.clerk.users.set(clerkIdOf(place), makeUser(place));
      },
    ],
  ])("of everybody do not follow from %s", async (_, replace) => {
    system = await startClerkAndServer({ DELETE_BRAKE: "off" });
    await system.createUsers(30);
    const before = await system.rowsHere();
    replace();
    const refused = await system.cli.run("reconcile", "--apply");
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error clerk_instance_mismatch: /) });
    expect(await system.rowsHere()).toEqual(before);
    expect(await system.server.one("select status, error from clerk_sync.sync_runs")).toMatchObject({
      status: "FAILED",
      error: expect.stringMatching(/^clerk_instance_mismatch: /),
    });
  });

  it("of a third of all users stop a run before the first, unless a person says that they are meant", async () => {
    system = await startClerkAndServer({ DELETE_BRAKE: "off" });
    await system.createUsers(45);
    for (let place = 0; place < 15; place++) await system.remove(place, 50, true);
    expect((await system.cli.run("reconcile", "--apply")).stderr).toContain("error clerk_instance_mismatch");
    expect(await system.rowsHere()).toHaveLength(45);
    expect((await system.cli.run("reconcile", "--apply", "--max-unknown", "100")).exitCode).toBe(0);
    expect(await system.rowsHere()).toEqual(system.rowsAtClerk());
  });
});
