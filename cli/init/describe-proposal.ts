import type { UsersConfiguration } from "../../mapping/configuration.ts";
import type { TableFacts } from "../../mapping/mapping.ts";
import type { Proposal } from "../../mapping/propose-users.ts";
import { quoteTable } from "../../mapping/quote.ts";
import { formatTableName } from "../../mapping/table-name.ts";

/** What a person is told of a proposal before anything is written. `place`: where the table was found. */
export function describeProposal({ users, unmapped }: Proposal, facts: TableFacts, place: string): string[] {
  const table = formatTableName(users.table);
  const width = Math.max(...[users.key, ...users.columns.map(({ name }) => name)].map((name) => name.length));
  return [
    `Your users are in ${table} (${place}). This goes into it:`,
    `  ${users.key.padEnd(width)}  Clerk's id`,
    ...users.columns.map(({ name, source, default: value, write }) => {
      const empty = value === undefined ? "" : `, else ${JSON.stringify(value)}`;
      return `  ${name.padEnd(width)}  ${source}${empty}${write === "once" ? ", written once" : ""}`;
    }),
    ...(unmapped.length === 0 ? [] : [`The sync never writes ${unmapped.join(", ")}.`]),
    ...describeDeletion(users, facts),
    ...(users.linkBy === null ? [] : ["Rows without a Clerk id are linked by the verified email address."]),
    "Rows that have a Clerk id get Clerk's values with their user's next event; a value from metadata stays until Clerk gives one. clerk-sync backfill --dry-run names each row that would change, and each role.",
    `Policies and grants of ${table} stay as they are. One thing is added: service_role may read and write it.`,
  ];
}

/** The tables whose rows go when a row of the table goes. */
export function listCascades({ references }: TableFacts): string[] {
  return references.filter(({ onDelete }) => onDelete === "cascade").map(({ table }) => quoteTable(table));
}

function describeDeletion({ softDelete }: UsersConfiguration, facts: TableFacts): string[] {
  if (softDelete !== null) return [`A deletion at Clerk sets ${softDelete}, and the row stays.`];
  const cascades = listCascades(facts);
  const also = cascades.length === 0 ? "" : `, and with it its rows of ${cascades.join(", ")}`;
  return [`A deletion at Clerk deletes the row${also}.`];
}
