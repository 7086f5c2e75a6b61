// What an Edge Function that does nothing but call the project's API must carry: the yardstick of the bundles.
export { createClient } from "@supabase/supabase-js";
