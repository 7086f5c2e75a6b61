import { SyncError } from "#core/errors.ts";
import type { Configuration } from "../../mapping/configuration.ts";
import type { Mapping } from "../../mapping/mapping.ts";
import { configurationName, readConfiguration } from "../../mapping/read-configuration.ts";
import { mapTable } from "../../mapping/read-mapping.ts";
import { resolveMapping } from "../../mapping/resolve.ts";
import { type Columns, readSavedMapping } from "../../mapping/saved-mapping.ts";
import { chooseFacts, compareWithFiles, refuseUnclearDefaults } from "../../mapping/table-files/choose-facts.ts";
import { refuseUnsupported } from "../../mapping/unsupported.ts";
import type { CommandIo } from "../command-io.ts";
import { chooseMapping, type MappingAnswers } from "./choose-mapping.ts";
import { findTables, readTableAt } from "./find-tables.ts";

export type MappingOptions = MappingAnswers & {
  /** A database to look for tables in, instead of the files of the folder. */
  dbUrl?: string | undefined;
};

/** What is installed for: the mapping, the columns that it is made of, and the file that says so, where there is none yet. */
export type PlannedMapping = {
  mapping: Mapping;
  columns: Columns;
  file: { path: string; content: string } | null;
  lines: readonly string[];
};

/**
 * The mapping of the project in `folder`: that of its configuration, else one that is proposed from the tables it has.
 * A project in which the sync is installed without the file keeps the plain table. Null: the person stopped.
 * Throws SyncError `config_invalid`, `migration_refused` where a proposed table does not fit, and as chooseMapping.
 */
export async function planMapping(
  folder: string,
  { isInstalled }: { isInstalled: boolean },
  options: MappingOptions,
  io: Pick<CommandIo, "choose" | "environment">,
): Promise<PlannedMapping | null> {
  const { configuration, file } = await readConfiguration(folder, { environment: io.environment });
  if (file === null && !(isInstalled && options.table === undefined)) return propose(folder, options, io);
  if (options.table !== undefined || options.key !== undefined || options.delete !== undefined) {
    const message = `${configurationName} says which table and which key: change it there, or remove the file to have one proposed. --table, --key and --delete answer before there is one.`;
    throw new SyncError("usage_invalid", message);
  }
  refuseUnsupported(configuration, configurationName);
  return { ...(await mapProject(folder, configuration, options.dbUrl)), file: null };
}

async function propose(
  folder: string,
  options: MappingOptions,
  io: Pick<CommandIo, "choose">,
): Promise<PlannedMapping | null> {
  const chosen = await chooseMapping(await findTables(folder, options), options, io);
  if (chosen === null) return null;
  const { configuration, text, lines } = chosen;
  const planned = await mapProject(folder, configuration, options.dbUrl);
  return {
    ...planned,
    file: { path: configurationName, content: text },
    lines: [...lines, ...planned.lines],
  };
}

/** The columns as the database at `dbUrl` has them, else as files of the project or the last time say. */
async function mapProject(
  folder: string,
  configuration: Configuration,
  dbUrl: string | undefined,
): Promise<Pick<PlannedMapping, "mapping" | "columns" | "lines">> {
  if (dbUrl !== undefined) {
    const facts = await readTableAt(dbUrl, configuration.users.table);
    const { origin, notes } = await compareWithFiles(folder, configuration, facts);
    return { mapping: mapTable(configuration, facts), columns: { facts, origin }, lines: notes };
  }
  const chosen = await chooseFacts(folder, configuration, await readSavedMapping(folder));
  const mapping = resolveMapping(configuration, { users: chosen.facts }); // one that does not fit stops the migration, which says so
  refuseUnclearDefaults(mapping, chosen);
  return { mapping, columns: chosen, lines: chosen.notes };
}
