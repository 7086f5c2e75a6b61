import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { clerkIdOf, makeUser } from "../../support/clerk/make-users.ts";

// Somebody works in Supabase Auth by hand: what a compare sees of it, and mends.

let system: ClerkAndServer;
const sql = (text: string, values: unknown[] = []) => system.server.pool.query(text, values);
const authIdOf = (place: number) => authUserIdOf(clerkIdOf(place));
const authUsers = async () =>
  (
    await sql(
      `select coalesce(email, '') as email, raw_app_meta_data ->> 'clerk_id' as clerk_id, raw_app_meta_data ->> 'role' as role,
         coalesce(banned_until > now(), false) as banned
       from auth.users order by raw_app_meta_data ->> 'clerk_id', email`,
    )
  ).rows;
/** A user that somebody makes in Auth. */
const insertAuthUser = async (id: string, email: string, metadata: Record<string, string>) => {
  const { url, secretKey } = system.server.settings;
  const auth = createAuthAdmin({ supabaseUrl: url, secretKey });
  expect(await auth.createUser({ id, email, app_metadata: metadata, user_metadata: {} })).toMatchObject({ ok: true });
};

beforeEach(async () => {
  system = await startClerkAndServer({ AUTH_MIRROR: "on" });
  await system.createUsers(12);
});
afterEach(() => system?.stop());

async function spoil(): Promise<void> {
  await sql("delete from auth.users where id = $1", [authIdOf(0)]);
  await sql("update auth.users set email = 'other@example.com' where id = $1", [authIdOf(1)]);
  await sql(`update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "admin"}' where id = $1`, [
    authIdOf(2),
  ]);
  await sql("update auth.users set banned_until = null where id = $1", [authIdOf(3)]);
  await sql("update auth.users set raw_app_meta_data = raw_app_meta_data - 'clerk_id' where id = $1", [authIdOf(4)]);
  await insertAuthUser(authUserIdOf("user_gone"), "gone@example.com", { clerk_id: "user_gone", role: "user" });
}

