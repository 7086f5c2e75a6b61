import { readFile } from "node:fs/promises";
import type pg from "pg";
import type { Configuration } from "../../../mapping/configuration.ts";
import { generateUsers } from "../../../mapping/generate-users.ts";
import type { Mapping, TableFacts } from "../../../mapping/mapping.ts";
import { readConfiguration } from "../../../mapping/read-configuration.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import type { UserSource } from "../../../mapping/sources.ts";
import { expandLine } from "./configure-users.ts";

const root = new URL("../../../", import.meta.url);
const { configuration } = await readConfiguration(root.pathname, { environment: {} });
const saved = JSON.parse(await readFile(new URL("supabase/clerk-sync.json", root), "utf8"));
const facts: TableFacts = saved.mapping.users;

/** The columns of local/contract-users.sql. */
export const contractFacts: TableFacts = facts;

/** The mapping of this repository's own configuration. */
export const contractMapping: Mapping = resolveMapping(configuration, facts);

/** The same with other lines for the users. */
export function changeMapping(users: Partial<Configuration["users"]>): Mapping {
  return resolveMapping({ ...configuration, users: { ...configuration.users, ...users } }, facts);
}

/** The same with more columns, each written whenever Clerk says it. */
export function mapMore(sources: Readonly<Record<string, UserSource>>): Mapping {
  const more = Object.entries(sources).map(([name, source]) => expandLine(name, source));
  return changeMapping({ columns: [...configuration.users.columns, ...more] });
}

/** Makes the functions of a mapping in a database. */
export async function applyMapping(pool: pg.Pool, mapping: Mapping): Promise<void> {
  await pool.query(generateUsers(mapping));
}

/** Runs the work while the rows of deleted users stay, marked. */
export async function withSoftDeletion(pool: pg.Pool, work: () => Promise<unknown>): Promise<void> {
  await applyMapping(pool, changeMapping({ softDelete: "deleted_at" }));
  await work();
  await applyMapping(pool, contractMapping);
}
