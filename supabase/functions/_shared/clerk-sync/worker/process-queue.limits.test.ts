import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { createFakeQueue, owing } from "../../../../../tests/support/database/fake-queue.ts";
import { SyncError } from "../errors.ts";
import type { MirrorUser } from "../mirror/mirror-user.ts";
import { processAlone, processQueue } from "./process-queue.ts";

type Queue = ReturnType<typeof createFakeQueue>;
const dependencies = (queue: Queue, mirrorUser: MirrorUser | null, now: () => number) =>
  ({
    database: queue.database,
    mirrorUser,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now,
  }) as const;

/** A clock that moves only when told, and mirror calls that take a time of their own on it. */
function createClock() {
  let time = 1_000_000;
  const advance = (milliseconds: number) => {
    time += milliseconds;
  };
  const taking =
    (milliseconds: number): MirrorUser =>
    async () => {
      advance(milliseconds);
      return { outcome: "updated", authUserId: "auth_1" };
    };
  return { now: () => time, advance, taking };
}

function countOutcomes(queue: Queue, at = 0): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of queue.settlements[at]?.outcomes ?? []) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

describe("concurrency", () => {
  test("ten users are mirrored at a time, never more, and every one once", async () => {
    const running = new Set<string>();
    const seen: string[] = [];
    const widths: number[] = [];
    const finish: (() => void)[] = [];
    const mirror: MirrorUser = async (order) => {
      running.add(order.job_id);
      seen.push(order.job_id);
      widths.push(running.size);
      await new Promise<void>((resolve) => finish.push(resolve));
      running.delete(order.job_id);
      return { outcome: "updated", authUserId: order.job_id };
    };
    const queue = createFakeQueue([owing(25)]);
    const run = processQueue(
      dependencies(queue, mirror, () => 0),
      { budgetMilliseconds: 1 },
    );
    for (let finished = 0; finished < 25; finished += 1) {
      await setImmediate();
      expect(running.size).toBe(Math.min(10, 25 - finished));
      finish.shift()?.();
    }
    expect(await run).toMatchObject({ completed: 25 });
    expect(Math.max(...widths)).toBe(10);
    expect(seen).toEqual(owing(25).map(({ id }) => id));
    expect(new Set(queue.settlements[0]?.outcomes.map((entry) => entry.job_id)).size).toBe(25);
  });
});

describe("the lease", () => {
  test("lets no mirror call begin in its last 18 seconds; what is left is released", async () => {
    const clock = createClock();
    const queue = createFakeQueue([owing(100)]);
    const result = await processQueue(dependencies(queue, clock.taking(1000), clock.now), { budgetMilliseconds: 1 });
    expect(countOutcomes(queue)).toEqual({ completed: 42, released: 58 });
    expect(result).toMatchObject({ processed: 42, completed: 42, failed: 0, dead: 0 });
    expect(result.jobs).toHaveLength(42);
  });

  test("is counted from before the claim, as the database may have been slow to answer", async () => {
    const clock = createClock();
    const queue = createFakeQueue([owing(3)]);
    const claim = queue.database.runJobs;
    queue.database.runJobs = (options) => {
      clock.advance(45_000);
      return claim(options);
    };
    await processQueue(dependencies(queue, clock.taking(0), clock.now), { budgetMilliseconds: 1 });
    expect(countOutcomes(queue)).toEqual({ released: 3 });
  });

  test("is counted anew for every batch", async () => {
    const clock = createClock();
    const queue = createFakeQueue([owing(40), owing(40)]);
    await processQueue(dependencies(queue, clock.taking(1000), clock.now), { budgetMilliseconds: 60_000 });
    expect([countOutcomes(queue, 0), countOutcomes(queue, 1)]).toEqual([{ completed: 40 }, { completed: 40 }]);
  });

  test("gives a released job back without an error", async () => {
    const clock = createClock();
    const queue = createFakeQueue([owing(46)]);
    await processQueue(dependencies(queue, clock.taking(1000), clock.now), { budgetMilliseconds: 1 });
    expect(queue.settlements[0]?.outcomes).toContainEqual({ job_id: "job45", outcome: "released" });
  });
});

