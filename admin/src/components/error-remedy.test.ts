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

test("a job without an error is not sent to the page of errors", () => {
  expect(explainError("")).toMatchObject({ what: "No error was recorded." });
});
