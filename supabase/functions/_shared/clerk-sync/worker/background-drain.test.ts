import { expect, test } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { createBackgroundDrain } from "./background-drain.ts";

/** A drain whose runs end when told to, and what was kept alive. */
function setUp() {
  const ends: (() => void)[] = [];
  const kept: Promise<void>[] = [];
  const onQueued = createBackgroundDrain({
    drain: () => new Promise<void>((resolve) => void ends.push(resolve)),
    keepAlive: (work) => void kept.push(work),
  });
  return { onQueued, ends, kept };
}

/** Lets everything that is ready to run do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the function is kept alive until the queue is drained", async () => {
  const { onQueued, ends, kept } = setUp();
  onQueued();
  expect([ends.length, kept.length]).toEqual([1, 1]);
  let isDone = false;
  void kept[0]?.then(() => {
    isDone = true;
  });
  await settle();
  expect(isDone).toBe(false);
  ends[0]?.();
  await settle();
  expect(isDone).toBe(true);
});

test("a burst is one drain, and one more for all that came during it", async () => {
  const { onQueued, ends, kept } = setUp();
  for (let event = 0; event < 50; event++) onQueued();
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await settle();
  expect(ends).toHaveLength(2);
  ends[1]?.();
  await settle();
  expect([ends.length, kept.length]).toEqual([2, 1]);
});

test("an event after the drain starts the next one", async () => {
  const { onQueued, ends, kept } = setUp();
  onQueued();
  ends[0]?.();
  await settle();
  onQueued();
  expect([ends.length, kept.length]).toEqual([2, 2]);
});

test("a drain that fails is logged, and the next event starts another", async () => {
  const lines = await captureLog();
  const kept: Promise<void>[] = [];
  let runs = 0;
  const onQueued = createBackgroundDrain({
    drain: async () => {
      runs += 1;
      throw new Error("no database");
    },
    keepAlive: (work) => void kept.push(work),
  });
  onQueued();
  await kept[0];
  onQueued();
  await kept[1];
  expect(runs).toBe(2);
  expect(lines.filter((line) => line.text.includes("drain.failed"))).toHaveLength(2);
});
