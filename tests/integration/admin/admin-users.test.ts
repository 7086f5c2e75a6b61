import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type StoredUserPage,
  storedUserPageSchema,
  type UserList,
  userRecordSchema,
} from "#core/admin/contract/users.ts";
import { jobSummarySchema } from "#core/database/job.ts";
import { callAdmin, callRaw, clearQueue, insertJob } from "../../support/admin/admin-calls.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { withSoftDeletion } from "../../support/mapping/contract-mapping.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => clearQueue(queue));
afterAll(() => queue?.drop());

type Asked = { q?: string; show?: UserList; cursor?: string | null; limit?: number };
const page = ({ q, show = "present", cursor = null, limit = 50 }: Asked = {}): Promise<StoredUserPage> =>
  callAdmin(queue, storedUserPageSchema.strict(), "users", {
    p_q: q ?? null,
    p_show: show,
    p_cursor: cursor,
    p_limit: limit,
  });
const found = async (asked: Asked) => (await page(asked)).users.map((user) => user.clerk_id);
const signUp = async (ids: readonly string[]) => {
  await queue.sendAll(ids.map((id) => userEvent("user.created", { id, version: 1, email: `${id}@example.com` })));
  await queue.run();
};
const remove = async (ids: readonly string[], deleteMode: "hard" | "soft" = "hard") => {
  await queue.sendAll(ids.map((id) => deletedEvent({ id, version: 2 })));
  if (deleteMode === "soft") await withSoftDeletion(queue.pool, () => queue.run());
  else await queue.run();
};

/** All pages, one after the other. */
async function walk(asked: Asked): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const answer: StoredUserPage = await page({ ...asked, cursor });
    expect(answer.users.length).toBeLessThanOrEqual(asked.limit ?? 50);
    ids.push(...answer.users.map((user) => user.clerk_id));
    cursor = answer.next;
  } while (cursor !== null);
  return ids;
}

describe("the list of users", () => {
  it("shows all that the sync has seen, the newest id first, each once over the pages", async () => {
    await signUp(["user_2b", "user_2a", "user_2B", "user_29"]);
    await queue.pool.query("insert into users (email) values ('nobody@example.com')"); // a row of the app's own
    await queue.pool.query("delete from users where clerk_id = 'user_2a'"); // by hand: the user is still known
    for (const limit of [1, 2, 3, 4]) {
      // Capitals come before small letters: so are Clerk's ids made.
      expect(await walk({ limit })).toEqual(["user_2b", "user_2a", "user_2B", "user_29"]);
    }
  });

  it("begins with the newest sign-up, for Clerk's ids begin with their time", async () => {
    await signUp(["user_29w83sxmDNGwOuEthce5gg56FcC", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"]); // May 2022, March 2023
    expect(await found({})).toEqual(["user_2NNEqL2nrIRdJ194ndJqAHwEfxC", "user_29w83sxmDNGwOuEthce5gg56FcC"]);
  });

  it.each(["hard", "soft"] as const)("has deleted users (%s) in a list of their own", async (deleteMode) => {
    await signUp(["user_a", "user_b", "user_c", "user_d"]);
    await remove(["user_b", "user_d"], deleteMode);
    expect(await walk({ limit: 1 })).toEqual(["user_c", "user_a"]);
    expect(await walk({ show: "deleted", limit: 1 })).toEqual(["user_d", "user_b"]);
    expect(await found({ q: "user_", show: "deleted" })).toEqual(["user_d", "user_b"]);
    expect((await page({ show: "deleted" })).users[0]).toMatchObject({ state: { deleted_at: expect.any(String) } });
  });

  it("says of each what the sync knows", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1, email: "ada@example.com" }));
    await queue.run();
    for (const status of ["PENDING", "FAILED", "DEAD"]) await insertJob(queue, { status, clerk_id: "user_ada" });
    expect((await page()).users).toEqual([
      {
        clerk_id: "user_ada",
        table: "public.users",
        columns: [
          { name: "email", source: "email", value: "ada@example.com", rule: null },
          { name: "name", source: "name", value: expect.any(String), rule: null },
          {
            name: "role",
            source: "public_metadata.role",
            value: "user",
            rule: { allowed: ["user", "admin"], default: "user" },
          },
          {
            name: "createdAt",
            source: "created_at",
            value: expect.any(String),
            rule: { own_default: true, once: true },
          },
          { name: "updatedAt", source: "now", value: expect.any(String), rule: null },
          { name: "created_at", source: "created_at", value: expect.any(String), rule: { once: true } },
          { name: "updated_at", source: "now", value: expect.any(String), rule: null },
        ],
        row: {
          id: expect.any(String),
          email: "ada@example.com",
          name: expect.any(String),
          role: "user",
          deleted_at: null,
        },
        state: expect.objectContaining({ deleted_at: null, synced_at: expect.any(String) }),
        values: { email: null, name: null, role: null, phone: null, banned: false },
        open_jobs: 2,
        dead_jobs: 1,
      },
    ]);
  });

  it("finds by Clerk id, by its beginning, and by an address as it is written or in lower case", async () => {
    await signUp(["user_ada", "user_adam", "user_Ada", "user_eve"]);
    await queue.pool.query("update users set email = 'Eve@Example.com' where clerk_id = 'user_eve'");
    expect(await found({ q: "user_eve" })).toEqual(["user_eve"]);
    expect(await found({ q: "user_ad" })).toEqual(["user_adam", "user_ada"]);
    expect(await walk({ q: "user_ad", limit: 1 })).toEqual(["user_adam", "user_ada"]);
    expect(await found({ q: "user_ada@example.com" })).toEqual(["user_ada"]);
    expect(await found({ q: "USER_ADA@Example.com" })).toEqual(["user_ada"]);
    expect(await found({ q: "Eve@Example.com" })).toEqual(["user_eve"]);
    for (const q of ["%", "_", "ada", "user%", "\\", "ser_", "ada@"]) expect(await found({ q }), q).toEqual([]);
  });

  it("shows whom the id names before those whose ids begin with it, and once", async () => {
    await signUp(["user_a", "user_ab", "user_ac"]);
    expect(await found({ q: "user_a" })).toEqual(["user_a", "user_ac", "user_ab"]);
    expect(await found({ q: "user_a", limit: 1 })).toEqual(["user_a", "user_ac"]);
    const { next } = await page({ q: "user_a", limit: 2 });
    expect(await found({ q: "user_a", limit: 2, cursor: next })).toEqual([]);
  });

  it("finds by id and address a row that the sync has never written, and does not list it", async () => {
    await queue.pool.query("insert into users (clerk_id, email) values ('user_old', 'old@example.com')");
    for (const q of ["user_old", "old@example.com"]) expect(await found({ q })).toEqual(["user_old"]);
    expect(await found({})).toEqual([]);
  });

  it.each([
    ["DEAD", 0, 1],
    ["FAILED", 1, 0],
    ["CANCELLED", 0, 0],
    ["PENDING", 1, 0],
  ])("finds a sign-up that has no more than a job that is %s, by id and by address", async (status, open, dead) => {
    const payload = { email: "New@Example.com", name: "New" };
    await insertJob(queue, { status, clerk_id: "user_new", payload });
    for (const q of ["user_new", "new@example.com"]) {
      expect((await page({ q })).users).toMatchObject([
        { clerk_id: "user_new", row: null, state: null, open_jobs: open, dead_jobs: dead },
      ]);
    }
  });

  it("finds a deleted user by id, who is no more than a tombstone", async () => {
    await queue.send(userEvent("user.created", { id: "user_gone", version: 1, email: "gone@example.com" }));
    await queue.run();
    await queue.send(deletedEvent({ id: "user_gone", version: 2 }));
    await queue.run();
    await queue.pool.query("delete from job_queue");
    expect((await page({ q: "user_gone" })).users).toMatchObject([
      { row: null, state: { deleted_at: expect.any(String) }, open_jobs: 0 },
    ]);
    expect(await found({ q: "gone@example.com" })).toEqual([]);
  });

  it("refuses a cursor that it did not write", async () => {
    await signUp(["user_a", "user_b"]);
    const { next } = await page({ limit: 1 });
    expect((await page({ cursor: next })).users).toHaveLength(1);
    const { next: other } = z.object({ next: z.string() }).parse(await callRaw(queue, "jobs", { p_limit: 1 }));
    for (const cursor of [other, "00"]) await expect(page({ cursor })).rejects.toMatchObject({ code: "SY002" });
  });
});

