-- What Supabase has and plain PostgreSQL lacks, so that the migrations run on both: the three API
-- roles and the functions of schema auth that row level security asks. Not a migration; on a real
-- Supabase project every statement here finds its object and does nothing.
do $$
begin
  if not exists (select 1 from pg_catalog.pg_roles as r where r.rolname = 'anon') then
    create role anon nologin noinherit;
  end if;
  if not exists (select 1 from pg_catalog.pg_roles as r where r.rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  if not exists (select 1 from pg_catalog.pg_roles as r where r.rolname = 'service_role') then
    create role service_role nologin noinherit bypassrls;
  end if;
exception
  -- Roles belong to all databases of a server: another one may be migrated at this moment.
  when duplicate_object or unique_violation then
    perform 1;
end
$$;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;

do $$
begin
  if to_regprocedure('auth.jwt()') is null then
    create function auth.jwt()
    returns jsonb
    language sql
    stable
    as $jwt$
      select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
      )::jsonb;
    $jwt$;
  end if;
  -- As on Supabase it casts sub to uuid, and so raises on the id of a Clerk user.
  if to_regprocedure('auth.uid()') is null then
    create function auth.uid()
    returns uuid
    language sql
    stable
    as $uid$
      select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
      )::uuid;
    $uid$;
  end if;
end
$$;
