import { writeFile } from "node:fs/promises";
import { generateSchema } from "../mapping/generate-schema.ts";
import { formatRuntimeMapping, formatSavedMapping } from "../mapping/saved-mapping.ts";
import { rootMapping, rootTables } from "./root-mapping.ts";

// npm run users
const schemas = new URL("../supabase/schemas/", import.meta.url);
const core = new URL("../supabase/functions/_shared/clerk-sync/", import.meta.url);
await writeFile(new URL("mapping.json", core), formatRuntimeMapping(rootMapping));
await writeFile(
  new URL("../clerk-sync.json", schemas),
  formatSavedMapping(rootMapping, { tables: rootTables, origins: {} }, null),
);
for (const { name, sql } of generateSchema(rootMapping)) await writeFile(new URL(name, schemas), sql);
