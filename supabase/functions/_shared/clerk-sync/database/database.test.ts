import { describe, expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { createDatabase, type Database, databaseError } from "./database.ts";

type Called = { name: string; args: Readonly<Record<string, unknown>> };

function databaseOver(answer: unknown) {
  const called: Called[] = [];
  const database = createDatabase(async (name, args) => {
    called.push({ name, args });
    return answer;
  });
  return { database, called };
}

const job = {
  id: "0191d7c5-0000-7000-8000-000000000001",
  job_type: "USER_CREATED",
  status: "COMPLETED",
  attempts: 1,
  error: null,
};
const order = {
  job_id: "job_1",
  clerk_id: "user_1",
  deleted: false,
  relinked: false,
  email: null,
  email_verified: false,
  phone: null,
  name: null,
  role: null,
  banned: false,
  auth_user_id: null,
  auth_finding: null,
  auth_holder_id: null,
  auth_locked_at: null,
  attempts: 1,
};
const newJob = { event_id: "msg_1", job_type: "USER_CREATED", clerk_id: "user_1", version: 1, payload: {} } as const;
const deleteBrake = { count: 100, percent: 10, minutes: 60 };
const enqueued = { event_id: "msg_1", outcome: "queued", job_id: "job_1", user: null };

describe("calls", () => {
  test("enqueue passes the jobs and the number of attempts", async () => {
    const { database, called } = databaseOver([enqueued]);
    expect(await database.enqueue([newJob], 15)).toEqual([enqueued]);
    expect(called).toEqual([{ name: "clerk_sync_enqueue", args: { p_jobs: [newJob], p_max_attempts: 15 } }]);
  });

  test("runJobs passes the limit, the lease, whether it can read, and the rules of deleting", async () => {
    const batch = { token: "token_1", jobs: [job], reads: [], mirror: [order], alone: false };
    const { database, called } = databaseOver(batch);
    const options = { limit: 100, leaseSeconds: 60, canRead: true, deleteBrake } as const;
    expect(await database.runJobs(options)).toEqual(batch);
    const args = {
      p_limit: 100,
      p_lease_seconds: 60,
      p_can_read: true,
      p_delete_brake: deleteBrake,
    };
    expect(called).toEqual([{ name: "clerk_sync_run_jobs", args }]);
  });

  test("applyReads passes the token, what was read, whether the mirror is owed, and the rules of deleting", async () => {
    const { database, called } = databaseOver({ jobs: [job], mirror: [order] });
    const reads = [{ job_id: "job_1", deleted: true }];
    const rules = { deleteBrake, other: 1 } as const;
    expect(await database.applyReads("token_1", reads, true, rules)).toEqual({ jobs: [job], mirror: [order] });
    const args = {
      p_token: "token_1",
      p_reads: reads,
      p_mirror: true,
      p_delete_brake: deleteBrake,
    };
    expect(called).toEqual([{ name: "clerk_sync_apply_reads", args }]);
  });

  test("runJobs without a lease passes null", async () => {
    const { database, called } = databaseOver({ token: "token_1", jobs: [], reads: [], mirror: [], alone: false });
    await database.runJobs({ limit: 250, leaseSeconds: null, canRead: false, deleteBrake: null });
    expect(called[0]?.args).toMatchObject({ p_limit: 250, p_lease_seconds: null, p_delete_brake: null });
  });

  test("settleJobs passes the token of the lease, the outcomes and what was seen of the services", async () => {
    const circuits = [{ name: "auth", state: "open", code: "auth_unavailable", seconds: 28 }];
    const { database, called } = databaseOver({ jobs: [job], stale: 0, circuits });
    const outcomes = [{ job_id: "job_1", outcome: "completed" }] as const;
    const calls = [{ name: "auth", successes: 0, failures: 5, streak: 5 }] as const;
    expect(await database.settleJobs("token_1", outcomes, calls)).toEqual({ jobs: [job], stale: 0, circuits });
    expect(called).toEqual([
      { name: "clerk_sync_settle_jobs", args: { p_token: "token_1", p_outcomes: outcomes, p_calls: calls } },
    ]);
  });

  test("rescueJobs and purgeJobs answer how many", async () => {
    const { database, called } = databaseOver(3);
    expect(await database.rescueJobs()).toBe(3);
    expect(await database.purgeJobs(30, 1000)).toBe(3);
    expect(called).toEqual([
      { name: "clerk_sync_rescue_jobs", args: {} },
      { name: "clerk_sync_purge_jobs", args: { p_days: 30, p_limit: 1000 } },
    ]);
  });

  test("a call that fails fails with its own error", async () => {
    const failure = new SyncError("database_unavailable", "down", { retryable: true });
    const database = createDatabase(() => Promise.reject(failure));
    await expect(database.rescueJobs()).rejects.toBe(failure);
  });
});

describe("answers", () => {
  test("of a user only the two ids are passed on", async () => {
    const user = { id: "1", clerk_id: "user_1", email: "ada@example.com", name: "Ada" };
    const { database } = databaseOver([{ ...enqueued, outcome: "exists", job_id: null, user }]);
    const [answer] = await database.enqueue([newJob], 15);
    expect(answer?.user).toEqual({ id: "1", clerk_id: "user_1" });
  });

  test("what a newer version of the database adds is left out", async () => {
    const { database } = databaseOver({ jobs: [{ ...job, extra: 1 }], stale: 0, circuits: [], extra: 2 });
    expect(await database.settleJobs("token_1", [])).toEqual({ jobs: [job], stale: 0, circuits: [] });
  });

  const enqueue = (database: Database) => database.enqueue([newJob], 15);
  const runJobs = (database: Database) =>
    database.runJobs({ limit: 1, leaseSeconds: null, canRead: false, deleteBrake: null });
  const settleJobs = (database: Database) => database.settleJobs("token_1", []);
  const rescueJobs = (database: Database) => database.rescueJobs();
  const purgeJobs = (database: Database) => database.purgeJobs(1, 1);

  test.each([
    ["clerk_sync_enqueue", enqueue, null],
    ["clerk_sync_enqueue", enqueue, { 0: enqueued }],
    ["clerk_sync_enqueue", enqueue, [{ ...enqueued, outcome: "lost" }]],
    ["clerk_sync_enqueue", enqueue, JSON.stringify([enqueued])],
    ["clerk_sync_run_jobs", runJobs, undefined],
    ["clerk_sync_run_jobs", runJobs, { token: "token_1", jobs: [] }],
    [
      "clerk_sync_run_jobs",
      runJobs,
      { token: "token_1", jobs: [{ ...job, status: "RUNNING" }], reads: [], mirror: [] },
    ],
    ["clerk_sync_run_jobs", runJobs, { token: "t", jobs: [], mirror: [{ ...order, deleted: null }] }],
    ["clerk_sync_settle_jobs", settleJobs, [job]],
    ["clerk_sync_settle_jobs", settleJobs, { jobs: [job] }],
    ["clerk_sync_rescue_jobs", rescueJobs, "3"],
    ["clerk_sync_purge_jobs", purgeJobs, null],
  ])("of another form are refused: %s", async (name, callBy, answer) => {
    await expect(callBy(databaseOver(answer).database)).rejects.toMatchObject({
      name: "SyncError",
      code: "database_answer_invalid",
      retryable: false,
      message: expect.stringContaining(name),
      cause: expect.objectContaining({ name: "ZodError" }),
    });
  });
});

describe("a failed call", () => {
  const cause = new Error("connect ECONNREFUSED");

  test("without a SQLSTATE means that the database is not available", () => {
    expect(databaseError("clerk_sync_enqueue", undefined, cause)).toMatchObject({
      name: "SyncError",
      code: "database_unavailable",
      retryable: true,
      message: expect.stringContaining("clerk_sync_enqueue"),
      cause,
    });
  });

  test.each([
    ["08006", "connection failure"],
    ["53300", "too many connections"],
    ["57014", "statement timeout"],
    ["57P01", "admin shutdown"],
    ["57P03", "cannot connect now"],
    ["40001", "serialization failure"],
    ["40P01", "deadlock"],
    ["55P03", "lock not available"],
  ])("with %s (%s) may succeed later", (state) => {
    const error = databaseError("clerk_sync_enqueue", state, cause);
    expect(error).toMatchObject({ code: "database_unavailable", retryable: true, cause });
  });

  test.each([
    ["42501", "insufficient privilege"],
    ["42883", "undefined function"],
    ["22P02", "invalid text representation"],
    ["22P05", "untranslatable character"],
    ["23505", "unique violation"],
    ["10840", "no class of its own"],
    ["P0001", "raise exception"],
  ])("with %s (%s) was refused", (state) => {
    expect(databaseError("clerk_sync_enqueue", state, cause)).toMatchObject({
      code: "database_rejected",
      retryable: false,
      message: expect.stringContaining(`clerk_sync_enqueue was refused with SQLSTATE ${state}`),
      cause,
    });
  });
});
