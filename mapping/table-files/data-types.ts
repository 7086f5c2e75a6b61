import type { TypeName } from "libpg-query";
import { type CatalogType, nameOfType, typeOf } from "../column-type.ts";
import type { ColumnType } from "../mapping.ts";
import { quoteTable } from "../quote.ts";
import { type Catalog, type DataType, findByName, type OwnType } from "./catalog.ts";
import { integerOf, qualifiedName } from "./nodes.ts";

/** The types of pg_catalog, and what format_type calls them where that is another word. */
const builtIn = new Map<string, string>([
  ["int2", "smallint"],
  ["int4", "integer"],
  ["int8", "bigint"],
  ["float4", "real"],
  ["float8", "double precision"],
  ["bool", "boolean"],
  ["varchar", "character varying"],
  ["varbit", "bit varying"],
  ["char", '"char"'],
  ...`
  text bpchar bit numeric uuid bytea json jsonb jsonpath xml date time timetz timestamp timestamptz interval inet cidr
  macaddr macaddr8 money name oid point line lseg box path polygon circle tsvector tsquery regclass regtype regproc
  regprocedure regrole regnamespace pg_lsn xid xid8 cid tid int4range int8range numrange daterange tsrange tstzrange
  int4multirange int8multirange nummultirange datemultirange tsmultirange tstzmultirange
  `
    .trim()
    .split(/\s+/)
    .map((name): [string, string] => [name, name]),
]);

/** Types that extensions bring, and the extension. */
const ofExtensions: Readonly<Record<string, string>> = {
  citext: "citext",
  hstore: "hstore",
  ltree: "ltree",
  vector: "vector",
  halfvec: "vector",
  sparsevec: "vector",
  geometry: "postgis",
  geography: "postgis",
};

const serials: Readonly<Record<string, string>> = {
  serial: "int4",
  serial4: "int4",
  bigserial: "int8",
  serial8: "int8",
  smallserial: "int2",
  serial2: "int2",
};

export type ResolvedType = {
  type: DataType;
  isSerial: boolean;
  /** Whether a file, PostgreSQL or a known extension makes it. */
  isKnown: boolean;
};

/** The type of a column or of a cast. */
export function resolveType(catalog: Catalog, { names, typmods, arrayBounds }: TypeName): ResolvedType {
  const written = qualifiedName(names);
  const serial = written.schema === null && arrayBounds === undefined ? serials[written.name] : undefined;
  const isArray = (arrayBounds?.length ?? 0) > 0;
  const modifiers = (typmods ?? []).flatMap((node) => integerOf(node) ?? []);
  if (serial !== undefined) {
    return { type: { base: serial, modifiers: [], isArray: false }, isSerial: true, isKnown: true };
  }
  const isOfPostgres = written.schema === null || written.schema === "pg_catalog";
  // the array of a type has its name with an underscore
  if (isOfPostgres && builtIn.has(written.name)) {
    return { type: { base: written.name, modifiers, isArray }, isSerial: false, isKnown: true };
  }
  const found = findByName(catalog.types, written, catalog.searchPath);
  if (found !== undefined) return { type: { base: found, modifiers, isArray }, isSerial: false, isKnown: true };
  const extension = ofExtensions[written.name];
  const schema = written.schema ?? schemaOfExtension(catalog, extension);
  const base: OwnType = {
    schema,
    name: written.name,
    kind: "other",
    labels: [],
    of: null,
    isNotNull: false,
    hasDefault: false,
  };
  return { type: { base, modifiers, isArray }, isSerial: false, isKnown: extension !== undefined };
}

function schemaOfExtension(catalog: Catalog, extension: string | undefined): string {
  if (extension === undefined) return "public";
  return catalog.extensions.get(extension) ?? catalog.extensionSchema;
}

/** The type and its name in a cast, as the catalog's are read. */
export function describeType(type: DataType): { type: ColumnType; sqlType: string } {
  const described = catalogType(type);
  return { type: typeOf(described), sqlType: nameOfType(described) };
}

function catalogType(type: DataType): CatalogType {
  const { base, modifiers, isArray } = type;
  const [length] = modifiers;
  const modifier = length === undefined ? -1 : length + 4;
  if (typeof base === "string") {
    const name = isArray ? `_${base}` : base;
    return {
      schema: "pg_catalog",
      name,
      quoted: `pg_catalog.${name}`,
      formatted: formatType(type),
      modifier,
      labels: null,
    };
  }
  const name = isArray ? arrayName(base.name) : base.name;
  const labels = base.kind === "enum" && !isArray ? base.labels.map(({ text }) => text) : null;
  const { schema } = base;
  return { schema, name, quoted: quoteTable({ schema, name }), formatted: formatType(type), modifier, labels };
}

/** PostgreSQL calls the type of an array of `Role` `_Role`. */
function arrayName(name: string): string {
  return new TextDecoder().decode(Buffer.from(`_${name}`).subarray(0, 63), { stream: true });
}

/** As format_type writes it while no schema is on the search path. `plain`: without what stands in parentheses. */
export function formatType({ base, modifiers, isArray }: DataType, { plain = false } = {}): string {
  const name = typeof base === "string" ? formatBuiltIn(base, plain ? [] : modifiers) : quoteTable(base);
  return isArray ? `${name}[]` : name;
}

function formatBuiltIn(name: string, modifiers: readonly number[]): string {
  const inner = name === "numeric" && modifiers.length === 1 ? [...modifiers, 0] : modifiers;
  const [first, second] = inner;
  const after = inner.length === 0 ? "" : `(${inner.join(",")})`;
  if (name === "timestamp" || name === "time") return `${name}${after} without time zone`;
  if (name === "timestamptz" || name === "timetz") return `${name.slice(0, -2)}${after} with time zone`;
  if (name === "bpchar") return first === undefined ? "bpchar" : `character(${first})`;
  if (name === "interval") return `interval${second === undefined ? "" : `(${second})`}`;
  if (name === "bit") return first === undefined ? '"bit"' : `bit(${first})`;
  return `${builtIn.get(name) ?? name}${after}`;
}

export function isSameBase(one: DataType, other: DataType): boolean {
  return one.base === other.base && one.isArray === other.isArray;
}