describe("a compare of Supabase Auth", () => {
  it("names who is missing, extra or differs there, field by field, and changes nothing when it is dry", async () => {
    await spoil();
    const before = await authUsers();
    const { exitCode, summary } = await system.cli.json("reconcile", "--show-values");
    expect(exitCode).toBe(1);
    expect(summary.counts).toMatchObject({ auth_read: 12, auth_missing: 1, auth_differs: 4, auth_extra: 1 });
    expect(summary.drift).toBe(6);
    const here = (place: number) => clerkIdOf(place);
    const email = `${clerkIdOf(1)}@example.com`;
    expect(summary.differences).toEqual(
      expect.arrayContaining([
        { clerk_id: here(0), kind: "auth_missing", fields: [] },
        { clerk_id: here(1), kind: "auth_differs", fields: { email: { here: email, auth: "other@example.com" } } },
        { clerk_id: here(2), kind: "auth_differs", fields: { role: { here: "user", auth: "admin" } } },
        { clerk_id: here(3), kind: "auth_differs", fields: { locked: { here: "true", auth: "false" } } },
        { clerk_id: here(4), kind: "auth_differs", fields: { clerk_id: { here: here(4), auth: null } } },
        { clerk_id: "user_gone", kind: "auth_extra", fields: [] },
      ]),
    );
    expect(await authUsers()).toEqual(before);
    const plain = await system.cli.run("reconcile");
    expect(plain.stdout).toContain(`  ${here(2)} auth_differs: role\n`);
    expect(plain.stdout).not.toContain("example.com");
  });

  it("names each row that Auth cannot read, and compares all others of its page", async () => {
    await insertAuthUser(crypto.randomUUID(), "native@example.com", {});
    await sql("update auth.users set recovery_token = null where id = $1 or email = 'native@example.com'", [
      authIdOf(5),
    ]);
    await sql("update auth.users set email = 'other@example.com' where id = $1", [authIdOf(1)]);
    await sql(
      `update auth.users as u set created_at = '2026-01-01'::timestamptz + o.place * interval '1 minute'
       from (select id, row_number() over (order by email) as place from auth.users) as o where o.id = u.id`,
    );
    const { exitCode, summary } = await system.cli.json("reconcile");
    expect(exitCode).toBe(1);
    expect(summary.counts).toMatchObject({ auth_read: 11, auth_differs: 1, auth_unreadable: 2 });
    expect(summary.counts).not.toHaveProperty("auth_unread");
    const order = (await sql("select id, email from auth.users order by created_at")).rows;
    const place = order.findIndex(({ email }) => email === "native@example.com");
    expect(summary.differences).toEqual(
      expect.arrayContaining([
        { clerk_id: clerkIdOf(5), kind: "auth_unreadable", fields: [] },
        {
          clerk_id: "unknown",
          kind: "auth_unreadable",
          fields: [`Auth user ${place + 1}, the oldest first`, `before ${order[place + 1].id}`],
        },
        { clerk_id: clerkIdOf(1), kind: "auth_differs", fields: ["email"] },
      ]),
    );
    const plain = await system.cli.run("reconcile");
    expect(plain.stdout).toContain("2 rows of auth.users cannot be read by Supabase Auth");
  });

  it("mends all of it with --apply, through the queue, and finds nothing afterwards", async () => {
    const before = await authUsers();
    await spoil();
    const { exitCode, summary } = await system.cli.json("reconcile", "--apply");
    expect(summary.counts).toMatchObject({ auth_missing: 1, auth_differs: 4, auth_extra: 1, queued: 6 });
    expect(exitCode).toBe(0);
    expect(await authUsers()).toEqual(before);
    expect((await system.cli.json("reconcile")).summary).toMatchObject({ drift: 0, differences: [] });
  });

  it("leaves Auth users without a Clerk id alone, and one of a deleted user's that we did not make", async () => {
    const own = crypto.randomUUID();
    await insertAuthUser(own, "own@example.com", { provider: "email" });
    const strange = crypto.randomUUID();
    await insertAuthUser(strange, "strange@example.com", { clerk_id: "user_gone" });
    const { exitCode, summary } = await system.cli.json("reconcile", "--apply");
    expect(summary).toMatchObject({ drift: 0, counts: { auth_foreign: 1 } });
    expect(exitCode).toBe(0);
    expect((await sql("select 1 from auth.users where id = any ($1)", [[own, strange]])).rowCount).toBe(2);
  });

  it("deletes nobody whom Clerk still has, whatever stands in the metadata", async () => {
    system.clerk.users.set(clerkIdOf(50), makeUser(50));
    system.clerk.beforeAnswer((request) => {
      const isList = request === "GET /v1/users"; // which does not show this user, whoever knows why
      if (isList) system.clerk.users.delete(clerkIdOf(50));
      else if (!system.clerk.users.has(clerkIdOf(50))) system.clerk.users.set(clerkIdOf(50), makeUser(50));
    });
    await insertAuthUser(authIdOf(50), "fifty@example.com", { clerk_id: clerkIdOf(50), role: "user" });
    await sql(`update auth.users set raw_app_meta_data = '{"clerk_id": "user_gone"}' where id = $1`, [authIdOf(5)]);
    const { summary } = await system.cli.json("reconcile", "--apply");
    expect(summary.counts["auth_extra"]).toBeUndefined();
    expect(summary.counts).toMatchObject({ auth_differs: 1 });
    expect((await sql("select 1 from auth.users where id = any ($1)", [[authIdOf(50), authIdOf(5)]])).rowCount).toBe(2);
  });

  it("names who was soft-deleted there, whom nothing but a person can bring back", async () => {
    await sql("update auth.users set deleted_at = now() where id = $1", [authIdOf(6)]);
    const { exitCode, summary } = await system.cli.json("reconcile", "--apply");
    expect(summary).toMatchObject({
      counts: { auth_deleted: 1 },
      differences: [{ clerk_id: clerkIdOf(6), kind: "auth_deleted", fields: ["deleted"] }],
    });
    expect(exitCode).toBe(1);
  });

  it("has more than a few deletions wait for an operator, though nobody is deleted here", async () => {
    await system.stop();
    system = await startClerkAndServer({ AUTH_MIRROR: "on", DELETE_BRAKE_COUNT: "3" });
    await system.createUsers(3);
    for (let place = 20; place < 25; place++) {
      await insertAuthUser(authIdOf(place), `gone${place}@example.com`, { clerk_id: clerkIdOf(place), role: "user" });
    }
    const held = await system.cli.run("reconcile", "--apply");
    expect(held.stdout).toContain("5 deletions wait for an operator: admin page, Overview, Delete brake");
    expect(held.exitCode).toBe(1);
    expect(await authUsers()).toHaveLength(8);
    expect((await system.cli.json("reconcile", "--apply")).summary.counts["auth_extra"]).toBeUndefined(); // they wait
    await sql("select clerk_sync_release_delete_brake('apply')");
    await expect.poll(authUsers).toHaveLength(3);
  });

  it("counts in the drift that health knows", async () => {
    await spoil();
    await system.cli.json("reconcile");
    expect((await sql("select clerk_sync_health() #> '{facts,runs,compare,drift}' as drift")).rows).toEqual([
      { drift: 6 },
    ]);
  });
});
