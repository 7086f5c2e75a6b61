import { describe, expect, test } from "vitest";
import { createFakeAuthAdmin } from "../../../../tests/support/fake-auth-admin.ts";
import { mirrorOrder } from "../../../../tests/support/mirror-order.ts";
import { SyncError } from "./errors.ts";
import { authUserIdOf, createMirrorUser, outcomeOfError } from "./mirror-user.ts";

const conflict = { name: "SyncError", code: "auth_email_conflict", retryable: true };
const older = {
  id: "33333333-3333-4333-8333-333333333333",
  email: "ada@example.com",
  app_metadata: { provider: "email" },
  user_metadata: { theme: "dark" },
};

describe("an Auth user from before the mirror that holds the email", () => {
  test("is adopted, and its id remembered", async () => {
    const { auth, users } = createFakeAuthAdmin([older]);
    const order = mirrorOrder();
    expect(await createMirrorUser(auth)(order)).toEqual({ outcome: "adopted", authUserId: older.id });
    expect([...users.values()]).toMatchObject([
      {
        id: older.id,
        email: "ada@example.com",
        app_metadata: { provider: "email", clerk_id: order.clerk_id, role: "user" },
        user_metadata: { theme: "dark", clerk_id: order.clerk_id, full_name: "Ada Lovelace" },
      },
    ]);
  });

  test("keeps its email, its confirmation and its password as they are", async () => {
    const { auth, calls } = createFakeAuthAdmin([older]);
    await createMirrorUser(auth)(mirrorOrder());
    const update = calls.find((call) => call.method === "updateUser");
    expect(Object.keys(update?.input ?? {}).sort()).toEqual(["app_metadata", "ban_duration", "user_metadata"]);
  });

  test("is banned when Clerk banned the user", async () => {
    const { auth, users } = createFakeAuthAdmin([older]);
    await createMirrorUser(auth)(mirrorOrder({ banned: true }));
    expect(users.get(older.id)?.banned).toBe(true);
  });

  test("is found whatever the case of the address", async () => {
    const { auth } = createFakeAuthAdmin([older]);
    const result = await createMirrorUser(auth)(mirrorOrder({ email: "Ada@Example.COM" }));
    expect(result).toEqual({ outcome: "adopted", authUserId: older.id });
  });

  test("is told from those whose address only resembles it", async () => {
    const wanted = { ...older, email: "a_da@example.com" };
    const others = ["axda@example.com", "xa_da@example.com", "a_da@example.com.au"].map((email) => ({ email }));
    const { auth, users } = createFakeAuthAdmin([wanted, ...others]);
    const result = await createMirrorUser(auth)(mirrorOrder({ email: "a_da@example.com" }));
    expect(result).toEqual({ outcome: "adopted", authUserId: wanted.id });
    const touched = [...users.values()].filter((user) => "clerk_id" in user.app_metadata);
    expect(touched.map((user) => user.id)).toEqual([wanted.id]);
  });

  test("is adopted again when it is this user's already", async () => {
    const order = mirrorOrder();
    const { auth } = createFakeAuthAdmin([{ ...older, app_metadata: { clerk_id: order.clerk_id } }]);
    expect(await createMirrorUser(auth)(order)).toMatchObject({ outcome: "adopted", authUserId: older.id });
  });

  test("is not adopted by an address that Clerk did not verify", async () => {
    const { auth, users } = createFakeAuthAdmin([older]);
    await expect(createMirrorUser(auth)(mirrorOrder({ email_verified: false }))).rejects.toMatchObject(conflict);
    expect([...users.values()]).toMatchObject([older]);
    expect(users.get(older.id)?.app_metadata).toEqual({ provider: "email" });
  });

  test("is worth another attempt when it goes away while it is being adopted", async () => {
    const { auth } = createFakeAuthAdmin([older]);
    auth.updateUser = async () => ({ ok: false, status: 404, code: "user_not_found" });
    await expect(createMirrorUser(auth)(mirrorOrder())).rejects.toMatchObject({ name: "SyncError", retryable: true });
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

test("a taken phone is a conflict, and its holder is left alone", async () => {
  const { auth, users } = createFakeAuthAdmin([{ ...older, email: "", phone: "15555550100" }]);
  const order = mirrorOrder({ email: null, phone: "+15555550100" });
  await expect(createMirrorUser(auth)(order)).rejects.toMatchObject(conflict);
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

describe("how an attempt ends", () => {
  test("a failure that may pass is retried, after what the server asked for", () => {
    const error = new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds: 30 });
    expect(outcomeOfError("job_1", error)).toEqual({
      job_id: "job_1",
      outcome: "retry",
      error: "auth_rate_limited: Slow down.",
      retry_after: 30,
      circuit: "auth",
    });
  });

  test("a Retry-After of nothing is kept, and none is not made up", () => {
    const now = new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds: 0 });
    expect(outcomeOfError("job_1", now)).toMatchObject({ outcome: "retry", retry_after: 0 });
    const unknown = new SyncError("auth_unavailable", "Down.", { retryable: true });
    expect(outcomeOfError("job_1", unknown)).not.toHaveProperty("retry_after");
  });

  test("a failure that never passes is dead at once", () => {
    const error = new SyncError("auth_rejected", "Refused.");
    expect(outcomeOfError("job_1", error)).toEqual({
      job_id: "job_1",
      outcome: "dead",
      error: "auth_rejected: Refused.",
    });
  });

  test.each([
    [new TypeError("x is not a function"), "internal: x is not a function"],
    ["text", "internal: text"],
    [undefined, "internal: undefined"],
  ])("a failure nobody foresaw is retried: %s", (thrown, error) => {
    expect(outcomeOfError("job_1", thrown)).toEqual({ job_id: "job_1", outcome: "retry", error });
  });
});
