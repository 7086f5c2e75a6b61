import { SyncError } from "../errors.ts";

/**
 * The schema this code is written for: the number of the last migration, which clerk_sync_schema_version() answers.
 * Of two versions the one that sorts last is the newer.
 */
export const schemaVersion = "20261130000000";

/**
 * Checks that a database belongs to this code; `found` is what clerk_sync_schema_version() answered, null when there
 * is no such function. Throws SyncError `schema_newer` or `schema_outdated`.
 */
export function checkSchemaVersion(found: string | null): void {
  if (found === schemaVersion) return;
  if (found !== null && found > schemaVersion) {
    const message = `The database is at version ${found}, this code at ${schemaVersion}. Update clerk-supabase-sync.`;
    throw new SyncError("schema_newer", message);
  }
  const state = found === null ? "has no migrations of clerk-supabase-sync" : `is at version ${found}`;
  throw new SyncError(
    "schema_outdated",
    `The database ${state}, this code is at ${schemaVersion}. Run: npx clerk-sync migrate (on Supabase: npx supabase db push --remote).`,
  );
}
