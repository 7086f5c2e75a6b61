import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { createFakeAuthAdmin } from "../../../../../tests/support/supabase/fake-auth-admin.ts";
import { mirrorOrder } from "../../../../../tests/support/supabase/mirror-order.ts";
import { SyncError } from "../errors.ts";
import { authUserIdOf, createMirrorUser } from "./mirror-user.ts";

const adaId = "ffc785b7-ec37-555a-99c2-c8b619179c93";

describe("the Auth id of a Clerk user", () => {
  test("never changes", () => {
    expect(authUserIdOf("user_35rT8mQvXk2LhN4pZsYcWb6JdGe")).toBe(adaId);
  });

  test("is a UUID of version 5, and another for another user", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        expect(authUserIdOf(one)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(authUserIdOf(one) === authUserIdOf(other)).toBe(one === other);
      }),
    );
  });
});

test("all requests of one user share one deadline, which a lease outlives", async () => {
  const timeout = vi.spyOn(AbortSignal, "timeout");
  const { auth, deadlines, calls } = createFakeAuthAdmin([{ email: "ada@example.com" }]);
  await createMirrorUser(auth)(mirrorOrder());
  expect(calls.length).toBeGreaterThan(2);
  expect(deadlines).toHaveLength(1);
  expect(timeout).toHaveBeenCalledWith(12_000);
  timeout.mockRestore();
});

describe("a user who is not mirrored yet", () => {
  test("is created under the derived id, confirmed, with the Clerk id and role in the metadata", async () => {
    const { auth, users, calls } = createFakeAuthAdmin();
    const result = await createMirrorUser(auth)(mirrorOrder());
    expect(result).toEqual({ outcome: "created", authUserId: adaId });
    expect(calls).toEqual([
      {
        method: "createUser",
        input: {
          id: adaId,
          email: "ada@example.com",
          email_confirm: true,
          password_hash: expect.stringMatching(/^\$2a\$10\$[./A-Za-z0-9]{53}$/),
          ban_duration: "876000h",
          app_metadata: { clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe", role: "user", banned: false },
          user_metadata: { clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe", full_name: "Ada Lovelace", role: "user" },
        },
      },
    ]);
    expect([...users.keys()]).toEqual([adaId]);
  });

  test("has a password hash of its own", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    await createMirrorUser(auth)(mirrorOrder({ clerk_id: "user_1", email: "1@example.com" }));
    await createMirrorUser(auth)(mirrorOrder({ clerk_id: "user_2", email: "2@example.com" }));
    expect(new Set(calls.map((call) => call.input?.password_hash)).size).toBe(2);
  });

  test("carries a ban without end from the start, and Clerk's own ban in the metadata", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    await createMirrorUser(auth)(mirrorOrder({ banned: true }));
    expect(calls[0]?.input).toMatchObject({ ban_duration: "876000h", app_metadata: { banned: true } });
  });

  test("is created by phone when there is no email", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    const result = await createMirrorUser(auth)(mirrorOrder({ email: null, phone: "+15555550100" }));
    expect(result.outcome).toBe("created");
    expect(calls[0]?.input).toMatchObject({ phone: "+15555550100", phone_confirm: true });
    expect(calls[0]?.input).not.toHaveProperty("email");
  });

  test("is created with a placeholder while Clerk has not verified the address", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    await createMirrorUser(auth)(mirrorOrder({ email_verified: false }));
    expect(calls.map(({ input }) => input?.email)).toEqual([`${adaId}@removed.invalid`]);
  });

  test("is created without the phone when there is an email, as a phone can never be taken back", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    await createMirrorUser(auth)(mirrorOrder({ phone: "+15555550100" }));
    expect(calls[0]?.input).not.toHaveProperty("phone");
    expect(calls[0]?.input).not.toHaveProperty("phone_confirm");
  });

  test("with neither email nor phone is skipped with the reason, and nothing is written", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    const result = await createMirrorUser(auth)(mirrorOrder({ email: null }));
    expect(result).toEqual({ outcome: "skipped", reason: "no_email_or_phone", authUserId: null });
    expect(calls).toEqual([{ method: "getUser", id: adaId }]);
  });

  test("with neither email nor phone, but created by an attempt whose answer was lost, gives the address up", async () => {
    const { auth, users } = createFakeAuthAdmin([{ id: adaId, email: "ada@example.com" }]);
    const result = await createMirrorUser(auth)(mirrorOrder({ email: null }));
    expect(result).toEqual({ outcome: "updated", authUserId: adaId });
    expect(users.get(adaId)).toMatchObject({ email: `${adaId}@removed.invalid` });
  });

  test("whose first answer was lost is updated, not created twice", async () => {
    const { auth, users } = createFakeAuthAdmin();
    const mirror = createMirrorUser(auth);
    await mirror(mirrorOrder());
    expect(await mirror(mirrorOrder({ name: "Ada King" }))).toEqual({ outcome: "updated", authUserId: adaId });
    expect([...users.values()]).toMatchObject([{ id: adaId, user_metadata: { full_name: "Ada King" } }]);
  });

  test("whose first answer was lost is updated also when the email changed since", async () => {
    const { auth, users } = createFakeAuthAdmin();
    const mirror = createMirrorUser(auth);
    await mirror(mirrorOrder());
    expect(await mirror(mirrorOrder({ email: "king@example.com" }))).toMatchObject({ outcome: "updated" });
    expect([...users.values()]).toMatchObject([{ id: adaId, email: "king@example.com" }]);
  });

  test("whose email the Auth server does not accept is written without it, and rejected for good", async () => {
    const { auth, users } = createFakeAuthAdmin();
    const failure = createMirrorUser(auth)(mirrorOrder({ email: "ädä@example.com", banned: true }));
    await expect(failure).rejects.toMatchObject({ name: "SyncError", code: "auth_address_refused", retryable: false });
    expect(users.get(adaId)).toMatchObject({ email: `${adaId}@removed.invalid`, app_metadata: { banned: true } });
  });
});

