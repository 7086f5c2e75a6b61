import { kindPayloadKey } from "#core/config/sources.ts";
import type { ColumnType, MappedColumn, MappedKindColumn } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral } from "./quote.ts";
import { isMetadataPath, payloadKey } from "./sources.ts";

// What stands in a column, as SQL: the value that an event gives, and what of it is written.

/** A column of a mapped table of any kind. */
export type ValueColumn = MappedColumn | MappedKindColumn;

/** The key under which payloads have what Clerk says of a column; null: no event brings it. */
export function fieldOf(column: ValueColumn): string | null {
  return "as" in column ? kindPayloadKey(column.source) : payloadKey(column.source);
}

const isTime = (type: ColumnType) => type.kind === "timestamp" || type.kind === "timestamptz" || type.kind === "date";

/** A timestamptz as a value of the column. */
export function timeAs(expression: string, type: ColumnType): string {
  if (type.kind === "timestamptz") return expression;
  if (type.kind === "timestamp") return `${expression} at time zone 'utc'`;
  if (type.kind === "date") return `(${expression} at time zone 'utc')::date`;
  return `to_char(${expression} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`; // as payloads have times
}

export const defaultOf = (column: ValueColumn, clerkId: string): string | null => {
  if (column.default === undefined || column.default === null) return column.usesOwnDefault ? column.ownDefault : null;
  if (typeof column.default !== "string" && isJson(column.type)) return `${column.default}`;
  if (column.default === "") return "''";
  const parts = `${column.default}`.split("{id}").map((part) => (part === "" ? null : quoteLiteral(part)));
  return parts
    .flatMap((part, place) => [...(place > 0 ? [clerkId] : []), ...(part === null ? [] : [part])])
    .join(" || ");
};

/** The values that a column takes, as an array in SQL; null: all. A label that the owner adds to an enum counts too. */
export function allowedOf(column: ValueColumn): string | null {
  if (column.type.kind === "enum") {
    const labels = `enum_range(null::${column.sqlType})::text[]`;
    if (column.allowed === null || column.allowed.length === column.type.labels.length) return labels;
  }
  return column.allowed === null ? null : `array[${column.allowed.map(quoteLiteral).join(", ")}]`;
}

/**
 * What an event gives a column: `payload` holds what Clerk said, and `clerkId` is whose it is. A value that is not allowed
 * counts as none, and where there is none the default stands.
 */
export function valueFor(column: ValueColumn, payload: string, clerkId: string): string {
  const { source, type } = column;
  if (source === "now") return timeAs("p_now", type);
  if (source === "id") return clerkId;
  const allowed = allowedOf(column);
  const fallback = defaultOf(column, clerkId);
  if (allowed !== null) {
    const text = `${payload} ->> ${keyOf(column)}`;
    return `case
  when ${isGivenBy(column, payload)}${text} = any (${allowed}) then ${textAs(column, text)}${fallback === null ? "" : `\n  else ${typedDefault(column, clerkId)}`}
end`;
  }
  if (source === "created_at" || source === "updated_at") {
    return timeAs(`coalesce((${payload} ->> ${keyOf(column)})::timestamptz, p_now)`, type);
  }
  const value = castTo(column, payload);
  if (fallback === null) return value;
  return `coalesce(${value}, ${typedDefault(column, clerkId)})`;
}

export const keyOf = (column: ValueColumn) => quoteLiteral(fieldOf(column) ?? column.source);

const isJson = ({ kind }: ColumnType) => kind === "json" || kind === "jsonb";

export const isText = ({ kind }: ColumnType) => kind === "text" || kind === "varchar" || kind === "citext";

const typed = (value: string, sqlType: string) =>
  /^('([^']|'')*'|\w+)$/.test(value) ? `${value}::${sqlType}` : `(${value})::${sqlType}`;

/**
 * Whether the column's own default is another one at each time, as now() and nextval() are. Such a default is for new rows:
 * a row that is there keeps its value where Clerk has none.
 */
export function isComputed({ usesOwnDefault, ownDefault }: ValueColumn): boolean {
  const constant = /^(?:'(?:[^']|'')*'|\(?-?[\d.]+\)?|true|false)(?:::[^(]*(?:\(\d+(?:,\d+)?\))?)?$/;
  return usesOwnDefault && ownDefault !== null && !constant.test(ownDefault);
}

/** Whether Clerk has a value that the column takes, as a part of a condition. */
export function hasValue(column: ValueColumn, payload: string): string {
  const allowed = allowedOf(column);
  if (allowed === null) return `${givenText(column, payload)} is not null`;
  return `${isGivenBy(column, payload)}${payload} ->> ${keyOf(column)} = any (${allowed})`;
}

