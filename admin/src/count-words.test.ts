import { expect, test } from "vitest";
import { countOf } from "./count-words.ts";

test("one is told as one, none and many as many", () => {
  const told = [0, 1, 1200].map((count) => countOf(count, "job waits", "jobs wait"));
  expect(told).toEqual(["0 jobs wait", "1 job waits", "1,200 jobs wait"]);
});
