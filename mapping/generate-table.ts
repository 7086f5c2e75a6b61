import { createHash } from "node:crypto";
import type { MappedColumn, UsersMapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { commentOfOurs } from "./read-table.ts";

/**
 * Makes the table of the mapping where it is not there, and adds the columns that a table of ours lacks. Its constraints
 * have names of ours, so that none is in the way of what an ORM would choose.
 */
export function generateTable(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const lines = defineColumns(users);
  return `create table if not exists ${table} (
${lines.map(({ name, definition, constraint }) => `  ${quoteIdentifier(name)} ${definition}${constraint}`).join(",\n")}
);
comment on table ${table} is ${quoteLiteral(`${commentOfOurs} Its columns follow clerk-sync.config.json. Remove this comment to take the table over.`)};

alter table ${table}
${lines.map(({ name, definition, added }) => `  add column if not exists ${quoteIdentifier(name)} ${definition}${added}`).join(",\n")};

alter table ${table} enable row level security;`;
}

type Line = { name: string; definition: string; constraint: string; added: string };

function defineColumns(users: UsersMapping): Line[] {
  const { key, rowId, columns, softDelete } = users;
  const keyColumn = { name: key.name, sqlType: key.sqlType, isUnique: true, isNotNull: key.isPrimaryKey, value: "" };
  const soft = softDelete && {
    name: softDelete.column,
    sqlType: softDelete.sqlType,
    isUnique: false,
    isNotNull: false,
    value: "",
  };
  const others = columns.map((column) => ({ ...column, value: defaultOf(column) }));
  const all = [
    ...others.filter(({ name }) => name === rowId),
    keyColumn,
    ...others.filter(({ name }) => name !== rowId),
  ];
  return [...all, ...(soft === null ? [] : [soft])].map(({ name, sqlType, isUnique, isNotNull, value }) => {
    const isPrimary = name === rowId;
    const unique = isUnique ? `${constraintName(users, name, "key")} unique` : "";
    return {
      name,
      definition: `${sqlType}${isNotNull ? " not null" : ""}${value}`,
      constraint: isPrimary ? `${constraintName(users, "", "pkey")} primary key` : unique,
      added: unique,
    };
  });
}

/** A row that the app makes has these, too. {id} stands for a Clerk id, which such a row does not have. */
function defaultOf({ source, default: value, type, sqlType }: MappedColumn): string {
  if (source === "uuid") return ` default gen_random_uuid()${type.kind === "uuid" ? "" : `::${sqlType}`}`;
  if (source === "now") return " default now()";
  if (value === undefined || value === null || String(value).includes("{id}")) return "";
  if (type.kind === "json" || type.kind === "jsonb") return "";
  return ` default ${typeof value === "string" ? quoteLiteral(value) : value}`;
}

/** PostgreSQL cuts a name of more than 63 bytes, and two may be the same then: such a name has a checksum in it. */
function constraintName({ table }: UsersMapping, column: string, ending: string): string {
  const names = [table.name, ...(column === "" ? [] : [column])];
  const name = ["clerk_sync", ...names, ending].join("_");
  const short = ["clerk_sync", createHash("sha256").update(names.join(".")).digest("hex").slice(0, 16), ending].join(
    "_",
  );
  return ` constraint ${quoteIdentifier(Buffer.byteLength(name) > 63 ? short : name)}`;
}
