import { PostgrestClient } from "@supabase/postgrest-js";
import { type CallFunction, databaseError } from "./database.ts";

/**
 * Calls SQL functions over Supabase's API (PostgREST) with a secret key; the hosted half of the door in database.ts.
 * It sends what supabase-js sends: the key as `apikey`, by which the gateway knows the role, and as Bearer, in which
 * PostgREST reads the token of a legacy service_role key. The gateway replaces the Bearer of an `sb_secret_` key.
 */
export function createSupabaseRpc(supabaseUrl: string, secretKey: string, send?: typeof fetch): CallFunction {
  const url = new URL("rest/v1", supabaseUrl.endsWith("/") ? supabaseUrl : `${supabaseUrl}/`);
  const headers = { apikey: secretKey, authorization: `Bearer ${secretKey}` };
  const client = new PostgrestClient(url.href, { headers, schema: "public", ...(send && { fetch: send }) });
  return async (name, args, { limitMilliseconds } = {}) => {
    const called = client.rpc(name, args);
    // A second later than PostgreSQL, as on Node: a function may still answer after its limit.
    const limited =
      limitMilliseconds === undefined ? called : called.abortSignal(AbortSignal.timeout(limitMilliseconds + 1000));
    const { data, error } = await limited;
    if (error) throw databaseError(name, sqlState(error.code), error);
    return data;
  };
}

/** PGRST000 to PGRST003 say that PostgREST has no database; no code, or an empty one, that PostgREST was not reached. */
function sqlState(code: string | undefined): string | undefined {
  return code === "" || code === undefined || /^PGRST00[0-3]$/.test(code) ? undefined : code;
}
