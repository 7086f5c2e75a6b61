import type { Place } from "./catalog.ts";
import type { Module, Syntax } from "./parse-module.ts";

/** Names that are bound where an expression stands: parameters of functions. */
export type Scope = { module: Module; bound: ReadonlyMap<string, DrizzleValue> };

export type DrizzleColumn = {
  kind: "column";
  /** Null: the key under which it stands. */
  name: string | null;
  type: DrizzleType;
  isNotNull: boolean;
  isPrimaryKey: boolean;
  unique: { name: string | null; nullsNotDistinct: boolean } | null;
  default: DrizzleValue | null;
  /** `$defaultFn` and the like. */
  filledByApp: string | null;
  arrays: string;
  identity: "always" | "by default" | null;
  generated: DrizzleValue | null;
  references: { to: DrizzleValue; onDelete: string | null; onUpdate: string | null } | null;
  place: Place;
};

export type DrizzleType = { kind: "sql"; sql: string } | { kind: "enum"; of: DrizzleEnum };

export type DrizzleEnum = {
  kind: "enum";
  schema: string | null;
  name: string;
  labels: readonly string[];
  place: Place;
};

export type DrizzleTable = {
  kind: "table";
  schema: string | null;
  name: string;
  columns: ReadonlyMap<string, DrizzleColumn>;
  extras: readonly DrizzleExtra[];
  hasRowLevelSecurity: boolean;
  /** False: Drizzle knows the table, and does not make it, like auth.users of Supabase. */
  isMade: boolean;
  /** Why some of it could not be read, and where. */
  unread: readonly { node: string; reason: string; place: Place }[];
  place: Place;
};

/** `uniqueIndex(…).on(…)`, `primaryKey({…})` and so on, after the columns of a table. */
export type DrizzleExtra = {
  kind: "extra";
  of: string;
  name: string | null;
  options: ReadonlyMap<string, DrizzleValue>;
  place: Place;
};

export type DrizzleValue =
  | { kind: "constant"; value: string | number | boolean | bigint | null }
  | { kind: "list"; items: readonly DrizzleValue[] }
  | {
      kind: "object";
      entries: ReadonlyMap<string, { value: DrizzleValue; place: Place }>;
      unread: DrizzleTable["unread"];
    }
  | { kind: "sql"; parts: readonly (string | DrizzleValue)[] }
  | { kind: "function"; node: Syntax; scope: Scope }
  /** Something that is imported of drizzle-orm. */
  | { kind: "drizzle"; name: string }
  | { kind: "schema"; name: string }
  | { kind: "custom type"; sql: string }
  | { kind: "table creator"; rename: DrizzleValue }
  | { kind: "method"; of: DrizzleValue; name: string }
  | { kind: "column of"; table: () => DrizzleTable | null; key: string }
  | { kind: "table itself"; table: () => DrizzleTable | null }
  | DrizzleColumn
  | DrizzleEnum
  | DrizzleTable
  | DrizzleExtra
  | { kind: "unknown" };

export const unknown: DrizzleValue = { kind: "unknown" };

export function textOf(value: DrizzleValue | undefined): string | null {
  return value?.kind === "constant" && typeof value.value === "string" ? value.value : null;
}
