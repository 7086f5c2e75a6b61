-- Who may use our objects, and a search for rights that are wrong.

-- What is wrong with the rights of our objects: they are closed to the API roles but for the own row in users, open
-- to the service role, under row level security, and pin their search_path. `clerk-sync doctor` and supabase/tests ask.
-- Each finding is {object, what}. Ours are schema clerk_sync, public.users, public.job_queue and clerk_sync_* in public.

create or replace function clerk_sync.own_relations()
returns oid[]
language sql
stable
set search_path = ''
as $$
  select array_agg(c.oid)
  from pg_catalog.pg_class as c
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and (c.relnamespace = 'clerk_sync'::regnamespace or c.oid in ('public.users'::regclass, 'public.job_queue'::regclass));
$$;

create or replace function clerk_sync.own_functions()
returns oid[]
language sql
stable
set search_path = ''
as $$
  select array_agg(p.oid)
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'clerk_sync'::regnamespace
     or (p.pronamespace = 'public'::regnamespace and starts_with(p.proname, 'clerk_sync_'));
$$;

-- What the API roles may do with tables, views and sequences beyond reading users. A right of public is theirs too.
create or replace function clerk_sync.open_relations()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'object', c.oid::regclass,
      'what', format('%s may %s', r.role, g.privilege)
    )), '[]')
    from pg_catalog.pg_class as c
    cross join unnest(array['anon', 'authenticated']) as r(role)
    cross join unnest(
      case
        when c.relkind = 'S' then array['usage', 'select', 'update']
        else array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
      end
    ) as g(privilege)
    where c.oid = any (clerk_sync.own_relations())
      and case
        when c.relkind = 'S' then has_sequence_privilege(r.role, c.oid, g.privilege)
        else has_table_privilege(r.role, c.oid, g.privilege)
      end
      and (c.oid, r.role, g.privilege) is distinct from ('public.users'::regclass::oid, 'authenticated', 'select')
  );
end
$$;

-- The same for single columns, beyond updating the three of users that are the user's own.
create or replace function clerk_sync.open_columns()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'object', format('%s.%s', a.attrelid::regclass, a.attname),
      'what', format('%s may %s', r.role, g.privilege)
    )), '[]')
    from pg_catalog.pg_attribute as a
    cross join unnest(array['anon', 'authenticated']) as r(role)
    cross join unnest(array['select', 'insert', 'update', 'references']) as g(privilege)
    where a.attrelid = any (clerk_sync.own_relations())
      and a.attnum > 0
      and not a.attisdropped
      and has_column_privilege(r.role, a.attrelid, a.attnum, g.privilege)
      and not has_table_privilege(r.role, a.attrelid, g.privilege)
      and not (
        a.attrelid = 'public.users'::regclass
        and a.attname in ('name', 'preferences', 'medical_profile')
        and (r.role, g.privilege) = ('authenticated', 'update')
      )
  );
end
$$;

-- Schema clerk_sync within reach of the API: by usage, or because PostgREST is told to serve it.
create or replace function clerk_sync.open_schema()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('object', 'schema clerk_sync', 'what', f.what)), '[]')
    from (
      select format('%s may %s', r.role, g.privilege) as what
      from unnest(array['anon', 'authenticated']) as r(role)
      cross join unnest(array['usage', 'create']) as g(privilege)
      where has_schema_privilege(r.role, 'clerk_sync', g.privilege)
      union all
      select 'service_role may not use it'
      where not has_schema_privilege('service_role', 'clerk_sync', 'usage')
      union all
      select format('the API serves it (%s)', s.setting)
      from pg_catalog.pg_roles as o
      cross join unnest(o.rolconfig) as s(setting)
      where o.rolname = 'authenticator'
        and s.setting ~ '^pgrst[.]db_schemas=.*\mclerk_sync\M'
    ) as f
  );
end
$$;