/** A text in the type of the column. */
function textAs({ type, sqlType }: ValueColumn, text: string): string {
  if (isJson(type)) return `to_jsonb(${text})${type.kind === "json" ? "::json" : ""}`;
  return isText(type) ? text : `(${text})::${sqlType}`;
}

/** A role that Clerk did not give stands in the payload as user (facts of the contract), and is no role. */
export function isGivenBy(column: ValueColumn, payload: string): string {
  return fieldOf(column) === "user_role" ? `${payload} -> 'given' ? ${quoteLiteral(column.source)} and ` : "";
}

/** What Clerk gave of a source, by the operator -> or ->>. */
function given(column: ValueColumn, payload: string, operator: "->" | "->>"): string {
  const value = `${payload} ${operator} ${keyOf(column)}`;
  return fieldOf(column) === "user_role"
    ? `case when ${payload} -> 'given' ? ${quoteLiteral(column.source)} then ${value} end`
    : value;
}

/** The same as a part of a condition. */
function givenText(column: ValueColumn, payload: string): string {
  const text = given(column, payload, "->>");
  return text.startsWith("case") ? `(${text})` : text;
}

/** What Clerk said, in the type of the column. */
export function castTo(column: ValueColumn, payload: string): string {
  const { type, sqlType } = column;
  const text = given(column, payload, "->>");
  if (type.kind === "text[]")
    return `array(select jsonb_array_elements_text(nullif(${given(column, payload, "->")}, 'null')))`;
  if (isJson(type)) {
    const json = `nullif(${given(column, payload, "->")}, 'null')`;
    return type.kind === "json" ? `${json}::json` : json;
  }
  if (isTime(type)) return timeAs(`(${text})::timestamptz`, type);
  return isText(type) ? text : `(${text})::${sqlType}`;
}

/** Whether Clerk ever gave what a column of metadata holds. */
function everGiven(source: string, clerkId: string): string {
  return `${clerkId} in (select r.id from record as r where ${quoteLiteral(source)} = any (r.given))`;
}

/** What stands in the row when the event is applied: n has what the event gives, and k the row as it is. */
export function finalValue(column: ValueColumn): string {
  const { source } = column;
  const name = quoteIdentifier(column.name);
  if (source === "now" || source === "id") return `n.${name}`;
  const says = `w.payload ? ${keyOf(column)}${isComputed(column) ? ` and ${hasValue(column, "w.payload")}` : ""}`;
  if (source === "uuid") return `n.${name}`;
  if (column.write === "once") {
    if (!waitsForValue(column)) return `n.${name}`; // written with the insert only
    const isFirst = `${hasValue(column, "w.payload")} and ${isUngiven(column, "w")}`;
    return `case when k.is_there is null or (${isFirst}) then n.${name} else k.${name} end`;
  }
  if (!isMetadataPath(source)) {
    return `case when k.is_there is null or ${isComputed(column) ? `(${says})` : says} then n.${name} else k.${name} end`;
  }
  return `case
  when k.is_there is null then n.${name}
  when ${says} and ${everGiven(source, "w.clerk_id")} then n.${name}
  else k.${name}
end`;
}

export const isUngiven = ({ name }: ValueColumn, event: string) =>
  `${event}.clerk_id in (select r.id from free as r where ${quoteLiteral(name)} = any (r.ungiven))`;

/** A column that is written once and may have to wait for its first value. */
export function waitsForValue({ source, write }: ValueColumn): boolean {
  return write === "once" && !["created_at", "updated_at", "now", "id", "uuid"].includes(source);
}

/** The default in the type of the column. A text of the configuration is a text in json, too. */
export function typedDefault(column: ValueColumn, clerkId: string): string {
  const fallback = defaultOf(column, clerkId);
  if (fallback === null) return "null";
  const { type, sqlType, usesOwnDefault } = column;
  if (isText(type)) return fallback;
  if (!isJson(type) || usesOwnDefault) return typed(fallback, sqlType);
  const json = `to_jsonb(${typeof column.default === "string" ? `(${fallback})::text` : fallback})`;
  return type.kind === "json" ? `${json}::json` : json;
}

/** json has no equality, and citext finds none where no schema is on the search path. There the case counts, too. */
export const comparable = (expression: string, type: ColumnType) => {
  if (type.kind === "json") return `${expression}::jsonb`;
  return type.kind === "citext" ? `${expression}::text` : expression;
};

export const textOf = (expression: string, type: ColumnType) =>
  type.kind === "text" ? expression : `${expression}::text`;
