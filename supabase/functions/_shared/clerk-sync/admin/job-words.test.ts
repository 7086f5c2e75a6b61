import { expect, test } from "vitest";
import type { Job } from "./contract/jobs.ts";
import { codeOf, explainError, explainJob } from "./job-words.ts";

const job: Pick<Job, "status" | "error" | "waits_for" | "cancel_requested_at"> = {
  status: "PENDING",
  error: null,
  waits_for: null,
  cancel_requested_at: null,
};

test("the code of an error is what stands before the colon or the SQLSTATE", () => {
  expect(codeOf("database_rejected 23514: no")).toBe("database_rejected");
  expect(codeOf("auth_rejected: 422")).toBe("auth_rejected");
  expect(codeOf("")).toBe("");
  expect(codeOf(null)).toBe("");
});

test("an error that is not known leads to the page of errors", () => {
  expect(explainError("new_code: x").remedy).toContain("docs/errors.md");
  expect(explainError("constructor: x").remedy).toContain("docs/errors.md");
});

test("a job without an error is not sent to the page of errors", () => {
  expect(explainError("")).toMatchObject({ what: "No error was recorded." });
  expect(explainJob({ ...job, status: "DEAD" })).toMatchObject({ what: "No error was recorded." });
});

test("a job that waits for nothing has no trouble", () => {
  expect(explainJob(job)).toBeNull();
  expect(explainJob({ ...job, status: "COMPLETED" })).toBeNull();
});

test("a cancellation comes before the service that the job waits for, and both before the error", () => {
  const failed = { ...job, status: "FAILED" as const, error: "auth_unavailable: 503" };
  const waiting = { ...failed, waits_for: "auth" };
  const cancelled = { ...waiting, cancel_requested_at: "2026-11-25T12:00:00Z" };
  expect([failed, waiting, cancelled].map((each) => explainJob(each)?.what)).toEqual([
    "Supabase Auth did not answer, or it reported a failure.",
    "The job waits for Supabase Auth, because calls there failed.",
    "The job is being cancelled.",
  ]);
});
