import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { inTime } from "./async.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<string>(() => undefined);

test("work that ends in time is answered or fails as it is, and leaves no timer behind", async () => {
  const late = () => "late";
  expect(await inTime(Promise.resolve("done"), 100, late)).toBe("done");
  await expect(inTime(Promise.reject(new Error("broken")), 100, late)).rejects.toThrow("broken");
  expect(vi.getTimerCount()).toBe(0);
});

test("work that has not ended after the time is answered instead, not sooner", async () => {
  let answer: string | undefined;
  void inTime(never, 100, () => "late").then((text) => {
    answer = text;
  });
  await vi.advanceTimersByTimeAsync(99);
  expect(answer).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(answer).toBe("late");
});

test("what is thrown instead is what the caller gets, and a failure after that troubles nobody", async () => {
  let fail: (error: Error) => void = () => undefined;
  const work = new Promise<string>((_, reject) => {
    fail = reject;
  });
  const failing = expect(
    inTime(work, 100, () => {
      throw new Error("too late");
    }),
  ).rejects.toThrow("too late");
  await vi.advanceTimersByTimeAsync(100);
  await failing;
  fail(new Error("unheard"));
  await vi.advanceTimersByTimeAsync(0);
});
