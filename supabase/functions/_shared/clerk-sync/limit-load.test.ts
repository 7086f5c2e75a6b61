import { expect, test } from "vitest";
import { captureLog } from "../../../../tests/support/capture-log.ts";
import { createLoadLimit } from "./limit-load.ts";

const overloaded = expect.objectContaining({ code: "overloaded", retryable: true, retryAfterSeconds: 5 });

test("as many events as allowed are in hand at once, one more is told when to come back", () => {
  const limit = createLoadLimit({ events: 2, bytes: 0, now: () => 0 });
  const [first, second, third] = [limit.open(), limit.open(), limit.open()];
  first.addEvent();
  second.addEvent();
  expect(() => third.addEvent()).toThrow(overloaded);
  first.close();
  third.addEvent();
  expect(() => first.addEvent()).toThrow(overloaded);
});

test("bodies in memory are bounded by their bytes, and a closed request gives its bytes back", () => {
  const limit = createLoadLimit({ events: 0, bytes: 100, now: () => 0 });
  const [first, second] = [limit.open(), limit.open()];
  first.addBytes(60);
  second.addBytes(40);
  expect(() => second.addBytes(1)).toThrow(overloaded);
  first.close();
  second.addBytes(60);
});

test("requests that send nothing take nothing", () => {
  const limit = createLoadLimit({ events: 1, bytes: 10, now: () => 0 });
  for (let request = 0; request < 1000; request++) limit.open().addBytes(0);
  limit.open().addEvent();
});

test("closing twice gives back once", () => {
  const limit = createLoadLimit({ events: 1, bytes: 0, now: () => 0 });
  const account = limit.open();
  account.addEvent();
  account.close();
  account.close();
  limit.open().addEvent();
  expect(() => limit.open().addEvent()).toThrow(overloaded);
});

test("what was refused is not given back", () => {
  const limit = createLoadLimit({ events: 1, bytes: 0, now: () => 0 });
  const holder = limit.open();
  holder.addEvent();
  const refused = limit.open();
  expect(() => refused.addEvent()).toThrow(overloaded);
  refused.close();
  expect(() => limit.open().addEvent()).toThrow(overloaded);
});

test("a flood is one line a second, with the count", async () => {
  let time = 5000;
  const limit = createLoadLimit({ events: 0, bytes: 0, now: () => time });
  const lines = await captureLog();
  for (let request = 0; request < 100; request++) expect(() => limit.open().addEvent()).toThrow(overloaded);
  time += 1000;
  expect(() => limit.open().addEvent()).toThrow(overloaded);
  const shed = lines.map((line) => JSON.parse(line.text)).filter((line) => line.event === "webhook.shed");
  expect(shed.map((line) => line.count)).toEqual([1, 100]);
});
