import type { Environment } from "#core/config/config.ts";
import { composeMigration, isWholeSchema } from "../../mapping/generate-schema.ts";
import type { Mapping } from "../../mapping/mapping.ts";
import { readConfiguration } from "../../mapping/read-configuration.ts";
import { resolveMapping } from "../../mapping/resolve.ts";
import { formatRuntimeMapping, readSavedMapping, runtimeMappingFile } from "../../mapping/saved-mapping.ts";
import { chooseFacts, refuseUnclearDefaults } from "../../mapping/table-files/choose-facts.ts";
import { refuseUnsupported } from "../../mapping/unsupported.ts";
import type { Sources } from "./read-sources.ts";

/**
 * The mapping of the project in `folder`: its configuration, and the columns that `generate` read last or that the files
 * of the project make. A table that neither knows is one that the migration makes. One that does not fit stops the
 * migration, which names what to change. Throws SyncError `config_invalid`.
 */
export async function planMapping(folder: string, environment: Environment): Promise<Mapping> {
  const { configuration } = await readConfiguration(folder, { environment });
  refuseUnsupported(configuration, "clerk-sync.config.json");
  const chosen = await chooseFacts(folder, configuration, await readSavedMapping(folder));
  const mapping = resolveMapping(configuration, chosen.facts);
  refuseUnclearDefaults(mapping, chosen);
  return mapping;
}

/** What is installed, for this mapping: the migration makes its functions, and the Edge Functions know its fields. */
export function mapSources(sources: Sources, mapping: Mapping): Sources {
  return {
    ...sources,
    migrations: sources.migrations.map((migration) =>
      isWholeSchema(migration.content)
        ? { ...migration, content: composeMigration(migration.content, mapping) }
        : migration,
    ),
    files: sources.files.map((file) =>
      file.path === runtimeMappingFile ? { ...file, content: formatRuntimeMapping(mapping) } : file,
    ),
  };
}
