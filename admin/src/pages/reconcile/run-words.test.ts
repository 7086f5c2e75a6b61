import { expect, it } from "vitest";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { countDrift, estimateRest, formatRunTime, nameRun, sortCounts } from "./run-words.ts";

const now = Date.parse("2026-11-25T12:00:00Z");
const run: AdminRun = {
  id: "0b7a3a0e-1111-4222-8333-444455556666",
  kind: "compare",
  status: "RUNNING",
  applies: false,
  columns: null,
  sources: null,
  phase: "walk",
  counts: { read: 500 },
  steps: 1,
  users_at_clerk: 2000,
  error: null,
  started_at: "2026-11-25T11:59:00Z",
  updated_at: "2026-11-25T12:00:00Z",
  finished_at: null,
};

it("out of step is who is to be mended, not who is left as they are", () => {
  const counts = {
    read: 9,
    missing: 1,
    stale: 2,
    differs: 3,
    unmirrored: 4,
    extra: 5,
    auth_missing: 6,
    auth_differs: 7,
    auth_extra: 8,
    auth_deleted: 9,
    auth_foreign: 90,
    auth_read: 90,
    edited: 90,
    foreign: 90,
    pending: 90,
  };
  expect(countDrift(counts)).toBe(45);
});

it("counts are in one order, zeros left out, unknown ones last", () => {
  expect(sortCounts({ novel: 1, extra: 2, stale: 0, read: 0 })).toEqual([
    ["read", 0],
    ["extra", 2],
    ["novel", 1],
  ]);
});

it("the rest is estimated from the speed so far", () => {
  expect(estimateRest(run, now)).toBe("about 3 min left");
});

it.each<Partial<AdminRun>>([
  { status: "COMPLETED" },
  { users_at_clerk: null },
  { counts: {} },
  { counts: { read: 2000 } },
])("nobody can say what is left of %j", (change) => {
  expect(estimateRest({ ...run, ...change }, now)).toBeNull();
});

it("a run has the name of its kind and of its columns, and a dry one says so", () => {
  expect([nameRun(run), nameRun({ ...run, applies: true })]).toEqual(["dry compare", "compare"]);
  const columns = ["image_url", "plan"];
  expect(nameRun({ kind: "backfill", applies: true, columns })).toBe("backfill of image_url, plan");
});

it("a run took the time until its end, or until now", () => {
  expect(formatRunTime(run, now)).toBe("1 min");
  expect(formatRunTime({ ...run, finished_at: "2026-11-25T11:59:05Z" }, now)).toBe("5 s");
});
