import type pg from "pg";
import { SyncError } from "#core/errors.ts";
import type { Reference, TableFacts } from "../../mapping/mapping.ts";
import { quoteIdentifier, quoteTable } from "../../mapping/quote.ts";
import { readTable } from "../../mapping/read-table.ts";
import { findColumn } from "../../mapping/resolve.ts";

/** The mapped table of users as it is in the database, with what SQL needs of its names. */
export type MappedTable = {
  facts: TableFacts;
  /** With its schema, quoted. */
  table: string;
  /** The column with Clerk's id, as the catalog has it. */
  key: string;
  /** The column that names a row to a person: the primary key where it is one column, else the key. */
  rowId: string;
  /** Condition of SQL: the row `u` has no Clerk id. A column default may write a text for none, as 'NULL'. */
  isUnlinked: string;
  /** That text as SQL; null: there is none. */
  emptyId: string | null;
  /** The source of each column that the sync writes. */
  sources: Readonly<Record<string, string>>;
};

const statement = `
select n.nspname as schema, c.relname as name, m.key, m.columns as sources
from clerk_sync.mappings as m
join pg_catalog.pg_class as c on c.oid = to_regclass(m.table_name)
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where m.kind = 'user'`;

/** Reads it. Throws SyncError `schema_outdated` where the database has no mapping. */
export async function readMappedTable(client: pg.ClientBase): Promise<MappedTable> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('clerk_sync.mappings') is not null as exists",
  );
  const found = rows[0]?.exists ? await client.query(statement) : null;
  const mapped: { schema: string; name: string; key: string; sources: Record<string, string> } | undefined =
    found?.rows[0];
  const facts = mapped && (await readTable(client, { schema: mapped.schema, name: mapped.name }));
  if (mapped === undefined || !facts) {
    const remedy = "Bring it to this version: npx supabase db push, or clerk-sync migrate.";
    throw new SyncError("schema_outdated", `The database does not know the table of users. ${remedy}`);
  }
  const [onlyKey, ...more] = facts.primaryKey;
  const key = quoteIdentifier(mapped.key);
  const expression = findColumn(facts, mapped.key)?.defaultExpression ?? "";
  const isText = /^'(?:[^']|'')*'::[a-z ]+$/.test(expression);
  return {
    facts,
    table: quoteTable(facts.table),
    key: mapped.key,
    rowId: onlyKey !== undefined && more.length === 0 ? onlyKey : mapped.key,
    isUnlinked: `(u.${key} is null${isText ? ` or u.${key} = ${expression}` : ""})`,
    emptyId: isText ? expression : null,
    sources: mapped.sources,
  };
}

/** Where the search path is empty, PostgreSQL writes each table with its schema. */
const definitionStatement = `
select pg_get_constraintdef(c.oid) as definition
from (select set_config('search_path', '', true) as path offset 0) as s
cross join pg_catalog.pg_constraint as c
where s.path = ''
  and c.conrelid = $1::regclass
  and c.conname = $2`;

/**
 * The statement that gives a foreign key of another table `on update cascade`, or takes its `on delete …` away. What else
 * it has (deferrable, match full) stays. Tables have their schemas, whatever search path runs it.
 */
export async function changeForeignKey(
  client: pg.ClientBase,
  { table, constraint }: Reference,
  change: "on update cascade" | "no on delete",
): Promise<string> {
  const name = quoteIdentifier(constraint);
  const { rows } = await client.query<{ definition: string }>(definitionStatement, [quoteTable(table), constraint]);
  const action = "(?:NO ACTION|RESTRICT|CASCADE|SET NULL|SET DEFAULT)";
  const definition = rows[0]?.definition ?? "";
  const changed =
    change === "no on delete"
      ? definition.replace(new RegExp(` ON DELETE ${action}(?: \\([^)]*\\))?`), "")
      : definition
          .replace(new RegExp(` ON UPDATE ${action}`), "")
          .replace(/(?= ON DELETE | DEFERRABLE| NOT VALID|$)/, " ON UPDATE CASCADE");
  return `alter table ${quoteTable(table)} drop constraint ${name}, add constraint ${name} ${changed};`;
}
