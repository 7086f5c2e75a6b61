-- What a database is, asked before anything is applied to it: of our objects nothing need be there yet.
select
  to_regprocedure('public.clerk_sync_schema_version()') is not null as "hasVersion",
  -- with a note of its objects it is no earlier commit's, whatever is missing
  to_regclass('clerk_sync.user_state') is not null and to_regclass('clerk_sync.objects') is null as "hasTables",
  to_regprocedure('public.clerk_sync_object_findings()') is not null as "hasFindings",
  to_regclass('supabase_migrations.schema_migrations') is not null as "hasSupabaseList",
  to_regclass('clerk_sync_migrations.applied') is not null as "hasList",
  to_regclass('auth.users') is not null as "hasAuthUsers",
  coalesce(
    obj_description(to_regclass('auth.users'), 'pg_class') = 'clerk-supabase-sync local stand-in',
    false
  ) as "hasOwnAuthUsers",
  to_regnamespace('supabase_migrations') is not null
    or exists (select 1 from pg_catalog.pg_roles as r where r.rolname = 'supabase_admin') as "looksLikeSupabase";
