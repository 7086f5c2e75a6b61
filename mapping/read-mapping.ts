import type pg from "pg";
import { SyncError } from "#core/errors.ts";
import { checkKindTable } from "./check-kind-table.ts";
import { checkTable, formatProblems, type TableProblem } from "./check-table.ts";
import type { Configuration } from "./configuration.ts";
import { type KnownTables, kindSections, type Mapping } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { type RowFacts, readRows, readSectionRows } from "./read-rows.ts";
import { readTable } from "./read-table.ts";
import { resolveMapping } from "./resolve.ts";
import type { Kind } from "./source-words.ts";
import { sectionOfKind } from "./table-section.ts";
import { refuseUnsupported } from "./unsupported.ts";

/**
 * The mapping of a configuration onto the tables that this database has, and what its catalog says of them; null: the
 * migration makes the table. Reads the catalog, and rows where a problem would name them.
 * Throws SyncError `config_invalid` where the configuration asks for what this version does not do, and
 * `migration_refused` with every problem of the tables and the statement that solves it.
 */
export async function readMapping(
  client: pg.ClientBase,
  configuration: Configuration,
): Promise<{ mapping: Mapping; tables: KnownTables }> {
  refuseUnsupported(configuration, "clerk-sync.config.json");
  const tables = await readTables(client, configuration);
  const rows: Partial<Record<Kind, RowFacts>> = {};
  if (tables.users !== null) rows.users = await readRows(client, configuration, tables.users);
  for (const kind of kindSections) {
    const [facts, section] = [tables[kind] ?? null, sectionOfKind(kind, configuration, tables)];
    if (facts !== null && section !== null) rows[kind] = await readSectionRows(client, section, facts);
  }
  return { mapping: mapTables(configuration, tables, { rows }), tables };
}

/** What the catalog says of each table that the configuration names. */
export async function readTables(client: pg.ClientBase, configuration: Configuration): Promise<KnownTables> {
  const tables: KnownTables = { users: await readTable(client, configuration.users.table) };
  for (const kind of kindSections) {
    const section = configuration[kind];
    if (section !== null) tables[kind] = await readTable(client, section.table);
  }
  return tables;
}

/**
 * The mapping of a configuration onto its tables. `places`: where the facts come from, for a person who is to read them
 * again. Throws SyncError `migration_refused` with every problem of the tables and the statement that solves it.
 */
export function mapTables(
  configuration: Configuration,
  tables: KnownTables,
  { rows = {}, places = {} }: { rows?: Partial<Record<Kind, RowFacts>>; places?: Partial<Record<Kind, string>> } = {},
): Mapping {
  const found = [
    {
      name: configuration.users.table,
      place: places.users,
      problems: checkTable(configuration, tables.users, rows.users),
    },
    ...kindSections.flatMap((kind) => {
      const section = configuration[kind];
      if (section === null) return [];
      const problems = checkKindTable(kind, configuration, tables, rows[kind]);
      return [{ name: section.table, place: places[kind], problems }];
    }),
  ].filter(({ problems }) => problems.length > 0);
  const [first, ...more] = found.map(({ name, place = "", problems }) => ({ name: quoteTable(name), place, problems }));
  if (first === undefined) return resolveMapping(configuration, tables);
  throw new SyncError(
    "migration_refused",
    `${more.length === 0 ? describeOne(first) : describeAll([first, ...more])}\n-- Nothing was changed.`,
  );
}

type Refused = { name: string; place: string; problems: readonly TableProblem[] };

function describeOne({ name, place, problems }: Refused): string {
  return `${name} does not fit clerk-sync.config.json${place}. These statements correct it:\n${formatProblems(problems)}`;
}

/** Each problem names its table. */
function describeAll(tables: readonly Refused[]): string {
  const names = tables.map(({ name, place }) => `${name}${place}`).join("; ");
  const problems = tables.flatMap(({ name, problems }) =>
    problems.map(({ problem, remedy }) => ({ problem: `${name}: ${problem}`, remedy })),
  );
  return `These tables do not fit clerk-sync.config.json: ${names}. These statements correct them:\n${formatProblems(problems)}`;
}
