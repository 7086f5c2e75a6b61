import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type NewJob } from "#core/database/database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { toJob } from "../../support/database/queue.ts";
import { teamFiles } from "../../support/mapping/configure-users.ts";
import { applyFile, createMappedQueue, type MappedQueue, openMappedQueue } from "../../support/mapping/mapped-queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

// A function that was deployed with another mapping than the database was migrated with: of two files, one has two columns
// more.

const { username: _username, avatar_url: _picture, ...fewColumns } = teamFiles.profiles.columns;
const few = { ...teamFiles.profiles, columns: fewColumns };
const many = teamFiles.profiles;

let queue: MappedQueue;
const row = async (id: string) => (await queue.rows()).find((one) => one["id"] === id);
const updated = (facts: UserFacts, data: Record<string, unknown> = {}) => {
  const event = userEvent("user.updated", facts);
  return { ...event, data: { ...event.data, ...data } };
};
/** What is left of it when these fields were taken out on the way. */
const trimmed = (facts: UserFacts, ...fields: string[]) => {
  const event = updated(facts);
  return { ...event, data: Object.fromEntries(Object.entries(event.data).filter(([name]) => !fields.includes(name))) };
};

describe("a function that was deployed before the database was migrated to more columns", () => {
  let old: MappedQueue;
  beforeAll(async () => {
    old = await createMappedQueue(teamTables.profiles, few);
    queue = openMappedQueue(old, await applyFile(old.pool, many));
  });
  afterAll(async () => {
    await old?.end();
    await queue?.drop();
  });

  it("leaves these columns as they are, and asks for no read", async () => {
    await queue.accept(updated({ id: "user_old1", version: 1 }, { username: "new" }));
    expect(
      await old.accept(updated({ id: "user_old1", version: 2, firstName: "Grace" }, { username: "lost" })),
    ).toEqual(["all"]);
    expect(await row("user_old1")).toMatchObject({
      username: "new",
      full_name: "Grace Lovelace",
      avatar_url: expect.any(String),
    });
    expect(await queue.state("user_old1")).toMatchObject({ refresh_due_at: null, refresh_reason: null, absent: null });
  });

  it("asks for no read of a new user either, whose columns the next event of a new function fills", async () => {
    await old.accept(updated({ id: "user_between", version: 1 }, { username: "between" }));
    expect(await row("user_between")).toMatchObject({ username: null, avatar_url: null, full_name: "Ada Lovelace" });
    expect(await queue.state("user_between")).toMatchObject({
      refresh_due_at: null,
      refresh_reason: null,
      absent: null,
    });
    await queue.accept(updated({ id: "user_between", version: 2 }, { username: "between" }));
    expect(await row("user_between")).toMatchObject({ username: "between", avatar_url: expect.any(String) });
  });

  it("finds no difference in them when it compares, so that nothing is read or repaired", async () => {
    const event = updated({ id: "user_old1", version: 2, firstName: "Grace" }, { username: "other" });
    expect(await old.compare(event)).toEqual([]);
    expect(await queue.compare(event)).toMatchObject([{ clerk_id: "user_old1", fields: ["username"] }]);
  });

  it("asks for one read of an event that was trimmed, as ever", async () => {
    await old.accept(trimmed({ id: "user_old1", version: 4 }, "first_name"));
    await old.run();
    expect(await queue.state("user_old1")).toMatchObject({ refresh_reason: "event_trimmed" });
    expect(await row("user_old1")).toMatchObject({ username: "new", full_name: "Grace Lovelace" });
  });
});

describe("a function that was deployed before the database is migrated to its columns", () => {
  const manyFields = new Set(["username", "name", "image_url", "email"] as const);
  beforeAll(async () => {
    queue = await createMappedQueue(teamTables.profiles, few);
  });
  afterAll(() => queue?.drop());

  const store = async (event: unknown): Promise<NewJob> => {
    const job = toJob(event, `msg_${randomUUID()}`, manyFields);
    expect(job.payload).toMatchObject({ username: "secret" });
    await queue.pool.query("select clerk_sync_accept($1)", [JSON.stringify([job])]);
    return job;
  };
  const stored = async (clerkId: string) =>
    (await queue.pool.query("select payload from public.job_queue where clerk_id = $1", [clerkId])).rows.map(
      ({ payload }) => Object.keys(payload).sort(),
    );
  const kept = [
    "clerk_id",
    "created_at",
    "email",
    "email_verified",
    "external_id",
    "name",
    "original_event",
    "retry_count",
  ];

  it("finds its other fields in no job, however it hands them over", async () => {
    await store(updated({ id: "user_accepted", version: 1 }, { username: "secret" }));
    const job = toJob(updated({ id: "user_queued", version: 1 }, { username: "secret" }), "msg_queued", manyFields);
    const database = createDatabase(createCallFunction(queue.pool));
    await database.enqueue([job], 15);
    expect(await stored("user_accepted")).toEqual([kept]);
    expect(await stored("user_queued")).toEqual([kept]);
    const { original_event: _event, ...read } = job.payload;
    await queue.pool.query("select clerk_sync_ensure_user('user_ensured', 1, $1, now())", [
      { ...read, clerk_id: "user_ensured" },
    ]);
    expect(await stored("user_ensured")).toContainEqual(kept.filter((key) => key !== "original_event"));
    expect((await stored("user_ensured")).flat()).not.toContain("username");
    expect(await row("user_accepted")).toMatchObject({ username: null, full_name: "Ada Lovelace" });
  });

  it("finds them in no job whose user was read again", async () => {
    await queue.enqueueAs("msg_refreshed", updated({ id: "user_refreshed", version: 1 }));
    const job = toJob(updated({ id: "user_refreshed", version: 2 }, { username: "secret" }), "msg_none", manyFields);
    const { id } = await queue.job("msg_refreshed");
    await queue.pool.query("select clerk_sync.put_reads($1, now())", [
      JSON.stringify([{ job_id: id, deleted: false, version: 2, payload: job.payload }]),
    ]);
    expect(await stored("user_refreshed")).toEqual([kept]);
  });

  it("asks for no read because of a field that the database does not map", async () => {
    const event = trimmed({ id: "user_trimmed", version: 1 }, "username");
    const job = toJob(event, "msg_trimmed", new Set(["name", "username"]));
    expect(job.payload["absent"]).toEqual(["username"]);
    await queue.pool.query("select clerk_sync_accept($1)", [JSON.stringify([job])]);
    expect(await queue.state("user_trimmed")).toMatchObject({ refresh_due_at: null, absent: null });
    expect(await row("user_trimmed")).toMatchObject({ full_name: "Ada Lovelace" });
  });

  it("asks for a read because of one that it does map", async () => {
    const event = trimmed({ id: "user_bare", version: 1 }, "username", "email_addresses");
    const job = toJob(event, "msg_bare", manyFields);
    await queue.pool.query("select clerk_sync_accept($1)", [JSON.stringify([job])]);
    await queue.run();
    expect(await queue.state("user_bare")).toMatchObject({ refresh_reason: "event_trimmed" });
    const { rows } = await queue.pool.query(
      "select payload -> 'absent' as absent from job_queue where clerk_id = 'user_bare'",
    );
    expect(rows[0].absent).toContain("email");
    for (const field of ["username", "image_url"]) expect(rows[0].absent).not.toContain(field);
  });
});