-- Functions that others than the service role may call, that it may not, or that look names up where a caller decides.
create or replace function clerk_sync.wrong_functions()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('object', p.oid::regprocedure, 'what', f.what)), '[]')
    from pg_catalog.pg_proc as p
    cross join lateral (
      select format('%s may call it', r.role) as what
      from unnest(array['anon', 'authenticated', 'public']) as r(role)
      where has_function_privilege(r.role, p.oid, 'execute')
      union all
      select 'service_role may not call it'
      where not has_function_privilege('service_role', p.oid, 'execute')
      union all
      select 'its search_path is not pinned'
      where not coalesce(p.proconfig @> array['search_path=""'], false)
    ) as f
    where p.oid = any (clerk_sync.own_functions())
  );
end
$$;

-- Tables and views that the service role cannot use in full, and tables that are not under row level security.
create or replace function clerk_sync.wrong_tables()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('object', c.oid::regclass, 'what', f.what)), '[]')
    from pg_catalog.pg_class as c
    cross join lateral (
      select format('service_role may not %s', g.privilege) as what
      from unnest(
        case
          when c.relkind in ('r', 'p') then array['select', 'insert', 'update', 'delete']
          else array['select']
        end
      ) as g(privilege)
      where not has_table_privilege('service_role', c.oid, g.privilege)
      union all
      select 'row level security is off'
      where c.relkind in ('r', 'p')
        and not c.relrowsecurity
    ) as f
    where c.oid = any (clerk_sync.own_relations())
      and c.relkind <> 'S'
  );
end
$$;

-- The foreign keys on public.users that stop the deletion of a user who has rows there: [{table, constraint}].
create or replace function public.clerk_sync_blocking_references()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('table', c.conrelid::regclass, 'constraint', c.conname) order by c.conname), '[]')
    from pg_catalog.pg_constraint as c
    where c.contype = 'f'
      and c.confrelid = 'public.users'::regclass
      and c.confdeltype in ('a', 'r') -- no action, restrict
      and c.conparentid = 0
  );
end
$$;

-- The rest of what is wrong with the rights of our objects: policies; and everything together.

-- The two policies of users that must be there in exactly this form, and policies that let an API role see everything:
-- any on another table of ours, and on users one that is simply true. What else the owner allows there is the owner's.
create or replace function clerk_sync.wrong_policies()
returns jsonb
language plpgsql
stable
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

-- Everything that is wrong with the rights of our objects, as [{object, what}]; an empty list when nothing is.
create or replace function public.clerk_sync_privilege_findings()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select clerk_sync.open_relations() || clerk_sync.open_columns() || clerk_sync.open_schema()
    || clerk_sync.wrong_functions() || clerk_sync.wrong_tables() || clerk_sync.wrong_policies();
$$;

-- The rights themselves, after everything they are about. Supabase grants nothing on new objects since 2026-10-30 and
-- granted everything before; PostgreSQL lets everybody call a new function. Nothing here relies on either. An object that is
-- made later brings its own rights, as the version does in the next file.
revoke all on schema clerk_sync from public, anon, authenticated;
grant usage on schema clerk_sync to service_role;

revoke all on all tables in schema clerk_sync from public, anon, authenticated;
revoke all on all sequences in schema clerk_sync from public, anon, authenticated;
grant select, insert, update, delete on all tables in schema clerk_sync to service_role;
grant truncate on clerk_sync.run_marks, clerk_sync.write_test to service_role;
revoke insert, update, delete -- from views, which "all tables" includes
  on clerk_sync.queue_status, clerk_sync.dead_letter_groups, clerk_sync.recent_failures, clerk_sync.latency_by_hour,
    clerk_sync.drift_history, clerk_sync.events, clerk_sync.known_users
  from service_role;

revoke all on public.job_queue from public, anon, authenticated;
grant select, insert, update, delete on public.job_queue to service_role;

-- A signed-in user reads the own row and edits only what is theirs: role, email, clerk_id and
-- deleted_at are kept out of reach by column grants, which row level security cannot do.
revoke all on public.users from public, anon, authenticated;
grant select on public.users to authenticated;
grant update (name, preferences, medical_profile) on public.users to authenticated;
grant select, insert, update, delete on public.users to service_role;

revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.oid = any (clerk_sync.own_functions())
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;
