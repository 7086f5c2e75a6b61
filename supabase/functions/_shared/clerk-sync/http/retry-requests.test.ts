import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SyncError } from "../errors.ts";
import { createRetry } from "./retry-requests.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const down = (retryAfterSeconds?: number) =>
  new SyncError("clerk_unavailable", "down", {
    retryable: true,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });

/** Runs work that fails with these errors, then succeeds; the times in ms at which it was tried. */
async function attemptsOf(failures: Error[], random = 0.5) {
  const attempts: number[] = [];
  const retry = createRetry({ retries: 3, longestWaitMilliseconds: 5000, random: () => random });
  const start = Date.now();
  const result = retry(async () => {
    attempts.push(Date.now() - start);
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return "done";
  }).catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  return { attempts, result: await result };
}

test("a request that fails for a moment is tried again after pauses that double", async () => {
  expect(await attemptsOf([down(), down(), down()])).toEqual({ attempts: [0, 250, 750, 1750], result: "done" });
});

test("who asks to wait is not asked sooner, and not by all at once", async () => {
  expect(await attemptsOf([down(3)], 0)).toEqual({ attempts: [0, 3000], result: "done" });
  expect(await attemptsOf([down(3)], 0.9)).toEqual({ attempts: [0, 3450], result: "done" });
});

test("a wait longer than the caller's patience is the caller's", async () => {
  const { attempts, result } = await attemptsOf([down(6)]);
  expect(attempts).toEqual([0]);
  expect(result).toMatchObject({ code: "clerk_unavailable", retryAfterSeconds: 6 });
});

test("after three retries the failure is reported", async () => {
  const { attempts, result } = await attemptsOf([down(), down(), down(), down()]);
  expect(attempts).toHaveLength(4);
  expect(result).toMatchObject({ code: "clerk_unavailable" });
});

test.each([
  ["a refused key", new SyncError("clerk_unauthorized", "no", { retryable: true })],
  ["a refused request", new SyncError("clerk_rejected", "no")],
  ["a mistake of ours", new TypeError("bug")],
])("%s is not tried again", async (_, failure) => {
  expect(await attemptsOf([failure])).toEqual({ attempts: [0], result: failure });
});
