import { expect, test } from "vitest";
import { createClerkRateLimit } from "./limit-clerk-rate.ts";

type Answer = { granted: number; wait_milliseconds: number };

/** A limit over a budget that gives these answers, and then all that is wanted. */
function limitOver(answers: Answer[], { secretKey = "sk_live_x", work = "live" as "live" | "background" } = {}) {
  const calls: Record<string, unknown>[] = [];
  const slept: number[] = [];
  const clock = { now: 0 };
  const take = createClerkRateLimit({
    call: async (name, args) => {
      calls.push({ name, ...args });
      return answers.shift() ?? { granted: args["p_wanted"], wait_milliseconds: 0 };
    },
    secretKey,
    work,
    longestWaitMilliseconds: 2000,
    now: () => clock.now,
    sleep: async (milliseconds) => void slept.push(milliseconds),
  });
  return { take, calls, slept, clock };
}

test.each([
  ["sk_live_x", "live", 20, 1000],
  ["sk_live_x", "background", 20, 700],
  ["sk_test_x", "live", 2, 100],
  ["sk_test_x", "background", 2, 70],
] as const)("%s, %s work: chunks of %i out of %i in 10 s", async (secretKey, work, wanted, rate) => {
  const { take, calls } = limitOver([], { secretKey, work });
  await take();
  expect(calls).toEqual([
    { name: "clerk_sync_take_clerk_requests", p_wanted: wanted, p_rate: rate, p_window_seconds: 10 },
  ]);
});

test("a chunk serves that many requests, also when they come at once", async () => {
  const { take, calls } = limitOver([]);
  await Promise.all(Array.from({ length: 41 }, take));
  expect(calls).toHaveLength(3);
});

test("what is left of a chunk is not used a second later", async () => {
  const { take, calls, clock } = limitOver([]);
  await take();
  clock.now = 1000;
  await take();
  expect(calls).toHaveLength(2);
});

test("who finds nothing waits as long as the budget says", async () => {
  const { take, slept } = limitOver([{ granted: 0, wait_milliseconds: 700 }]);
  await take();
  expect(slept).toEqual([700]);
});

test("who would have to wait too long is refused, and says for how long", async () => {
  const { take } = limitOver([{ granted: 0, wait_milliseconds: 2100 }]);
  await expect(Promise.all([take(), take()])).rejects.toMatchObject({
    code: "clerk_budget_used",
    retryable: true,
    retryAfterSeconds: 3,
  });
  await take(); // the next one asks anew
});
