import { expect, test } from "vitest";
import { ApiError } from "../../api/api-error.ts";
import { isNoJob } from "./is-no-job.ts";

test.each([
  ["not_found", 404, true],
  ["request_invalid", 400, true],
  ["database_unavailable", 503, false],
  ["endpoint_unreachable", 0, false],
] as const)("%s says that there is no such job: %#", (code, status, isNone) => {
  expect(isNoJob(new ApiError(status, code, ""))).toBe(isNone);
});

test("what fails in the page itself does not say that there is no such job", () => {
  expect(isNoJob(new TypeError("x"))).toBe(false);
  expect(isNoJob(null)).toBe(false);
});
