import type { Place, Unread } from "./catalog.ts";
import {
  type DrizzleColumn,
  type DrizzleEnum,
  type DrizzleExtra,
  type DrizzleTable,
  type DrizzleValue,
  textOf,
} from "./drizzle-values.ts";
import { createEvaluator, type Evaluator, type FindModule } from "./evaluate-drizzle.ts";
import { type FilledByApp, type SqlLines, sqlOfLines } from "./generated-sql.ts";
import type { Module } from "./parse-module.ts";
import type { SqlText } from "./read-sql.ts";

/** `casing` of drizzle.config: how a column without a name of its own is called. */
export type Casing = "snake_case" | "camelCase" | null;

/**
 * The SQL that drizzle-kit makes of what these modules export, with the place of each line in the schema, and what only
 * the app fills. What an expression holds is worked out from the text; where that cannot be, it is named.
 */
export function writeDrizzle(
  modules: readonly Module[],
  { findModule, casing }: { findModule: FindModule; casing: Casing },
): { sql: SqlText; filled: FilledByApp[]; unread: Unread[] } {
  const evaluator = createEvaluator(findModule);
  const values = new Set(
    modules.flatMap((module) =>
      [...module.exported.keys()].map((name) => evaluator.exportedValue(module, name, new Set())),
    ),
  );
  const tables = [...values].flatMap((value) => (value.kind === "table" && value.isMade ? value : []));
  const enums = [...values].flatMap((value) => (value.kind === "enum" ? value : []));
  const context: Context = { evaluator, nameOf: (key, column) => column.name ?? change(key, casing), casing };
  const lines = [
    ...enums.map(writeEnum),
    ...tables.flatMap((table) => writeTable(context, table)),
    ...tables.flatMap((table) => writeForeignKeys(context, table)),
    ...tables.flatMap((table) => writeIndexes(context, table)),
  ];
  const filled = tables.flatMap(({ schema, name, columns }) =>
    [...columns].flatMap(([key, column]) =>
      column.filledByApp === null
        ? []
        : [{ table: { schema, name }, column: context.nameOf(key, column), how: column.filledByApp }],
    ),
  );
  const unread = tables.flatMap((table) =>
    [...table.unread, ...unknownTargets(context, table)].map(({ node, reason, place }) => ({
      place,
      statement: node.replace(/\s+/g, " ").slice(0, 80),
      reason,
      text: `${table.name} ${node}`,
    })),
  );
  return { sql: sqlOfLines(lines), filled, unread };
}

type Context = { evaluator: Evaluator; nameOf: (key: string, column: DrizzleColumn) => string; casing: Casing };

