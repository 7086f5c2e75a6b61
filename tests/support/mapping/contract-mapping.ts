import pg from "pg";
import { rootConfiguration, rootMapping, rootTables } from "../../../build/root-mapping.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { generateUsers } from "../../../mapping/generate-users.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { payloadKeys } from "../../../mapping/payload-keys.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import type { UserSource } from "../../../mapping/sources.ts";
import { expandLine } from "./configure-users.ts";

export { rootMapping as contractMapping };

/** The same with other lines for the users. */
export function changeMapping(users: Partial<Configuration["users"]>): Mapping {
  return resolveMapping({ ...rootConfiguration, users: { ...rootConfiguration.users, ...users } }, rootTables);
}

/** The same with more columns, each written whenever Clerk says it. */
export function mapMore(sources: Readonly<Record<string, UserSource>>): Mapping {
  const more = Object.entries(sources).map(([name, source]) => expandLine(name, source));
  return changeMapping({ columns: [...rootConfiguration.users.columns, ...more] });
}

/** Makes the functions of a mapping in a database. A server that works there may be in the way: then it is tried again. */
export async function applyMapping(pool: pg.Pool, mapping: Mapping): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await pool.query(`${payloadKeys(mapping)} ${generateUsers(mapping)}`);
      return;
    } catch (error) {
      const isDeadlock = error instanceof pg.DatabaseError && error.code === "40P01";
      if (!isDeadlock || attempt === 5) throw error;
    }
  }
}

/** Runs the work while the rows of deleted users stay, marked. */
export async function withSoftDeletion(pool: pg.Pool, work: () => Promise<unknown>): Promise<void> {
  await applyMapping(pool, changeMapping({ softDelete: "deleted_at" }));
  await work();
  await applyMapping(pool, rootMapping);
}
