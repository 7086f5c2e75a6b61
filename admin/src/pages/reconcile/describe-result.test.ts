import { expect, it } from "vitest";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { describeResult } from "./describe-result.ts";
import { describePhase } from "./run-words.ts";

const now = Date.parse("2026-11-25T12:00:00Z");
const run: AdminRun = {
  id: "0b7a3a0e-1111-4222-8333-444455556666",
  kind: "compare",
  status: "COMPLETED",
  applies: false,
  columns: null,
  sources: null,
  phase: "settled",
  counts: { read: 500, missing: 1 },
  steps: 1,
  users_at_clerk: 500,
  error: null,
  started_at: "2026-11-25T11:59:00Z",
  updated_at: "2026-11-25T12:00:00Z",
  finished_at: "2026-11-25T12:00:00Z",
};

it("a dry run says what it found and how that is mended; with nothing found there is nothing to mend", () => {
  expect(describeResult(run, now)).toBe(
    "1 user out of step; nothing was changed. Ended after 1 min. Run and mend brings them in step.",
  );
  expect(describeResult({ ...run, counts: { read: 500 } }, now)).toBe(
    "0 users out of step; nothing was changed. Ended after 1 min.",
  );
});

it("a run that mends says where what it found is", () => {
  expect(describeResult({ ...run, applies: true }, now)).toBe(
    "1 user out of step; what was found is in the queue. Ended after 1 min.",
  );
});

it("a run under way says what it found so far, one that failed says why", () => {
  expect(describeResult({ ...run, status: "RUNNING", finished_at: null }, now)).toBe("1 user out of step so far");
  expect(describeResult({ ...run, status: "FAILED", error: "run_lost: x" }, now)).toBe("It failed: run_lost: x");
});

it("a phase is told in words, one of another version as it is", () => {
  expect(["walk", "toString"].map(describePhase)).toEqual(["reads the users of Clerk", "toString"]);
});
