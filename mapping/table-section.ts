import type { ColumnConfiguration, KindConfiguration, UsersConfiguration } from "./configuration.ts";
import type { KindName, KindSection, KnownTables, Reference } from "./mapping.ts";
import { findLocal, type LocalColumn, type MappedConfiguration } from "./plan-kind.ts";
import type { KindColumn } from "./plan-table.ts";
import type { RecordKind } from "./record-words.ts";
import type { Source } from "./source-types.ts";

/** The section of the file about one kind, as far as the checks of its table ask. */
export type TableSection = Pick<UsersConfiguration, "table" | "key" | "softDelete"> & {
  kind: RecordKind;
  columns: readonly ColumnConfiguration<Source>[];
  /** By their names, columns that hold a value of another table: the column there. */
  locals: Readonly<Record<string, LocalColumn>>;
  /** Foreign keys on the tables of users and organizations. */
  references: readonly Reference[];
};

/** The same of a kind besides users. */
export type KindTableSection = Omit<TableSection, "columns"> &
  Pick<KindConfiguration<KindColumn>, "access" | "columns">;

/** The users as the checks of every table see them. */
export function sectionOfUsers({ table, key, columns, softDelete }: UsersConfiguration): TableSection {
  return { kind: "user", table, key, columns, softDelete, locals: {}, references: [] };
}

/** A section of the file as the checks of every table see it; null: the kind is off. */
export function sectionOfKind(
  name: KindSection,
  configuration: MappedConfiguration,
  tables: KnownTables,
): KindTableSection | null {
  const section: KindConfiguration<KindColumn> | null = configuration[name] ?? null;
  if (section === null) return null;
  const locals = section.columns.flatMap((column): [string, LocalColumn][] => {
    const local = findLocal(column, configuration, tables);
    return local === null ? [] : [[column.name, local]];
  });
  return {
    ...section,
    kind: name.slice(0, -1) as KindName,
    locals: Object.fromEntries(locals),
    references: [tables.users, tables.organizations].flatMap((facts) => facts?.references ?? []),
  };
}