describe("a user who is mirrored", () => {
  const known = { id: adaId, email: "old@example.com" };

  test("is updated under the id that is remembered, in one call", async () => {
    const metadata = { app_metadata: { provider: "email", role: "admin" }, user_metadata: { theme: "dark" } };
    const { auth, users, calls } = createFakeAuthAdmin([{ ...known, ...metadata, banned: true }]);
    const order = mirrorOrder({ auth_user_id: known.id, role: null });
    expect(await createMirrorUser(auth)(order)).toEqual({ outcome: "updated", authUserId: known.id });
    expect(calls.map((call) => call.method)).toEqual(["updateUser"]);
    expect(users.get(known.id)).toMatchObject({
      id: known.id,
      email: "ada@example.com",
      phone: "",
      app_metadata: { provider: "email", clerk_id: order.clerk_id, banned: false },
      user_metadata: { theme: "dark", clerk_id: order.clerk_id, full_name: "Ada Lovelace" },
      banned: true,
    });
  });

  test("keeps the password", async () => {
    const { auth, calls } = createFakeAuthAdmin([known]);
    await createMirrorUser(auth)(mirrorOrder({ auth_user_id: known.id }));
    expect(calls[0]?.input).not.toHaveProperty("password_hash");
    expect(calls[0]?.input).not.toHaveProperty("id");
  });

  test("stays banned in Auth whatever Clerk says, and carries what Clerk says in the metadata", async () => {
    const { auth, users } = createFakeAuthAdmin([known]);
    const mirror = createMirrorUser(auth);
    await mirror(mirrorOrder({ auth_user_id: known.id, banned: true }));
    expect(users.get(known.id)).toMatchObject({ banned: true, app_metadata: { banned: true } });
    await mirror(mirrorOrder({ auth_user_id: known.id, banned: false }));
    expect(users.get(known.id)).toMatchObject({ banned: true, app_metadata: { banned: false } });
  });

  test("whose email was removed gives the address up, for an email cannot be removed in Auth", async () => {
    const { auth, users } = createFakeAuthAdmin([known]);
    const result = await createMirrorUser(auth)(mirrorOrder({ auth_user_id: known.id, email: null, banned: true }));
    expect(result).toEqual({ outcome: "updated", authUserId: known.id });
    expect(users.get(known.id)).toMatchObject({ email: `${known.id}@removed.invalid`, app_metadata: { banned: true } });
  });

  test("whose email is refused by the Auth server gives the old one up, and all else is written", async () => {
    const { auth, users } = createFakeAuthAdmin([known]);
    const order = mirrorOrder({ auth_user_id: known.id, email: "a@[127.0.0.1]é", banned: true });
    await expect(createMirrorUser(auth)(order)).rejects.toMatchObject({ code: "auth_address_refused" });
    expect(users.get(known.id)).toMatchObject({ email: `${known.id}@removed.invalid`, app_metadata: { banned: true } });
  });

  test("who has an email now gives the number up, for its next owner", async () => {
    const { auth, users } = createFakeAuthAdmin([{ ...known, phone: "15555550100" }]);
    await createMirrorUser(auth)(mirrorOrder({ auth_user_id: known.id }));
    expect(users.get(known.id)?.phone).toMatch(/^999\d{11}$/);
  });

  test("by phone, who swaps numbers with another, lets the other go first", async () => {
    const other = { id: authUserIdOf("user_2"), phone: "15555550102", app_metadata: { clerk_id: "user_2" } };
    const { auth, users } = createFakeAuthAdmin([{ id: adaId, phone: "15555550101" }, other]);
    const mirror = createMirrorUser(auth);
    const mine = mirrorOrder({ auth_user_id: adaId, email: null, phone: "+15555550102" });
    await expect(mirror(mine)).rejects.toMatchObject({ code: "auth_email_conflict" });
    await mirror(mirrorOrder({ clerk_id: "user_2", auth_user_id: other.id, email: null, phone: "+15555550101" }));
    await mirror({ ...mine, attempts: 2 });
    expect([...users.values()].map(({ phone }) => phone)).toEqual(["15555550102", "15555550101"]);
  });

  test("is locked again by each update when it was adopted, also by an earlier version", async () => {
    const adopted = { ...known, id: "22222222-2222-4222-8222-222222222222" };
    const { auth, users, calls } = createFakeAuthAdmin([adopted]);
    await createMirrorUser(auth)(mirrorOrder({ auth_user_id: adopted.id }));
    expect(users.get(adopted.id)).toMatchObject({ banned: true, app_metadata: { banned: false } });
    expect(calls.map(({ method }) => method)).toEqual(["removeFactors", "updateUser"]);
    expect(calls[1]?.input).toMatchObject({ password: expect.any(String), role: "authenticated" });
  });

  test("is created again under the derived id when somebody deleted it over there", async () => {
    const { auth, users } = createFakeAuthAdmin();
    const gone = "22222222-2222-4222-8222-222222222222";
    const result = await createMirrorUser(auth)(mirrorOrder({ auth_user_id: gone }));
    expect(result).toEqual({ outcome: "created", authUserId: adaId });
    expect([...users.keys()]).toEqual([adaId]);
  });

  test("is skipped when it was deleted over there and has neither email nor phone", async () => {
    const { auth } = createFakeAuthAdmin();
    const result = await createMirrorUser(auth)(mirrorOrder({ auth_user_id: known.id, email: null }));
    expect(result).toEqual({ outcome: "skipped", reason: "no_email_or_phone", authUserId: null });
  });
});

