import { auth } from "@clerk/nextjs/server";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";

/** Supabase as the user who is signed in: row level security sees the Clerk id as `sub` of the session token. */
export function createSupabase(): SupabaseClient {
  const url = process.env["NEXT_PUBLIC_SUPABASE_URL"] ?? "";
  const key = process.env["NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY"] ?? "";
  return createClient(url, key, { accessToken: async () => (await auth()).getToken() });
}
