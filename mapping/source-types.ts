import type { ColumnConfiguration } from "./configuration.ts";
import type { ColumnType } from "./mapping.ts";
import { isMetadataPath, type UserSource } from "./sources.ts";

/** What a source's value is. A value of metadata may be anything; external_id is a text that the app chose. */
export type ValueKind = "text" | "external id" | "boolean" | "time" | "uuid" | "object" | "anything";

const kindOfValue: Partial<Record<UserSource, ValueKind>> = {
  external_id: "external id",
  email_verified: "boolean",
  phone_verified: "boolean",
  has_image: "boolean",
  banned: "boolean",
  locked: "boolean",
  deprovisioned: "boolean",
  created_at: "time",
  updated_at: "time",
  last_sign_in_at: "time",
  now: "time",
  uuid: "uuid",
  public_metadata: "object",
};

export function valueKind(source: UserSource): ValueKind {
  return isMetadataPath(source) ? "anything" : (kindOfValue[source] ?? "text");
}

const texts = ["text", "varchar", "citext"] as const;
const times = ["timestamp", "timestamptz", "date"] as const;
const numbers = ["smallint", "integer", "bigint", "numeric"] as const;

/** The types of column that a value of this kind can be cast to; the first is the one of a table that we make. */
const columnTypes: Readonly<Record<ValueKind, readonly ColumnType["kind"][]>> = {
  text: texts,
  "external id": [...texts, "uuid", ...numbers],
  boolean: ["boolean", ...texts],
  time: ["timestamptz", ...times, ...texts],
  uuid: ["uuid", ...texts],
  object: ["jsonb", "json", ...texts],
  anything: [...texts, "boolean", "uuid", "enum", "json", "jsonb", "double precision", ...numbers, ...times],
};

/** Whether the sync can write the source into a column of this type. A locale may be an enum: it is one of a list. */
export function takesSource(type: ColumnType, source: UserSource): boolean {
  if (source === "locale" && type.kind === "enum") return true;
  return columnTypes[valueKind(source)].includes(type.kind);
}

/** The type of a source in a table that we make. A value of metadata has the type of its default. */
export function typeOfSource({ source, default: value }: Pick<ColumnConfiguration<UserSource>, "source" | "default">) {
  if (isMetadataPath(source) && typeof value === "number") return { kind: "numeric" } as const;
  if (isMetadataPath(source) && typeof value === "boolean") return { kind: "boolean" } as const;
  const [kind] = columnTypes[valueKind(source)];
  return { kind } as Exclude<ColumnType, { kind: "varchar" | "enum" | "other" }>;
}

/** Clerk says these of every user; anything else may be null. */
const alwaysThere: readonly UserSource[] = [
  "id",
  "email_verified",
  "phone_verified",
  "has_image",
  "banned",
  "locked",
  "deprovisioned",
  "created_at",
  "updated_at",
  "public_metadata",
  "now",
  "uuid",
];

export function mayBeEmpty(source: UserSource): boolean {
  return !alwaysThere.includes(source);
}

/** Whether a foreign key on such a column would ask another table for the user; a locale and metadata ask for a list. */
export function pointsToUser(source: UserSource): boolean {
  return valueKind(source) !== "anything" && source !== "locale";
}
