import { expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { judgeFailure, judgeHealth } from "./judge-health.ts";

const reason = {
  code: "dead_letters",
  status: "degraded",
  what: "1 job gave up.",
  since: "2026-11-20",
  remedy: "Look.",
};
const answer = { status: "degraded", reasons: [reason], facts: { schema_version: "1", open: {} } };

test("what the database judged is taken as it is", () => {
  expect(judgeHealth(answer, "1")).toEqual(answer);
});

test("a schema of another version is compromised, and that comes first", () => {
  const health = judgeHealth(answer, "2");
  expect(health.status).toBe("compromised");
  expect(health.reasons.map(({ code }) => code)).toEqual(["schema_mismatch", "dead_letters"]);
  expect(health.reasons[0]?.what).toContain("1, this code is written for 2");
});

test.each([null, {}, { ...answer, status: "fine" }, { ...answer, facts: {} }])(
  "an unknown answer is refused: %j",
  (odd) => {
    expect(() => judgeHealth(odd)).toThrow(expect.objectContaining({ code: "database_answer_invalid" }));
  },
);

test("a database that does not answer is compromised, with the error's code", () => {
  expect(judgeFailure(new SyncError("database_rejected", "refused"))).toEqual({
    status: "compromised",
    reasons: [expect.objectContaining({ code: "database_rejected", status: "compromised", what: "refused" })],
    facts: null,
  });
  expect(judgeFailure(new TypeError("x")).reasons[0]?.code).toBe("database_unavailable");
});
