-- The private schema: user state and the pieces of the sync. It is not exposed by the API.
-- What an adapter may call lives in public as clerk_sync_*.
-- Supabase grants nothing on new objects since 2026-10-30 and granted everything before:
-- every file revokes and grants for itself and relies on neither.
create schema if not exists clerk_sync;

revoke all on schema clerk_sync from public, anon, authenticated;
grant usage on schema clerk_sync to service_role;
