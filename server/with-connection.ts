import pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";

/**
 * Opens one connection without time limits, for a migration may take its time or wait for another's, and closes
 * it after its use. `name`: the variable or option that holds the URL. Throws SyncError `database_unavailable` when the database is not reached.
 */
export async function withConnection<Result>(
  url: string,
  use: (client: pg.ClientBase) => Promise<Result>,
  name = "DATABASE_URL",
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
    throw new SyncError("database_unavailable", describe(name, errorMessage(cause)), { cause });
  }
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** PostgreSQL and pg say in their words that the connection must, or cannot, be encrypted. */
function describe(name: string, reason: string): string {
  const isAboutTls = /\b(ssl|tls|encryption|certificate)\b/i.test(reason);
  const question = isAboutTls ? "Does it need ?sslmode=require?" : "Is it right, and is the database running?";
  return `${name} cannot be reached: ${reason}. ${question}`;
}
