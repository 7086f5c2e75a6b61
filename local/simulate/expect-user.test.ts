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
  expect(expected).toMatchObject({ said: { name: "New" }, deleted: false });
});

test("a deletion counts whatever else is there", () => {
  expect(expectUser([happening(9, {}, "user.deleted"), happening(2, {})]).deleted).toBe(true);
});

test("the email is the primary one and not the first", () => {
  expect(expectUser([happening(1, {})]).said["email"]).toBe(user.emails[2]?.address);
  expect(expectUser([happening(1, { primaryEmailId: null })]).said["email"]).toBeNull();
});

test.each([
  ["  Padded  ", "Hopper ", "Padded Hopper"],
  [null, "Hopper", "Hopper"],
  ["Ada", "  ", "Ada"],
  [null, null, null],
])("%j and %j make the name %j", (firstName, lastName, name) => {
  expect(expectUser([happening(1, { firstName, lastName })]).said["name"]).toBe(name);
});

test("a role that a user claims does not count", () => {
  expect(expectUser([happening(1, { role: null, claimedRole: "admin" })]).said["public_metadata.role"]).toBeNull();
});

const said = { email: "a@example.com", name: "A", "public_metadata.role": null, username: null, banned: false };
const live: ExpectedUser = { clerkId: "user_1", deleted: false, said };
const row = { id: "1", email: null, name: null, role: null, deleted_at: null };
type Column = UserRecord["columns"][number];
const column = (name: string, source: string, value: unknown, rule: Column["rule"] = null): Column => ({
  name,
  source,
  value,
  rule,
});
const columns = [
  column("mail", "email", "a@example.com"),
  column("full_name", "name", "A"),
  column("at", "now", "2026"),
];
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
  columns,
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
  [
    "each wrong column is named",
    live,
    {
      ...stored,
      columns: [column("mail", "email", null), column("full_name", "name", "B"), column("at", "now", null)],
    },
    ["mail", "full_name"],
  ],
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

const roles = ["viewer", "admin"];
test.each<[string, Column, string | null, boolean]>([
  [
    "the default where Clerk has nothing",
    column("role", "public_metadata.role", "viewer", { default: "viewer" }),
    null,
    true,
  ],
  [
    "another value where Clerk has nothing",
    column("role", "public_metadata.role", "admin", { default: "viewer" }),
    null,
    false,
  ],
  [
    "the default where Clerk's is refused",
    column("role", "public_metadata.role", null, { allowed: roles }),
    "king",
    true,
  ],
  ["what Clerk has, refused", column("role", "public_metadata.role", "king", { allowed: roles }), "king", false],
  ["what Clerk has, allowed", column("role", "public_metadata.role", "admin", { allowed: roles }), "admin", true],
  [
    "the default with the id in it",
    column("tag", "public_metadata.role", "of user_1", { default: "of {id}" }),
    null,
    true,
  ],
  ["the column's own default", column("role", "public_metadata.role", "x", { own_default: true }), null, true],
  ["a value that is kept", column("role", "public_metadata.role", "first", { once: true }), "later", true],
])("%s: a column is compared by its rule", (_, one, role, isRight) => {
  const expected = { ...live, said: { ...said, "public_metadata.role": role } };
  expect(compareUser(expected, { ...stored, columns: [one] })).toHaveLength(isRight ? 0 : 1);
});

test("a placeholder is expected to read as no address, and a flag in a column of text as its word", () => {
  const expected = { ...live, said: { ...said, email: null } };
  const mail = column("mail", "email", null, { default: "{id}@users.invalid" });
  expect(compareUser(expected, { ...stored, columns: [mail, column("banned", "banned", "false")] })).toEqual([]);
});
