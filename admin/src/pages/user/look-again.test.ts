import { expect, test } from "vitest";
import type { Verdict, VerdictCode } from "#core/admin/contract/users.ts";
import { type Acted, lookAgainIn } from "./look-again.ts";

const words = { title: "", what: "", remedy: "" };
const verdict = (code: VerdictCode): Verdict => ({
  code,
  in_step: false,
  ...words,
  job_id: null,
  other_clerk_id: null,
});
const acted: Acted = { at: 1000, code: "dead_letter" };

test("a user is read again soon after an action until the verdict changes to one that lasts", () => {
  const found = (["dead_letter", "under_way", "refresh_due", "in_step"] as const).map((code) =>
    lookAgainIn(verdict(code), acted, 2000),
  );
  expect(found).toEqual([1500, 1500, 1500, 15_000]);
});

test("an action of 15 seconds ago makes nothing read sooner", () => {
  expect(lookAgainIn(verdict("dead_letter"), acted, 16_000)).toBe(15_000);
});

test("without an action only what is on its way is read sooner than usual", () => {
  const found = (["stale", "under_way"] as const).map((code) => lookAgainIn(verdict(code), null, 2000));
  expect([...found, lookAgainIn(undefined, acted, 2000)]).toEqual([15_000, 5000, 15_000]);
});
