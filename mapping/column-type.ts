import type { ColumnType } from "./mapping.ts";

/** What the catalog says of a column's type. */
export type CatalogType = {
  schema: string;
  name: string;
  quoted: string;
  /** As format_type writes it. */
  formatted: string;
  modifier: number;
  /** Of an enum. */
  labels: string[] | null;
};

/** By their names in pg_type, schema pg_catalog. */
const plainTypes: Readonly<Record<string, ColumnType>> = {
  text: { kind: "text" },
  bool: { kind: "boolean" },
  int2: { kind: "smallint" },
  int4: { kind: "integer" },
  int8: { kind: "bigint" },
  float8: { kind: "double precision" },
  numeric: { kind: "numeric" },
  uuid: { kind: "uuid" },
  date: { kind: "date" },
  timestamp: { kind: "timestamp" },
  timestamptz: { kind: "timestamptz" },
  json: { kind: "json" },
  jsonb: { kind: "jsonb" },
  _text: { kind: "text[]" },
};

export function typeOf(type: CatalogType): ColumnType {
  if (type.labels !== null) return { kind: "enum", schema: type.schema, name: type.name, labels: type.labels };
  // an extension can be installed in any schema
  if (type.name === "citext") return { kind: "citext" };
  if (type.schema !== "pg_catalog") return { kind: "other", name: type.quoted };
  // the modifier of a varchar counts four bytes more; -1: no limit
  if (type.name === "varchar") return { kind: "varchar", length: type.modifier < 0 ? null : type.modifier - 4 };
  return plainTypes[type.name] ?? { kind: "other", name: type.formatted };
}

/** As people write it: format_type has `character varying(64)` and `timestamp(3) without time zone`. */
export function nameOfType(type: CatalogType): string {
  if (type.schema !== "pg_catalog") return type.quoted;
  return type.formatted
    .replace(/^character varying/, "varchar")
    .replace(/ without time zone$/, "")
    .replace(/^timestamp(.*) with time zone$/, "timestamptz$1");
}
