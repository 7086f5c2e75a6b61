import { expect, test } from "vitest";
import type { UserRecord } from "#core/admin/contract/users.ts";
import { listMarks } from "./list-marks.ts";

const row = { id: "1", email: null, name: null, role: null, deleted_at: null };
const user: UserRecord = {
  clerk_id: "user_1",
  table: "public.users",
  columns: [],
  row,
  state: null,
  values: null,
  open_jobs: 0,
  dead_jobs: 0,
};
const tombstone = {
  version: 1,
  deleted_at: "2026-11-25T10:00:00Z",
  synced_at: null,
  mirrored_version: null,
  auth_user_id: null,
  auth_finding: null,
  refresh_due_at: null,
  refresh_reason: null,
  ignored: null,
  unlinked_row: null,
};
const texts = (changes: Partial<UserRecord>) => listMarks({ ...user, ...changes }).map(({ text }) => text);

test("a user in step has no marks", () => {
  expect(texts({})).toEqual([]);
});

test("a user without a row is marked, unless that is because of a deletion", () => {
  expect(texts({ row: null })).toEqual(["no row"]);
  expect(texts({ row: null, state: tombstone })).toEqual(["deleted"]);
  expect(texts({ row: { ...row, deleted_at: "2026-11-25T10:00:00Z" } })).toEqual(["deleted"]);
});

test("open and dead jobs are counted", () => {
  expect(texts({ open_jobs: 2, dead_jobs: 1 })).toEqual(["1 dead job", "2 open jobs"]);
});

test("a row that was not linked is marked", () => {
  expect(texts({ state: { ...tombstone, deleted_at: null, unlinked_row: "7" } })).toEqual(["row not linked"]);
});
