import type pg from "pg";
import type { TableProblem } from "./check-table.ts";
import type { UsersConfiguration } from "./configuration.ts";
import { type AppTable, listAppTables } from "./list-app-tables.ts";
import type { TableName } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { suggestName } from "./suggest-name.ts";
import { formatTableName } from "./table-name.ts";

/**
 * For a table of the file that is not there: the migration makes it, and an app whose users stand elsewhere would see
 * none of them there. Names the table that was probably meant: one with a similar name, or with a column for Clerk's id.
 */
export async function adviseMissingTable(
  client: pg.ClientBase,
  { table }: Pick<UsersConfiguration, "table">,
): Promise<TableProblem[]> {
  const rows = await listAppTables(client);
  const meant =
    rows.find(({ name }) => name === table.name) ??
    findSimilar(table, rows) ??
    rows.find(({ hasClerkId }) => hasClerkId);
  if (meant === undefined) return [];
  const problem = `there is no table ${quoteTable(table)}, so that the migration makes it; is ${quoteTable(meant)} meant?`;
  return [{ problem, remedy: `-- In clerk-sync.config.json: "table": ${JSON.stringify(formatTableName(meant))}` }];
}

function findSimilar({ name }: TableName, candidates: readonly AppTable[]): AppTable | undefined {
  const names = candidates.map((candidate) => candidate.name);
  const meant = suggestName(name, names);
  return candidates.find((candidate) => candidate.name === meant);
}
