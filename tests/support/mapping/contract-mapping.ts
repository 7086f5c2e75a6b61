import type pg from "pg";
import { rootConfiguration, rootFacts, rootMapping } from "../../../build/root-mapping.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { generateUsers, payloadKeys } from "../../../mapping/generate-users.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import type { UserSource } from "../../../mapping/sources.ts";
import { expandLine } from "./configure-users.ts";

export { rootMapping as contractMapping };

/** The same with other lines for the users. */
export function changeMapping(users: Partial<Configuration["users"]>): Mapping {
  return resolveMapping({ ...rootConfiguration, users: { ...rootConfiguration.users, ...users } }, rootFacts);
}

/** The same with more columns, each written whenever Clerk says it. */
export function mapMore(sources: Readonly<Record<string, UserSource>>): Mapping {
  const more = Object.entries(sources).map(([name, source]) => expandLine(name, source));
  return changeMapping({ columns: [...rootConfiguration.users.columns, ...more] });
}

/** Makes the functions of a mapping in a database. */
export async function applyMapping(pool: pg.Pool, mapping: Mapping): Promise<void> {
  await pool.query(`${payloadKeys(mapping.users)} ${generateUsers(mapping)}`);
}

/** Runs the work while the rows of deleted users stay, marked. */
export async function withSoftDeletion(pool: pg.Pool, work: () => Promise<unknown>): Promise<void> {
  await applyMapping(pool, changeMapping({ softDelete: "deleted_at" }));
  await work();
  await applyMapping(pool, rootMapping);
}
