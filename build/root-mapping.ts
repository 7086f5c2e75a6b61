import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Mapping, TableFacts } from "../mapping/mapping.ts";
import { readConfiguration } from "../mapping/read-configuration.ts";
import { resolveMapping } from "../mapping/resolve.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The configuration of this repository. */
export const { configuration: rootConfiguration } = await readConfiguration(root, { environment: {} });

const saved = JSON.parse(await readFile(new URL("../supabase/clerk-sync.json", import.meta.url), "utf8"));

/** What the catalog says of the table of local/contract-users.sql. */
export const rootFacts: TableFacts = saved.mapping.users;

/** The mapping that supabase/schemas and supabase/migrations hold. */
export const rootMapping: Mapping = resolveMapping(rootConfiguration, { users: rootFacts });
