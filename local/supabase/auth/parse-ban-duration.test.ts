import { expect, test } from "vitest";
import { parseBanDuration } from "./parse-ban-duration.ts";

test.each([
  ["24h", 86_400],
  ["876000h", 3_153_600_000],
  ["1h30m", 5_400],
  ["1.5h", 5_400],
  [".5s", 0.5],
  ["-1m", -60],
  ["+300ms", 0.3],
  ["0", 0],
  ["none", 0],
])("%s is %d seconds", (duration, seconds) => {
  expect(parseBanDuration(duration)).toBeCloseTo(seconds, 9);
});

test("no duration is no change", () => {
  expect(parseBanDuration("")).toBeUndefined();
});

test.each([
  ["1d", 'unknown unit "d" in duration "1d"'],
  ["24", 'missing unit in duration "24"'],
  ["-", 'invalid duration "-"'],
  ["h", 'invalid duration "h"'],
  ["forever", 'invalid duration "forever"'],
  ["3000000h", 'invalid duration "3000000h"'],
])("%s is refused with Go's reason", (duration, reason) => {
  expect(() => parseBanDuration(duration)).toThrow(`invalid format for ban duration: time: ${reason}`);
});

test("a long text of digits is refused at once", () => {
  expect(() => parseBanDuration(`${"1".repeat(100_000)}..`)).toThrow("invalid duration");
});
