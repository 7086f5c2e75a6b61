import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { ColumnConfiguration, KindConfiguration, UsersConfiguration } from "./configuration.ts";
import type {
  ColumnFacts,
  KindMapping,
  KindMappings,
  KindName,
  KnownTables,
  Mapping,
  TableFacts,
  UsersMapping,
} from "./mapping.ts";
import { type MappedConfiguration, planKindOf } from "./plan-kind.ts";
import { type KindColumn, planTable, textColumn } from "./plan-table.ts";
import type { Source } from "./source-types.ts";
import { kindPayloadKey, payloadKey } from "./sources.ts";

/**
 * What the SQL is generated from: the configuration, and what the catalog says of its tables. Without facts a table is one
 * that we make. A column that the facts lack has the type of its source: checkTables says whether that is right.
 */
export function resolveMapping(configuration: MappedConfiguration, tables: KnownTables): Mapping {
  const kind = (name: KindName) => resolveKind(name, configuration, tables);
  const content = {
    users: resolveUsers(configuration.users, tables.users),
    organizations: kind("organization"),
    memberships: kind("membership"),
    roles: kind("role"),
    invitations: kind("invitation"),
    helpers: { schema: configuration.helpers?.schema ?? "clerk", isShared: (configuration.helpers ?? null) !== null },
  };
  return { hash: hashOf(content), ...content };
}

function resolveUsers(users: UsersConfiguration, facts: TableFacts | null): UsersMapping {
  const planned = planTable(users);
  const table = facts ?? planned;
  const find = (name: string) => findColumn(table, name) ?? findColumn(planned, name) ?? { ...textColumn, name };
  const { type, sqlType, defaultExpression } = find(users.key);
  const [onlyKey, ...more] = table.primaryKey;
  const rowId = onlyKey !== undefined && more.length === 0 ? onlyKey : users.key;
  return {
    table: users.table,
    key: {
      name: users.key,
      type,
      sqlType,
      isPrimaryKey: onlyKey === users.key && more.length === 0,
      emptyText: literalOf(defaultExpression),
    },
    rowId,
    columns: users.columns.map((column) =>
      mapColumn(column, find(column.name), findColumn(table, column.name) ? table : planned),
    ),
    linkBy: users.linkBy,
    softDelete: users.softDelete === null ? null : softColumn(find(users.softDelete)),
    access: resolveAccess(users, table),
    isMade: table.isOurs,
    references: table.references,
  };
}

/** A table of ours has the mapped columns: what else the file lets users edit is not there. */
function resolveAccess({ access }: UsersConfiguration, table: TableFacts): UsersMapping["access"] {
  if (access === null) return table.isOurs ? { kind: "own_row", editable: [] } : { kind: "leave" };
  if (access.kind === "leave" || !table.isOurs) return access;
  return { kind: "own_row", editable: access.editable.filter((name) => findColumn(table, name) !== undefined) };
}

/** The mappings of the kinds besides users that are on. */
export function listKinds({ organizations, memberships, roles, invitations }: KindMappings): KindMapping[] {
  return [organizations, memberships, roles, invitations].filter((kind) => kind !== null);
}

/** The keys of a payload that the columns need, each once. */
export function mappedFields(mapping: UsersMapping | KindMapping): string[] {
  const keys =
    "kind" in mapping
      ? mapping.columns.map(({ source }) => kindPayloadKey(source))
      : mapping.columns.map(({ source }) => payloadKey(source));
  return [...new Set(keys.flatMap((key) => key ?? []))];
}

export function findColumn(facts: TableFacts, name: string): ColumnFacts | undefined {
  return facts.columns.find((column) => column.name === name);
}

/** Whether an index of any kind keeps two rows from having the same value in this column. */
export function isUnique(facts: TableFacts, name: string): boolean {
  const isWhole = facts.uniques.some((columns) => columns.length === 1 && columns[0] === name);
  return isWhole || facts.partlyUnique.includes(name) || facts.deferrables.some(({ column }) => column === name);
}

/** A default as it can stand where no schema is on the search path: the catalog may name a type without its schema. */
function typedDefault(expression: string | null, sqlType: string): string | null {
  return expression?.replace(/^('(?:[^']|'')*')::.*$/, (_, text: string) => `${text}::${sqlType}`) ?? null;
}

/** The text of a default that is a plain text, as in 'NULL'::text; null for any other. */
function literalOf(expression: string | null): string | null {
  const [, text] = /^'((?:[^']|'')*)'::[a-z ]+$/.exec(expression ?? "") ?? [];
  return text?.replaceAll("''", "'") ?? null;
}

function mapColumn<Of extends Source>(column: ColumnConfiguration<Of>, facts: ColumnFacts, table: TableFacts) {
  const { type, sqlType, isNotNull, hasDefault, defaultExpression } = facts;
  const usesOwnDefault = isNotNull && hasDefault && (column.default ?? null) === null && !isMadeHere(column.source);
  return {
    ...column,
    type,
    sqlType,
    isNotNull,
    isUnique: isUnique(table, column.name),
    isWhollyUnique: table.uniques.some((columns) => columns.length === 1 && columns[0] === column.name),
    usesOwnDefault,
    ownDefault: usesOwnDefault ? typedDefault(defaultExpression, sqlType) : null,
    allowed: column.allowed ?? (type.kind === "enum" ? type.labels : null),
  };
}

/** The sync always has a value for these. */
function isMadeHere(source: Source): boolean {
  return source === "id" || source === "uuid" || source === "now";
}

function softColumn({ name, type, sqlType }: ColumnFacts): UsersMapping["softDelete"] {
  return { column: name, type, sqlType };
}

function resolveKind(kind: KindName, configuration: MappedConfiguration, tables: KnownTables): KindMapping | null {
  const section: KindConfiguration<KindColumn> | null = configuration[`${kind}s`] ?? null;
  const planned = planKindOf(`${kind}s`, configuration, tables);
  if (section === null || planned === null) return null;
  const { table: name, key, columns, softDelete, access } = section;
  const table = tables[`${kind}s`] ?? planned;
  const find = (name: string) => findColumn(table, name) ?? findColumn(planned, name) ?? { ...textColumn, name };
  const { type, sqlType } = find(key);
  return {
    kind,
    table: name,
    key: { name: key, type, sqlType, isPrimaryKey: table.primaryKey.length === 1 && table.primaryKey[0] === key },
    columns: columns.map(({ as = null, ...column }) => ({
      ...mapColumn(column, find(column.name), findColumn(table, column.name) ? table : planned),
      as,
    })),
    softDelete: softDelete === null ? null : softColumn(find(softDelete)),
    access: access ?? (table.isOurs ? "none" : "leave"),
    isMade: table.isOurs,
  };
}

/**
 * Foreign keys of others change without us, and no statement fails when they do: they are left out. A kind that is off is
 * left out, too.
 */
function hashOf({ users: { references: _, ...users }, ...rest }: Omit<Mapping, "hash">): string {
  const on = Object.fromEntries(Object.entries(rest).filter(([, section]) => section !== null));
  return createHash("sha256")
    .update(canonicalJson({ users, ...on }))
    .digest("hex");
}
