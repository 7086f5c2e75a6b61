import { describe, expect, test } from "vitest";
import { type ErrorCode, SyncError } from "../errors.ts";
import { circuitOf, watchCircuit } from "./watch-circuit.ts";

const down = new SyncError("auth_unavailable", "Supabase Auth answered 503.", { retryable: true });
const fails = (error: unknown) => () => Promise.reject(error);
const works = async () => "answer";

async function play(calls: readonly (() => Promise<unknown>)[]) {
  const watch = watchCircuit("auth");
  for (const call of calls) await watch.run(call).catch(() => undefined);
  return watch;
}

describe("a failure", () => {
  test.each<[ErrorCode, string | undefined]>([
    ["auth_unavailable", "auth"],
    ["auth_rate_limited", "auth"],
    ["auth_unauthorized", "auth"],
    ["clerk_unavailable", "clerk"],
    ["clerk_rate_limited", "clerk"],
    ["clerk_unauthorized", "clerk"],
    ["auth_rejected", undefined],
    ["auth_email_conflict", undefined],
    ["clerk_rejected", undefined],
    ["database_unavailable", undefined],
  ])("%s counts for the circuit %s", (code, circuit) => {
    expect(circuitOf(new SyncError(code, "…"))).toBe(circuit);
  });

  test("is thrown on, and an answer returned", async () => {
    await expect(watchCircuit("auth").run(fails(down))).rejects.toBe(down);
    expect(await watchCircuit("auth").run(works)).toBe("answer");
  });
});

describe("five failures in a row", () => {
  test("make another call of no use, four do not", async () => {
    expect((await play([fails(down), fails(down), fails(down), fails(down)])).isTripped()).toBe(false);
    const watch = await play([works, fails(down), fails(down), fails(down), fails(down), fails(down)]);
    expect(watch.isTripped()).toBe(true);
    expect(watch.calls()).toMatchObject({ successes: 1, failures: 5, streak: 5 });
  });

  test("stay so when a call that was under way succeeds after them", async () => {
    const watch = await play([...Array.from({ length: 5 }, () => fails(down)), works]);
    expect(watch.isTripped()).toBe(true);
    expect(watch.calls()).toMatchObject({ successes: 1, streak: 5 });
  });

  test("with an answer between them are none", async () => {
    const watch = await play([fails(down), fails(down), works, fails(down), fails(down), fails(down)]);
    expect(watch.isTripped()).toBe(false);
    expect(watch.calls()).toEqual({
      name: "auth",
      successes: 1,
      failures: 5,
      streak: 3,
      any_user_worked: true,
      code: "auth_unavailable",
      retry_after: 0,
    });
  });
});

test("a user whom the service refuses shows that it works", async () => {
  const refused = fails(new SyncError("auth_rejected", "Supabase Auth refused the user: 422 weak_password."));
  const taken = fails(new SyncError("auth_email_conflict", "Another Auth user holds this email.", { retryable: true }));
  const watch = await play([fails(down), refused, taken, refused, taken, refused]);
  expect(watch.isTripped()).toBe(false);
  expect(watch.calls()).toMatchObject({ successes: 5, failures: 1, streak: 0 });
});

describe("users for whom alone the service fails", () => {
  const alone = new SyncError("auth_user_failed", "Supabase Auth answered 500.", { retryable: true });
  const failFor = async (count: number, watch = watchCircuit("auth")) => {
    for (let user = 0; user < count; user++) await watch.run(fails(alone), `user_${user}`).catch(() => undefined);
    return watch;
  };

  test("show that it works, up to nineteen in a row", async () => {
    const watch = await failFor(19);
    expect(watch.isTripped()).toBe(false);
    expect(watch.calls()).toMatchObject({ successes: 19, failures: 0, streak: 0 });
    await watch.run(works, "user_well");
    expect((await failFor(19, watch)).isTripped()).toBe(false);
  });

  test("make another call of no use when they are twenty in a row", async () => {
    const watch = await failFor(20);
    expect(watch.isTripped()).toBe(true);
    expect(watch.calls().failed_users).toHaveLength(20);
  });

  test("stay so when a call that was under way succeeds after them", async () => {
    const watch = await failFor(20);
    await watch.run(works, "user_well");
    expect(watch.isTripped()).toBe(true);
    expect(watch.calls().failed_users).toHaveLength(20);
  });

  test("are counted once, however often their calls fail", async () => {
    const watch = watchCircuit("auth");
    for (let call = 0; call < 100; call++) await failFor(19, watch);
    expect(watch.isTripped()).toBe(false);
    expect(watch.calls().failed_users).toHaveLength(19);
  });
});

test("a fault of our own counts neither way", async () => {
  const watch = await play([fails(down), fails(new TypeError("x is undefined"))]);
  expect(watch.calls()).toMatchObject({ successes: 0, failures: 1, streak: 1 });
});

test("the longest time the service asked to wait is kept", async () => {
  const slow = (retryAfterSeconds: number) =>
    fails(new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds }));
  expect((await play([slow(7), slow(90), slow(3), fails(down)])).calls()).toMatchObject({
    retry_after: 90,
    code: "auth_unavailable",
  });
});
