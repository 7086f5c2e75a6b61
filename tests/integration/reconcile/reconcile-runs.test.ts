import { afterEach, describe, expect, it } from "vitest";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { clerkIdOf, makeUser } from "../../support/clerk/make-users.ts";

let system: ClerkAndServer;
afterEach(() => system?.stop());

describe("a dry run", () => {
  it("names each difference by its fields, without values, and changes nothing", async () => {
    system = await startClerkAndServer();
    await system.createUsers(6);
    await system.change(1, { version: 20, email: "moved@example.com", role: "admin" }, true);
    await system.change(7, { version: 21 }, true);
    await system.remove(3, 22, true);
    await system.server.pool.query("update users set email = 'by-hand@example.com' where clerk_id = 'user_0000004'");
    await system.server.pool.query("update users set role = 'admin' where clerk_id = 'user_0000005'"); // Clerk never gave one
    const before = await system.rowsHere();
    const done = await system.cli.run("reconcile");
    expect(done.stdout.split("\n")).toEqual([
      "Users read: 6 of 6",
      expect.stringMatching(/^Dry compare .+: 6 users read in/),
      expect.stringMatching(/^ {2}user_0000001 stale: (role, email|email, role)$/),
      "  user_0000004 differs: email",
      "  user_0000007 missing",
      "  user_0000003 extra",
      "  4 users out of step: 1 missing, 1 stale, 1 differs, 1 extra",
      "Nothing was changed. --apply mends it.",
    ]);
    expect(done.stdout).not.toContain("example.com");
    expect(done.exitCode).toBe(1);
    expect(await system.rowsHere()).toEqual(before);
    expect(await system.server.one("select count(*)::int as n from job_queue where source = 'reconcile'")).toEqual({
      n: 0,
    });
    const shown = await system.cli.run("reconcile", "--show-values");
    expect(shown.stdout).toContain('email: here "user_0000001@example.com", Clerk "moved@example.com"');
  });

  it("is on record with what it found", async () => {
    system = await startClerkAndServer();
    await system.createUsers(3);
    await system.change(1, { version: 20, firstName: "Bea" }, true);
    await system.cli.run("reconcile");
    expect(
      (await system.server.one("select clerk_sync_admin_runs(null, 1) -> 'runs' as runs"))?.["runs"],
    ).toMatchObject([
      { kind: "compare", status: "COMPLETED", applies: false, counts: { read: 3, stale: 1 }, users_at_clerk: 3 },
    ]);
  });
});

describe("reconcile --recent", () => {
  it("finds what changed since the last run in a few requests, whatever the number of users", async () => {
    system = await startClerkAndServer();
    await system.createUsers(3);
    const old = Date.now() - 3 * 24 * 3_600_000;
    system.clerk.users.fill(Array.from({ length: 3000 }, (_, place) => ({ ...makeUser(10 + place), updated_at: old })));
    await system.change(1, { version: Date.now() - 1_763_900_000_000, firstName: "Bea" }, true);
    system.clerk.requests.length = 0;
    const { summary } = await system.cli.json("reconcile", "--recent", "--apply");
    expect(summary.counts).toMatchObject({ read: 1, stale: 1 });
    expect(system.clerk.requests.length).toBeLessThan(8);
    expect(await system.server.one("select name from users where clerk_id = 'user_0000001'")).toEqual({
      name: "Bea Lovelace",
    });
    system.clerk.requests.length = 0;
    expect((await system.cli.json("reconcile", "--recent")).summary).toMatchObject({ drift: 0 });
  });

  it("misses nobody who changes, or is deleted, while it walks", async () => {
    system = await startClerkAndServer();
    const now = Date.now();
    const recent = (place: number, age: number) => ({ ...makeUser(place), updated_at: now - age });
    system.clerk.users.fill(Array.from({ length: 1700 }, (_, place) => recent(place, 1000 + place)));
    let changed = 2000;
    system.clerk.beforeAnswer((request) => {
      if (request !== "GET /v1/users" || changed >= 2003) return;
      for (let place = 0; place < 40; place++) system.clerk.users.delete(clerkIdOf(40 * (changed - 2000) + place)); // the list moves up
      const moved = system.clerk.users.get(clerkIdOf(1650 + changed - 2000)); // from the end, which is not read yet, to the head
      if (moved) system.clerk.users.set(moved.id, { ...moved, updated_at: now + changed });
      changed += 1;
    });
    await system.cli.json("reconcile", "--recent", "--apply");
    const here = new Set(
      (await system.server.pool.query("select clerk_id from users")).rows.map((row) => row.clerk_id),
    );
    expect([...system.clerk.users.values()].map(({ id }) => id).filter((id) => !here.has(id))).toEqual([]);
  });
});

it("the processor starts the run it is asked for, and mends what it finds", async () => {
  system = await startClerkAndServer({ CLERK_SECRET_KEY: "sk_live_stand_in" });
  await system.createUsers(12);
  await system.change(1, { version: 20, firstName: "Bea" }, true);
  await system.remove(3, 22, true);
  const { url, secretKey } = system.server.settings;
  const response = await fetch(`${url}/functions/v1/user-job-processor`, {
    method: "POST",
    headers: { apikey: secretKey, "content-type": "application/json" },
    body: JSON.stringify({ source: "schedule", work: "compare" }),
  });
  expect(response.status).toBe(200);
  await expect
    .poll(() => system.server.one("select status from clerk_sync.sync_runs"))
    .toEqual({ status: "COMPLETED" });
  expect(await system.rowsHere()).toEqual(system.rowsAtClerk());
});
