-- The rest of what is wrong with the rights of our objects: policies; and everything together.

-- The two policies of users that must be there in exactly this form, and policies that let an API role see everything:
-- any on another table of ours, and on users one that is simply true. What else the owner allows there is the owner's.
create or replace function clerk_sync.wrong_policies()
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_own text := '(clerk_id = (( SELECT auth.jwt() AS jwt) ->> ''sub''::text))'; -- as PostgreSQL writes it
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('object', f.object, 'what', f.what)), '[]')
    from (
      select
        'public.users' as object,
        format('policy %s is missing or not clerk_id = ((select auth.jwt()) ->> ''sub'')', w.name) as what
      from (values ('users_select_own', 'SELECT', null), ('users_update_own', 'UPDATE', v_own)) as w(name, cmd, with_check)
      where not exists (
        select 1
        from pg_catalog.pg_policies as p
        where (p.schemaname, p.tablename, p.policyname, p.cmd) = ('public', 'users', w.name, w.cmd)
          and p.permissive = 'PERMISSIVE'
          and p.roles = array['authenticated']::name[]
          and p.qual = v_own
          and p.with_check is not distinct from w.with_check
      )
      union all
      select format('%I.%I', p.schemaname, p.tablename), format('policy %s lets API roles pass', p.policyname)
      from pg_catalog.pg_policies as p
      where p.permissive = 'PERMISSIVE'
        and p.roles && array['anon', 'authenticated', 'public']::name[]
        and case
          when (p.schemaname, p.tablename) = ('public', 'users') then 'true' in (p.qual, p.with_check)
          else p.schemaname = 'clerk_sync' or (p.schemaname, p.tablename) = ('public', 'job_queue')
        end
    ) as f
  );
end
$$;

revoke execute on function clerk_sync.wrong_policies from public, anon, authenticated;
grant execute on function clerk_sync.wrong_policies to service_role;

-- Everything that is wrong with the rights of our objects, as [{object, what}]; an empty list when nothing is.
create or replace function public.clerk_sync_privilege_findings()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select clerk_sync.open_relations() || clerk_sync.open_columns() || clerk_sync.open_schema()
    || clerk_sync.wrong_functions() || clerk_sync.wrong_tables() || clerk_sync.wrong_policies();
$$;

revoke execute on function public.clerk_sync_privilege_findings from public, anon, authenticated;
grant execute on function public.clerk_sync_privilege_findings to service_role;