describe("a deleted user", () => {
  test("is deleted under the id that is remembered, or else the derived one", async () => {
    const { auth, users } = createFakeAuthAdmin([{ id: "adopted" }, { id: adaId }, { id: "bystander" }]);
    const mirror = createMirrorUser(auth);
    const deleted = { outcome: "deleted", authUserId: null };
    expect(await mirror(mirrorOrder({ deleted: true, email: null, auth_user_id: "adopted" }))).toEqual(deleted);
    expect([...users.keys()]).toEqual([adaId, "bystander"]);
    expect(await mirror(mirrorOrder({ deleted: true, email: null }))).toEqual(deleted);
    expect([...users.keys()]).toEqual(["bystander"]);
  });

  test("whose mirror another Clerk id has now is left alone in Auth, deleted or not", async () => {
    const { auth, calls } = createFakeAuthAdmin([{ id: adaId }]);
    for (const deleted of [true, false]) {
      expect(await createMirrorUser(auth)(mirrorOrder({ deleted, relinked: true }))).toEqual({
        outcome: "skipped",
        reason: "relinked",
        authUserId: null,
      });
    }
    expect(calls).toEqual([]);
  });

  test("that is not there is deleted already", async () => {
    const { auth, calls } = createFakeAuthAdmin();
    expect(await createMirrorUser(auth)(mirrorOrder({ deleted: true }))).toMatchObject({ outcome: "deleted" });
    expect(calls).toEqual([{ method: "deleteUser", id: adaId }]);
  });

  test("that the Auth server will not delete is rejected", async () => {
    const { auth } = createFakeAuthAdmin();
    auth.deleteUser = async () => ({ ok: false, status: 500, code: "23503" });
    const failure = createMirrorUser(auth)(mirrorOrder({ deleted: true }));
    await expect(failure).rejects.toMatchObject({ code: "auth_rejected", message: expect.stringContaining("23503") });
  });
});

test("an Auth server that is down or slowing us down is reported as it is", async () => {
  const { auth } = createFakeAuthAdmin();
  const down = new SyncError("auth_rate_limited", "slow down", { retryable: true, retryAfterSeconds: 9 });
  auth.createUser = () => Promise.reject(down);
  await expect(createMirrorUser(auth)(mirrorOrder())).rejects.toBe(down);
});
