import type { ClientBase } from "pg";
import { findUsersTables } from "../../mapping/find-users-tables.ts";
import { listAppTables } from "../../mapping/list-app-tables.ts";
import type { TableFacts } from "../../mapping/mapping.ts";
import { proposeUsers } from "../../mapping/propose-users.ts";
import { type RowFacts, readRows } from "../../mapping/read-rows.ts";
import { readTable } from "../../mapping/read-table.ts";
import type { FoundTable } from "./choose-mapping.ts";

/** The tables of a project: those of the database at `databaseUrl`, else those that its files make. */
export async function findTables(
  folder: string,
  { databaseUrl }: { databaseUrl?: string | undefined },
): Promise<FoundTable[]> {
  if (databaseUrl === undefined) return findInFiles(folder);
  const { withConnection } = await import("../../server/with-connection.ts");
  return withConnection(databaseUrl, readAll, "--db-url");
}

/** Rows are read only of tables that may be the one of the users. */
async function readAll(client: ClientBase): Promise<FoundTable[]> {
  const found: FoundTable[] = [];
  for (const table of await listAppTables(client)) {
    const facts = await readTable(client, table);
    if (facts !== null) found.push({ facts, place: "the database at --db-url", filledByApp: [] });
  }
  const likely = new Set(findUsersTables(found));
  for (const table of likely) table.rows = await readAllRows(client, table.facts);
  return found;
}

/** What the rows say: which columns hold ids of Clerk, and then how they fit what is proposed. */
async function readAllRows(client: ClientBase, facts: TableFacts): Promise<RowFacts> {
  const { users } = proposeUsers(facts);
  const rows = await readRows(client, { users: { ...users, key: "", columns: [] } }, facts);
  const { clerkIdColumns, addressColumns } = rows;
  const proposed = proposeUsers(facts, { rows }).users;
  return { ...(await readRows(client, { users: proposed }, facts)), clerkIdColumns, addressColumns };
}

async function findInFiles(folder: string): Promise<FoundTable[]> {
  const { findTables: readFiles } = await import("../../mapping/table-files/find-tables.ts");
  return (await readFiles(folder)).map(({ facts, place, filledByApp }) => ({
    facts,
    place: `${place.file}:${place.line}`,
    filledByApp: filledByApp.map(({ column }) => column),
  }));
}
