import type pg from "pg";
import { environmentSchema } from "#core/config/environment-schema.ts";
import type { CallFunction } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "./command-io.ts";

/** A database that is reached on connections, and whether the Supabase CLI migrates it. */
export type OpenPool = { pool: pg.Pool; call: CallFunction; isSupabase: boolean };

/** Where a database is, and the option or variable that says so. */
export type DatabasePlace = { url: string; name: "--database-url" | "DATABASE_URL" };

/**
 * Uses the database at an address. Says which it is where no option says it.
 * Throws SyncError `usage_invalid` and, before `use`, `database_unavailable`.
 */
export async function withPool<Result>(
  { url: given, name }: DatabasePlace,
  io: Pick<CommandIo, "note">,
  use: (open: OpenPool) => Promise<Result>,
): Promise<Result> {
  const parsed = environmentSchema.shape.DATABASE_URL.safeParse(given);
  const url = parsed.data;
  if (url === undefined) throw new SyncError("usage_invalid", `${name} ${parsed.error?.issues[0]?.message}.`);
  if (name === "DATABASE_URL") io.note(`Asking the database ${describeUrl(url)} (${name}).`);
  const { createCallFunction } = await import("../server/call-function.ts");
  const { createPool } = await import("../server/database.ts");
  const { isSupabaseDatabase } = await import("../server/migrate-database.ts");
  const { withConnection } = await import("../server/with-connection.ts");
  const isSupabase = await withConnection(url, isSupabaseDatabase, name);
  const pool = createPool(url);
  try {
    return await use({ pool, call: createCallFunction(pool), isSupabase });
  } finally {
    await pool.end();
  }
}

/** Host and name, and nothing that opens it. */
function describeUrl(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
