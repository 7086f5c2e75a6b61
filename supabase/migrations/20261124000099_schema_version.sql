-- The version of this schema: the number of this file, which is the last one. A database that answers it has all
-- of the migrations before; who compares it (migrate, doctor, the server) sees whether code and schema belong together.
create or replace function public.clerk_sync_schema_version()
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select '20261124000099';
$$;

revoke execute on function public.clerk_sync_schema_version from public, anon, authenticated;
grant execute on function public.clerk_sync_schema_version to service_role;
