import { expect, test } from "vitest";
import { codeOf, explainError } from "./error-remedy.ts";

test("the code of an error is what stands before the colon or the SQLSTATE", () => {
  expect(codeOf("database_rejected 23514: no")).toBe("database_rejected");
  expect(codeOf("auth_rejected: 422")).toBe("auth_rejected");
  expect(codeOf("")).toBe("");
});

test("an error that is not known leads to the page of errors", () => {
  expect(explainError("new_code: x").remedy).toContain("docs/errors.md");
  expect(explainError("constructor: x").remedy).toContain("docs/errors.md");
});

test.each([
  "database_rejected",
  "auth_email_conflict",
  "clerk_unauthorized",
  "lease_expired",
  "delete_brake",
  "user_unknown",
])("%s is explained here", (code) => {
  expect(explainError(`${code}: x`).remedy).not.toContain("docs/errors.md");
});
