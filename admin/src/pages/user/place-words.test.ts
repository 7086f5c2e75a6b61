import { expect, test } from "vitest";
import type { Place } from "#core/admin-users-contract.ts";
import { canRetry } from "./can-retry.ts";
import { showValue } from "./place-words.ts";

const place: Place = {
  state: "present",
  reason: null,
  id: null,
  values: { email: null, banned: true, name: "<b>", updated_at: "x" },
};
const formatTime = (at: string) => `at ${at}`;

test("what a place knows reads as text: empty, yes or no, a time, and all else as it is", () => {
  const shown = (["email", "banned", "name", "updated_at", "phone"] as const).map((field) =>
    showValue(place, field, formatTime),
  );
  expect(shown).toEqual(["none", "yes", "<b>", "at x", "–"]);
});

test("a place without the user shows no values", () => {
  expect(showValue({ ...place, state: "absent" }, "name", formatTime)).toBe("–");
});

test("only a job that stopped is offered for a retry", () => {
  const verdict = { code: "dead_letter", in_step: false, what: "", remedy: "", job_id: "1" };
  const job = { id: "1", status: "DEAD" } as Parameters<typeof canRetry>[0]["jobs"][number];
  expect(canRetry({ verdict, jobs: [job] })).toBe(true);
  expect(canRetry({ verdict, jobs: [{ ...job, status: "PENDING" }] })).toBe(false);
  expect(canRetry({ verdict, jobs: [] })).toBe(false);
});
