import type pg from "pg";
import { SyncError } from "#core/errors.ts";
import { checkTable, formatProblems } from "./check-table.ts";
import type { Configuration } from "./configuration.ts";
import type { Mapping, TableFacts } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { type RowFacts, readRows } from "./read-rows.ts";
import { readTable } from "./read-table.ts";
import { resolveMapping } from "./resolve.ts";
import { refuseUnsupported } from "./unsupported.ts";

/**
 * The mapping of a configuration onto the table that this database has, and what its catalog says of the table; null:
 * the migration makes it. Reads the catalog, and rows where a problem would name them.
 * Throws SyncError `config_invalid` where the configuration asks for what this version does not do, and
 * `migration_refused` with every problem of the table and the statement that solves it.
 */
export async function readMapping(
  client: pg.ClientBase,
  configuration: Configuration,
): Promise<{ mapping: Mapping; facts: TableFacts | null }> {
  refuseUnsupported(configuration, "clerk-sync.config.json");
  const facts = await readTable(client, configuration.users.table);
  const rows = facts === null ? undefined : await readRows(client, configuration, facts);
  return { mapping: mapTable(configuration, facts, { rows }), facts };
}

/**
 * The mapping of a configuration onto a table. `place`: where the facts come from, for a person who is to read them again.
 * Throws SyncError `migration_refused` with every problem of the table and the statement that solves it.
 */
export function mapTable(
  configuration: Configuration,
  facts: TableFacts | null,
  { rows, place = "" }: { rows?: RowFacts | undefined; place?: string } = {},
): Mapping {
  const problems = checkTable(configuration, facts, rows);
  if (problems.length === 0) return resolveMapping(configuration, { users: facts });
  throw new SyncError(
    "migration_refused",
    `${quoteTable(configuration.users.table)} does not fit clerk-sync.config.json${place}. These statements correct it:\n${formatProblems(problems)}\n-- Nothing was changed.`,
  );
}
