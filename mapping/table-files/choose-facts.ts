import { createHash } from "node:crypto";
import { SyncError } from "#core/errors.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { Configuration } from "../configuration.ts";
import { type KnownTables, kindSections, type Mapping, type TableFacts, type TableName } from "../mapping.ts";
import { quoteIdentifier, quoteTable } from "../quote.ts";
import { type Origin, type SavedMapping, type SavedTable, savedMappingFile, tableBefore } from "../saved-mapping.ts";
import type { Kind } from "../source-words.ts";
import type { Place } from "./catalog.ts";
import { compareFacts } from "./compare-facts.ts";
import type { FoundTable } from "./find-tables.ts";

/** The facts of one table without a database, and where they come from. */
type ChosenTable = {
  /** Null: neither a file nor an earlier time knows the table, so that the migration makes it. */
  facts: TableFacts | null;
  origin: Origin;
  /** For a message about the facts, as the end of a sentence; empty where there are none. */
  place: string;
  /** What a person should know: other files that differ, statements that could not be read. */
  notes: string[];
  /** Columns with a default whose text the files do not say as PostgreSQL would. */
  unclearDefaults: readonly string[];
};

/** The facts of the mapped tables without a database. */
export type ChosenTables = {
  tables: KnownTables;
  origins: Partial<Record<Kind, Origin>>;
  places: Partial<Record<Kind, string>>;
  notes: string[];
  unclearDefaults: Partial<Record<Kind, readonly string[]>>;
};

/** The tables that the configuration names, the users first. */
function listNames(configuration: Configuration): [Kind, TableName][] {
  const kinds = kindSections.flatMap((kind): [Kind, TableName][] => {
    const section = configuration[kind];
    return section === null ? [] : [[kind, section.table]];
  });
  return [["users", configuration.users.table], ...kinds];
}

/**
 * The facts of the tables that the configuration names: from the files of the project, or as they were the last time. A
 * database that was read counts more than files that said otherwise then; where they agreed, files that changed since count.
 */
export async function chooseFacts(
  folder: string,
  configuration: Configuration,
  saved: SavedMapping | null,
): Promise<ChosenTables> {
  const find = await readFiles(folder);
  const chosen: ChosenTables = { tables: { users: null }, origins: {}, places: {}, notes: [], unclearDefaults: {} };
  for (const [kind, name] of listNames(configuration)) {
    const table = chooseTable(find(name), tableBefore(saved, kind, name));
    chosen.tables[kind] = table.facts;
    chosen.origins[kind] = table.origin;
    chosen.places[kind] = table.place;
    chosen.notes.push(...table.notes);
    chosen.unclearDefaults[kind] = table.unclearDefaults;
  }
  return chosen;
}

function chooseTable(found: FoundTable | null, before: SavedTable | null): ChosenTable {
  if (found === null) return keep(before, null);
  const files = digest(found.facts);
  if (before === null || before.facts === null) return take(found, files, []);
  const changes = compareFacts(before.facts, found.facts);
  if (changes.length === 0) return { ...keep(before, files), notes: describeUnread(found) };
  // the files said so already when the database was read
  if (before.files === files) return keep(before, files);
  const name = quoteTable(found.facts.table);
  const list = changes.map((change) => `  ${change}`).join("\n");
  if (before.files === digest(before.facts)) {
    const note = `${formatPlace(found.place)} has changed since ${savedMappingFile} was written. It is taken for ${name}:\n${list}`;
    return take(found, files, [note]);
  }
  const note = `${formatPlace(found.place)} differs from ${savedMappingFile}, which stays as it is for ${name} (pass --db-url to read the table again):\n${list}`;
  return { ...keep(before, before.files), notes: [note] };
}

/** What `generate` notes of the files beside what it read in a database, and where they differ from it. */
export async function compareWithFiles(
  folder: string,
  configuration: Configuration,
  tables: KnownTables,
): Promise<Pick<ChosenTables, "origins" | "notes">> {
  const find = await readFiles(folder);
  const compared: Pick<ChosenTables, "origins" | "notes"> = { origins: {}, notes: [] };
  for (const [kind, name] of listNames(configuration)) {
    const found = find(name);
    const facts = tables[kind] ?? null;
    compared.origins[kind] = { from: null, files: found && digest(found.facts) };
    const changes = found === null || facts === null ? [] : compareFacts(found.facts, facts);
    if (found === null || changes.length === 0) continue;
    const list = changes.map((change) => `  ${change}`).join("\n");
    compared.notes.push(`The database differs from ${formatPlace(found.place)}, and counts:\n${list}`);
  }
  return compared;
}

/**
 * Throws SyncError `config_invalid` where the mapping relies on a default whose text is not known.
 */
export function refuseUnclearDefaults(mapping: Mapping, { unclearDefaults, places }: ChosenTables): void {
  for (const kind of ["users", ...kindSections] as const) {
    const { table, columns = [] } = mapping[kind] ?? {};
    const column = columns.find(
      ({ name, usesOwnDefault }) => usesOwnDefault && (unclearDefaults[kind] ?? []).includes(name),
    );
    if (table === undefined || column === undefined) continue;
    const message = `${quoteIdentifier(column.name)} of ${quoteTable(table)} takes its own default where Clerk has no value, and the files do not say how PostgreSQL writes that default${places[kind] ?? ""}. Pass --db-url, or give the column a "default" in clerk-sync.config.json.`;
    throw new SyncError("config_invalid", message);
  }
}

/** Finds the table of a name in the files of the project. The parsers are loaded only where files are read. */
async function readFiles(folder: string): Promise<(table: TableName) => FoundTable | null> {
  const { findTables } = await import("./find-tables.ts");
  const tables = await findTables(folder);
  return (name) => tables.find(({ facts }) => quoteTable(facts.table) === quoteTable(name)) ?? null;
}

function keep(before: SavedTable | null, files: string | null): ChosenTable {
  return {
    facts: before?.facts ?? null,
    origin: { from: before?.from ?? null, files },
    place: before === null ? "" : `, by the columns in ${savedMappingFile} (pass --db-url to read the table again)`,
    notes: [],
    unclearDefaults: [],
  };
}

function take(found: FoundTable, files: string, notes: readonly string[]): ChosenTable {
  const from = formatPlace(found.place);
  return {
    facts: found.facts,
    origin: { from, files },
    place: `, by ${from} (pass --db-url to read the table itself)`,
    notes: [...notes, ...describeUnread(found), ...describeOthers(found)],
    unclearDefaults: found.unclearDefaults,
  };
}

function describeUnread({ unread, facts }: FoundTable): string[] {
  return unread.map(
    ({ place, statement, reason }) =>
      `${formatPlace(place)} names ${quoteTable(facts.table)} and could not be read: ${reason}\n  ${statement}`,
  );
}

function describeOthers({ otherwise, place }: FoundTable): string[] {
  return otherwise.map(
    (other) => `${formatPlace(other)} has other columns or keys than ${formatPlace(place)}, which counts.`,
  );
}

function formatPlace({ file, line }: Place): string {
  return `${file}:${line}`;
}

function digest(facts: TableFacts): string {
  return createHash("sha256").update(canonicalJson(facts)).digest("hex");
}
