import { expect, test } from "vitest";
import { askForAll, tellNone, tellProgress, tellResult } from "./bulk-words.ts";

test.each([
  ["retry", 1204, true, "Retry 1,204 jobs?"],
  ["retry", 10_000, false, "Retry 10,000 jobs or more?"],
  ["cancel", 1, true, "Cancel one job?"],
  ["cancel", 1, false, "Cancel 1 jobs or more?"],
] as const)("%s of %i jobs, exact: %s, asks: %s", (action, count, is_exact, title) => {
  expect(askForAll(action, { count, is_exact })).toMatchObject({ title, isDangerous: action === "cancel" });
});

test("the button of the question names the number once more", () => {
  expect(askForAll("cancel", { count: 3, is_exact: true }).action).toBe("Cancel 3 jobs");
});

test("nothing to change is said, not asked", () => {
  expect(tellNone("retry")).toBe("No job that matches can be retried.");
  expect(tellNone("cancel")).toBe("No job that matches can be cancelled.");
});

test.each([
  ["retry", 1, true, "1 job is due again."],
  ["cancel", 1007, true, "1,007 jobs are cancelled."],
  ["retry", 500, false, "500 jobs are due again; the others were left as they are."],
] as const)("%s of %i, to the end: %s, ends with: %s", (action, changed, isWhole, sentence) => {
  expect(tellResult(action, { changed, isWhole })).toBe(sentence);
});

test("progress is told in numbers", () => {
  expect(tellProgress("retry", { changed: 500, count: 1204 })).toBe("500 of 1,204 jobs are due again.");
});