describe("the budget", () => {
  const batches = [[{ id: "1" }], [{ id: "2" }], [{ id: "3" }]];

  function claimsTaking(milliseconds: number) {
    const clock = createClock();
    const queue = createFakeQueue(batches);
    const claim = queue.database.runJobs;
    queue.database.runJobs = (options) => {
      clock.advance(milliseconds);
      return claim(options);
    };
    return { clock, queue };
  }

  test.each([
    [0, 0],
    [1, 1],
    [100, 1],
    [101, 2],
    [200, 2],
    [300, 3],
  ])("of %i ms is enough for %i batches of 100 ms", async (budgetMilliseconds, processed) => {
    const { clock, queue } = claimsTaking(100);
    const result = await processQueue(dependencies(queue, null, clock.now), { budgetMilliseconds });
    expect(result.processed).toBe(processed);
    expect(queue.claims).toHaveLength(processed);
  });

  test("that runs out within a batch does not cost the batch", async () => {
    const clock = createClock();
    const queue = createFakeQueue([owing(5), owing(5)]);
    const result = await processQueue(dependencies(queue, clock.taking(1000), clock.now), { budgetMilliseconds: 1500 });
    expect(result).toMatchObject({ processed: 5, completed: 5 });
    expect(queue.settlements).toHaveLength(1);
  });
});

describe("the signal", () => {
  test("given beforehand lets nothing be claimed", async () => {
    const queue = createFakeQueue([[{ id: "1" }]]);
    const options = { budgetMilliseconds: 1000, signal: AbortSignal.abort() };
    expect(
      await processQueue(
        dependencies(queue, null, () => 0),
        options,
      ),
    ).toMatchObject({ processed: 0 });
    expect(queue.claims).toEqual([]);
  });

  test("given within a batch lets what was begun end, gives the rest back, and no other batch is claimed", async () => {
    const controller = new AbortController();
    const queue = createFakeQueue([owing(20), owing(20)]);
    const mirror: MirrorUser = async () => {
      controller.abort();
      return { outcome: "updated", authUserId: "auth_1" };
    };
    const options = { budgetMilliseconds: 1000, signal: controller.signal };
    expect(
      await processQueue(
        dependencies(queue, mirror, () => 0),
        options,
      ),
    ).toMatchObject({ completed: 1 });
    expect(queue.claims).toHaveLength(1);
    expect(countOutcomes(queue)).toEqual({ completed: 1, released: 19 });
  });
});

describe("a claim that fails as a whole", () => {
  test("is repeated when its jobs are set apart, to run alone", async () => {
    const queue = createFakeQueue([[{ id: "1" }]]);
    queue.state.cancels = true;
    expect(
      await processQueue(
        dependencies(queue, null, () => 0),
        { budgetMilliseconds: 1000 },
      ),
    ).toMatchObject({ completed: 1 });
    expect(queue.state.apart).toEqual([500]);
  });

  test("throws what it failed with while the database is not there", async () => {
    const queue = createFakeQueue([[{ id: "1" }]]);
    Object.assign(queue.state, { cancels: true, refusesCalls: true });
    await expect(
      processQueue(
        dependencies(queue, null, () => 0),
        { budgetMilliseconds: 1000 },
      ),
    ).rejects.toMatchObject({ cause: { code: "57014" } });
    expect(queue.claims).toHaveLength(1);
  });
});

describe("jobs that run alone", () => {
  test("are mirrored and settled one after the other, until none is due", async () => {
    const queue = createFakeQueue([], ["a", "b"]);
    const mirror: MirrorUser = async () => ({ outcome: "updated", authUserId: "auth_1" });
    expect(
      await processAlone(
        dependencies(queue, mirror, () => 0),
        { budgetMilliseconds: 1000 },
      ),
    ).toMatchObject({ processed: 2, completed: 2 });
    expect(queue.settlements.map(({ token }) => token)).toEqual(["alone_a", "alone_b"]);
  });

  test("use up an attempt when the call that applies them does not come back", async () => {
    const queue = createFakeQueue([], ["a", "b"]);
    queue.database.applyAlone = () =>
      Promise.reject(new SyncError("database_unavailable", "lost", { retryable: true }));
    await processAlone(
      dependencies(queue, null, () => 0),
      { budgetMilliseconds: 1000 },
    );
    expect(queue.settlements.flatMap(({ outcomes }) => outcomes)).toMatchObject([
      { job_id: "a", outcome: "retry" },
      { job_id: "b", outcome: "retry" },
    ]);
  });
});
