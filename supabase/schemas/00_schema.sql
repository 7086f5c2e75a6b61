-- The private schema clerk_sync, which the API does not expose: user state and the pieces of the sync. What an adapter may
-- call lives in public as clerk_sync_*. Rights are given in 23_rights.sql.
create schema if not exists clerk_sync;
