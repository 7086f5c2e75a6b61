-- The version of the schema: the number of the migration. It comes last, so a database that answers it has all of the
-- schema. migrate, doctor and the server compare it with the version that the code is written for.
create or replace function public.clerk_sync_schema_version()
returns text
language sql
immutable
set search_path = ''
as $$
  select '20261130000000';
$$;

revoke execute on function public.clerk_sync_schema_version from public, anon, authenticated;
grant execute on function public.clerk_sync_schema_version to service_role;

-- Everything is there now: what health compares with.
do $$
begin
  perform clerk_sync.note_objects();
end
$$;
