import { expect, test } from "vitest";
import type { UserRecord } from "#core/admin/contract/users.ts";
import { compareUser } from "./compare-user.ts";
import type { Happening } from "./draw-history.ts";
import { type ExpectedUser, expectUser } from "./expect-user.ts";
import { newUser } from "./new-user.ts";
import { createRandom } from "./random.ts";
import type { UserState } from "./user-state.ts";

const draw = { key: "test", tag: "tag0000000", number: 1, random: createRandom("test") };
const user = newUser(draw, 1, "several-emails");

function happening(at: number, changes: Partial<UserState>, type: Happening["type"] = "user.updated"): Happening {
  return { type, at, user: { ...user, ...changes } };
}

test("the newest snapshot counts, wherever it stands", () => {
  const expected = expectUser([happening(3, { firstName: "New", lastName: null }), happening(2, { firstName: "Old" })]);
  expect(expected).toMatchObject({ name: "New", deleted: false });
});

test("a deletion counts whatever else is there", () => {
  expect(expectUser([happening(9, {}, "user.deleted"), happening(2, {})]).deleted).toBe(true);
});

test("the email is the primary one and not the first", () => {
  expect(expectUser([happening(1, {})]).email).toBe(user.emails[2]?.address);
  expect(expectUser([happening(1, { primaryEmailId: null })]).email).toBeNull();
});

test.each([
  ["  Padded  ", "Hopper ", "Padded Hopper"],
  [null, "Hopper", "Hopper"],
  ["Ada", "  ", "Ada"],
  [null, null, null],
])("%j and %j make the name %j", (firstName, lastName, name) => {
  expect(expectUser([happening(1, { firstName, lastName })]).name).toBe(name);
});

test.each([
  ["admin", "admin"],
  ["user", "user"],
  ["superuser", "user"],
  [null, "user"],
])("role %j in public_metadata gives %s, and a claimed role nothing", (role, expected) => {
  expect(expectUser([happening(1, { role, claimedRole: "admin" })]).role).toBe(expected);
});

const live: ExpectedUser = { clerkId: "user_1", deleted: false, email: "a@example.com", name: "A", role: "user" };
const row = { id: "1", email: "a@example.com", name: "A", role: "user", deleted_at: null };
const state = {
  version: 1,
  deleted_at: null,
  synced_at: "2026",
  mirrored_version: null,
  auth_user_id: null,
  auth_finding: null,
  refresh_due_at: null,
  refresh_reason: null,
  ignored: null,
  unlinked_row: null,
};
const stored: UserRecord = {
  clerk_id: "user_1",
  table: "public.users",
  columns: [],
  row,
  state,
  values: null,
  open_jobs: 0,
  dead_jobs: 0,
};
const tombstone = { ...state, deleted_at: "2026" };
const unknown: UserRecord = { ...stored, row: null, state: null };
const gone = { ...live, deleted: true };

test.each<[string, ExpectedUser, UserRecord | undefined, string[]]>([
  ["a row as expected is in step", live, stored, []],
  ["each wrong field is named", live, { ...stored, row: { ...row, email: null, role: "admin" } }, ["email", "role"]],
  ["a user never seen lacks its row", live, unknown, ["row"]],
  ["a live user that is marked deleted is out of step", live, { ...stored, state: tombstone }, ["deleted"]],
  [
    "a live user whose row is soft-deleted is out of step",
    live,
    { ...stored, row: { ...row, deleted_at: "2026" } },
    ["row"],
  ],
  ["a deleted user without a row is in step", gone, { ...stored, state: tombstone, row: null }, []],
  [
    "a deleted user with a soft-deleted row is in step",
    gone,
    { ...stored, state: tombstone, row: { ...row, deleted_at: "2026" } },
    [],
  ],
  ["a deleted user whose row lives is out of step", gone, { ...stored, state: tombstone }, ["row"]],
  ["a deleted user without a tombstone is out of step", gone, unknown, ["deleted"]],
])("%s", (_, expected, actual, fields) => {
  expect(compareUser(expected, actual).map(({ field }) => field)).toEqual(fields);
});
