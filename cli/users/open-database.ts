import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import type pg from "pg";
import { z } from "zod";
import { environmentSchema } from "#core/config/environment-schema.ts";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { readEnvironment } from "../read-environment-file.ts";

/** The options of a command that changes rows of users, and asks before that. */
export const databaseOptionsSchema = z.object({
  databaseUrl: z.string().optional(),
  envFile: z.string().optional(),
  yes: z.boolean().default(false),
  json: z.boolean().default(false),
});

type DatabaseOptions = z.infer<typeof databaseOptionsSchema>;

/** Adds them to a command. */
export function addDatabaseOptions(command: Command): Command {
  return command
    .option("--db-url, --database-url <url>", "postgres://… (default: DATABASE_URL, else the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--yes", "do not ask")
    .option("--json", "print one JSON value and nothing else");
}

/**
 * Does the work on a connection to the database. Rows of users are changed there and not through the API, because their
 * tables are named at run time, and one transaction must hold all that belongs together.
 * Throws SyncError `usage_invalid` and `database_unavailable`.
 */
export async function openDatabase<Result>(
  options: DatabaseOptions,
  io: CommandIo,
  work: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const { url, name } = await findDatabase(options, io);
  const { withConnection } = await import("../../server/with-connection.ts");
  return await withConnection(url, work, name);
}

async function findDatabase(options: DatabaseOptions, io: CommandIo): Promise<{ url: string; name: string }> {
  const environment = await readEnvironment(options, io);
  const name = options.databaseUrl === undefined ? "DATABASE_URL" : "--database-url";
  const given = (options.databaseUrl ?? environment["DATABASE_URL"])?.trim() || undefined;
  const url = given ?? (options.envFile === undefined ? await readLocalUrl(io.folder) : undefined);
  if (url === undefined) {
    const message =
      "Set DATABASE_URL, or pass --database-url: Supabase's dashboard shows it under Connect (session pooler, or direct connection).";
    throw new SyncError("usage_invalid", message);
  }
  const parsed = environmentSchema.shape.DATABASE_URL.safeParse(url);
  if (parsed.data !== undefined) return { url: parsed.data, name };
  throw new SyncError("usage_invalid", `${name} ${parsed.error?.issues[0]?.message}.`);
}

const localSchema = z.object({ databaseUrl: z.string() });

/** The database of the local server that was started in this folder. */
async function readLocalUrl(folder: string): Promise<string | undefined> {
  try {
    const text = await readFile(path.join(folder, ".clerk-sync", "local.json"), "utf8");
    return localSchema.parse(JSON.parse(text)).databaseUrl;
  } catch {
    return undefined; // none was started here
  }
}

/** How a change ends: it is kept, or taken back because it was only tried. */
export type Ending = "commit" | "rollback";

/** Does the work in a transaction; an error takes everything back. */
export async function inTransaction<Result>(
  client: pg.ClientBase,
  ending: Ending,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query("begin");
  try {
    const result = await work();
    await client.query(ending);
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => undefined); // the connection may be gone; the first error says why
    throw error;
  }
}

/**
 * Asks before a change. True: go ahead; false: the answer was no. Throws SyncError `usage_invalid` where nobody can answer.
 */
export async function isAgreed(question: string, { yes }: DatabaseOptions, io: CommandIo): Promise<boolean> {
  if (yes) return true;
  if (io.confirm !== null) return await io.confirm(question);
  throw new SyncError("usage_invalid", `${question} Nobody can answer here: pass --yes.`);
}
