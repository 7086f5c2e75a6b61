import type { MappedColumn, UserRecord } from "#core/admin/contract/users.ts";
import type { ExpectedUser, SaidByClerk } from "./expect-user.ts";

type Value = string | number | boolean | null;

/** One column of one user that is not as it must be. */
export type Difference = { clerkId: string; field: string; expected: Value; actual: Value };

/** What of a stored user is not as expected, by the names of columns; nothing when it is in step. */
export function compareUser(expected: ExpectedUser, stored: UserRecord | undefined): Difference[] {
  const { clerkId, deleted, said } = expected;
  const row = stored?.row ?? null;
  const isLive = row !== null && row.deleted_at === null;
  const isDeleted = (stored?.state?.deleted_at ?? null) !== null;
  const actual = { deleted: isDeleted, row: isLive ? "present" : "none" };
  const wanted = { deleted, row: deleted ? "none" : "present" };
  const differences = Object.entries(wanted)
    .map(([field, value]) => ({ clerkId, field, expected: value, actual: actual[field as keyof typeof wanted] }))
    .filter((difference) => difference.expected !== difference.actual);
  if (deleted || row === null || stored === undefined) return differences;
  return [...differences, ...stored.columns.flatMap((column) => compareColumn(column, { clerkId, said }))];
}

type Said = { clerkId: string; said: SaidByClerk };

function compareColumn(column: MappedColumn, { clerkId, said }: Said): Difference[] {
  const expected = expectColumn(column, { clerkId, said });
  if (expected === undefined) return [];
  const actual = column.value as Value;
  if (textOf(expected) === textOf(actual)) return [];
  return [{ clerkId, field: column.name, expected, actual }];
}

/** What must stand in the column; undefined: that is not known, or may be several things. */
function expectColumn({ source, rule }: MappedColumn, { clerkId, said }: Said): Value | undefined {
  const value = said[source];
  if (value === undefined || rule?.once) return undefined;
  const isRefused = rule?.allowed !== undefined && value !== null && !rule.allowed.includes(String(value));
  if (value !== null && !isRefused) return value;
  if (rule?.own_default) return undefined;
  if (source === "email") return null; // a placeholder is no address
  const fallback = rule?.default ?? null;
  return typeof fallback === "string" ? fallback.replaceAll("{id}", clerkId) : fallback;
}

/** A flag in a column of text is the text. */
function textOf(value: Value): string | null {
  return value === null ? null : String(value);
}
