import { describe, expect, test } from "vitest";
import { at, userEvent } from "../../../../../tests/support/clerk/build-event.ts";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import type { FreshUser } from "../clerk/clerk-api.ts";
import { parseUser } from "../clerk/parse-event.ts";
import type { EnsureUserArguments, OwnRow } from "../database/database.ts";
import { SyncError } from "../errors.ts";
import { createEnsureUser, type EnsureUserOptions } from "./ensure-user.ts";

const row = { id: "1", clerk_id: "user_1", name: "Ada Lovelace" };
const looked = { version: null, at: "2026-01-01T00:00:00Z" };
const present: OwnRow = { ...looked, state: "present", row };
const missing: OwnRow = { ...looked, state: "missing" };
const known: OwnRow = { ...looked, state: "missing", version: 7 };
const deleted: OwnRow = { ...looked, state: "deleted", version: 7 };

const user = parseUser(userEvent("user.created", { id: "user_1", version: 1 }).data);
const atClerk: FreshUser = { deleted: false, version: at(1), user };

type Answers = { own?: OwnRow; ensured?: OwnRow; fresh?: FreshUser | SyncError | null };

/** ensureUser over a database and a Clerk that give these answers, and what they were asked. */
function ensureWith({ own = missing, ensured = present, fresh = atClerk }: Answers) {
  const calls = { reads: [] as string[], ensured: [] as EnsureUserArguments[], refreshes: [] as unknown[], wakes: 0 };
  const options: EnsureUserOptions = {
    database: {
      ownRow: async () => own,
      ensureUser: async (given) => {
        calls.ensured.push(given);
        return ensured;
      },
      requestRefresh: async (ids, reason) => calls.refreshes.push([ids, reason]),
    },
    readUser: async (clerkId) => {
      calls.reads.push(clerkId);
      await Promise.resolve();
      if (fresh instanceof SyncError || fresh === null) throw fresh;
      return fresh;
    },
    fields: rootFields,
    maxAttempts: 15,
    onQueued: () => {
      calls.wakes += 1;
    },
  };
  if (fresh === null) options.readUser = null;
  return { ensureUser: createEnsureUser(options), calls };
}

describe("a row", () => {
  test("that is there is answered without a call to Clerk", async () => {
    const { ensureUser, calls } = ensureWith({ own: present });
    expect(await ensureUser("user_1")).toEqual(row);
    expect(calls).toMatchObject({ reads: [], ensured: [], wakes: 0 });
  });

  test("that is missing is made from what Clerk says, and a worker is woken for the mirror", async () => {
    const { ensureUser, calls } = ensureWith({});
    expect(await ensureUser("user_1")).toEqual(row);
    expect(calls.ensured).toMatchObject([
      {
        clerkId: "user_1",
        version: at(1),
        readAt: looked.at,
        payload: { email: "user_1@example.com" },
        maxAttempts: 15,
      },
    ]);
    expect(calls.wakes).toBe(1);
  });

  test("is read once for calls that come together, and again for one that comes later", async () => {
    const { ensureUser, calls } = ensureWith({});
    await Promise.all(Array.from({ length: 20 }, () => ensureUser("user_1")));
    expect(calls.reads).toEqual(["user_1"]);
    await ensureUser("user_1");
    expect(calls.reads).toHaveLength(2);
  });

  test("of one user is not that of another who asks at the same time", async () => {
    const { ensureUser, calls } = ensureWith({});
    await Promise.all([ensureUser("user_1"), ensureUser("user_2")]);
    expect(calls.reads).toEqual(["user_1", "user_2"]);
  });

  test("that could not be made yet is pending", async () => {
    const { ensureUser, calls } = ensureWith({ ensured: known });
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "user_pending", retryable: true });
    expect(calls.wakes).toBe(1);
  });

  test("is pending while it is left to the webhook, without CLERK_SECRET_KEY", async () => {
    const { ensureUser } = ensureWith({ fresh: null });
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "user_pending", retryable: true });
  });
});

describe("a failure of Clerk's API", () => {
  test("is the failure of every call that waited for it, and the next call asks again", async () => {
    const { ensureUser, calls } = ensureWith({
      fresh: new SyncError("clerk_rate_limited", "slow", { retryable: true }),
    });
    const ended = await Promise.allSettled([ensureUser("user_1"), ensureUser("user_1")]);
    expect(ended).toMatchObject([
      { status: "rejected", reason: { code: "clerk_rate_limited" } },
      { status: "rejected", reason: { code: "clerk_rate_limited" } },
    ]);
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "clerk_rate_limited" });
    expect(calls.reads).toHaveLength(2);
  });
});

describe("a deleted user", () => {
  const atClerkDeleted: FreshUser = { deleted: true };

  test("of whom nothing is known is deleted, and nothing is stored", async () => {
    const { ensureUser, calls } = ensureWith({ fresh: atClerkDeleted });
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "user_deleted", retryable: false });
    expect(calls).toMatchObject({ refreshes: [], ensured: [], wakes: 0 });
  });

  test("who is known is left to a refresh", async () => {
    const { ensureUser, calls } = ensureWith({ own: known, fresh: atClerkDeleted });
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "user_deleted" });
    expect(calls).toMatchObject({ refreshes: [[["user_1"], "ensure"]], ensured: [], wakes: 1 });
  });

  test("with a tombstone is not refreshed again", async () => {
    const { ensureUser, calls } = ensureWith({ own: deleted, fresh: atClerkDeleted });
    await expect(ensureUser("user_1")).rejects.toMatchObject({ code: "user_deleted" });
    expect(calls.refreshes).toEqual([]);
  });

  test("with a tombstone is deleted without CLERK_SECRET_KEY, too", async () => {
    await expect(ensureWith({ own: deleted, fresh: null }).ensureUser("user_1")).rejects.toMatchObject({
      code: "user_deleted",
    });
  });

  test("whom Clerk has again is revived by the fresh read", async () => {
    expect(await ensureWith({ own: deleted }).ensureUser("user_1")).toEqual(row);
  });
});
