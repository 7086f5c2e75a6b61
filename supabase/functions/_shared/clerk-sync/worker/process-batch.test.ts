import { describe, expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { createFakeQueue, type FakeJob, owing } from "../../../../../tests/support/database/fake-queue.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import type { FreshUser } from "../clerk/clerk-api.ts";
import { parseUser } from "../clerk/parse-event.ts";
import type { ReadUser } from "../clerk/read-user.ts";
import { SyncError } from "../errors.ts";
import type { MirrorUser } from "../mirror/mirror-user.ts";
import { processBatch } from "./process-batch.ts";

const { data } = JSON.parse(new TextDecoder().decode(fixtureBytes("user.created")));
const fresh: FreshUser = { deleted: false, version: data.updated_at, user: parseUser(data) };
const refresh = (id: string): FakeJob => ({ id, owesRead: true });
const mirrors: MirrorUser = async () => ({ outcome: "updated", authUserId: "auth_1" });

function run(jobs: readonly FakeJob[], readUser: ReadUser | null, mirrorUser: MirrorUser | null, now = () => 0) {
  const queue = createFakeQueue([jobs]);
  const rules = { fields: rootFields, deleteBrake: null } as const;
  const running = processBatch({ database: queue.database, readUser, mirrorUser, now, ...rules }, undefined).then(
    ({ jobs: done }) => done,
  );
  return { queue, running };
}

describe("a refresh", () => {
  test("is claimed only by a worker that can read from Clerk's API", async () => {
    const without = run([], null, null);
    await without.running;
    const having = run([], async () => fresh, null);
    await having.running;
    expect([without, having].map(({ queue }) => queue.claims[0]?.canRead)).toEqual([false, true]);
  });

  test("applies what was read, mapped as an event's user is, and mirrors it under the same lease", async () => {
    const { queue, running } = run([refresh("r1")], async () => fresh, mirrors);
    expect(await running).toMatchObject([{ id: "r1", status: "COMPLETED" }]);
    expect(queue.reads).toEqual([
      {
        job_id: "r1",
        deleted: false,
        version: data.updated_at,
        payload: expect.objectContaining({ clerk_id: data.id }),
      },
    ]);
    expect(JSON.stringify(queue.reads)).not.toContain("original_event");
    expect(queue.settlements).toMatchObject([{ token: "token_1", outcomes: [{ job_id: "r1", outcome: "completed" }] }]);
  });

  test("of a user Clerk has deleted applies the deletion", async () => {
    const { queue, running } = run([refresh("r1")], async () => ({ deleted: true }), null);
    expect(await running).toMatchObject([{ id: "r1", status: "COMPLETED" }]);
    expect(queue.reads).toEqual([{ job_id: "r1", deleted: true }]);
  });

  test("that cannot be read is retried when Clerk said, while the others of its batch are applied", async () => {
    const slow = new SyncError("clerk_rate_limited", "slow", { retryable: true, retryAfterSeconds: 9 });
    const readUser: ReadUser = async (id) => (id === "user_r1" ? Promise.reject(slow) : fresh);
    const { queue, running } = run([refresh("r1"), refresh("r2"), { id: "m1", owesMirror: true }], readUser, mirrors);
    expect((await running).map((job) => job.status)).toEqual(["FAILED", "COMPLETED", "COMPLETED"]);
    expect(queue.reads.map((read) => read.job_id)).toEqual(["r2"]);
    expect(queue.settlements[0]?.outcomes).toContainEqual({
      job_id: "r1",
      outcome: "retry",
      error: "clerk_rate_limited: slow",
      retry_after: 9,
      circuit: "clerk",
    });
  });

  test("whose result cannot be written is retried, and mirrors of its batch are settled all the same", async () => {
    const { queue, running } = run([refresh("r1"), { id: "m1", owesMirror: true }], async () => fresh, mirrors);
    queue.database.applyReads = async () => {
      throw new SyncError("database_unavailable", "gone", { retryable: true });
    };
    await running;
    expect(queue.settlements[0]?.outcomes).toMatchObject([
      { job_id: "m1", outcome: "completed" },
      { job_id: "r1", outcome: "retry", error: "database_unavailable: gone" },
    ]);
  });

  test("that was not applied because its cancel was asked for is given back", async () => {
    const { queue, running } = run([refresh("r1")], async () => fresh, null);
    queue.database.applyReads = async () => ({ jobs: [], mirror: [] });
    await running;
    expect(queue.settlements[0]?.outcomes).toEqual([{ job_id: "r1", outcome: "released" }]);
  });

  test("is not begun when the lease is about to run out", async () => {
    let time = 0;
    const now = () => time;
    const readUser: ReadUser = async () => {
      time = 60_000;
      return fresh;
    };
    const jobs = Array.from({ length: 12 }, (_, place) => refresh(`r${place}`));
    const { queue, running } = run(jobs, readUser, null, now);
    await running;
    const released = queue.settlements[0]?.outcomes.filter((entry) => entry.outcome === "released");
    expect([queue.reads.length, released?.length]).toEqual([1, 11]);
  });
});

describe("a service that is down", () => {
  const down = new SyncError("auth_unavailable", "Supabase Auth answered 503.", { retryable: true });
  const clerkDown = new SyncError("clerk_unavailable", "Clerk's API answered 503.", { retryable: true });

  test("is called no more once five calls in a row failed; the other jobs wait, without an attempt", async () => {
    let calls = 0;
    const { queue, running } = run(owing(100), null, async () => {
      calls += 1;
      throw down;
    });
    await running;
    expect(calls).toBeLessThanOrEqual(14); // five, and what was under way beside the fifth
    const [settlement] = queue.settlements;
    const waiting = settlement?.outcomes.filter(({ outcome }) => outcome === "waiting") ?? [];
    expect(waiting).toHaveLength(100 - calls);
    expect(waiting[0]).toMatchObject({ circuit: "auth", error: "auth_unavailable: not called, it failed too often" });
    expect(settlement?.calls).toMatchObject([{ name: "auth", failures: calls, streak: calls }]);
  });

  test("does not keep the other from being called", async () => {
    const refreshes = Array.from({ length: 30 }, (_, place) => refresh(`r${place}`));
    const { queue, running } = run([...refreshes, ...owing(30)], async () => Promise.reject(clerkDown), mirrors);
    await running;
    const outcomes = queue.settlements[0]?.outcomes ?? [];
    expect(outcomes.filter(({ outcome }) => outcome === "completed")).toHaveLength(30);
    expect(outcomes.filter(({ circuit }) => circuit === "clerk")).toHaveLength(30);
    expect(queue.settlements[0]?.calls.map(({ name, streak }) => [name, streak])).toEqual([
      ["auth", 0],
      ["clerk", 10],
    ]);
  });

  test("is logged when its circuit opens and closes, by the one worker whose settling did it", async () => {
    const lines = await captureLog();
    const { queue, running } = run(owing(1), null, mirrors);
    queue.state.circuits = [
      { name: "auth", state: "open", code: "auth_unavailable", seconds: 28 },
      { name: "clerk", state: "closed", code: "clerk_unavailable", seconds: 3600 },
    ];
    await running;
    expect(lines.map(({ text }) => JSON.parse(text))).toMatchObject([
      { level: "error", event: "circuit.opened", circuit: "auth", code: "auth_unavailable", probe_in_seconds: 28 },
      { level: "info", event: "circuit.closed", circuit: "clerk", open_for_seconds: 3600 },
    ]);
  });
});
