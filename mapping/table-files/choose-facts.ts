import { createHash } from "node:crypto";
import { SyncError } from "#core/errors.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { Configuration } from "../configuration.ts";
import type { Mapping, TableFacts } from "../mapping.ts";
import { quoteIdentifier, quoteTable } from "../quote.ts";
import { factsOfTable, type Origin, type SavedMapping, savedMappingFile } from "../saved-mapping.ts";
import type { Place } from "./catalog.ts";
import { compareFacts } from "./compare-facts.ts";
import type { FoundTable } from "./find-tables.ts";

/** The facts of the mapped table without a database, and where they come from. */
export type ChosenFacts = {
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

/**
 * The facts of the table that the configuration names: from the files of the project, or as they were the last time. A
 * database that was read counts more than files that said otherwise then; where they agreed, files that changed since count.
 */
export async function chooseFacts(
  folder: string,
  configuration: Pick<Configuration, "users">,
  saved: SavedMapping | null,
): Promise<ChosenFacts> {
  const before = factsOfTable(saved, configuration);
  const found = await find(folder, configuration);
  if (found === null) return keep(before, saved, null);
  const files = digest(found.facts);
  if (before === null) return take(found, files, []);
  const changes = compareFacts(before, found.facts);
  if (changes.length === 0) return { ...keep(before, saved, files), notes: describeUnread(found) };
  // the files said so already when the database was read
  if (saved?.files === files) return keep(before, saved, files);
  const name = quoteTable(found.facts.table);
  const list = changes.map((change) => `  ${change}`).join("\n");
  if (saved?.files === digest(before)) {
    const note = `${formatPlace(found.place)} has changed since ${savedMappingFile} was written. It is taken for ${name}:\n${list}`;
    return take(found, files, [note]);
  }
  const note = `${formatPlace(found.place)} differs from ${savedMappingFile}, which stays as it is for ${name} (pass --db-url to read the table again):\n${list}`;
  return { ...keep(before, saved, saved?.files ?? null), notes: [note] };
}

/** What `generate` notes of the files beside what it read in a database, and where they differ from it. */
export async function compareWithFiles(
  folder: string,
  configuration: Pick<Configuration, "users">,
  facts: TableFacts | null,
): Promise<Pick<ChosenFacts, "origin" | "notes">> {
  const found = await find(folder, configuration);
  const origin = { from: null, files: found && digest(found.facts) };
  const changes = found === null || facts === null ? [] : compareFacts(found.facts, facts);
  if (found === null || changes.length === 0) return { origin, notes: [] };
  const list = changes.map((change) => `  ${change}`).join("\n");
  return { origin, notes: [`The database differs from ${formatPlace(found.place)}, and counts:\n${list}`] };
}

/**
 * Throws SyncError `config_invalid` where the mapping relies on a default whose text is not known.
 */
export function refuseUnclearDefaults({ users }: Mapping, { unclearDefaults, place }: ChosenFacts): void {
  const column = users.columns.find(({ name, usesOwnDefault }) => usesOwnDefault && unclearDefaults.includes(name));
  if (column === undefined) return;
  const message = `${quoteIdentifier(column.name)} of ${quoteTable(users.table)} takes its own default where Clerk has no value, and the files do not say how PostgreSQL writes that default${place}. Pass --db-url, or give the column a "default" in clerk-sync.config.json.`;
  throw new SyncError("config_invalid", message);
}

/** The parsers are loaded only where files are read. */
async function find(folder: string, { users }: Pick<Configuration, "users">): Promise<FoundTable | null> {
  const { findTable } = await import("./find-tables.ts");
  return findTable(folder, users.table);
}

function keep(facts: TableFacts | null, saved: SavedMapping | null, files: string | null): ChosenFacts {
  return {
    facts,
    origin: { from: saved?.from ?? null, files },
    place: facts === null ? "" : `, by the columns in ${savedMappingFile} (pass --db-url to read the table again)`,
    notes: [],
    unclearDefaults: [],
  };
}

function take(found: FoundTable, files: string, notes: readonly string[]): ChosenFacts {
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
