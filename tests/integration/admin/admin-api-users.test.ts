import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { deletedEvent } from "../../support/clerk/build-event.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let system: AdminSystem;
beforeAll(async () => {
  system = await startAdminSystem();
});
afterAll(() => system?.stop());

describe("a user", () => {
  const resync = async (id: string) => {
    expect((await system.ask("POST", `/users/${id}/resync`)).body).toEqual({ requested: 1 });
    const isDone = async () => (await system.verdictOf(id)).code;
    await expect.poll(isDone).not.toMatch(/under_way|refresh_due/);
  };

  it("whom no event ever brought is found out to be missing, and is in step after a resync", async () => {
    system.setAtClerk("user_lost");
    expect((await system.ask("GET", "/users/user_lost")).body).toMatchObject({
      verdict: { code: "never_delivered", in_step: false, title: "No event arrived" },
      clerk: { state: "present", reason: null, values: { email: "u***@e***.com", name: "A*** L***" } },
      users: { state: "absent", reason: "There is no row." },
      auth: { state: "absent", reason: "Supabase Auth has no such user." },
      state: null,
      jobs: [],
    });
    await resync("user_lost");
    expect((await system.ask("GET", "/users/user_lost")).body).toMatchObject({
      verdict: { code: "in_step", in_step: true },
      users: { state: "present" },
      auth: { state: "present" },
      differences: [],
      jobs: [{ source: "refresh", status: "COMPLETED" }],
    });
    expect(await system.audited("user_lost")).toEqual(["Ada resync_user"]);
  });

  it("is found by id, its beginning and the address, masked, and is revealed to who is put down for it", async () => {
    await system.deliver("user_grace", { firstName: "Grace", lastName: "Hopper", phone: "+4915112345678" });
    for (const q of ["user_grace", "User_Grace@Example.com", "user_grac"]) {
      const { body } = await system.ask("GET", `/users?q=${encodeURIComponent(q)}`);
      expect(body["users"], q).toMatchObject([
        { clerk_id: "user_grace", row: { email: "u***@e***.com", name: "G*** H***" }, values: { phone: "+***" } },
      ]);
    }
    expect((await system.ask("POST", "/users/user_grace/reveal")).body).toMatchObject({
      is_revealed: true,
      users: { values: { email: "user_grace@example.com", name: "Grace Hopper", phone: "+4915112345678" } },
    });
    expect(await system.audited("user_grace")).toEqual(["Ada reveal_user"]);
  });

  it("is found by a column with an index, masked; without one the answer has a note and the statement", async () => {
    await system.deliver("user_hedy", { firstName: "Hedy", lastName: "Lamarr" });
    const remedy = "create index on public.users (lower(name));";
    const without = await system.ask("GET", "/users?q=Hedy%20Lamarr");
    expect(without.body).toMatchObject({
      users: [],
      search: { not_searched: [{ name: "name", remedy }], note: "Not searched, because it has no index: name." },
    });
    await system.server.pool.query(remedy);
    const found = await system.ask("GET", "/users?q=hedy%20lamarr");
    await system.server.pool.query("drop index users_lower_idx");
    expect(found.body).toMatchObject({
      users: [{ clerk_id: "user_hedy", row: { name: "H*** L***" } }],
      search: { searched: ["email", "name"], not_searched: [], note: null },
    });
    expect(JSON.stringify(found.body)).not.toContain("Lamarr");
    expect((await system.ask("GET", "/users")).body).toMatchObject({ search: null });
  });

  it("whose state does not come from Clerk is found out, and is as at Clerk after a resync", async () => {
    await system.deliver("user_forged", { firstName: "Forged" });
    system.setAtClerk("user_forged", { version: 0 });
    await system.server.pool.query("update clerk_sync.records set last_synced_at = now() - interval '1 hour'");
    expect((await system.ask("GET", "/users/user_forged")).body).toMatchObject({
      verdict: { code: "version_ahead", in_step: false, remedy: expect.stringContaining("docs/secret-leaked.md") },
    });
    await resync("user_forged");
    expect((await system.ask("GET", "/users/user_forged")).body).toMatchObject({ verdict: { code: "in_step" } });
  });

  it.each([8.64e15, 8.64e15 + 1, 9_007_199_254_740_991, 9.2e18])(
    "has a version that no date can be (%d)",
    async (version) => {
      const id = `user_undated_${version}`;
      await system.deliver(id);
      await system.server.pool.query("update clerk_sync.records set version = $1 where id = $2", [version, id]);
      const { status, body } = await system.ask("GET", `/users/${id}`);
      expect(status).toBe(200);
      const shown = version > 8.64e15 ? String(version) : "+275760-09-13T00:00:00.000Z";
      expect(body).toMatchObject({ users: { values: { updated_at: shown } }, state: { version } });
    },
  );

  it("who changed at Clerk without an event is stale, with the fields that differ, until a resync", async () => {
    await system.deliver("user_stale");
    system.setAtClerk("user_stale", { version: 9, firstName: "Countess" });
    expect((await system.ask("GET", "/users/user_stale")).body).toMatchObject({
      verdict: { code: "stale" },
      comparison: [
        { name: "email", source: "email", clerk: "u***@e***.com", users: "u***@e***.com", differs: false },
        { name: "name", source: "name", clerk: "C*** L***", users: "A*** L***", auth: "A*** L***", differs: true },
        { name: "role", source: "public_metadata.role", clerk: null, users: "user", auth: "user", differs: false },
        { name: "createdAt", source: "created_at", clerk: expect.any(String), users: expect.any(String) },
        { name: "updatedAt", source: "now", users: expect.any(String), differs: false },
        { name: "created_at" },
        { name: "updated_at", source: "now", differs: false },
        { name: "phone", source: null, clerk: null, users: null, auth: null, differs: false },
        { name: "banned", source: null, clerk: false, users: false, auth: false, differs: false },
        { name: "version", source: null, clerk: expect.any(String), users: expect.any(String), differs: true },
      ],
      differences: ["name", "version"],
    });
    await resync("user_stale");
    expect(await system.verdictOf("user_stale")).toMatchObject({ code: "in_step" });
  });

  it("whose role may not be stored is in step all the same", async () => {
    system.setAtClerk("user_king", { role: "king" });
    await resync("user_king");
    expect((await system.ask("GET", "/users/user_king")).body).toMatchObject({
      verdict: { code: "in_step" },
      differences: [],
      ignored_note:
        "The column role ignores what Clerk has: it is a text that is not among the allowed values. The column has its default.",
    });
  });

  it("whose deletion never arrived goes with a resync", async () => {
    await system.deliver("user_left");
    expect(await system.verdictOf("user_left")).toMatchObject({ code: "row_not_at_clerk" });
    await resync("user_left");
    await expect.poll(async () => (await system.verdictOf("user_left")).code).toBe("deleted");
    expect((await system.ask("GET", "/users/user_left")).body).toMatchObject({
      users: { state: "absent" },
      auth: { state: "absent" },
    });
  });

  it("whom a late event cannot revive is told apart, and comes back with a resync", async () => {
    await system.deliver("user_back");
    await postEvent(system.server.settings, deletedEvent({ id: "user_back", version: 5 }));
    await system.server.quiet();
    system.setAtClerk("user_back", { version: 9 });
    expect(await system.verdictOf("user_back")).toMatchObject({ code: "tombstone" });
    await resync("user_back");
    expect(await system.verdictOf("user_back")).toMatchObject({ code: "in_step" });
  });

  it("whom Supabase Auth alone still has is deleted there by a resync", async () => {
    await system.deliver("user_over");
    await postEvent(system.server.settings, deletedEvent({ id: "user_over", version: 5 }));
    await system.server.quiet();
    const { url, secretKey } = system.server.settings;
    await createAuthAdmin({ supabaseUrl: url, secretKey }).createUser({
      id: authUserIdOf("user_over"),
      email: "user_over@example.com",
      app_metadata: { clerk_id: "user_over" },
      user_metadata: {},
    });
    expect(await system.verdictOf("user_over")).toMatchObject({ code: "auth_left_over", in_step: false });
    await resync("user_over");
    await expect.poll(async () => (await system.verdictOf("user_over")).code).toBe("deleted");
  });

  it("whose address another user holds is told who", async () => {
    system.setAtClerk("user_owner", { version: 1, email: "same@example.com" });
    system.setAtClerk("user_newer", { version: 2, email: "same@example.com" });
    await resync("user_owner");
    await resync("user_newer");
    const verdict = () => system.verdictOf("user_owner");
    const isHeld = { code: "email_held", what: expect.stringContaining("user_newer"), other_clerk_id: "user_newer" };
    await expect.poll(verdict).toMatchObject(isHeld); // who lost it is read again first
  });

  it("whom Supabase Auth has lost, and whose row was deleted by hand, are made again", async () => {
    system.setAtClerk("user_hand");
    await resync("user_hand");
    await system.server.one("delete from auth.users where raw_app_meta_data ->> 'clerk_id' = 'user_hand'");
    expect(await system.verdictOf("user_hand")).toMatchObject({ code: "auth_missing" });
    await system.server.one("delete from users where clerk_id = 'user_hand'");
    expect(await system.verdictOf("user_hand")).toMatchObject({ code: "row_missing" });
    await resync("user_hand");
    expect(await system.verdictOf("user_hand")).toMatchObject({ code: "in_step" });
  });

  it("whose last refresh is a dead letter is read again all the same", async () => {
    system.setAtClerk("user_stuck");
    await resync("user_stuck");
    await system.server.one(
      "update job_queue set status = 'DEAD', error = 'clerk_rejected: x', result = null, processed_at = now() where clerk_id = 'user_stuck'",
    );
    system.setAtClerk("user_stuck", { version: 9, firstName: "Countess" });
    expect(await system.verdictOf("user_stuck")).toMatchObject({ code: "dead_letter" });
    await resync("user_stuck");
    expect(await system.verdictOf("user_stuck")).toMatchObject({ code: "in_step" });
    expect(await system.audited("user_stuck")).toEqual(["Ada resync_user"]);
  });

  it("is shown while Clerk's API fails, which is said and fails nothing else", async () => {
    await system.deliver("user_dark");
    system.clerk.failures.push({ status: 503 }, { status: 503 }); // the user's, and the question whether Clerk works at all
    expect(await system.ask("GET", "/users/user_dark")).toMatchObject({
      status: 200,
      body: {
        verdict: { code: "clerk_unanswered" },
        clerk: { state: "unknown", reason: expect.stringMatching(/^Clerk's API gave no answer: clerk_unavailable/) },
        users: { state: "present" },
        auth: { state: "present" },
      },
    });
  });

  it("of an id that nobody has ever heard of is said to be so", async () => {
    expect((await system.ask("GET", "/users/user_nobody")).body).toMatchObject({
      verdict: { code: "unknown_user", in_step: true },
      clerk: { state: "absent", reason: "Clerk has no such user." },
    });
    expect(await system.verdictOf("..%2Fcount")).toMatchObject({ code: "unknown_user" });
  });
});
