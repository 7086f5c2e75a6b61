import { isKeptKey, isStorable, type Json, sanitise } from "../sanitise.ts";
import { toMilliseconds } from "./clerk-values.ts";

/** How a field is read of what Clerk says. */
export type Reading<Item, Value> = {
  /** Undefined: the item says nothing of it. */
  read: (item: Item) => Value | undefined;
  /** What it is where the item says nothing of it; undefined: Clerk should have said it. */
  empty: Value | undefined;
};

export const required = <Item, Value>(read: Reading<Item, Value>["read"]): Reading<Item, Value> => ({
  read,
  empty: undefined,
});
export const optional = <Item, Value>(read: Reading<Item, Value>["read"], empty: Value): Reading<Item, Value> => ({
  read,
  empty,
});

/**
 * What an item says of a field. `value` is undefined when it is nothing; then `empty` is what the field is, or undefined when
 * Clerk should have said it. `given` is the source whose key is there in metadata.
 */
export type Said = { value: Json | undefined; empty: Json | undefined; given?: string };

/**
 * What goes into a payload of these fields. Where a field is absent that Clerk should have said (and that `isNeeded`), an
 * optional one that is absent may have been taken out, too: both are named in `absent`. Else what is optional and absent is
 * empty.
 */
export function collectFields<Field extends string>(
  fields: Iterable<Field>,
  read: (field: Field) => Said,
  isNeeded: (field: Field) => boolean,
): { [field: string]: Json } {
  const said: { [field: string]: Json } = {};
  const empty: { [field: string]: Json } = {};
  const [given, absent]: [string[], string[]] = [[], []];
  for (const field of new Set(fields)) {
    const reading = read(field);
    if (reading.value !== undefined) said[field] = reading.value;
    else if (reading.empty !== undefined) empty[field] = reading.empty;
    else if (isNeeded(field)) absent.push(field);
    if (reading.given !== undefined) given.push(reading.given);
  }
  const rest = absent.length > 0 ? { absent: [...absent, ...Object.keys(empty)] } : empty;
  return { ...said, ...rest, ...(given.length > 0 ? { given } : {}) };
}

/**
 * Reads `public_metadata.plan` and the like of the metadata that the path begins with; dots walk objects. `missing`: what the
 * field is when the metadata has no such key.
 */
export function readPath(metadata: unknown, path: string, missing: Json): Said {
  if (metadata === undefined) return { value: undefined, empty: missing };
  let value: unknown = metadata;
  for (const key of path.split(".").slice(1)) {
    if (!hasKey(value, key)) return { value: missing, empty: missing };
    value = value[key];
  }
  return { value: cleanMetadata(value), empty: missing, given: path };
}

/**
 * A value of metadata as jsonb can store it. It may decide by equality (a role, a plan), so a text that would have to be
 * changed to be stored becomes the empty one, and no other that is allowed.
 */
function cleanMetadata(value: unknown): Json {
  return typeof value === "string" && !isStorable(value) ? "" : sanitise(value);
}

function hasKey(value: unknown, key: string): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && isKeptKey(key) && Object.hasOwn(value, key)
  );
}

export function textOf(text: string | null | undefined): string | null | undefined {
  return text === undefined ? undefined : text?.trim() || null;
}

export function flagOf(flag: boolean | null | undefined): boolean | undefined {
  return flag === undefined ? undefined : (flag ?? false);
}

/** The year 10000 in ms: later times have an ISO form that PostgreSQL does not read. */
const endOfCalendar = 253_402_300_800_000;

/** ISO 8601; null: there is none. */
export function timeOf(time: number | null | undefined): string | null | undefined {
  if (time === undefined) return undefined;
  const milliseconds = toMilliseconds(time);
  return milliseconds > 0 && milliseconds < endOfCalendar ? new Date(milliseconds).toISOString() : null;
}
