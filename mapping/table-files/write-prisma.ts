import { quoteLiteral } from "../quote.ts";
import type { Place, Unread } from "./catalog.ts";
import { type FilledByApp, type SqlLines, sqlOfLines } from "./generated-sql.ts";
import {
  type PrismaArgument,
  type PrismaAttribute,
  type PrismaBlock,
  type PrismaField,
  type PrismaValue,
  parsePrisma,
} from "./parse-prisma.ts";
import type { SqlText } from "./read-sql.ts";

/** A schema of Prisma, of one file or of several. */
export type PrismaSchema = readonly { file: string; text: string }[];

type Located<Kind> = Kind & { file: string };
type Model = Located<PrismaBlock> & { table: Name };
type Name = { schema: string | null; name: string };

/**
 * The SQL that Prisma Migrate makes of a schema, with the place of each line in the schema, and what only Prisma's client
 * fills. Empty for a schema of another database.
 */
export function writePrisma(schema: PrismaSchema): { sql: SqlText; filled: FilledByApp[]; unread: Unread[] } {
  const parsed = schema.map(({ file, text }) => ({ file, ...parsePrisma(text) }));
  const blocks = parsed.flatMap(({ file, blocks: each }) => each.map((block) => ({ ...block, file })));
  const unread = parsed.flatMap(({ file, problems }) =>
    problems.map(({ line, text, block }) => {
      const model = blocks.find(({ name }) => name === block);
      const about = model === undefined ? "" : `${nameOf(model).name} `;
      return {
        place: { file, line },
        statement: text.slice(0, 80),
        reason: "Prisma does not write a schema so",
        text: about + text,
      };
    }),
  );
  const datasource = blocks.find(({ kind }) => kind === "datasource");
  const provider = textOf(datasource?.settings.get("provider"));
  if (provider !== null && !["postgresql", "postgres"].includes(provider)) {
    return { sql: sqlOfLines([]), filled: [], unread: [] };
  }
  const enums = new Map(blocks.filter(({ kind }) => kind === "enum").map((block) => [block.name, block]));
  const models = new Map(
    blocks.filter(({ kind }) => kind === "model").map((block) => [block.name, { ...block, table: nameOf(block) }]),
  );
  const hasForeignKeys = textOf(datasource?.settings.get("relationMode")) !== "prisma";
  const context: Context = { enums, models };
  const made = [...models.values()].map((model) => writeTable(context, model));
  const lines = [
    ...[...enums.values()].map(writeEnum),
    ...made.flatMap((each) => each.lines),
    ...[...models.values()].flatMap((model) => writeJoinTables(context, model, hasForeignKeys)),
    ...(hasForeignKeys ? [...models.values()].flatMap((model) => writeForeignKeys(context, model)) : []),
  ];
  return { sql: sqlOfLines(lines), filled: made.flatMap(({ filled }) => filled), unread };
}

type Context = { enums: ReadonlyMap<string, Located<PrismaBlock>>; models: ReadonlyMap<string, Model> };

function nameOf({ name, attributes }: PrismaBlock): Name {
  return {
    schema: textOf(argument(find(attributes, "schema"), "map")),
    name: textOf(argument(find(attributes, "map"), "name")) ?? name,
  };
}

function columnName({ name, attributes }: PrismaField): string {
  return textOf(argument(find(attributes, "map"), "name")) ?? name;
}

function find(attributes: readonly PrismaAttribute[], name: string): PrismaAttribute | undefined {
  return attributes.find((attribute) => attribute.name === name);
}

/** A named argument, or the first without a name. */
function argument(
  attribute: { arguments: readonly PrismaArgument[] } | undefined,
  name: string,
  { position = 0 } = {},
): PrismaValue | undefined {
  const given = attribute?.arguments ?? [];
  return (given.find((each) => each.name === name) ?? given.filter((each) => each.name === null)[position])?.value;
}

function named(attribute: PrismaAttribute | undefined, name: string): PrismaValue | undefined {
  return attribute?.arguments.find((each) => each.name === name)?.value;
}

