import type { UserRecord } from "#core/admin/contract/users.ts";
import type { ExpectedUser } from "./expect-user.ts";

type Value = string | boolean | null;

/** One field of one user that is not as it must be. */
export type Difference = { clerkId: string; field: string; expected: Value; actual: Value };

const comparedFields = ["email", "name", "role"] as const;

/** What of a stored user is not as expected; nothing when it is in step. */
export function compareUser(expected: ExpectedUser, stored: UserRecord | undefined): Difference[] {
  const row = stored?.row ?? null;
  const isLive = row !== null && row.deleted_at === null;
  const isDeleted = (stored?.state?.deleted_at ?? null) !== null;
  const actual = { deleted: isDeleted, row: isLive ? "present" : "none" };
  const wanted = { deleted: expected.deleted, row: expected.deleted ? "none" : "present" };
  const differences = differ(expected.clerkId, wanted, actual);
  if (expected.deleted || row === null) return differences;
  const fields = Object.fromEntries(comparedFields.map((field) => [field, expected[field]]));
  return [...differences, ...differ(expected.clerkId, fields, row)];
}

function differ(clerkId: string, expected: Record<string, Value>, actual: Record<string, Value | undefined>) {
  return Object.entries(expected)
    .map(([field, value]) => ({ clerkId, field, expected: value, actual: actual[field] ?? null }))
    .filter((difference) => difference.expected !== difference.actual);
}
