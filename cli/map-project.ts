import type { Configuration } from "../mapping/configuration.ts";
import type { Mapping } from "../mapping/mapping.ts";
import { mapTable, readMapping } from "../mapping/read-mapping.ts";
import { type Columns, readSavedMapping } from "../mapping/saved-mapping.ts";
import { chooseFacts, compareWithFiles, refuseUnclearDefaults } from "../mapping/table-files/choose-facts.ts";

/** A mapping, the columns that it is made of, and what a person should know of where they come from. */
type MappedProject = { mapping: Mapping; columns: Columns; notes: readonly string[] };

/**
 * The mapping of a configuration onto the table as the database at `databaseUrl` has it; else as the files of the folder say, or
 * as it was the last time; a table that none of them knows is made by the migration.
 * Throws SyncError `migration_refused` where the table does not fit, `config_invalid`, and `database_unavailable`.
 */
export async function mapProject(
  folder: string,
  configuration: Configuration,
  databaseUrl: string | undefined,
): Promise<MappedProject> {
  if (databaseUrl !== undefined) {
    const { withConnection } = await import("../server/with-connection.ts");
    const { mapping, facts } = await withConnection(
      databaseUrl,
      (client) => readMapping(client, configuration),
      "--db-url",
    );
    const { origin, notes } = await compareWithFiles(folder, configuration, facts);
    return { mapping, columns: { facts, origin }, notes };
  }
  const chosen = await chooseFacts(folder, configuration, await readSavedMapping(folder));
  const mapping = mapTable(configuration, chosen.facts, { place: chosen.place });
  refuseUnclearDefaults(mapping, chosen);
  return { mapping, columns: chosen, notes: chosen.notes };
}
