import { expect, it } from "vitest";
import type { Series } from "#core/admin/contract/overview.ts";
import { chooseTicks, describeRows, shortenTick, toRows } from "./chart-rows.ts";

const point = { at: "2026-11-25T12:00:00Z", received: 40, completed: 20, failed_attempts: 3, dead: 1 };
const series: Series = {
  window: "24h",
  interval_seconds: 1200,
  points: [
    { ...point, latency_p50: 200, latency_p95: 900 },
    { ...point, received: 0, latency_p50: null, latency_p95: null },
  ],
};

it("rates are per minute whatever the interval; errors are counts", () => {
  expect(toRows(series)[0]).toMatchObject({ received: 2, completed: 1, failed: 3, dead: 1, p50: 200, p95: 900 });
});

it("an interval in which nothing completed has no latency", () => {
  expect(toRows(series)[1]).toMatchObject({ p50: null, p95: null });
});

it("the axis has its lines at round times of the reader's zone, as far apart as the window asks for", () => {
  const ticksOf = (window: Series["window"], count: number, minutes: number) => {
    const at = (place: number) => new Date(2026, 10, 24, 12, 7 + place * minutes).toISOString();
    return chooseTicks({
      ...series,
      window,
      points: Array.from({ length: count }, (_, place) => ({ ...series.points[0], at: at(place) })) as Series["points"],
    });
  };
  expect(ticksOf("1h", 60, 1)).toEqual(["12:15", "12:30", "12:45", "13:00"]);
  expect(ticksOf("24h", 96, 15)).toEqual(["18:07", "00:07", "06:07"]);
  expect(ticksOf("7d", 36, 120).map(shortenTick)).toEqual(["Nov 25", "Nov 26", "Nov 27"]);
});

it("who cannot see a chart is told its newest and highest values", () => {
  expect(describeRows(toRows(series), ["received", "p50"], String)).toBe(
    "received: now 0, at most 2; p50: now 200, at most 200",
  );
  expect(describeRows([], ["dead"], String)).toBe("dead: no values");
});
