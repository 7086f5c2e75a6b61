import { SyncError } from "#core/errors.ts";
import type { Mapping } from "../../mapping/mapping.ts";
import { configurationName, readConfiguration } from "../../mapping/read-configuration.ts";
import type { Columns } from "../../mapping/saved-mapping.ts";
import { refuseUnsupported } from "../../mapping/unsupported.ts";
import type { CommandIo } from "../command-io.ts";
import { mapProject } from "../map-project.ts";
import { chooseMapping, type MappingAnswers } from "./choose-mapping.ts";
import { describeTakenSchema, findTakenSchema, nameHelpersSchema, refuseTakenSchema } from "./find-helpers-schema.ts";
import { findTables } from "./find-tables.ts";

export type MappingOptions = MappingAnswers & {
  /** A database to look for tables in, instead of the files of the folder. */
  databaseUrl?: string | undefined;
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
  const taken = await findTakenSchema(folder, configuration, { databaseUrl: options.databaseUrl, isInstalled });
  if (taken !== null && configuration.helpers === null) throw refuseTakenSchema(taken);
  const { notes, ...planned } = await mapProject(folder, configuration, options.databaseUrl);
  return { ...planned, file: null, lines: [...notes, ...(taken === null ? [] : [describeTakenSchema(taken)])] };
}

async function propose(
  folder: string,
  options: MappingOptions,
  io: Pick<CommandIo, "choose">,
): Promise<PlannedMapping | null> {
  const chosen = await chooseMapping(await findTables(folder, options), options, io);
  if (chosen === null) return null;
  const taken = await findTakenSchema(folder, chosen.configuration, {
    databaseUrl: options.databaseUrl,
    isInstalled: false,
  });
  const { configuration, text } = taken === null ? chosen : nameHelpersSchema(chosen, taken);
  const { notes, ...planned } = await mapProject(folder, configuration, options.databaseUrl);
  return {
    ...planned,
    file: { path: configurationName, content: text },
    lines: [...chosen.lines, ...notes, ...(taken === null ? [] : [describeTakenSchema(taken)])],
  };
}
