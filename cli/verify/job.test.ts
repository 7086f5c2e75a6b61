import { expect, test } from "vitest";
import { isSettled, type Job, measureHops } from "./job.ts";

const at = (milliseconds: number) => new Date(Date.UTC(2026, 0, 1) + milliseconds).toISOString();
const history = (...entries: [number, Job["status"]][]) => ({
  history: entries.map(([time, status]) => ({ at: at(time), status, attempt: 1 })),
});

test("with a mirror the hops are up to the row and from there to COMPLETED", () => {
  const hops = measureHops(history([0, "PENDING"], [7, "PROCESSING"], [30, "COMPLETED"]));
  expect(hops).toEqual({ applied: 7, mirrored: 23 });
});

test("without a mirror the row is the last hop", () => {
  expect(measureHops(history([0, "PENDING"], [9, "COMPLETED"]))).toEqual({ applied: 9 });
});

test("a mirror that is retried counts from the first attempt, whose row stays", () => {
  const entries: [number, Job["status"]][] = [
    [0, "PENDING"],
    [5, "PROCESSING"],
    [20, "FAILED"],
    [2000, "PROCESSING"],
    [2040, "COMPLETED"],
  ];
  expect(measureHops(history(...entries))).toEqual({ applied: 5, mirrored: 2035 });
});

test("what has not happened has no time", () => {
  expect(measureHops(history([0, "PENDING"]))).toEqual({});
  expect(measureHops(history([0, "PENDING"], [5, "PROCESSING"]))).toEqual({ applied: 5 });
});

test.each<[Job["status"], string | null, boolean]>([
  ["PENDING", null, false],
  ["PENDING", "delete_brake: more than 5 deletions", true],
  ["PROCESSING", null, false],
  ["FAILED", "auth_unavailable: 503", false],
  ["COMPLETED", null, true],
  ["DEAD", "auth_rejected: 422", true],
  ["CANCELLED", null, true],
])("a job that is %s with error %s: is waiting over? %s", (status, error, settled) => {
  expect(isSettled({ id: "1", status, error, attempts: 1, history: [], result: null })).toBe(settled);
});
