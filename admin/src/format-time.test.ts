import { describe, expect, it } from "vitest";
import { formatAgo, formatCount, formatDuration, formatShort, formatTime } from "./format-time.ts";

describe("a duration", () => {
  it.each([
    [0, "0 ms"],
    [850.4, "850 ms"],
    [3240, "3.2 s"],
    [4000, "4 s"],
    [59_900, "1 min"],
    [250_000, "4 min 10 s"],
    [3_600_000, "1 h"],
    [3_601_000, "1 h"],
    [7_380_000, "2 h 3 min"],
    [183_600_000, "2 d 3 h"],
    [-5, "0 ms"],
  ])("of %d ms is %s: the two largest units", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

describe("how long ago", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");

  it.each([
    ["2026-11-25T11:59:59.500Z", "just now"],
    ["2026-11-25T11:59:57Z", "3 s ago"],
    ["2026-11-25T11:55:01+00:00", "4 min ago"],
    ["2026-11-23T11:00:00Z", "2 d ago"],
    ["2026-11-25T12:05:00Z", "in 5 min"],
  ])("%s is %s: the largest unit, whole", (at, text) => {
    expect(formatAgo(at, now)).toBe(text);
  });

  it("is the text itself where it is no time", () => {
    expect(formatAgo("soon", now)).toBe("soon");
  });
});

it("a time stands in the reader's zone, with two digits everywhere", () => {
  const local = new Date(2026, 0, 2, 3, 4, 5);
  expect(formatTime(local.toISOString())).toBe("2026-01-02 03:04:05");
  expect(formatTime("never")).toBe("never");
});

it("a count has its thousands apart", () => {
  expect(formatCount(1_234_567)).toBe("1,234,567");
});

it("a count is short where there is little room", () => {
  expect([0, 999, 1000, 2752, 10_000].map(formatShort)).toEqual(["0", "999", "1k", "2k", "10k"]);
});
