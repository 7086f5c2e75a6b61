import type pg from "pg";
import { expect } from "vitest";
import { readTable } from "../../../mapping/read-table.ts";
import type { TableOfFiles } from "../../../mapping/table-files/list-tables.ts";

/** The facts of every table of the files are those that the catalog has, and no table of the database is missing. */
export async function expectSameTables(client: pg.ClientBase, tables: readonly TableOfFiles[]): Promise<void> {
  const { rows } = await client.query<{ schema: string; name: string }>(`
    select n.nspname as schema, c.relname as name
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p')
      and n.nspname !~ '^pg_|^information_schema$|^auth$'
    order by 1, 2`);
  const named = tables.flatMap(({ facts }) => (facts.isTable ? facts.table : []));
  const order = (list: readonly { schema: string; name: string }[]) =>
    list.map(({ schema, name }) => `${schema}.${name}`).sort();
  expect(order(named)).toEqual(order(rows));
  for (const { facts } of tables.filter((table) => table.facts.isTable))
    expect(facts).toEqual(await readTable(client, facts.table));
}
