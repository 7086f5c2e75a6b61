import type pg from "pg";
import type { Configuration, UsersConfiguration } from "./configuration.ts";
import type { TableFacts } from "./mapping.ts";
import { quoteIdentifier, quoteTable } from "./quote.ts";
import { findColumn } from "./resolve.ts";

/** What rows say that the catalog does not. */
export type RowFacts = {
  /** Text columns in which ids of Clerk users stand; looked for when the table lacks the key. */
  clerkIdColumns: readonly string[];
  /** Text columns in which email addresses stand: of all when the table lacks the key, else of the key. */
  addressColumns: readonly string[];
  /** Whether two rows have the same key; looked for when it is not unique. */
  hasRepeatedKeys: boolean;
  /** Values that rows have and the file does not allow, at most 20 of a column. */
  refused: readonly { column: string; values: readonly string[] }[];
};

/** Reads the rows of the table, as far as checkTable and adviseTable need them. */
export async function readRows(
  client: pg.ClientBase,
  { users }: Pick<Configuration, "users">,
  facts: TableFacts,
): Promise<RowFacts> {
  if (!facts.isTable) return { clerkIdColumns: [], addressColumns: [], hasRepeatedKeys: false, refused: [] };
  const key = findColumn(facts, users.key);
  const isKeyUnique = facts.uniques.some((columns) => columns.length === 1 && columns[0] === users.key);
  // a key of another type is not kept
  const isText = key !== undefined && ["text", "varchar", "citext"].includes(key.type.kind);
  return {
    clerkIdColumns: key === undefined ? await findTexts(client, facts, "user\\_%") : [],
    addressColumns: await findTexts(client, facts, "%_@_%._%", key?.name),
    hasRepeatedKeys: isText && !isKeyUnique && (await hasRepeated(client, facts, users.key)),
    refused: await findRefused(client, users, facts),
  };
}

/** The text columns whose values are all like the pattern, as far as some of them are looked at; `only`: of these this one. */
async function findTexts(
  client: pg.ClientBase,
  facts: TableFacts,
  pattern: string,
  only?: string | undefined,
): Promise<string[]> {
  const texts = facts.columns.filter(
    ({ name, type }) => (type.kind === "text" || type.kind === "varchar") && (only === undefined || name === only),
  );
  const found: string[] = [];
  for (const { name } of texts) {
    const column = quoteIdentifier(name);
    const sample = `select ${column} as value from ${quoteTable(facts.table)} where ${column} is not null limit 1000`;
    const { rows } = await client.query<{ found: boolean | null }>(
      `select bool_and(s.value like $1) as found from (${sample}) as s`,
      [pattern],
    );
    if (rows[0]?.found === true) found.push(name);
  }
  return found;
}

async function hasRepeated(client: pg.ClientBase, { table }: TableFacts, key: string): Promise<boolean> {
  const column = quoteIdentifier(key);
  const { rows } = await client.query(
    `select from ${quoteTable(table)} where ${column} is not null group by ${column} having count(*) > 1 limit 1`,
  );
  return rows.length > 0;
}

async function findRefused(client: pg.ClientBase, { columns }: UsersConfiguration, facts: TableFacts) {
  const refused: { column: string; values: string[] }[] = [];
  for (const { name, allowed } of columns) {
    if (allowed === null || findColumn(facts, name) === undefined) continue;
    const column = `${quoteIdentifier(name)}::text`;
    const { rows } = await client.query<{ value: string }>(
      `select distinct ${column} as value from ${quoteTable(facts.table)} where ${column} <> all ($1) order by 1 limit 20`,
      [allowed],
    );
    if (rows.length > 0) refused.push({ column: name, values: rows.map(({ value }) => value) });
  }
  return refused;
}
