import { describe, expect, test } from "vitest";
import { createFakeAuthAdmin } from "../../../../../tests/support/supabase/fake-auth-admin.ts";
import { mirrorOrder } from "../../../../../tests/support/supabase/mirror-order.ts";
import { authUserIdOf, createMirrorUser } from "./mirror-user.ts";

const conflict = { name: "SyncError", code: "auth_email_conflict", retryable: true };
const older = {
  id: "33333333-3333-4333-8333-333333333333",
  email: "ada@example.com",
  app_metadata: { provider: "email" },
  user_metadata: { theme: "dark" },
};

const adaId = authUserIdOf(mirrorOrder().clerk_id);
const held = { finding: "auth_address_held" };
const confirmed = { ...older, email_confirmed_at: "2026-01-01T00:00:00Z", phone: "15555550100" };
const wait = 4_200_000;

describe("an Auth user from before the mirror that holds the email", () => {
  test("is left alone, and the mirror is made with a placeholder", async () => {
    const { auth, users } = createFakeAuthAdmin([older]);
    const result = await createMirrorUser(auth)(mirrorOrder());
    expect(result).toEqual({ outcome: "created", authUserId: adaId, ...held });
    expect(users.get(older.id)).toMatchObject(older);
    expect(users.get(adaId)).toMatchObject({ email: `${adaId}@removed.invalid`, app_metadata: { banned: false } });
  });

  test("is left alone by each later event, without a try to take the address", async () => {
    const { auth, users, calls } = createFakeAuthAdmin([older]);
    await createMirrorUser(auth)(mirrorOrder());
    calls.splice(0);
    const order = mirrorOrder({ auth_user_id: adaId, auth_finding: "auth_address_held", banned: true });
    expect(await createMirrorUser(auth)(order)).toEqual({ outcome: "updated", authUserId: adaId, ...held });
    expect(calls.map(({ method }) => method)).toEqual(["getUser", "isEmailTaken", "findUsers", "updateUser"]);
    expect(users.get(adaId)?.app_metadata).toMatchObject({ banned: true });
  });

  test("gives the address to the mirror when it has gone away", async () => {
    const { auth, users } = createFakeAuthAdmin([older]);
    await createMirrorUser(auth)(mirrorOrder());
    users.delete(older.id);
    const order = mirrorOrder({ auth_user_id: adaId, auth_finding: "auth_address_held" });
    expect(await createMirrorUser(auth)(order)).toEqual({ outcome: "updated", authUserId: adaId });
    expect(users.get(adaId)).toMatchObject({ email: "ada@example.com" });
  });

  test("leaves a mirror that changes to its address with a placeholder, not with the old one", async () => {
    const { auth, users } = createFakeAuthAdmin([older, { id: adaId, email: "old@example.com" }]);
    const result = await createMirrorUser(auth)(mirrorOrder({ auth_user_id: adaId }));
    expect(result).toEqual({ outcome: "updated", authUserId: adaId, ...held });
    expect(users.get(adaId)).toMatchObject({ email: `${adaId}@removed.invalid` });
  });

  test("that took the placeholder, too, does not keep the mirror from being made", async () => {
    const squatter = { ...older, id: crypto.randomUUID(), email: `${adaId}@removed.invalid` };
    const { auth, users } = createFakeAuthAdmin([older, squatter]);
    expect(await createMirrorUser(auth)(mirrorOrder())).toMatchObject(held);
    expect(users.get(adaId)?.email).toMatch(/^ffc785b7-.{27}\..{36}@removed\.invalid$/);
  });

  test("is told from those whose address only resembles it", async () => {
    const others = ["axda@example.com", "xa_da@example.com", "a_da@example.com.au"].map((email) => ({ email }));
    const { auth } = createFakeAuthAdmin(others);
    const result = await createMirrorUser(auth)(mirrorOrder({ email: "a_da@example.com" }));
    expect(result).toEqual({ outcome: "created", authUserId: adaId });
  });

  test("is this user's mirror, locked, when it carries the Clerk id already", async () => {
    const order = mirrorOrder();
    const { auth, users } = createFakeAuthAdmin([{ ...older, app_metadata: { clerk_id: order.clerk_id } }]);
    expect(await createMirrorUser(auth)(order)).toMatchObject({ outcome: "updated", authUserId: older.id });
    expect(users.get(older.id)).toMatchObject({ banned: true, app_metadata: { banned: false } });
  });
});

