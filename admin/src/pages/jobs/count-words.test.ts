import { expect, test } from "vitest";
import { tellCount } from "./count-words.ts";

const statuses = { DEAD: 12, COMPLETED: 10_000, PENDING: 0, FAILED: 0, PROCESSING: 0, CANCELLED: 0 };

test("a count that is only a beginning says so, however small it is", () => {
  const counts = { most: 3000, statuses, at_least: ["DEAD" as const] };
  expect(tellCount(counts, "DEAD")).toBe("12+");
  expect(tellCount({ ...counts, at_least: [] }, "DEAD")).toBe("12");
});

test("exactly as many as are looked at are no beginning when the API says that this was all", () => {
  expect(tellCount({ most: 10_000, statuses, at_least: [] }, "COMPLETED")).toBe("10,000");
});

test("an API that names no beginnings is taken to have more where it counted to its end", () => {
  expect(tellCount({ most: 10_000, statuses }, "COMPLETED")).toBe("10,000+");
  expect(tellCount({ most: 10_000, statuses }, "PENDING")).toBe("0");
});
