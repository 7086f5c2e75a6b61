import type pg from "pg";
import { SyncError } from "#core/errors.ts";
import { checkTable, formatProblems } from "./check-table.ts";
import type { Configuration } from "./configuration.ts";
import type { Mapping } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { readRows } from "./read-rows.ts";
import { readTable } from "./read-table.ts";
import { resolveMapping } from "./resolve.ts";
import { refuseUnsupported } from "./unsupported.ts";

/**
 * The mapping of a configuration onto the table that this database has. Reads only.
 * Throws SyncError `config_invalid` where the configuration asks for what this version does not do, and
 * `migration_refused` with every problem of the table and the statement that solves it.
 */
export async function readMapping(client: pg.ClientBase, configuration: Configuration): Promise<Mapping> {
  refuseUnsupported(configuration, "clerk-sync.config.json");
  const facts = await readTable(client, configuration.users.table);
  const rows = facts === null ? undefined : await readRows(client, configuration, facts);
  const problems = checkTable(configuration, facts, rows);
  if (problems.length > 0) {
    throw new SyncError(
      "migration_refused",
      `${quoteTable(configuration.users.table)} does not fit clerk-sync.config.json. These statements correct it:\n${formatProblems(problems)}\n-- Nothing was changed.`,
    );
  }
  return resolveMapping(configuration, facts);
}
