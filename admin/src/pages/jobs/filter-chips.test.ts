import { expect, test } from "vitest";
import { formatTime } from "../../format-time.ts";
import { describeFilters } from "./filter-chips.ts";

const now = Date.UTC(2026, 10, 25, 12);
const tell = (filters: Parameters<typeof describeFilters>[0]) =>
  describeFilters(filters, now).map(({ label, value }) => `${label}: ${value}`);

test("every filter of the address is told in words", () => {
  const filters = { status: "PENDING,FAILED", job_type: "USER_CREATED", source: "ensure", code: "delete_brake" };
  expect(tell({ ...filters, clerk_id: "user_a", since: "24h", q: "a@example.com" })).toEqual([
    "Status: pending or failed",
    "Type: user created",
    "Source: ensure-user",
    "Error code: delete_brake",
    "User: user_a",
    "Received: last 24 hours",
    "Search: a@example.com",
  ]);
});

test("a range of one's own is told in the reader's zone", () => {
  const [since, until] = ["2026-11-20T08:00:00.000Z", "2026-11-21T08:00:00.000Z"];
  expect(tell({ since, until })).toEqual([`Received: since ${formatTime(since)}`, `Before: ${formatTime(until)}`]);
});

test("what filters nothing says so, and a source that has no word is shown as it is", () => {
  expect(tell({ status: "LOST", since: "soon", source: "toString" })).toEqual([
    "Status: “LOST” is none, and filters nothing",
    "Source: toString",
    "Received: “soon” is none, and filters nothing",
  ]);
});

test("no filter, nothing to tell", () => {
  expect(tell({})).toEqual([]);
});
