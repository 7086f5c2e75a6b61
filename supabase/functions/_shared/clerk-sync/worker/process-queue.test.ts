import { describe, expect, test } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { createFakeQueue, owing } from "../../../../../tests/support/database/fake-queue.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { SyncError } from "../errors.ts";
import type { MirrorUser } from "../mirror/mirror-user.ts";
import { processQueue } from "./process-queue.ts";

const updates: MirrorUser = async (order) => ({ outcome: "updated", authUserId: `auth_${order.job_id}` });
const nothing = { alone: false, processed: 0, completed: 0, failed: 0, dead: 0, jobs: [] };
const budget = { budgetMilliseconds: 1000 };

type Queue = ReturnType<typeof createFakeQueue>;
const plain = (queue: Queue, now = () => 0) =>
  ({
    database: queue.database,
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now,
  }) as const;
const mirrored = (queue: Queue, mirrorUser = updates, now = () => 0) =>
  ({
    database: queue.database,
    mirrorUser,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now,
  }) as const;

describe("without a mirror", () => {
  test("an empty queue is asked once, and nothing is reported", async () => {
    const lines = await captureLog();
    const queue = createFakeQueue([]);
    expect(await processQueue(plain(queue), budget)).toEqual(nothing);
    expect(queue.claims).toEqual([{ limit: 500, leaseSeconds: null, canRead: false, deleteBrake: null }]);
    expect(lines).toEqual([]);
  });

  test("batches of 500 without a lease are run until one is empty, and nothing is settled", async () => {
    const queue = createFakeQueue([[{ id: "1" }], [{ id: "2" }, { id: "3" }]]);
    const result = await processQueue(plain(queue), budget);
    expect(result).toMatchObject({ processed: 3, completed: 3, failed: 0, dead: 0 });
    expect(result.jobs.map((job) => job.id)).toEqual(["1", "2", "3"]);
    expect(queue.claims).toHaveLength(3);
    expect(queue.settlements).toEqual([]);
  });

  test("every final status is counted, and the others are not", async () => {
    const statuses = [
      "COMPLETED",
      "FAILED",
      "FAILED",
      "DEAD",
      "DEAD",
      "DEAD",
      "PENDING",
      "PROCESSING",
      "CANCELLED",
    ] as const;
    const queue = createFakeQueue([statuses.map((status, index) => ({ id: String(index), status }))]);
    const result = await processQueue(plain(queue), budget);
    expect(result).toMatchObject({ processed: 6, completed: 1, failed: 2, dead: 3 });
    expect(result.jobs.map((job) => job.id)).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  test("of a long drain 10,000 jobs are kept, and all are counted", async () => {
    const batch = Array.from({ length: 250 }, (_, index) => ({ id: String(index) }));
    const result = await processQueue(plain(createFakeQueue(Array.from({ length: 41 }, () => batch))), budget);
    expect(result.processed).toBe(10_250);
    expect(result.jobs).toHaveLength(10_000);
  });
});

describe("with a mirror", () => {
  test("batches of 100 are leased for 60 seconds, mirrored and settled by the token of the lease", async () => {
    const queue = createFakeQueue([[...owing(2), { id: "done" }]]);
    const result = await processQueue(mirrored(queue), budget);
    expect(queue.claims[0]).toEqual({
      limit: 100,
      leaseSeconds: 60,
      canRead: false,
      deleteBrake: null,
    });
    const settled = { outcome: "completed", mirror: { outcome: "updated" } };
    expect(queue.settlements).toEqual([
      {
        token: "token_1",
        outcomes: [
          { job_id: "job0", auth_user_id: "auth_job0", ...settled },
          { job_id: "job1", auth_user_id: "auth_job1", ...settled },
        ],
        calls: [{ name: "auth", successes: 2, failures: 0, streak: 0, any_user_worked: true }],
      },
    ]);
    expect(result).toMatchObject({ processed: 3, completed: 3 });
    expect(result.jobs.map((job) => `${job.id} ${job.status}`)).toEqual([
      "job0 COMPLETED",
      "job1 COMPLETED",
      "done COMPLETED",
    ]);
  });

  test("the reason of a skipped user is settled with its job", async () => {
    const queue = createFakeQueue([owing(1)]);
    const skips: MirrorUser = async () => ({ outcome: "skipped", reason: "no_email_or_phone", authUserId: null });
    await processQueue(mirrored(queue, skips), budget);
    const mirror = { outcome: "skipped", reason: "no_email_or_phone" };
    expect(queue.settlements[0]?.outcomes).toEqual([
      { job_id: "job0", outcome: "completed", auth_user_id: null, mirror },
    ]);
  });

  test("a batch that owes the mirror nothing is not settled", async () => {
    const queue = createFakeQueue([[{ id: "1" }], owing(1)]);
    expect(await processQueue(mirrored(queue), budget)).toMatchObject({ processed: 2, completed: 2 });
    expect(queue.settlements).toHaveLength(1);
  });

  test("jobs whose lease was lost are not counted, and the loss is logged", async () => {
    const lines = await captureLog();
    const queue = createFakeQueue([owing(3)]);
    queue.state.stale = 2;
    expect(await processQueue(mirrored(queue), budget)).toMatchObject({ processed: 1, completed: 1 });
    const events = lines.map(({ text }) => JSON.parse(text));
    expect(events).toContainEqual(expect.objectContaining({ level: "warning", event: "lease.lost", count: 2 }));
  });
});

describe("a failing mirror call", () => {
  const failures: Record<string, unknown> = {
    job1: new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds: 30 }),
    job3: new SyncError("auth_rejected", "Refused: ada@example.com"),
    job5: new TypeError("x is undefined"),
  };
  const failsSome: MirrorUser = async (order) => {
    if (order.job_id in failures) throw failures[order.job_id];
    return updates(order);
  };

  test("becomes a retry or a dead letter, and costs the others of its batch nothing", async () => {
    const queue = createFakeQueue([owing(7)]);
    const result = await processQueue(mirrored(queue, failsSome), budget);
    const outcomes = queue.settlements[0]?.outcomes ?? [];
    expect(outcomes).toHaveLength(7);
    expect(outcomes.filter((entry) => entry.outcome !== "completed")).toEqual(
      expect.arrayContaining([
        { job_id: "job1", outcome: "retry", error: "auth_rate_limited: Slow down.", retry_after: 30, circuit: "auth" },
        { job_id: "job3", outcome: "dead", error: "auth_rejected: Refused: ada@example.com" },
        { job_id: "job5", outcome: "retry", error: "internal: x is undefined" },
      ]),
    );
    expect(result).toMatchObject({ processed: 7, completed: 4, failed: 2, dead: 1 });
  });

  test("that throws before it is awaited costs the others nothing either", async () => {
    const queue = createFakeQueue([owing(2)]);
    const throwsAtOnce: MirrorUser = (order) => {
      if (order.job_id === "job0") throw new Error("at once");
      return updates(order);
    };
    expect(await processQueue(mirrored(queue, throwsAtOnce), budget)).toMatchObject({ completed: 1, failed: 1 });
  });

  test("is logged by id, attempt and code, without the text that may name a person", async () => {
    const lines = await captureLog();
    await processQueue(mirrored(createFakeQueue([owing(7)]), failsSome), budget);
    const events = lines.map(({ method, text }) => ({
      method,
      ...JSON.parse(text),
      time: undefined,
      level: undefined,
    }));
    expect(events).toContainEqual({
      method: "error",
      event: "job.dead",
      job_id: "job3",
      attempt: 1,
      code: "auth_rejected",
    });
    expect(events).toContainEqual({
      method: "warn",
      event: "job.failed",
      job_id: "job1",
      attempt: 1,
      code: "auth_rate_limited",
    });
    expect(events).toContainEqual({
      method: "info",
      event: "jobs.processed",
      processed: 7,
      completed: 4,
      failed: 2,
      dead: 1,
    });
    expect(lines.map(({ text }) => text).join()).not.toContain("ada@example.com");
  });
});

describe("a failing database", () => {
  const down = new SyncError("database_unavailable", "down", { retryable: true });

  test("ends the run with its error when jobs are claimed", async () => {
    const queue = createFakeQueue([]);
    queue.database.runJobs = () => Promise.reject(down);
    await expect(processQueue(mirrored(queue), budget)).rejects.toBe(down);
  });

  test("ends the run with its error when jobs are settled", async () => {
    const queue = createFakeQueue([owing(1)]);
    queue.database.settleJobs = () => Promise.reject(down);
    await expect(processQueue(mirrored(queue), budget)).rejects.toBe(down);
  });
});
