import { composeMigration, isWholeSchema } from "../../mapping/generate-schema.ts";
import type { Mapping } from "../../mapping/mapping.ts";
import { formatRuntimeMapping, runtimeMappingFile } from "../../mapping/saved-mapping.ts";
import type { Sources } from "./read-sources.ts";

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