function textOf(value: PrismaValue | undefined): string | null {
  return value?.kind === "text" ? value.text : null;
}

/** The fields of `[a, b(sort: Desc)]`. */
function fieldNames(value: PrismaValue | undefined): string[] {
  if (value?.kind !== "list") return [];
  return value.items.flatMap((item) => (item.kind === "name" || item.kind === "call" ? item.name : []));
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteName({ schema, name }: Name): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function quoteText(text: string): string {
  return quoteLiteral(text);
}

/** PostgreSQL's limit for names, to which Prisma cuts the part before the ending. */
function chooseName(parts: readonly string[], ending: string): string {
  const joined = Buffer.from(parts.join("_")).subarray(0, 63 - ending.length);
  return new TextDecoder().decode(joined, { stream: true }) + ending;
}

function placeOf({ file }: Located<unknown>, { line }: { line: number }): Place {
  return { file, line };
}

function writeEnum(block: Located<PrismaBlock>): SqlLines[number] {
  const labels = block.fields.map((field) => quoteText(columnName(field)));
  return {
    text: `create type ${quoteName(nameOf(block))} as enum (${labels.join(", ")});`,
    place: placeOf(block, block),
  };
}

function isColumn({ enums, models }: Context, field: PrismaField): boolean {
  return field.sqlType !== null || (!models.has(field.type) && (enums.has(field.type) || field.type in scalars));
}

function writeTable(context: Context, model: Model): { lines: SqlLines; filled: FilledByApp[] } {
  const { table } = model;
  const columns = model.fields.filter((field) => isColumn(context, field));
  const rest = [...writePrimaryKey(model)];
  const lines = [
    { text: `create table ${quoteName(table)} (`, place: placeOf(model, model) },
    ...columns.map((field, index) => ({
      text: `${writeColumn(context, field)}${index < columns.length - 1 || rest.length > 0 ? "," : ""}`,
      place: placeOf(model, field),
    })),
    ...rest,
    { text: ");", place: placeOf(model, model) },
    ...columns.flatMap((field) => writeUnique(model, field)),
    ...model.attributes.flatMap((attribute) => writeUniqueBlock(model, attribute)),
  ];
  const filled = columns.flatMap((field) => {
    const how = filledByClient(field);
    return how === null ? [] : [{ table, column: columnName(field), how }];
  });
  return { lines, filled };
}

/** What a client of Prisma's writes into a new row, and the database does not. */
function filledByClient({ attributes }: PrismaField): string | null {
  const value = argument(find(attributes, "default"), "value");
  if (value?.kind === "call" && !inDatabase.includes(value.name)) return `${value.name}()`;
  return find(attributes, "updatedAt") === undefined ? null : "@updatedAt";
}

const inDatabase = ["now", "autoincrement", "dbgenerated", "sequence"];

function writePrimaryKey(model: Model): SqlLines {
  const block = find(model.attributes, "id");
  const field = model.fields.find(({ attributes }) => find(attributes, "id") !== undefined);
  const attribute = block ?? (field && find(field.attributes, "id"));
  const columns =
    block === undefined
      ? field === undefined
        ? []
        : [columnName(field)]
      : columnsOf(model, argument(block, "fields"));
  if (columns.length === 0) return [];
  const name = textOf(named(attribute, "map")) ?? chooseName([model.table.name], "_pkey");
  const text = `constraint ${quote(name)} primary key (${columns.map(quote).join(", ")})`;
  return [{ text, place: placeOf(model, field ?? model) }];
}

function columnsOf(model: Model, value: PrismaValue | undefined): string[] {
  return fieldNames(value).map((name) => {
    const field = model.fields.find((each) => each.name === name);
    return field === undefined ? name : columnName(field);
  });
}

function writeUnique(model: Model, field: PrismaField): SqlLines {
  const attribute = find(field.attributes, "unique");
  if (attribute === undefined) return [];
  return [{ text: uniqueIndex(model, [columnName(field)], attribute), place: placeOf(model, field) }];
}

function writeUniqueBlock(model: Model, attribute: PrismaAttribute): SqlLines {
  if (attribute.name !== "unique") return [];
  const columns = columnsOf(model, argument(attribute, "fields"));
  return [{ text: uniqueIndex(model, columns, attribute), place: placeOf(model, model) }];
}

function uniqueIndex(model: Model, columns: readonly string[], attribute: PrismaAttribute): string {
  const name = textOf(named(attribute, "map")) ?? chooseName([model.table.name, ...columns], "_key");
  const condition = named(attribute, "where");
  const raw = condition?.kind === "call" ? textOf(argument(condition, "sql")) : null;
  // an object of conditions is not read: that the index is partial is what matters
  const where = condition === undefined ? "" : ` where ${raw ?? "true"}`;
  return `create unique index ${quote(name)} on ${quoteName(model.table)} (${columns.map(quote).join(", ")})${where};`;
}

/** The types of Prisma as it makes them on PostgreSQL. */
const scalars: Readonly<Record<string, string>> = {
  String: "text",
  Boolean: "boolean",
  Int: "integer",
  BigInt: "bigint",
  Float: "double precision",
  Decimal: "decimal(65,30)",
  DateTime: "timestamp(3)",
  Json: "jsonb",
  Bytes: "bytea",
};

/** Of `@db.…`, those that PostgreSQL calls otherwise. */
const nativeTypes: Readonly<Record<string, string>> = { DoublePrecision: "double precision" };

const serials: Readonly<Record<string, string>> = { integer: "serial", bigint: "bigserial", smallint: "smallserial" };

function columnType({ enums }: Context, field: PrismaField): string {
  if (field.sqlType !== null) return field.sqlType;
  const block = enums.get(field.type);
  if (block !== undefined) return quoteName(nameOf(block));
  const native = field.attributes.find(({ name }) => name.includes("."));
  if (native === undefined) return scalars[field.type] ?? "text";
  const name = native.name.slice(native.name.indexOf(".") + 1);
  const numbers = native.arguments.flatMap(({ value }) => (value.kind === "number" ? value.text : []));
  return `${nativeTypes[name] ?? name.toLowerCase()}${numbers.length === 0 ? "" : `(${numbers.join(",")})`}`;
}

function writeColumn(context: Context, field: PrismaField): string {
  const type = columnType(context, field);
  const value = argument(find(field.attributes, "default"), "value");
  const isSerial = value?.kind === "call" && value.name === "autoincrement";
  const written = `${isSerial ? (serials[type] ?? type) : type}${field.isList ? "[]" : ""}`;
  const isRequired = !field.isOptional && !field.isList;
  const fallback = value === undefined || isSerial ? null : writeDefault(context, field, value);
  return `${quote(columnName(field))} ${written}${isRequired ? " not null" : ""}${fallback === null ? "" : ` default ${fallback}`}`;
}

/** Null: only the client of Prisma fills the field. */
function writeDefault(context: Context, field: PrismaField, value: PrismaValue): string | null {
  if (value.kind === "call") {
    if (value.name === "now") return "current_timestamp";
    return value.name === "dbgenerated" ? textOf(argument(value, "value")) || null : null;
  }
  if (value.kind === "list") {
    const items = value.items.map((item) => writeDefault(context, field, item) ?? "null");
    return `array[${items.join(", ")}]::${columnType(context, field)}[]`;
  }
  if (value.kind === "number") return value.text;
  if (value.kind === "text") return quoteText(field.type === "Bytes" ? hexOf(value.text) : value.text);
  if (value.kind !== "name") return null;
  const block = context.enums.get(field.type);
  if (block === undefined) return value.name; // true or false
  const label = block.fields.find(({ name }) => name === value.name);
  return quoteText(label === undefined ? value.name : columnName(label));
}

function hexOf(base64: string): string {
  return `\\x${Buffer.from(base64, "base64").toString("hex")}`;
}

const actions: Readonly<Record<string, string>> = {
  Cascade: "cascade",
  Restrict: "restrict",
  NoAction: "no action",
  SetNull: "set null",
  SetDefault: "set default",
};

function writeForeignKeys(context: Context, model: Model): SqlLines {
  return model.fields.flatMap((field) => {
    const target = context.models.get(field.type);
    const relation = find(field.attributes, "relation");
    const fields = fieldNames(named(relation, "fields"));
    if (target === undefined || fields.length === 0) return [];
    const own = model.fields.filter(({ name }) => fields.includes(name));
    const columns = columnsOf(model, named(relation, "fields"));
    const isOptional = own.some((each) => each.isOptional);
    const onDelete = actionOf(named(relation, "onDelete")) ?? (isOptional ? "set null" : "restrict");
    const onUpdate = actionOf(named(relation, "onUpdate")) ?? "cascade";
    const name = textOf(named(relation, "map")) ?? chooseName([model.table.name, ...columns], "_fkey");
    const text = foreignKey({
      table: model.table,
      name,
      columns,
      target: target.table,
      targetColumns: columnsOf(target, named(relation, "references")),
      actions: `on delete ${onDelete} on update ${onUpdate}`,
    });
    return [{ text, place: placeOf(model, field) }];
  });
}

function actionOf(value: PrismaValue | undefined): string | undefined {
  return value?.kind === "name" ? actions[value.name] : undefined;
}

type ForeignKey = {
  table: Name;
  name: string;
  columns: readonly string[];
  target: Name;
  targetColumns: readonly string[];
  actions: string;
};

function foreignKey({ table, name, columns, target, targetColumns, actions }: ForeignKey): string {
  const list = (names: readonly string[]) => names.map(quote).join(", ");
  return `alter table ${quoteName(table)} add constraint ${quote(name)} foreign key (${list(columns)}) references ${quoteName(target)} (${list(targetColumns)}) ${actions};`;
}

/** The tables of relations of many to many, which no model shows. They are made from the first of their two models. */
function writeJoinTables(context: Context, model: Model, hasForeignKeys: boolean): SqlLines {
  return model.fields.flatMap((field, index) => {
    const other = context.models.get(field.type);
    if (other === undefined || !field.isList) return [];
    const name = relationName(field);
    const back = other.fields.findIndex(
      (each) => each !== field && each.isList && each.type === model.name && relationName(each) === name,
    );
    const isFirst = model.name < other.name || (model.name === other.name && index < back);
    if (back === -1 || !isFirst) return [];
    return writeJoinTable(
      context,
      { model, other, field, name: name ?? `${model.name}To${other.name}` },
      hasForeignKeys,
    );
  });
}

function relationName({ attributes }: PrismaField): string | null {
  return textOf(argument(find(attributes, "relation"), "name"));
}

function writeJoinTable(
  context: Context,
  { model, other, field, name }: { model: Model; other: Model; field: PrismaField; name: string },
  hasForeignKeys: boolean,
): SqlLines {
  const table: Name = { schema: model.table.schema, name: `_${name}` };
  const place = placeOf(model, field);
  const sides = [
    { column: "A", of: model },
    { column: "B", of: other },
  ].flatMap(({ column, of }) => {
    const key = of.fields.find(({ attributes }) => find(attributes, "id") !== undefined);
    return key === undefined ? [] : [{ column, of, key, type: columnType(context, key) }];
  });
  const columns = sides.map(({ column, type }) => `${quote(column)} ${type} not null`);
  const primaryKey = chooseName([table.name, "AB"], "_pkey");
  const made = `create table ${quoteName(table)} (${columns.join(", ")}, constraint ${quote(primaryKey)} primary key ("A", "B"));`;
  const keys = sides.map(({ column, of, key }) =>
    foreignKey({
      table,
      name: chooseName([table.name, column], "_fkey"),
      columns: [column],
      target: of.table,
      targetColumns: [columnName(key)],
      actions: "on delete cascade on update cascade",
    }),
  );
  return [made, ...(hasForeignKeys ? keys : [])].map((text) => ({ text, place }));
}
