import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type UserPage, userPageSchema, userRecordSchema } from "#core/admin/contract/users.ts";
import { jobSummarySchema } from "#core/database/job.ts";
import { callAdmin, clearQueue, insertJob } from "../../support/admin/admin-calls.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => clearQueue(queue));
afterAll(() => queue?.drop());

const page = (q: string | null = null, cursor: string | null = null, limit = 50): Promise<UserPage> =>
  callAdmin(queue, userPageSchema.strict(), "users", { p_q: q, p_cursor: cursor, p_limit: limit });
const found = async (q: string | null = null) => (await page(q)).users.map((user) => user.clerk_id);
const insertUser = (clerkId: string, name: string | null, minute: number | null) =>
  queue.pool.query(`insert into users (clerk_id, name, "createdAt") values ($1, $2, $3)`, [
    clerkId,
    name,
    minute === null ? "infinity" : new Date(Date.UTC(2026, 10, 20, 10, minute)).toISOString().slice(0, -1),
  ]);

/** All pages, one after the other. */
async function walk(q: string | null, limit: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const answer: UserPage = await page(q, cursor, limit);
    expect(answer.users.length).toBeLessThanOrEqual(limit);
    ids.push(...answer.users.map((user) => user.clerk_id));
    cursor = answer.next;
  } while (cursor !== null);
  return ids;
}

describe("the list of users", () => {
  it("shows who has a row, the newest first, each once over the pages", async () => {
    for (const [id, minute] of [
      ["user_b", 1],
      ["user_a", 1],
      ["user_d", 3],
      ["user_c", 2],
    ] as const) {
      await insertUser(id, null, minute);
    }
    await queue.pool.query("insert into users (email) values ('nobody@example.com')"); // a row of the app's own
    await insertJob(queue, { clerk_id: "user_without_row" });
    expect(await walk(null, 3)).toEqual(["user_d", "user_c", "user_b", "user_a"]);
    expect(await walk(null, 2)).toEqual(["user_d", "user_c", "user_b", "user_a"]);
    expect(await walk(null, 1)).toEqual(["user_d", "user_c", "user_b", "user_a"]);
  });

  it("shows at the end whose time of creation is not known", async () => {
    await queue.pool.query(`alter table users alter column "createdAt" drop not null`);
    for (const id of ["user_a", "user_b", "user_c"]) await insertUser(id, null, 1);
    await queue.pool.query(`update users set "createdAt" = null where clerk_id <> 'user_a'`);
    expect(await walk(null, 1)).toEqual(["user_a", "user_c", "user_b"]);
    await queue.pool.query(
      `update users set "createdAt" = now(); alter table users alter column "createdAt" set not null`,
    );
  });

  it("says of each what the sync knows", async () => {
    await queue.send(userEvent("user.created", { id: "user_ada", version: 1, email: "ada@example.com" }));
    await queue.run();
    for (const status of ["PENDING", "FAILED", "DEAD"]) await insertJob(queue, { status, clerk_id: "user_ada" });
    expect((await page()).users).toEqual([
      {
        clerk_id: "user_ada",
        row: {
          id: expect.any(String),
          email: "ada@example.com",
          name: expect.any(String),
          role: "user",
          deleted_at: null,
        },
        state: expect.objectContaining({ deleted_at: null, synced_at: expect.any(String) }),
        values: { phone: null, banned: false },
        open_jobs: 2,
        dead_jobs: 1,
      },
    ]);
  });

  it("finds by Clerk id, by an address in any case, and by the beginning of a name", async () => {
    await insertUser("user_ada", "Ada Lovelace", 1);
    await insertUser("user_adam", "ADAM", 2);
    await insertUser("user_eve", "Eve", 3);
    await queue.pool.query("update users set email = 'Eve@Example.com' where clerk_id = 'user_eve'");
    expect(await found("user_ada")).toEqual(["user_ada"]);
    expect(await found("eve@example.COM")).toEqual(["user_eve"]);
    expect(await found("ada")).toEqual(["user_ada", "user_adam"]);
    expect(await walk("aDa", 1)).toEqual(["user_ada", "user_adam"]);
    expect(await found("Ada L")).toEqual(["user_ada"]);
    for (const q of ["%", "_", "a%", "\\", "user_", "love"]) expect(await found(q), q).toEqual([]);
  });

  it("shows whom the id names before those whose names begin with it, and once", async () => {
    await insertUser("ada", "Ada", 1);
    await insertUser("user_a", "Ada", 2);
    expect(await found("ada")).toEqual(["ada", "user_a"]);
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
      expect((await page(q)).users).toMatchObject([
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
    expect((await page("user_gone")).users).toMatchObject([
      { row: null, state: { deleted_at: expect.any(String) }, open_jobs: 0 },
    ]);
    expect(await found("gone@example.com")).toEqual([]);
  });

  it("takes a name of any length, and users by the thousand of one name", async () => {
    await insertUser("user_long", "x".repeat(10_000), 1);
    expect(await found("x".repeat(150))).toEqual(["user_long"]);
    await queue.pool.query(
      "insert into users (clerk_id, name) select 'user_' || n, 'Same' from generate_series(1, 120) n",
    );
    expect(new Set(await walk("same", 50)).size).toBe(120);
  });

  it("refuses a cursor that it did not write", async () => {
    const { next } = await page("a", null, 1).then(async () => {
      await insertUser("user_a", "A", 1);
      await insertUser("user_b", "Ab", 1);
      return page("a", null, 1);
    });
    expect((await page("a", next)).users).toHaveLength(1);
    await expect(page(null, next)).rejects.toMatchObject({ code: "SY002" });
    await expect(page("a", "00")).rejects.toMatchObject({ code: "SY002" });
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
    expect((await page("user_ada")).users).toEqual([user]);
    const answer = await queue.one("select clerk_sync_users('{user_nobody,user_ada}') as users");
    const users = z.array(userRecordSchema.strict()).parse(answer?.["users"]);
    expect(users).toEqual([{ ...user, clerk_id: "user_nobody", row: null, state: null, values: null }, user]);
  });

  it("may have no more than jobs, or nothing", async () => {
    await insertJob(queue, { status: "DEAD", clerk_id: "user_new" });
    expect(await read("user_new")).toMatchObject({ row: null, state: null, values: null, jobs: [{ status: "DEAD" }] });
    const nothing = { row: null, state: null, values: null, open_jobs: 0, dead_jobs: 0, jobs: [] };
    expect(await read("user_nobody")).toEqual({ clerk_id: "user_nobody", ...nothing });
  });
});
