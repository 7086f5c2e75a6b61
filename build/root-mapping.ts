import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { KnownTables, Mapping, TableFacts } from "../mapping/mapping.ts";
import { readConfiguration } from "../mapping/read-configuration.ts";
import { resolveMapping } from "../mapping/resolve.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The configuration of this repository. */
export const { configuration: rootConfiguration } = await readConfiguration(root, { environment: {} });

const saved = JSON.parse(await readFile(new URL("../supabase/clerk-sync.json", import.meta.url), "utf8"));

/** What the catalog says of the table of local/contract-users.sql; the migration makes the others. */
export const rootTables: KnownTables & { users: TableFacts } = { users: saved.mapping.users };

/** The mapping that supabase/schemas and supabase/migrations hold. */
export const rootMapping: Mapping = resolveMapping(rootConfiguration, rootTables);
