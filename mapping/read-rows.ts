import type pg from "pg";
import type { Configuration } from "./configuration.ts";
import type { TableFacts } from "./mapping.ts";
import { quoteIdentifier, quoteTable } from "./quote.ts";
import { findColumn } from "./resolve.ts";
import { sectionOfUsers, type TableSection } from "./table-section.ts";

/** What rows say that the catalog does not. */
export type RowFacts = {
  /** Text columns in which ids of Clerk users stand; looked for when the table lacks the key. */
  clerkIdColumns: readonly string[];
  /** Text columns in which email addresses stand: of all when the table lacks the key, else of the key. */
  addressColumns: readonly string[];
  /** Whether two rows have the same key; looked for when it is not unique. */
  hasRepeatedKeys: boolean;
  /** Whether two memberships have the same user and organization; looked for when they are not unique together. */
  hasRepeatedPairs?: boolean;
  /** Values that rows have and the file does not allow, at most 20 of a column. */
  refused: readonly { column: string; values: readonly string[] }[];
};

/** Reads the rows of the table of users, as far as checkTable and adviseTable need them. */
export function readRows(
  client: pg.ClientBase,
  { users }: Pick<Configuration, "users">,
  facts: TableFacts,
): Promise<RowFacts> {
  return readSectionRows(client, sectionOfUsers(users), facts);
}

/** Reads the rows of the table of a kind, as far as the checks need them. */
export async function readSectionRows(
  client: pg.ClientBase,
  section: Pick<TableSection, "kind" | "key" | "columns">,
  facts: TableFacts,
): Promise<RowFacts> {
  if (!facts.isTable) return { clerkIdColumns: [], addressColumns: [], hasRepeatedKeys: false, refused: [] };
  const key = findColumn(facts, section.key);
  const isKeyUnique = facts.uniques.some((columns) => columns.length === 1 && columns[0] === section.key);
  // a key of another type is not kept
  const isText = key !== undefined && ["text", "varchar", "citext"].includes(key.type.kind);
  const pair = listPair(section, facts);
  return {
    clerkIdColumns: key === undefined ? await findTexts(client, facts, `${beginnings[section.kind]}\\_%`) : [],
    addressColumns: await findTexts(client, facts, "%_@_%._%", key?.name),
    hasRepeatedKeys: isText && !isKeyUnique && (await hasRepeated(client, facts, [section.key])),
    ...(pair.length === 2 ? { hasRepeatedPairs: await hasRepeated(client, facts, pair) } : {}),
    refused: await findRefused(client, section, facts),
  };
}

/** What Clerk's ids of a kind begin with. */
const beginnings = { user: "user", organization: "org", membership: "orgmem", role: "role", invitation: "orginv" };

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

async function hasRepeated(client: pg.ClientBase, { table }: TableFacts, names: readonly string[]): Promise<boolean> {
  const columns = names.map(quoteIdentifier);
  const are = columns.map((column) => `${column} is not null`).join(" and ");
  const { rows } = await client.query(
    `select from ${quoteTable(table)} where ${are} group by ${columns.join(", ")} having count(*) > 1 limit 1`,
  );
  return rows.length > 0;
}

/** The columns of the organization and of the user, where they are there and two rows may have both alike. */
function listPair({ kind, columns }: Pick<TableSection, "kind" | "columns">, facts: TableFacts): string[] {
  if (kind !== "membership") return [];
  const pair = (["organization", "user"] as const)
    .flatMap((source) => columns.find((column) => column.source === source)?.name ?? [])
    .filter((name) => findColumn(facts, name) !== undefined);
  const isUnique = facts.uniques.some((each) => each.length === 2 && pair.every((name) => each.includes(name)));
  return isUnique ? [] : pair;
}

async function findRefused(client: pg.ClientBase, { columns }: Pick<TableSection, "columns">, facts: TableFacts) {
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
