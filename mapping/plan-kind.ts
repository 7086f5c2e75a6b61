import type { Configuration, KindConfiguration } from "./configuration.ts";
import {
  type ColumnFacts,
  type KindSection,
  type KnownTables,
  kindSections,
  type TableFacts,
  type TableName,
} from "./mapping.ts";
import { type KindColumn, planKind, planTable, textColumn } from "./plan-table.ts";

/** The sections of the file that are mapped; what is absent is off. */
export type MappedConfiguration = Pick<Configuration, "users"> & Partial<Pick<Configuration, KindSection | "helpers">>;

/** A column of one table whose value stands in a column of another. */
export type LocalColumn = Pick<ColumnFacts, "name" | "type" | "sqlType"> & { table: TableName };

/** The table of a kind, as the migration makes it; null: the kind is off. */
export function planKindOf(
  name: KindSection,
  configuration: MappedConfiguration,
  tables: KnownTables,
): TableFacts | null {
  const section: KindConfiguration<KindColumn> | null = configuration[name] ?? null;
  if (section === null) return null;
  return planKind(section, (column) => findLocal(column, configuration, tables) ?? textColumn);
}

/** The column of the table of users, or of organizations, that `as` names; null where there is none. */
export function findLocal(
  column: KindColumn,
  configuration: MappedConfiguration,
  tables: KnownTables,
): LocalColumn | null {
  if ((column.as ?? null) === null) return null;
  const other = findOther(column, configuration, tables);
  const found = other?.columns.find(({ name }) => name === column.as);
  if (other === null || found === undefined) return null;
  return { name: found.name, type: found.type, sqlType: found.sqlType, table: other.table };
}

/** The table that `as` names a column of, with the columns that the migration adds. */
export function findOther(
  { source }: KindColumn,
  configuration: MappedConfiguration,
  tables: KnownTables,
): TableFacts | null {
  const isOrganization = source === "organization";
  const facts = (isOrganization ? tables.organizations : tables.users) ?? null;
  const planned = isOrganization ? planKindOf("organizations", configuration, tables) : planTable(configuration.users);
  if (facts === null || planned === null || !facts.isOurs) return facts ?? planned;
  const added = planned.columns.filter((column) => facts.columns.every(({ name }) => name !== column.name));
  return { ...facts, columns: [...facts.columns, ...added] };
}

/** Every table that the configuration names: as it is, or as the migration makes it. */
export function planTables(
  configuration: MappedConfiguration,
  tables: KnownTables,
): Partial<Record<KindSection, TableFacts>> & { users: TableFacts } {
  const planned: Partial<Record<KindSection, TableFacts>> & { users: TableFacts } = {
    users: tables.users ?? planTable(configuration.users),
  };
  for (const kind of kindSections) {
    const facts = tables[kind] ?? planKindOf(kind, configuration, tables);
    if (facts !== null) planned[kind] = facts;
  }
  return planned;
}
