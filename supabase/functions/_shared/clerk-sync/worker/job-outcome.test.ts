import { describe, expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { outcomeOfError } from "./job-outcome.ts";

describe("how an attempt ends", () => {
  test("a failure that may pass is retried, after what the server asked for", () => {
    const error = new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds: 30 });
    expect(outcomeOfError("job_1", error)).toEqual({
      job_id: "job_1",
      outcome: "retry",
      error: "auth_rate_limited: Slow down.",
      retry_after: 30,
      circuit: "auth",
    });
  });

  test("a Retry-After of nothing is kept, and none is not made up", () => {
    const now = new SyncError("auth_rate_limited", "Slow down.", { retryable: true, retryAfterSeconds: 0 });
    expect(outcomeOfError("job_1", now)).toMatchObject({ outcome: "retry", retry_after: 0 });
    const unknown = new SyncError("auth_unavailable", "Down.", { retryable: true });
    expect(outcomeOfError("job_1", unknown)).not.toHaveProperty("retry_after");
  });

  test("a failure that never passes is dead at once", () => {
    const error = new SyncError("auth_rejected", "Refused.");
    expect(outcomeOfError("job_1", error)).toEqual({
      job_id: "job_1",
      outcome: "dead",
      error: "auth_rejected: Refused.",
    });
  });

  test.each([
    [new TypeError("x is not a function"), "internal: x is not a function"],
    ["text", "internal: text"],
    [undefined, "internal: undefined"],
  ])("a failure nobody foresaw is retried: %s", (thrown, error) => {
    expect(outcomeOfError("job_1", thrown)).toEqual({ job_id: "job_1", outcome: "retry", error });
  });
});
