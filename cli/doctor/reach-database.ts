import { z } from "zod";
import type { Environment } from "#core/config/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { TableFacts, TableName } from "../../mapping/mapping.ts";
import { callRpc, isOwnServer, type Rest, type RpcFailure } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { type DatabasePlace, type OpenPool, withPool } from "../with-pool.ts";
import type { Finding } from "./finding.ts";

/** A call of a SQL function, and what its answer must be. */
type DatabaseCall<Value> = { name: string; args: Readonly<Record<string, unknown>>; schema: z.ZodType<Value> };

/** Why there is no value, and what to do. */
type Failure = { what: string; remedy: string };

/** A database that questions can be put to. */
export type Database = {
  ask: <Value>(call: DatabaseCall<Value>) => Promise<{ value: Value } | Failure>;
  /** The table as the catalog has it, null when it is missing; no function where the way does not reach the catalog. */
  readTable?: (table: TableName) => Promise<TableFacts | null>;
  /** The Supabase CLI migrates it; else clerk-sync migrate does. */
  isSupabase: boolean;
  /** pg_cron and pg_net can be enabled there. */
  isHosted: boolean;
};

/** Brings the database to this version, and to the mapping that was generated. */
export function migrateCommand({ isSupabase }: Pick<Database, "isSupabase">): string {
  return isSupabase ? "npx supabase db push --remote" : "npx clerk-sync migrate";
}

type Given = { rest: Rest | null; databaseUrl: string | undefined; environment: Environment };

/**
 * Uses the database of an installation: that of --database-url; else that of the Supabase project, over its API; else, where
 * there is no API, that of DATABASE_URL. `use` gets a finding where no database is reached.
 */
export async function withDatabase<Result>(
  { rest, databaseUrl, environment }: Given,
  io: Pick<CommandIo, "fetch" | "note">,
  use: (database: Database | Finding) => Promise<Result>,
): Promise<Result> {
  if (databaseUrl !== undefined) return await connect({ url: databaseUrl, name: "--database-url" }, io, use);
  if (rest !== null && !(await isOwnServer(rest, io))) return await use(overApi(rest, io));
  const url = environment["DATABASE_URL"]?.trim() || undefined;
  if (url === undefined) return await use(notReached(rest));
  return await connect({ url, name: "DATABASE_URL" }, io, use);
}

function notReached(rest: Rest | null): Finding {
  const check = "database";
  const named = "set DATABASE_URL or pass --database-url";
  if (rest === null) {
    const what = "no secret key is known for this address";
    const remedy = `Set SUPABASE_SECRET_KEY or pass --secret-key to have database, schedule and queue looked at. Without a Supabase project ${named}.`;
    return { check, state: "skipped", what, remedy };
  }
  const what = `${rest.baseUrl} is a server of your own, and its database is not known`;
  return { check, state: "skipped", what, remedy: `To have database and queue looked at, ${named}.` };
}

function overApi(rest: Rest, io: Pick<CommandIo, "fetch">): Database {
  return {
    ask: async (call) => {
      const answer = await callRpc(rest, call, io);
      return "reason" in answer ? explainFailure(call.name, answer) : answer;
    },
    isSupabase: true,
    isHosted: URL.parse(rest.baseUrl)?.hostname.endsWith(".supabase.co") ?? false,
  };
}

const refusals: Readonly<Record<number, Failure>> = {
  401: { what: "the secret key is refused", remedy: "Take sb_secret_… or the service role key of this project." },
  403: { what: "the key may not call the functions", remedy: "Take the secret key, not the publishable or anon key." },
  404: missing({ isSupabase: true }),
};

function missing(database: Pick<Database, "isSupabase">): Failure {
  return {
    what: "the functions are missing, or older than this clerk-sync",
    remedy: `Apply the migrations. Run: ${migrateCommand(database)}`,
  };
}

function explainFailure(name: string, { status, reason, isForeign }: RpcFailure): Failure {
  if (isForeign) return { what: reason, remedy: "Is the URL (--url, --supabase-url) right?" };
  const known = status === null ? undefined : refusals[status];
  const remedy = status === null ? "Is the URL right, and is the API up?" : "Look at the log of the API.";
  return known ?? { what: `${name}: ${reason}`, remedy };
}

async function connect<Result>(
  place: DatabasePlace,
  io: Pick<CommandIo, "note">,
  use: (database: Database | Finding) => Promise<Result>,
): Promise<Result> {
  try {
    return await withPool(place, io, async (open) => use(await onPool(open)));
  } catch (cause) {
    if (!(cause instanceof SyncError) || cause.code !== "database_unavailable") throw cause;
    const remedy = "Look at everything else that is named here, then run it again.";
    return await use({ check: "database", state: "failed", what: cause.message, remedy });
  }
}

async function onPool({ pool, call, isSupabase }: OpenPool): Promise<Database> {
  const { readTable } = await import("../../mapping/read-table.ts");
  const explain = (error: unknown): Failure => {
    if (!(error instanceof SyncError)) throw error;
    if (isUndefinedFunction(error.cause)) return missing({ isSupabase });
    const reason = error.cause === undefined ? "" : ` (${errorMessage(error.cause)})`;
    return { what: `${error.message}${reason}`, remedy: "Look at the log of the database." };
  };
  return {
    ask: async ({ name, args, schema }) => {
      try {
        const parsed = schema.safeParse(await call(name, args));
        if (parsed.success) return { value: parsed.data };
        const what = `${name} answered what this version does not know: ${z.prettifyError(parsed.error)}`;
        return { what, remedy: `Bring database and clerk-sync to one version. Run: ${migrateCommand({ isSupabase })}` };
      } catch (error) {
        return explain(error);
      }
    },
    readTable: (table) => readTable(pool, table),
    isSupabase,
    isHosted: isSupabase,
  };
}

function isUndefinedFunction(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "42883";
}
