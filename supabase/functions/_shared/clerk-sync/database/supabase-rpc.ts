import { createClient } from "@supabase/supabase-js";
import { type CallFunction, databaseError } from "./database.ts";

/** Calls SQL functions over Supabase's API (PostgREST) with a secret key; the hosted half of the door in database.ts. */
export function createSupabaseRpc(supabaseUrl: string, secretKey: string): CallFunction {
  const client = createClient(supabaseUrl, secretKey, { auth: { persistSession: false, autoRefreshToken: false } });
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

/** PGRST000 to PGRST003 say that PostgREST has no database; an empty code that PostgREST was not reached. */
function sqlState(code: string): string | undefined {
  return code === "" || /^PGRST00[0-3]$/.test(code) ? undefined : code;
}