describe("with AUTH_ADOPT=on, that Auth user", () => {
  function adopting(holder: object, now = Date.parse("2026-05-01T00:00:00Z")) {
    const clock = { now };
    const { auth, users, calls } = createFakeAuthAdmin([{ ...confirmed, ...holder }]);
    const adoption = { tokenSeconds: 3600, now: () => clock.now, isSuperAdmin: async () => false };
    return { mirror: createMirrorUser(auth, adoption), auth, users, calls, clock, adoption };
  }
  const lockedOrder = (lockedAt: number) =>
    mirrorOrder({ auth_holder_id: older.id, auth_locked_at: new Date(lockedAt).toISOString() });

  test("is locked first, and nothing of Clerk is written", async () => {
    const { mirror, users, calls, clock } = adopting({ role: "service_role" });
    const lock = { outcome: "locked", holderId: older.id, lockedAt: clock.now, waitSeconds: 4200 };
    expect(await mirror(mirrorOrder())).toEqual(lock);
    expect(users.get(older.id)).toMatchObject({
      banned: true,
      role: "authenticated",
      app_metadata: older.app_metadata,
    });
    expect(calls.find(({ method }) => method === "updateUser")?.input).toEqual({
      password: expect.stringMatching(/^.{60,72}$/),
      ban_duration: "876000h",
      role: "authenticated",
      email_confirm: true,
      phone: expect.stringMatching(/^\+999\d{11}$/),
      phone_confirm: true,
    });
    expect(calls.map(({ method }) => method)).toContain("removeFactors");
  });

  test("becomes the mirror when the longest access token has run out, and stays locked", async () => {
    const { mirror, users, clock } = adopting({});
    await mirror(mirrorOrder());
    const order = lockedOrder(clock.now);
    clock.now += wait - 1000;
    expect(await mirror(order)).toMatchObject({ outcome: "locked", waitSeconds: 1 });
    expect(users.get(older.id)?.app_metadata).toEqual(older.app_metadata);
    clock.now += 1000;
    expect(await mirror(order)).toEqual({ outcome: "adopted", authUserId: older.id });
    expect(users.get(older.id)).toMatchObject({
      email: "ada@example.com",
      banned: true,
      app_metadata: { provider: "email", clerk_id: order.clerk_id, role: "user", banned: false },
      user_metadata: { theme: "dark", clerk_id: order.clerk_id, full_name: "Ada Lovelace" },
    });
    expect(users.get(older.id)?.phone).toMatch(/^999\d{11}$/);
  });

  test.each([
    ["signed in so late that a token may be left", { last_sign_in_at: "2026-05-01T00:11:00Z" }],
    ["was let in again since the lock", { banned: false, banned_until: null }],
  ])("is locked again when it %s", async (_, change) => {
    const { mirror, users, clock } = adopting({});
    await mirror(mirrorOrder());
    Object.assign(users.get(older.id) ?? {}, change);
    const order = lockedOrder(clock.now);
    clock.now += wait;
    expect(await mirror(order)).toMatchObject({ outcome: "locked", lockedAt: clock.now, waitSeconds: 4200 });
    expect(users.get(older.id)).toMatchObject({ banned: true, app_metadata: older.app_metadata });
  });

  test("is deleted when Auth has not confirmed the address, and the mirror is made", async () => {
    const { mirror, users } = adopting({ email_confirmed_at: null });
    expect(await mirror(mirrorOrder())).toEqual({ outcome: "created", authUserId: adaId });
    expect([...users.keys()]).toEqual([adaId]);
  });

  test.each([
    ["is anonymous", { is_anonymous: true }, {}],
    ["has a pending change of address", { new_email: "eve@example.com" }, {}],
    ["has a pending change of number", { new_phone: "15555550199" }, {}],
    ["comes from single sign-on", { identities: [{ provider: "sso:1" }] }, {}],
    ["holds an address that Clerk has not verified", {}, { email_verified: false }],
  ])("is left alone when it %s", async (_, holder, facts) => {
    const { mirror, users } = adopting(holder);
    expect(await mirror(mirrorOrder(facts))).toMatchObject({ outcome: "created", authUserId: adaId });
    expect(users.get(older.id)).toMatchObject({ banned: false, app_metadata: older.app_metadata });
  });

  test("is left alone when it is a super admin", async () => {
    const { auth, users, adoption } = adopting({});
    const mirror = createMirrorUser(auth, { ...adoption, isSuperAdmin: async (id) => id === older.id });
    expect(await mirror(mirrorOrder())).toMatchObject(held);
    expect(users.get(older.id)?.banned).toBe(false);
  });

  test("is left alone by a user who has a mirror", async () => {
    const { mirror, users } = adopting({});
    users.set(adaId, { ...confirmed, ...confirmedTimes, id: adaId, email: "old@example.com", phone: "" });
    expect(await mirror(mirrorOrder({ auth_user_id: adaId }))).toMatchObject({ outcome: "updated", ...held });
    expect(users.get(older.id)?.banned).toBe(false);
  });

  test("that goes away while it is adopted is worth another attempt", async () => {
    const { mirror, auth } = adopting({});
    auth.updateUser = async () => ({ ok: false, status: 404, code: "user_not_found" });
    await expect(mirror(mirrorOrder())).rejects.toMatchObject(conflict);
  });
});

