import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
beforeEach(() => queue.one("update clerk_sync.clerk_rate set slot = 0, used = array_fill(0, array[11])"));
afterAll(() => queue?.drop());

const start = Date.UTC(2026, 0, 1);

async function take(wanted: number, rate: number, milliseconds: number) {
  const row = await queue.one("select public.clerk_sync_take_clerk_requests($1, $2, 10, $3) as taken", [
    wanted,
    rate,
    new Date(start + milliseconds),
  ]);
  return row?.["taken"];
}

it("no ten seconds see more requests than the rate, whoever takes them", async () => {
  const taken: { at: number; count: number }[] = [];
  for (let at = 0; at < 40_000; at += 170) {
    const { granted } = (await take(7, 100, at)) as { granted: number };
    taken.push({ at, count: granted });
  }
  for (const { at } of taken) {
    const window = taken.filter((other) => other.at >= at && other.at < at + 10_000);
    expect(window.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(100);
  }
  expect(taken.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(300);
});

it("who gets nothing is told when there is something again, and then there is", async () => {
  await take(60, 100, 500);
  await take(40, 100, 3500);
  expect(await take(1, 100, 3600)).toEqual({ granted: 0, wait_milliseconds: 7400 });
  expect(await take(1, 100, 10_999)).toMatchObject({ granted: 0 });
  expect(await take(100, 100, 11_000)).toEqual({ granted: 60, wait_milliseconds: 0 });
});

it("background work leaves the last part to live reads, and live reads count against it", async () => {
  expect(await take(1000, 700, 0)).toMatchObject({ granted: 700 });
  expect(await take(20, 700, 100)).toMatchObject({ granted: 0 });
  expect(await take(20, 1000, 200)).toMatchObject({ granted: 20 });
  expect(await take(1000, 700, 11_500)).toMatchObject({ granted: 700 });
});

it("a caller whose clock is a little behind takes from the same window", async () => {
  await take(90, 100, 5000);
  expect(await take(20, 100, 3900)).toMatchObject({ granted: 10 });
});

it("two callers at once share what is left", async () => {
  const answers = (await Promise.all(Array.from({ length: 20 }, () => take(10, 100, 0)))) as { granted: number }[];
  expect(answers.reduce((sum, { granted }) => sum + granted, 0)).toBe(100);
});
