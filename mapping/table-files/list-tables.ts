import type { TableFacts } from "../mapping.ts";
import { type Catalog, createCatalog, type Place, type Table, type Unread } from "./catalog.ts";
import { describeTable } from "./describe-table.ts";
import type { FilledByApp } from "./generated-sql.ts";
import { readSql, type SqlText } from "./read-sql.ts";

/** A table that files of a project make. */
export type TableOfFiles = {
  facts: TableFacts;
  /** Where it is made, and where each of its columns is. */
  place: Place;
  columns: ReadonlyMap<string, Place>;
  /** Columns with a default whose text PostgreSQL may write otherwise than the files do. */
  unclearDefaults: readonly string[];
  /** Columns that only the app's ORM fills in a new row. */
  filledByApp: readonly { column: string; how: string }[];
  /** What names the table and could not be read: the facts may lack it. */
  unread: readonly Unread[];
};

/** The tables that these texts make, one after the other. */
export async function listTables(
  texts: readonly SqlText[],
  {
    extensionSchema,
    filled = [],
    unread = [],
  }: Pick<Catalog, "extensionSchema"> & { filled?: readonly FilledByApp[]; unread?: readonly Unread[] },
): Promise<TableOfFiles[]> {
  const catalog = createCatalog({ extensionSchema });
  await readSql(catalog, texts);
  catalog.unread.push(...unread);
  return catalog.tables.filter(({ isKnown }) => isKnown).map((table) => describe(catalog, table, filled));
}

function describe(catalog: Catalog, table: Table, filled: readonly FilledByApp[]): TableOfFiles {
  return {
    facts: describeTable(catalog, table),
    place: table.place,
    columns: new Map(table.columns.map(({ name, place }) => [name, place])),
    unclearDefaults: table.columns.flatMap((column) => (column.default?.isExact === false ? column.name : [])),
    filledByApp: filled
      .filter((each) => (each.table.schema ?? "public") === table.schema && each.table.name === table.name)
      .map(({ column, how }) => ({ column, how })),
    unread: catalog.unread.filter((each) => namesTable(each, table)),
  };
}

/** Whether a text has the name of the table, as a word of its own. */
function namesTable({ text }: Unread, { name, formerNames }: Table): boolean {
  return [name, ...formerNames].some((each) => {
    const escaped = each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, "iu").test(text);
  });
}
