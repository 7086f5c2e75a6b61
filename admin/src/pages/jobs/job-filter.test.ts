import { expect, test } from "vitest";
import { toJobFilter } from "./job-filter.ts";

const now = Date.UTC(2026, 10, 25, 12);

test("what stands in the address becomes the filter of the API", () => {
  const filters = { status: "DEAD,FAILED", job_type: "USER_CREATED", since: "24h", q: "ada@example.com" };
  expect(toJobFilter(filters, now)).toEqual({
    status: ["DEAD", "FAILED"],
    job_type: "USER_CREATED",
    created_after: "2026-11-24T12:00:00.000Z",
    q: "ada@example.com",
  });
});

test("a status, type or time that there is none of filters nothing", () => {
  expect(toJobFilter({ status: "LOST", job_type: "toString", since: "soon" }, now)).toEqual({});
});
