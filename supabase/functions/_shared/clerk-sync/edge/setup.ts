import type { System } from "../compose/work.ts";
import { type Environment, readConfig } from "../config/config.ts";
import { parseMapping } from "../config/mapping.ts";
import { createSupabaseRpc } from "../database/supabase-rpc.ts";
import { SyncError } from "../errors.ts";
import { startLogging } from "../logger.ts";

/**
 * What every Edge Function needs before it can serve: configuration, mapping, log, database. `name`: the function's;
 * `json`: what mapping.json holds.
 * Throws SyncError `config_invalid`; the function then does not boot and Supabase shows the message in its log.
 */
export async function setUp(name: string, environment: Environment, json: unknown): Promise<System> {
  const config = readConfig(environment);
  await startLogging(config.logLevel);
  const { supabaseUrl, secretKeys } = config;
  const [secretKey] = secretKeys;
  if (supabaseUrl === null || secretKey === undefined) {
    throw new SyncError(
      "config_invalid",
      "SUPABASE_URL and SUPABASE_SECRET_KEYS (or SUPABASE_SERVICE_ROLE_KEY) are not set.",
    );
  }
  const mapping = parseMapping(json);
  return {
    config,
    mapping,
    program: { name, mapping_hash: mapping.hash },
    call: createSupabaseRpc(supabaseUrl, secretKey),
    secretKeys,
    auth: config.authMirror ? { supabaseUrl, secretKey } : null,
    now: Date.now,
  };
}
