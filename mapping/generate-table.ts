import { createHash } from "node:crypto";
import type { MappedColumn, TableName, UsersMapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { commentOfOurs } from "./read-table.ts";

/** A column of a table that the migration makes. */
export type ColumnToMake = { name: string; sqlType: string; isUnique: boolean; isNotNull: boolean; value: string };

/** Makes the table of users where it is not there, and adds the columns that a table of ours lacks. */
export function generateTable({ table, key, rowId, columns, softDelete }: UsersMapping): string {
  const keyColumn = { name: key.name, sqlType: key.sqlType, isUnique: true, isNotNull: key.isPrimaryKey, value: "" };
  const others = columns.map((column) => ({ ...column, value: defaultOf(column) }));
  const all = [
    ...others.filter(({ name }) => name === rowId),
    keyColumn,
    ...others.filter(({ name }) => name !== rowId),
  ];
  return makeTable(table, rowId, [...all, ...timeOfDeletion(softDelete)]);
}

export function timeOfDeletion(softDelete: UsersMapping["softDelete"]): ColumnToMake[] {
  if (softDelete === null) return [];
  return [{ name: softDelete.column, sqlType: softDelete.sqlType, isUnique: false, isNotNull: false, value: "" }];
}

/**
 * Makes a table where it is not there, and adds the columns that a table of ours lacks. Its constraints have names of ours,
 * so that none is in the way of what an ORM would choose.
 */
export function makeTable(name: TableName, primaryKey: string, columns: readonly ColumnToMake[]): string {
  const table = quoteTable(name);
  const lines = columns.map(({ name: column, sqlType, isUnique, isNotNull, value }) => {
    const unique = isUnique ? ` constraint ${nameInTable(name, [column], "key")} unique` : "";
    const isPrimary = column === primaryKey;
    return {
      name: quoteIdentifier(column),
      definition: `${sqlType}${isNotNull ? " not null" : ""}${value}`,
      constraint: isPrimary ? ` constraint ${nameInTable(name, [], "pkey")} primary key` : unique,
      added: unique,
    };
  });
  return `create table if not exists ${table} (
${lines.map((line) => `  ${line.name} ${line.definition}${line.constraint}`).join(",\n")}
);
comment on table ${table} is ${quoteLiteral(`${commentOfOurs} Its columns follow clerk-sync.config.json. Remove this comment to take the table over.`)};

alter table ${table}
${lines.map((line) => `  add column if not exists ${line.name} ${line.definition}${line.added}`).join(",\n")};

alter table ${table} enable row level security;`;
}

/** A row that the app makes has these, too. {id} stands for a Clerk id, which such a row does not have. */
export function defaultOf({
  source,
  default: value,
  type,
  sqlType,
}: Omit<MappedColumn, "source"> & { source: string }): string {
  if (source === "uuid") return ` default gen_random_uuid()${type.kind === "uuid" ? "" : `::${sqlType}`}`;
  if (source === "now") return " default now()";
  if (value === undefined || value === null || String(value).includes("{id}")) return "";
  if (type.kind === "json" || type.kind === "jsonb") return "";
  return ` default ${typeof value === "string" ? quoteLiteral(value) : value}`;
}

/** PostgreSQL cuts a name of more than 63 bytes, and two may be the same then: such a name has a checksum in it. */
export function nameInTable(table: TableName, columns: readonly string[], ending: string): string {
  const names = [table.name, ...columns];
  const name = ["clerk_sync", ...names, ending].join("_");
  const short = ["clerk_sync", createHash("sha256").update(names.join(".")).digest("hex").slice(0, 16), ending].join(
    "_",
  );
  return quoteIdentifier(Buffer.byteLength(name) > 63 ? short : name);
}
