import { describe, expect, test } from "vitest";
import { signedHeaders, testNow } from "../../../../../tests/support/clerk/sign.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { createRateLimit, type RateLimitOptions } from "./limit-rate.ts";

function limitAt(options: Partial<RateLimitOptions> = {}) {
  const clock = { time: testNow };
  const limit = createRateLimit({ maxPerSecond: 10, badSignaturesPerMinute: 3, now: () => clock.time, ...options });
  /** How many wrong signatures of this source are answered 401 before the first 429. */
  const passed = (source: string) => {
    let count = 0;
    while (count < 1000 && succeeds(() => limit.addBadSignature(source))) count += 1;
    return count;
  };
  return { limit, clock, passed };
}

function succeeds(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

const forged = new Headers({ "svix-id": "msg_1" });
/** As good as an attacker can make it, who does not know the secret. */
const plausible = signedHeaders({ secret: `whsec_${btoa("a secret of nobody's")}`, body: new Uint8Array() });
const limited = (retryAfterSeconds: number) =>
  expect.objectContaining({ code: "rate_limited", retryable: true, retryAfterSeconds });

describe("wrong signatures", () => {
  test("of one source are refused beyond the limit, with the time until the next one is let through", () => {
    const { limit, clock, passed } = limitAt();
    expect(passed("192.0.2.1")).toBe(3);
    expect(() => limit.addBadSignature("192.0.2.1")).toThrow(limited(20));
    clock.time += 19_999;
    expect(passed("192.0.2.1")).toBe(0);
    clock.time += 1;
    expect(passed("192.0.2.1")).toBe(1);
    clock.time += 3_600_000;
    expect(passed("192.0.2.1")).toBe(3);
  });

  test("of one source cost another one nothing", () => {
    const { passed } = limitAt();
    passed("192.0.2.1");
    expect(passed("192.0.2.2")).toBe(3);
  });

  test("of more sources than fit in memory are forgotten, those that were quiet longest first", () => {
    const { limit, passed } = limitAt({ maxSources: 100 });
    for (const source of ["old", "busy"]) passed(source);
    for (let source = 0; source < 99; source++) {
      limit.addBadSignature(`s${source}`);
      expect(succeeds(() => limit.addBadSignature("busy"))).toBe(false);
    }
    expect(passed("busy")).toBe(0);
    expect(passed("old")).toBe(3);
  });

  test("a clock that is set back does not take tokens away", () => {
    const { clock, limit } = limitAt();
    limit.addBadSignature("192.0.2.1");
    clock.time -= 86_400_000;
    limit.addBadSignature("192.0.2.1");
  });
});

describe("a source beyond its limit", () => {
  test("is refused before its body is read, when its headers could not be genuine", () => {
    const { limit, passed } = limitAt();
    limit.checkSource("192.0.2.1", forged);
    passed("192.0.2.1");
    expect(() => limit.checkSource("192.0.2.1", forged)).toThrow(limited(20));
    limit.checkSource("192.0.2.2", forged);
  });

  test("is heard with everything that could be genuine, for its address may be forged", () => {
    const { limit, passed } = limitAt();
    passed("192.0.2.1");
    for (let request = 0; request < 1000; request++) limit.checkSource("192.0.2.1", plausible);
  });

  test.each<[string, (headers: Headers) => void]>([
    ["an id", (headers) => headers.delete("svix-id")],
    ["a time of now", (headers) => headers.set("svix-timestamp", "1731704000")],
    ["a signature of 32 bytes", (headers) => headers.set("svix-signature", `v1,${btoa("short")}`)],
    ["a signature of version 1", (headers) => headers.set("svix-signature", `v2,${"A".repeat(43)}=`)],
  ])("cannot be genuine without %s", (_, spoil) => {
    const { limit, passed } = limitAt();
    passed("192.0.2.1");
    const headers = new Headers(plausible);
    spoil(headers);
    expect(() => limit.checkSource("192.0.2.1", headers)).toThrow(limited(20));
  });
});

describe("verified events", () => {
  test("are let through up to the limit of a second, whatever their source did before", () => {
    const { limit, clock, passed } = limitAt();
    passed("192.0.2.1");
    for (let event = 0; event < 10; event++) limit.addEvent();
    expect(() => limit.addEvent()).toThrow(limited(1));
    clock.time += 100;
    limit.addEvent();
    expect(() => limit.addEvent()).toThrow(limited(1));
  });
});

test("a flood is one line a second, with the count and without the source", async () => {
  const { limit, clock, passed } = limitAt();
  const lines = await captureLog();
  passed("192.0.2.1");
  for (let request = 0; request < 100; request++) succeeds(() => limit.addBadSignature("192.0.2.1"));
  clock.time += 1000;
  succeeds(() => limit.addBadSignature("192.0.2.1"));
  const events = lines.map(({ text }) => JSON.parse(text));
  expect(events).toMatchObject([
    { event: "webhook.rate_limited", limit: "source", count: 1 },
    { event: "webhook.rate_limited", limit: "source", count: 101 },
  ]);
  expect(JSON.stringify(events)).not.toContain("192.0.2.1");
});