/** As Drizzle changes a key of TypeScript to the name of a column. */
function change(key: string, casing: Casing): string {
  if (casing === null) return key;
  const words = key.replace(/['’]/g, "").match(/[\da-z]+|[A-Z]+(?![a-z])|[A-Z][\da-z]+/g) ?? [];
  if (casing === "snake_case") return words.map((word) => word.toLowerCase()).join("_");
  return words
    .map((word, index) => (index === 0 ? word.toLowerCase() : word.slice(0, 1).toUpperCase() + word.slice(1)))
    .join("");
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteName({ schema, name }: { schema: string | null; name: string }): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function writeEnum(value: DrizzleEnum): SqlLines[number] {
  return {
    text: `create type ${quoteName(value)} as enum (${value.labels.map(quoteText).join(", ")});`,
    place: value.place,
  };
}

function writeTable(context: Context, table: DrizzleTable): SqlLines {
  const columns = [...table.columns].map(([key, column]) => ({
    text: writeColumn(context, key, column),
    place: column.place,
  }));
  const constraints = [
    ...table.extras.flatMap((extra) => writePrimaryKey(context, table, extra)),
    ...[...table.columns].flatMap(([key, column]) => writeUniqueColumn(context, table, { key, column })),
    ...table.extras.flatMap((extra) => writeUnique(context, table, extra)),
  ];
  const inner = [...columns, ...constraints];
  return [
    { text: `create table ${quoteName(table)} (`, place: table.place },
    ...inner.map(({ text, place }, index) => ({ text: index < inner.length - 1 ? `${text},` : text, place })),
    { text: ");", place: table.place },
    ...(table.hasRowLevelSecurity
      ? [{ text: `alter table ${quoteName(table)} enable row level security;`, place: table.place }]
      : []),
  ];
}

function writeColumn(context: Context, key: string, column: DrizzleColumn): string {
  const type = column.type.kind === "sql" ? column.type.sql : quoteName(column.type.of);
  const value = column.default === null ? null : writeDefault(column.default, type);
  return [
    quote(context.nameOf(key, column)),
    `${type}${column.arrays}`,
    ...(column.isPrimaryKey ? ["primary key"] : []),
    ...(value === null ? [] : [`default ${value}`]),
    ...(column.identity === null ? [] : [`generated ${column.identity} as identity`]),
    ...(column.generated === null ? [] : [`generated always as (${writeGenerated(context, column.generated)}) stored`]),
    ...(column.isNotNull ? ["not null"] : []),
  ].join(" ");
}

/** What stands for a default whose text is not known: that there is one is. */
const unknownDefault = "clerk_sync_unknown.default(1)";

function writeDefault(value: DrizzleValue, type: string): string {
  if (value.kind === "sql") return writeSql(value) ?? unknownDefault;
  const plain = plainValue(value);
  if (plain === undefined) return unknownDefault;
  if (typeof plain === "string") return quoteText(plain);
  if (type === "json" || type === "jsonb") return `${quoteText(JSON.stringify(plain))}::${type}`;
  if (Array.isArray(plain))
    return quoteText(`{${plain.map((item) => (typeof item === "string" ? `"${item}"` : String(item))).join(",")}}`);
  return String(plain);
}

/** A value of JSON; undefined: it is not known. */
function plainValue(value: DrizzleValue): unknown {
  if (value.kind === "constant") return value.value;
  if (value.kind === "list") {
    const items = value.items.map(plainValue);
    return items.includes(undefined) ? undefined : items;
  }
  if (value.kind !== "object" || value.unread.length > 0) return undefined;
  const entries = [...value.entries].map(([key, each]): [string, unknown] => [key, plainValue(each.value)]);
  return entries.some(([, each]) => each === undefined) ? undefined : Object.fromEntries(entries);
}

function writeGenerated(context: Context, value: DrizzleValue): string {
  const given = value.kind === "function" ? context.evaluator.apply(value, []) : value;
  return (given.kind === "sql" ? writeSql(given, context) : textOf(given)) ?? "null";
}

/** Null: some of it is not known from the text. */
function writeSql({ parts }: Extract<DrizzleValue, { kind: "sql" }>, context?: Context): string | null {
  const written = parts.map((part) => {
    if (typeof part === "string") return part;
    if (part.kind === "sql") return writeSql(part, context);
    if (part.kind === "constant") return typeof part.value === "string" ? quoteText(part.value) : String(part.value);
    const name = context && columnOf(context, part)?.name;
    return name === undefined ? null : quote(name);
  });
  return written.includes(null) ? null : written.join("");
}

type Found = {
  table: DrizzleTable;
  name: string /** Before casing, as names of constraints are made of it. */;
  written: string;
};

function columnOf({ nameOf }: Context, value: DrizzleValue): Found | null {
  const table = value.kind === "column of" ? value.table() : null;
  const key = value.kind === "column of" ? value.key : "";
  const column = table?.columns.get(key);
  if (table === null || column === undefined) return null;
  return { table, name: nameOf(key, column), written: column.name ?? key };
}

function columnsOf(context: Context, value: DrizzleValue | undefined): Found[] {
  return value?.kind === "list" ? value.items.flatMap((item) => columnOf(context, item) ?? []) : [];
}

/** Drizzle makes a name of the keys, and then puts the names of the columns in their place. */
function recase(name: string, columns: readonly Found[], casing: Casing): string {
  if (casing === null) return name;
  return columns.reduce((text, column) => text.replace(column.written, column.name), name);
}

function list(names: readonly string[]): string {
  return names.map(quote).join(", ");
}

function writePrimaryKey(context: Context, table: DrizzleTable, extra: DrizzleExtra): SqlLines {
  const columns = extra.of === "primaryKey" ? columnsOf(context, extra.options.get("columns")) : [];
  if (columns.length === 0) return [];
  const name = extra.name ?? `${table.name}_${columns.map(({ written }) => written).join("_")}_pk`;
  const text = `constraint ${quote(recase(name, columns, context.casing))} primary key (${list(columns.map((column) => column.name))})`;
  return [{ text, place: extra.place }];
}

function writeUniqueColumn(
  { nameOf }: Context,
  table: DrizzleTable,
  { key, column }: { key: string; column: DrizzleColumn },
): SqlLines {
  if (column.unique === null) return [];
  const name = column.unique.name ?? `${table.name}_${column.name ?? key}_unique`;
  const nulls = column.unique.nullsNotDistinct ? " nulls not distinct" : "";
  return [{ text: `constraint ${quote(name)} unique${nulls} (${quote(nameOf(key, column))})`, place: column.place }];
}

function writeUnique(context: Context, table: DrizzleTable, extra: DrizzleExtra): SqlLines {
  const columns = extra.of === "unique" ? columnsOf(context, extra.options.get("columns")) : [];
  if (columns.length === 0) return [];
  const names = columns.map((column) => column.name);
  const name = extra.name ?? `${table.name}_${names.join("_")}_unique`;
  const nulls = extra.options.has("nullsNotDistinct") ? " nulls not distinct" : "";
  return [{ text: `constraint ${quote(name)} unique${nulls} (${list(names)})`, place: extra.place }];
}

function writeIndexes(context: Context, table: DrizzleTable): SqlLines {
  return table.extras.flatMap((extra) => {
    if (extra.of !== "uniqueIndex") return [];
    const given = extra.options.get("columns");
    const items = given?.kind === "list" ? given.items : [];
    const keys = items.map((item) => {
      const column = columnOf(context, item);
      if (column !== null) return { name: column.name, sql: quote(column.name) };
      const sql = item.kind === "sql" ? writeSql(item, context) : null;
      return { name: null, sql: `(${sql ?? "clerk_sync_unknown()"})` };
    });
    const name = extra.name ?? `${table.name}_${keys.map((key) => key.name).join("_")}_index`;
    const where = extra.options.get("where");
    const condition = where?.kind === "sql" ? writeSql(where, context) : "true";
    const then = where === undefined ? "" : ` where ${condition ?? "true"}`;
    const text = `create unique index ${quote(name)} on ${quoteName(table)} (${keys.map(({ sql }) => sql).join(", ")})${then};`;
    return [{ text, place: extra.place }];
  });
}

function writeForeignKeys(context: Context, table: DrizzleTable): SqlLines {
  const ofColumns = [...table.columns].flatMap(([key, column]) => {
    if (column.references === null) return [];
    const own: Found = { table, name: context.nameOf(key, column), written: column.name ?? key };
    const target = columnOf(context, context.evaluator.apply(column.references.to, []));
    const { onDelete, onUpdate } = column.references;
    return foreignKey(context, {
      name: null,
      own: [own],
      targets: target === null ? [] : [target],
      onDelete,
      onUpdate,
      place: column.place,
    });
  });
  const ofExtras = table.extras.flatMap((extra) => {
    if (extra.of !== "foreignKey") return [];
    return foreignKey(context, {
      name: extra.name,
      own: columnsOf(context, extra.options.get("columns")).map((found) => ({ ...found, table })),
      targets: columnsOf(context, extra.options.get("foreignColumns")),
      onDelete: textOf(extra.options.get("onDelete")),
      onUpdate: textOf(extra.options.get("onUpdate")),
      place: extra.place,
    });
  });
  return [...ofColumns, ...ofExtras];
}

/** Columns that point to what is not known from the text. */
function unknownTargets(context: Context, { columns }: DrizzleTable): DrizzleTable["unread"] {
  return [...columns].flatMap(([key, { references, place }]) => {
    if (references === null || columnOf(context, context.evaluator.apply(references.to, [])) !== null) return [];
    return [{ node: key, reason: `what ${key} points to is not known from the text`, place }];
  });
}

type ForeignKey = {
  name: string | null;
  own: readonly Found[];
  targets: readonly Found[];
  onDelete: string | null;
  onUpdate: string | null;
  place: Place;
};

function foreignKey({ casing }: Context, { name, own, targets, onDelete, onUpdate, place }: ForeignKey): SqlLines {
  const [from] = own;
  const [to] = targets;
  if (from === undefined || to === undefined) return [];
  const parts = [
    from.table.name,
    ...own.map(({ written }) => written),
    to.table.name,
    ...targets.map(({ written }) => written),
  ];
  const chosen = recase(name ?? `${parts.join("_")}_fk`, [...own, ...targets], casing);
  const then = `on delete ${onDelete ?? "no action"} on update ${onUpdate ?? "no action"}`;
  const text = `alter table ${quoteName(from.table)} add constraint ${quote(chosen)} foreign key (${list(own.map((each) => each.name))}) references ${quoteName(to.table)} (${list(targets.map((each) => each.name))}) ${then};`;
  return [{ text, place }];
}
