import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Configuration } from "../../mapping/configuration.ts";
import { type KnownTables, kindSections } from "../../mapping/mapping.ts";
import { configurationName, readConfiguration } from "../../mapping/read-configuration.ts";
import { resolveMapping } from "../../mapping/resolve.ts";
import { readSavedMapping, type SavedMapping, savedMappingFile, tablesBefore } from "../../mapping/saved-mapping.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";
import { type Database, migrateCommand } from "./reach-database.ts";

const check = "configuration";
const mappingSchema = z.object({ hash: z.string() }).nullable();

/**
 * Whether the folder's configuration, what `generate` or `init` wrote of it, and the database are of one mapping. A folder
 * that holds nothing of it says nothing. Functions and servers are compared with the database elsewhere.
 */
export async function checkMappingFile(
  database: Database | null,
  io: Pick<CommandIo, "folder" | "environment">,
): Promise<Finding[]> {
  try {
    const saved = await readSavedMapping(io.folder);
    const { configuration, file } = await readConfiguration(io.folder, { environment: io.environment });
    if (saved !== null) return await compareSaved(configuration, saved, database);
    return file === null || database === null ? [] : await compareTables(configuration, database);
  } catch (cause) {
    if (!(cause instanceof SyncError)) throw cause;
    return [{ check, state: "failed", what: errorMessage(cause), remedy: "Correct the file, then run it again." }];
  }
}

/** The columns as they were when the migration was written. */
async function compareSaved(
  configuration: Configuration,
  saved: SavedMapping,
  database: Database | null,
): Promise<Finding[]> {
  const { hash } = resolveMapping(configuration, tablesBefore(saved, configuration));
  if (hash !== saved.hash) {
    const what = `${configurationName} has changed since the last migration was written`;
    return [{ check, state: "warning", what, remedy: "Run: npx clerk-sync generate" }];
  }
  if (database === null) return [];
  const what = `the database was migrated with another mapping than ${savedMappingFile} has`;
  return await compareHash(hash, database, what, `Apply the migration. Run: ${migrateCommand(database)}`);
}

/** `migrate` writes nothing into the folder: the columns are those that the tables have now. */
async function compareTables(configuration: Configuration, database: Database): Promise<Finding[]> {
  const { readTable } = database;
  if (readTable === undefined) return [];
  const tables: KnownTables = { users: await readTable(configuration.users.table) };
  for (const kind of kindSections) {
    const section = configuration[kind];
    if (section !== null) tables[kind] = await readTable(section.table);
  }
  const { hash } = resolveMapping(configuration, tables);
  const what = `${configurationName}, or a table that it names, has changed since the database was migrated`;
  return await compareHash(hash, database, what, "Run: npx clerk-sync migrate, then restart each server.");
}

async function compareHash(hash: string, database: Database, what: string, remedy: string): Promise<Finding[]> {
  const answer = await database.ask({ name: "clerk_sync_mapping", args: {}, schema: mappingSchema });
  if (!("value" in answer)) return []; // the check of the database says why
  if (answer.value?.hash === hash) return [{ check, state: "ok", what: `${configurationName} and the database agree` }];
  return [{ check, state: "warning", what, remedy }];
}
