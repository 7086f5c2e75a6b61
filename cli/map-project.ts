import type { Configuration } from "../mapping/configuration.ts";
import type { Mapping } from "../mapping/mapping.ts";
import { mapTables, readMapping } from "../mapping/read-mapping.ts";
import { type Columns, readSavedMapping } from "../mapping/saved-mapping.ts";
import { chooseFacts, compareWithFiles, refuseUnclearDefaults } from "../mapping/table-files/choose-facts.ts";

/** A mapping, the columns that it is made of, and what a person should know of where they come from. */
type MappedProject = { mapping: Mapping; columns: Columns; notes: readonly string[] };

/**
 * The mapping of a configuration onto the tables as the database at `databaseUrl` has them; else as the files of the folder say,
 * or as they were the last time; a table that none of them knows is made by the migration.
 * Throws SyncError `migration_refused` where a table does not fit, `config_invalid`, and `database_unavailable`.
 */
export async function mapProject(
  folder: string,
  configuration: Configuration,
  databaseUrl: string | undefined,
): Promise<MappedProject> {
  if (databaseUrl !== undefined) {
    const { withConnection } = await import("../server/with-connection.ts");
    const { mapping, tables } = await withConnection(
      databaseUrl,
      (client) => readMapping(client, configuration),
      "--db-url",
    );
    const { origins, notes } = await compareWithFiles(folder, configuration, tables);
    return { mapping, columns: { tables, origins }, notes };
  }
  const chosen = await chooseFacts(folder, configuration, await readSavedMapping(folder));
  const mapping = mapTables(configuration, chosen.tables, { places: chosen.places });
  refuseUnclearDefaults(mapping, chosen);
  return { mapping, columns: chosen, notes: chosen.notes };
}
