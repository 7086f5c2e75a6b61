import pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";

/**
 * Opens one connection without time limits, for a migration may take its time or wait for another's, and closes
 * it after its use. Throws SyncError `database_unavailable` when the database is not reached.
 */
export async function withConnection<Result>(
  url: string,
  use: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
    application_name: "clerk-sync migrate",
  });
  client.on("error", () => undefined); // the query in hand fails with it
  try {
    await client.connect();
  } catch (cause) {
    const message = `DATABASE_URL cannot be reached: ${errorMessage(cause)}. Is it right, and does it need ?sslmode=require?`;
    throw new SyncError("database_unavailable", message, { cause });
  }
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
