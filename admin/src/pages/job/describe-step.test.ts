import { expect, test } from "vitest";
import { describeStep } from "./describe-step.ts";

const at = "2026-11-25T10:00:00Z";

test.each([
  ["PENDING", 0, 0, "Received and queued"],
  ["DEAD", 0, 0, "Received, and put aside at once"],
  ["PROCESSING", 1, 1, "Attempt 1 began"],
  ["FAILED", 2, 3, "Attempt 2 failed"],
  ["DEAD", 15, 4, "Gave up after attempt 15"],
  ["PENDING", 0, 5, "Queued again, from the start"],
  ["COMPLETED", 1, 6, "Done, at attempt 1"],
] as const)("%s at attempt %i and place %i reads: %s", (status, attempt, place, words) => {
  expect(describeStep({ at, status, attempt }, place)).toBe(words);
});

test("a change by hand that leaves the status is no new attempt", () => {
  const before = { at, status: "PROCESSING", attempt: 1 } as const;
  expect(describeStep({ ...before, by: "postgres" }, 2, before)).toBe("Changed");
  expect(describeStep({ ...before, attempt: 2, by: "postgres" }, 2, before)).toBe("Attempt 2 began");
});
