/**
 * The schema this code is written for: the number of the last migration, which clerk_sync_schema_version() answers.
 * Of two versions the one that sorts last is the newer.
 */
export const schemaVersion = "20261124000030";
