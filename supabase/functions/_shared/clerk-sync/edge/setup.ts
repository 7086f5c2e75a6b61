import { type Config, type Environment, readConfig } from "../config/config.ts";
import { type CallFunction, createDatabase, type Database } from "../database/database.ts";
import { createSupabaseRpc } from "../database/supabase-rpc.ts";
import { SyncError } from "../errors.ts";
import { startLogging } from "../logger.ts";

export type EdgeSetup = {
  config: Config;
  /** Calls any SQL function; `database` is the door to those of the queue. */
  call: CallFunction;
  database: Database;
  supabaseUrl: string;
  secretKey: string;
};

/**
 * What every Edge Function needs before it can serve: configuration, log, database.
 * Throws SyncError `config_invalid`; the function then does not boot and Supabase shows the message in its log.
 */
export async function setUp(environment: Environment): Promise<EdgeSetup> {
  const config = readConfig(environment);
  await startLogging(config.logLevel);
  const { supabaseUrl } = config;
  const [secretKey] = config.secretKeys;
  if (supabaseUrl === null || secretKey === undefined) {
    throw new SyncError(
      "config_invalid",
      "SUPABASE_URL and SUPABASE_SECRET_KEYS (or SUPABASE_SERVICE_ROLE_KEY) are not set.",
    );
  }
  const call = createSupabaseRpc(supabaseUrl, secretKey);
  return { config, supabaseUrl, secretKey, call, database: createDatabase(call) };
}