describe("one user", () => {
  const schema = userRecordSchema.extend({ jobs: z.array(jobSummarySchema.strict()) }).strict();
  const read = (clerkId: string) => callAdmin(queue, schema, "user", { p_clerk_id: clerkId });

  it("comes with row, state and jobs", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1, email: "ada@example.com" }), "msg_1");
    await queue.run();
    await queue.send(userEvent("user.updated", { id: "user_ada", version: 2, email: "ada@example.com" }), "msg_2");
    const user = await read("user_ada");
    expect(user).toMatchObject({
      row: { email: "ada@example.com" },
      state: { version: expect.any(Number), deleted_at: null, synced_at: expect.any(String) },
      values: { banned: false },
    });
    expect(user.jobs.map((job) => job.event_id)).toEqual(["msg_2", "msg_1"]);
  });

  it("is told in the same words by the list, on its page and to the command line, in the order asked for", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1, email: "ada@example.com" }), "msg_1");
    await queue.run();
    const { jobs, ...user } = await read("user_ada");
    expect((await page({ q: "user_ada" })).users).toEqual([user]);
    const answer = await queue.one("select clerk_sync_users('{user_nobody,user_ada}') as users");
    const users = z.array(userRecordSchema.strict()).parse(answer?.["users"]);
    const columns = user.columns.map((column) => ({ ...column, value: null }));
    expect(users).toEqual([{ ...user, clerk_id: "user_nobody", columns, row: null, state: null, values: null }, user]);
  });

  it("may have no more than jobs, or nothing", async () => {
    await insertJob(queue, { status: "DEAD", clerk_id: "user_new" });
    expect(await read("user_new")).toMatchObject({ row: null, state: null, values: null, jobs: [{ status: "DEAD" }] });
    const nothing = { row: null, state: null, values: null, open_jobs: 0, dead_jobs: 0, jobs: [] };
    expect(await read("user_nobody")).toMatchObject({ clerk_id: "user_nobody", table: "public.users", ...nothing });
  });
});