const confirmedTimes = { banned: false, role: "authenticated", banned_until: null, last_sign_in_at: null };

describe("a conflict that no retry resolves", () => {
  test("is a finding when Auth shows no holder, but says that the address is taken", async () => {
    const { auth } = createFakeAuthAdmin([{ ...older, email: "x@example.com" }]);
    auth.isEmailTaken = async () => true;
    const { createUser } = auth;
    auth.createUser = async (input) =>
      input.email === "ada@example.com" ? { ok: false, status: 422, code: "email_exists" } : createUser(input);
    expect(await createMirrorUser(auth)(mirrorOrder())).toMatchObject({ outcome: "created", ...held });
  });

  test("is tried three times when Auth says neither, as for an address of another audience", async () => {
    const { auth } = createFakeAuthAdmin([{ id: adaId, email: "old@example.com" }]);
    const { updateUser } = auth;
    auth.updateUser = async (id, input) =>
      input.email === "ada@example.com" ? { ok: false, status: 500, code: "23505" } : updateUser(id, input);
    const order = mirrorOrder({ auth_user_id: adaId });
    await expect(createMirrorUser(auth)({ ...order, attempts: 2 })).rejects.toMatchObject(conflict);
    expect(await createMirrorUser(auth)({ ...order, attempts: 3 })).toMatchObject({ outcome: "updated", ...held });
  });

  test("is no conflict of addresses when a trigger of the owner's broke another constraint", async () => {
    const { auth } = createFakeAuthAdmin();
    auth.createUser = async () => ({ ok: false, status: 500, code: "23505", constraint: "profiles_name_key" });
    const failure = createMirrorUser(auth)(mirrorOrder());
    const error = { code: "auth_rejected", retryable: false, message: expect.stringContaining("profiles_name_key") };
    await expect(failure).rejects.toMatchObject(error);
  });
});

describe("another living user's mirror that holds the email", () => {
  const other = { id: authUserIdOf("user_2"), email: "ada@example.com", app_metadata: { clerk_id: "user_2" } };

  test("is never merged into this user, on create", async () => {
    const { auth, users } = createFakeAuthAdmin([other]);
    await expect(createMirrorUser(auth)(mirrorOrder())).rejects.toMatchObject(conflict);
    expect([...users.values()]).toMatchObject([other]);
    expect(users.get(other.id)?.user_metadata).toEqual({});
  });

  test("is never merged into this user, on update; this user gives its old address up and is tried again", async () => {
    const mine = { id: authUserIdOf("user_1"), email: "old@example.com" };
    const { auth, users } = createFakeAuthAdmin([other, mine]);
    const order = mirrorOrder({ clerk_id: "user_1", auth_user_id: mine.id });
    await expect(createMirrorUser(auth)(order)).rejects.toMatchObject(conflict);
    expect([...users.values()]).toMatchObject([other, { id: mine.id, email: `${mine.id}@removed.invalid` }]);
  });

  test("gives the email free by its own update, and the next attempt succeeds", async () => {
    const { auth, users } = createFakeAuthAdmin([other]);
    const mirror = createMirrorUser(auth);
    await expect(mirror(mirrorOrder())).rejects.toMatchObject(conflict);
    await mirror(mirrorOrder({ clerk_id: "user_2", email: "grace@example.com", auth_user_id: other.id }));
    expect(await mirror(mirrorOrder())).toMatchObject({ outcome: "created" });
    expect([...users.values()].map((user) => user.email).sort()).toEqual(["ada@example.com", "grace@example.com"]);
  });
});

test("a taken phone is tried three times, then the mirror has a placeholder; its holder is left alone", async () => {
  const { auth, users } = createFakeAuthAdmin([{ ...older, email: "", phone: "15555550100" }]);
  const order = mirrorOrder({ email: null, phone: "+15555550100" });
  await expect(createMirrorUser(auth)(order)).rejects.toMatchObject(conflict);
  expect(await createMirrorUser(auth)({ ...order, attempts: 3 })).toMatchObject({ outcome: "created", ...held });
  expect(users.get(older.id)?.app_metadata).toEqual({ provider: "email" });
});

test("an email that is free again by the time its holder is looked for is worth another attempt", async () => {
  const { auth, users } = createFakeAuthAdmin([older]);
  const findUsers = auth.findUsers;
  auth.findUsers = (text) => {
    users.delete(older.id);
    return findUsers(text);
  };
  await expect(createMirrorUser(auth)(mirrorOrder())).rejects.toMatchObject(conflict);
});
