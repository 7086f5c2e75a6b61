import { expect, test } from "vitest";
import type { Place, User } from "#core/admin/contract/users.ts";
import { canRetry } from "./can-retry.ts";
import { isStillCurrent, nameLine, namePlaces, presenceDiffers, showValue } from "./place-words.ts";

const place: Place = {
  state: "present",
  reason: null,
  id: null,
  values: { email: null, banned: true, name: "<b>", updated_at: "x" },
};
const words = { title: "", what: "", remedy: "" };
const verdict = { code: "stale", in_step: false, ...words, job_id: null, other_clerk_id: null } as const;
const user: User = {
  clerk_id: "user_1",
  table: "public.profiles",
  columns: [],
  row: null,
  values: null,
  open_jobs: 0,
  dead_jobs: 0,
  is_revealed: false,
  verdict,
  clerk: place,
  users: place,
  auth: place,
  comparison: [],
  differences: [],
  state: null,
  ignored_note: null,
  unlinked_note: null,
  jobs: [],
};
const formatTime = (at: string) => `at ${at}`;

test.each([
  [null, "none"],
  [undefined, "–"],
  [true, "yes"],
  ["<b>", "<b>"],
  [{ plan: "pro" }, '{"plan":"pro"}'],
  ["2026-11-25T12:00:00+00:00", "at 2026-11-25T12:00:00+00:00"],
])("the value %j reads as %s", (value, shown) => {
  expect(showValue(value, formatTime)).toBe(shown);
});

test("the table and its columns are called as in the database, and what no column has is named in words", () => {
  expect(namePlaces("public.profiles").map(({ name }) => name)).toEqual(["Clerk", "public.profiles", "Supabase Auth"]);
  expect(nameLine({ name: "full_name", source: "name", differs: false })).toBe("full_name");
  expect(nameLine({ name: "updated_at", source: "now", differs: false })).toBe("updated_at");
  expect(nameLine({ name: "version", source: null, differs: false })).toBe("Changed at Clerk");
});

test("a user who is at one place and not at another is marked, unless that is as it should be", () => {
  const missing = { ...user, users: { ...place, state: "absent" as const } };
  expect(presenceDiffers(missing)).toBe(true);
  expect(presenceDiffers({ ...missing, verdict: { ...verdict, in_step: true } })).toBe(false);
  expect(presenceDiffers({ ...user, clerk: { ...place, state: "off" } })).toBe(false);
});

test("revealed values are shown no longer when something has changed since", () => {
  const masked = { ...user, users: { ...place, values: { ...place.values, name: "<***" } } };
  expect(isStillCurrent(user, masked)).toBe(true);
  expect(isStillCurrent(user, { ...masked, differences: ["name"] })).toBe(false);
  expect(isStillCurrent(user, { ...masked, auth: { ...place, state: "absent" } })).toBe(false);
  expect(isStillCurrent(user, { ...masked, users: { ...place, values: { ...place.values, updated_at: "y" } } })).toBe(
    false,
  );
  expect(isStillCurrent(user, { ...masked, clerk_id: "user_2" })).toBe(false);
});

test("only a job that stopped is offered for a retry", () => {
  const named = { ...verdict, code: "dead_letter", job_id: "1" } as const;
  const job = { id: "1", status: "DEAD" } as Parameters<typeof canRetry>[0]["jobs"][number];
  expect(canRetry({ verdict: named, jobs: [job] })).toBe(true);
  expect(canRetry({ verdict: named, jobs: [{ ...job, status: "PENDING" }] })).toBe(false);
  expect(canRetry({ verdict: named, jobs: [] })).toBe(false);
});
