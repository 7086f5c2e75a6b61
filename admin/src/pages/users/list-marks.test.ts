import { expect, test } from "vitest";
import type { UserSummary } from "#core/admin/contract/users.ts";
import { listMarks } from "./list-marks.ts";

const user = {
  clerk_id: "user_1",
  email: null,
  name: null,
  role: null,
  has_row: true,
  deleted_at: null,
  synced_at: null,
  open_jobs: 0,
  dead_jobs: 0,
};
const texts = (changes: Partial<UserSummary>) => listMarks({ ...user, ...changes }).map(({ text }) => text);

test("a user in step has no marks", () => {
  expect(texts({})).toEqual([]);
});

test("a user without a row is marked, unless that is because of a deletion", () => {
  expect(texts({ has_row: false })).toEqual(["no row"]);
  expect(texts({ has_row: false, deleted_at: "2026-11-25T10:00:00Z" })).toEqual(["deleted"]);
});

test("open and dead jobs are counted", () => {
  expect(texts({ open_jobs: 2, dead_jobs: 1 })).toEqual(["1 dead job", "2 open jobs"]);
});
