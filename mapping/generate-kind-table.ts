import { defaultOf, makeTable, nameInTable, timeOfDeletion } from "./generate-table.ts";
import type { KindMapping, KindSource, MappedKindColumn } from "./mapping.ts";
import { quoteBody, quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";

/** Makes the table of a kind where it is not there, with its indexes, and adds the columns that a table of ours lacks. */
export function generateKindTable(mapping: KindMapping): string {
  const { table, key, columns, softDelete } = mapping;
  // an app names a role by its key, and so do memberships
  const primaryKey = key.isPrimaryKey ? key.name : (columnOf(mapping, "key")?.name ?? key.name);
  const keyColumn = { name: key.name, sqlType: key.sqlType, isUnique: true, isNotNull: key.isPrimaryKey, value: "" };
  const others = columns.map((column) => ({
    ...column,
    value: column.usesOwnDefault ? ` default ${column.ownDefault}` : defaultOf(column),
  }));
  return [
    makeTable(table, primaryKey, [keyColumn, ...others, ...timeOfDeletion(softDelete)]),
    ...indexPair(mapping),
    ...indexBy(mapping, mapping.kind === "membership" ? "user" : "organization"),
  ].join("\n");
}

/** The columns of which no two rows have both alike: one user is once in one organization. */
export function pairColumns(mapping: KindMapping): readonly [string, string] | null {
  const organization = columnOf(mapping, "organization");
  const user = columnOf(mapping, "user");
  if (mapping.kind !== "membership" || organization === undefined || user === undefined) return null;
  return [organization.name, user.name];
}

/** The first column of a source. */
function columnOf({ columns }: KindMapping, source: KindSource): MappedKindColumn | undefined {
  return columns.find((column) => column.source === source);
}

/** Where deleted rows stay, a user who left and came back has two. */
function indexPair(mapping: KindMapping): string[] {
  const pair = pairColumns(mapping);
  if (pair === null) return [];
  const { table, softDelete } = mapping;
  const name = quoteTable(table);
  const columns = pair.map(quoteIdentifier).join(", ");
  const whole = nameInTable(table, pair, "key");
  const living = nameInTable(table, pair, "living_key");
  if (softDelete !== null) {
    return [
      `alter table ${name} drop constraint if exists ${whole};
create unique index if not exists ${living} on ${name} (${columns}) where ${quoteIdentifier(softDelete.column)} is null;`,
    ];
  }
  return [
    `drop index if exists ${quoteIdentifier(table.schema)}.${living};
do ${quoteBody(`
begin
  if not exists (
    select 1
    from pg_catalog.pg_constraint as k
    where k.conrelid = ${quoteLiteral(name)}::regclass
      and quote_ident(k.conname) = ${quoteLiteral(whole)}
  ) then
    alter table ${name} add constraint ${whole} unique (${columns});
  end if;
end
`)};`,
  ];
}

/** What is looked up by the user, or by the organization, has an index for it. */
function indexBy(mapping: KindMapping, source: KindSource): string[] {
  const column = columnOf(mapping, source);
  if (column === undefined) return [];
  const index = nameInTable(mapping.table, [column.name], "idx");
  return [`create index if not exists ${index} on ${quoteTable(mapping.table)} (${quoteIdentifier(column.name)});`];
}
