import type { ColumnConfiguration } from "./configuration.ts";
import type { ColumnType, KindName, KindSource } from "./mapping.ts";
import type { RecordKind } from "./record-words.ts";
import { isMetadataPath, type UserSource } from "./sources.ts";

/** A source of any kind: one that two kinds have is the same kind of value in both. */
export type Source = UserSource | KindSource;

/** What a source's value is. A value of metadata may be anything; external_id is a text that the app chose. */
export type ValueKind =
  | "text"
  | "external id"
  | "boolean"
  | "whole number"
  | "time"
  | "uuid"
  | "object"
  | "list of texts"
  | "anything";

const kindOfValue: Partial<Record<Source, ValueKind>> = {
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
  expires_at: "time",
  now: "time",
  uuid: "uuid",
  public_metadata: "object",
  max_allowed_memberships: "whole number",
  permissions: "list of texts",
};

export function valueKind(source: Source): ValueKind {
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
  "whole number": ["integer", ...numbers, "double precision", ...texts],
  time: ["timestamptz", ...times, ...texts],
  uuid: ["uuid", ...texts],
  object: ["jsonb", "json", ...texts],
  "list of texts": ["text[]", "jsonb", "json"],
  anything: [...texts, "boolean", "uuid", "enum", "json", "jsonb", "double precision", ...numbers, ...times],
};

/** Texts that are one of a list, so that an enum may hold them. */
const ofLists: readonly Source[] = ["locale", "role", "status"];

/** Whether the sync can write the source into a column of this type. */
export function takesSource(type: ColumnType, source: Source): boolean {
  if (ofLists.includes(source) && type.kind === "enum") return true;
  return columnTypes[valueKind(source)].includes(type.kind);
}

/** The type of a source in a table that we make. A value of metadata has the type of its default. */
export function typeOfSource({ source, default: value }: Pick<ColumnConfiguration<Source>, "source" | "default">) {
  if (isMetadataPath(source) && typeof value === "number") return { kind: "numeric" } as const;
  if (isMetadataPath(source) && typeof value === "boolean") return { kind: "boolean" } as const;
  const [kind] = columnTypes[valueKind(source)];
  return { kind } as Exclude<ColumnType, { kind: "varchar" | "enum" | "other" }>;
}

/** Clerk says these of every user; anything else may be null. */
const alwaysThere: readonly Source[] = [
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

/** What Clerk may leave out of these; it says anything else of every one, but for the keys of metadata. */
const mayBeLeftOut: Readonly<Record<KindName, readonly Source[]>> = {
  organization: ["slug", "image_url", "created_by"],
  membership: [],
  role: ["description"],
  invitation: ["inviter", "user", "expires_at"],
};

/** Whether Clerk has records of this kind without a value. */
export function mayBeEmpty(kind: RecordKind, source: Source): boolean {
  if (kind === "user") return !alwaysThere.includes(source);
  return isMetadataPath(source) || mayBeLeftOut[kind].includes(source);
}

/** Whether a foreign key on such a column would ask another table for the record; metadata and what is one of a list ask for a list. */
export function pointsToRecord(source: Source): boolean {
  return valueKind(source) !== "anything" && !ofLists.includes(source);
}

/** Types whose values can stand in each other. */
const families: readonly (readonly ColumnType["kind"][])[] = [
  ["text", "varchar", "citext"],
  ["smallint", "integer", "bigint"],
];

/** Whether a value of one column can stand in the other. */
export function isSameFamily(one: ColumnType, other: ColumnType): boolean {
  if (one.kind === "other" || other.kind === "other") {
    return one.kind === "other" && other.kind === "other" && one.name === other.name;
  }
  if (one.kind === "enum") return false;
  return one.kind === other.kind || families.some((kinds) => kinds.includes(one.kind) && kinds.includes(other.kind));
}
