import { expect, test } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { createLoadLimit } from "./limit-load.ts";

const overloaded = expect.objectContaining({ code: "overloaded", retryable: true, retryAfterSeconds: 5 });

test("as many events as allowed are in hand at once, one more is told when to come back", () => {
  const limit = createLoadLimit({ events: 2, bytes: 0, now: () => 0 });
  const [first, second, third] = [limit.open("a"), limit.open("a"), limit.open("a")];
  first.addEvent();
  second.addEvent();
  expect(() => third.addEvent()).toThrow(overloaded);
  first.close();
  third.addEvent();
  expect(() => first.addEvent()).toThrow(overloaded);
});

test("bodies in memory are bounded by their bytes, and a closed request gives its bytes back", () => {
  const limit = createLoadLimit({ events: 0, bytes: 100, now: () => 0 });
  const [first, second] = [limit.open("a"), limit.open("b")];
  first.addBytes(60);
  second.addBytes(40);
  expect(() => second.addBytes(1)).toThrow(overloaded);
  first.close();
  second.addBytes(35);
});

test("requests that send nothing take nothing", () => {
  const limit = createLoadLimit({ events: 1, bytes: 10, now: () => 0 });
  for (let request = 0; request < 1000; request++) limit.open("a").addBytes(0);
  limit.open("a").addEvent();
});

test("closing twice gives back once", () => {
  const limit = createLoadLimit({ events: 1, bytes: 0, now: () => 0 });
  const account = limit.open("a");
  account.addEvent();
  account.close();
  account.close();
  limit.open("a").addEvent();
  expect(() => limit.open("a").addEvent()).toThrow(overloaded);
});

test("what was refused is not given back", () => {
  const limit = createLoadLimit({ events: 1, bytes: 0, now: () => 0 });
  const holder = limit.open("a");
  holder.addEvent();
  const refused = limit.open("a");
  expect(() => refused.addEvent()).toThrow(overloaded);
  refused.close();
  expect(() => limit.open("a").addEvent()).toThrow(overloaded);
});

test("a flood is one line a second, with the count", async () => {
  let time = 5000;
  const limit = createLoadLimit({ events: 0, bytes: 0, now: () => time });
  const lines = await captureLog();
  for (let request = 0; request < 100; request++) expect(() => limit.open("a").addEvent()).toThrow(overloaded);
  time += 1000;
  expect(() => limit.open("a").addEvent()).toThrow(overloaded);
  const shed = lines.map((line) => JSON.parse(line.text)).filter((line) => line.event === "webhook.shed");
  expect(shed.map((line) => line.count)).toEqual([1, 100]);
});

const kilobyte = 1024;
const hold = (limit: ReturnType<typeof createLoadLimit>, count: number, size: number, source = "a") => {
  for (let body = 0; body < count; body++) limit.open(source).addBytes(size);
};

test("large bodies of one source take an eighth of the bytes, those of all sources three quarters", () => {
  const limit = createLoadLimit({ events: 0, bytes: 8192 * kilobyte, now: () => 0 });
  hold(limit, 8, 128 * kilobyte);
  expect(() => hold(limit, 1, 128 * kilobyte)).toThrow(overloaded);
  for (const source of ["b", "c", "d", "e", "f"]) hold(limit, 8, 128 * kilobyte, source);
  expect(() => hold(limit, 1, 128 * kilobyte, "g")).toThrow(overloaded);
  hold(limit, 32, 64 * kilobyte); // the reserve for small ones, also of a source that sends large ones
  expect(() => hold(limit, 1, kilobyte)).toThrow(overloaded);
});

test("a body that grows counts as large from its first byte, and one that was refused gives all back", () => {
  const limit = createLoadLimit({ events: 0, bytes: 8192 * kilobyte, now: () => 0 });
  const bodies = Array.from({ length: 17 }, () => limit.open("a"));
  for (const body of bodies) body.addBytes(60 * kilobyte);
  for (const body of bodies.slice(0, 15)) body.addBytes(4.25 * kilobyte);
  expect(() => bodies[15]?.addBytes(4.25 * kilobyte)).toThrow(overloaded);
  for (const body of bodies) body.close();
  hold(limit, 8, 128 * kilobyte);
});

test("small bodies of one source leave a quarter of the bytes to the others", () => {
  const limit = createLoadLimit({ events: 0, bytes: 8192 * kilobyte, now: () => 0 });
  hold(limit, 96, 64 * kilobyte);
  expect(() => hold(limit, 1, kilobyte)).toThrow(overloaded);
  hold(limit, 32, 64 * kilobyte, "b");
});
