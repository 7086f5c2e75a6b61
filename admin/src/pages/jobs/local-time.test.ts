import { expect, test } from "vitest";
import { fromLocal, toLocal } from "./local-time.ts";

const now = Date.UTC(2026, 10, 25, 12);

test("a time that is entered stands in the address as a moment, and is shown again as it was entered", () => {
  const address = fromLocal("2026-11-20T10:30");
  expect(address).toBe(new Date(2026, 10, 20, 10, 30).toISOString());
  expect(toLocal(address ?? undefined, now)).toBe("2026-11-20T10:30");
});

test("a length of time in the address is shown as the time it began", () => {
  expect(fromLocal(toLocal("24h", now))).toBe("2026-11-24T12:00:00.000Z");
});

test("no time is empty, both ways", () => {
  expect([toLocal(undefined, now), toLocal("soon", now)]).toEqual(["", ""]);
  expect(fromLocal("")).toBeNull();
});
