import path from "node:path";
import { fileURLToPath } from "node:url";
import { errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import { configurationName, readConfiguration } from "../mapping/read-configuration.ts";
import { type OpenDatabase, prepareDatabase } from "../server/database.ts";
import { migrateDatabase } from "../server/migrate-database.ts";
import { startEmbeddedPostgres, stopOrphan } from "./postgres/embedded-postgres.ts";
import { readLocalPassword } from "./settings.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Makes the table of users that this repository's own configuration maps. */
export const usersTable = new URL("./contract-users.sql", import.meta.url);

/** Makes the tables behind the stand-in of Supabase Auth. */
export const authSchema = new URL("./supabase/auth/schema.sql", import.meta.url);

/**
 * Opens the database at `url`, or an embedded PostgreSQL in `folder`/postgres, and brings it up to date.
 * Throws SyncError `database_unavailable`, `schema_newer`, `migration_failed`, or what the embedded PostgreSQL throws.
 */
export async function openLocalDatabase(
  url: string | null,
  folder: string,
  configurationFile: string | null = null,
): Promise<OpenDatabase> {
  const { configuration, file } = await readConfiguration(process.cwd(), {
    environment: { CLERK_SYNC_CONFIG: configurationFile ?? undefined },
  });
  const own = file === path.join(root, configurationName) ? { usersTable } : {};
  const bringUpToDate = (address: string) =>
    migrateDatabase(address, { force: true, authSchema, configuration, ...own });
  if (url !== null) return prepareDatabase(url, () => bringUpToDate(url), null);
  const dataFolder = path.join(folder, "postgres");
  if (await stopOrphan(dataFolder)) logger.warn("postgres.orphan_stopped");
  const postgres = await startEmbeddedPostgres({ folder: dataFolder, password: await readLocalPassword(folder) });
  return prepareDatabase(postgres.url, () => bringUpToDate(postgres.url).catch(explainDamage), postgres);
}

/** Our own PostgreSQL runs, so a connection it refuses is its data's fault. */
function explainDamage(error: unknown): never {
  if (!(error instanceof SyncError) || error.code !== "database_unavailable") throw error;
  const message = `The local database is damaged: ${errorMessage(error.cause)}. To start over, remove the folder .clerk-sync (its local data is lost).`;
  throw new SyncError("data_folder_unusable", message, { cause: error });
}
