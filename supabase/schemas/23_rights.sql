-- Who may use our objects, and a search for rights that are wrong.

-- What is wrong with the rights of our objects: they are closed to the API roles but for the own row in users, open
-- to the service role, under row level security, and pin their search_path. The helpers for policies are open to signed-in
-- users, too. `clerk-sync doctor` and supabase/tests ask. Answers [{object, what}]. Ours are schema clerk_sync,
-- public.job_queue, clerk_sync_* in public, the helpers, and a mapped table whose access the configuration hands over.
create or replace function public.clerk_sync_privilege_findings()
returns jsonb
language sql
stable
security definer -- to answer also when the service role reaches nothing
set search_path = ''
as $$
  with mapped as (
    select
      to_regclass(m.table_name)::oid as oid, m.kind, m.key, m.access, m.editable,
      case -- a key that is not text is cast in an expression
        when a.atttypid = 'text'::regtype then format('%I', m.key)
        else format('(%I)::text', m.key)
      end as key_expression
    from clerk_sync.mappings as m
    join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(m.table_name) and a.attname = m.key
    where m.editable is not null
  ),
  relations as (
    select
      c.oid, c.relkind = 'S' as is_sequence, c.relkind in ('r', 'p') as is_table, c.relrowsecurity,
      m.oid is not null as is_mapped, coalesce(m.access in ('own_row', 'members'), false) as is_readable, m.editable
    from pg_catalog.pg_class as c
    left join mapped as m on m.oid = c.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and (c.relnamespace = 'clerk_sync'::regnamespace or c.oid = 'public.job_queue'::regclass or m.oid is not null)
  ),
  helpers as (
    select d.objoid as oid
    from pg_catalog.pg_description as d
    where d.classoid = 'pg_catalog.pg_proc'::regclass
      and starts_with(d.description, 'Made by clerk-sync.')
  ),
  functions as (
    select
      p.oid, p.pronamespace, coalesce(p.proconfig @> array['search_path=""'], false) as is_pinned,
      p.oid in (select h.oid from helpers as h) as is_helper
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'clerk_sync'::regnamespace
       or (p.pronamespace = 'public'::regnamespace and starts_with(p.proname, 'clerk_sync_'))
       or p.oid in (select h.oid from helpers as h)
  ),
  roles (role, is_service) as (
    values ('anon', false), ('authenticated', false), ('service_role', true)
  ),
  -- Which role has which right, and whether it should. A right of public is one of every role.
  rights (object, role, right_to, is_given, should_be) as (
    select
      c.oid::regclass::text, r.role, g.privilege,
      case
        when c.is_sequence then has_sequence_privilege(r.role, c.oid, g.privilege)
        else has_table_privilege(r.role, c.oid, g.privilege)
      end,
      r.is_service
    from relations as c
    cross join roles as r
    cross join unnest(
      case
        when c.is_sequence then array['usage', 'select', 'update']
        else array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
      end
    ) as g(privilege)
    where case
      when not r.is_service then (c.is_readable, r.role, g.privilege) <> (true, 'authenticated', 'select')
      when c.is_table then g.privilege in ('select', 'insert', 'update', 'delete')
      else g.privilege = 'select' and not c.is_sequence
    end
    -- single columns, of which a signed-in user edits some in the own row
    union all
    select
      format('%s.%s', a.attrelid::regclass, a.attname), r.role, g.privilege,
      has_column_privilege(r.role, a.attrelid, a.attnum, g.privilege), r.is_service
    from relations as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    cross join roles as r
    cross join unnest(array['select', 'insert', 'update', 'references']) as g(privilege)
    where a.attnum > 0
      and not a.attisdropped
      and not r.is_service
      and not has_table_privilege(r.role, c.oid, g.privilege)
      and not (
        c.is_mapped
        and a.attname = any (c.editable)
        and (r.role, g.privilege) = ('authenticated', 'update')
      )
    union all
    select 'schema clerk_sync', r.role, g.privilege, has_schema_privilege(r.role, 'clerk_sync', g.privilege), r.is_service
    from roles as r
    cross join unnest(array['usage', 'create']) as g(privilege)
    where g.privilege = 'usage'
       or not r.is_service
    union all
    -- who else may use the schema of the helpers is the business of its owner
    select distinct format('schema %s', p.pronamespace::regnamespace), r.role, 'usage', has_schema_privilege(r.role, p.pronamespace, 'usage'), true
    from functions as p
    cross join roles as r
    where p.is_helper
      and r.role <> 'anon'
    union all
    select
      p.oid::regprocedure::text, r.role, 'call it', has_function_privilege(r.role, p.oid, 'execute'),
      r.is_service or (p.is_helper and r.role = 'authenticated')
    from functions as p
    cross join (table roles union all select 'public', false) as r
  ),
  findings (object, what) as (
    select r.object, format('%s may %s%s', r.role, case when r.should_be then 'not ' end, replace(r.right_to, 'usage', 'use'))
    from rights as r
    where r.is_given <> r.should_be
    union all
    select 'schema clerk_sync', format('the API serves it (%s)', s.setting)
    from pg_catalog.pg_roles as o
    cross join unnest(o.rolconfig) as s(setting)
    where o.rolname = 'authenticator'
      and s.setting ~ '^pgrst[.]db_schemas=.*\mclerk_sync\M'
    union all
    select p.oid::regprocedure::text, 'its search_path is not pinned'
    from functions as p
    where not p.is_pinned
    union all
    select c.oid::regclass::text, 'row level security is off'
    from relations as c
    where c.is_table
      and not c.relrowsecurity
    -- The two policies of the table of users that must be there in exactly this form (04_users.sql says why).
    union all
    select
      m.oid::regclass::text,
      format('policy %s is missing or not %I = ((select auth.jwt()) ->> ''sub'')', w.name, m.key)
    from mapped as m
    cross join (values ('users_select_own', 'r'), ('users_update_own', 'w')) as w(name, command)
    where m.kind = 'user'
      and (w.command = 'r' or m.editable <> '{}')
      and not exists (
        select 1
        from pg_catalog.pg_policy as p
        cross join lateral (
          select pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as with_check
        ) as e
        where p.polrelid = m.oid
          and p.polname = w.name
          and p.polcmd = w.command
          and p.polpermissive
          and p.polroles = array['authenticated'::regrole::oid]
          -- as PostgreSQL writes it
          and e.qual = format('(%s = (( SELECT auth.jwt() AS jwt) ->> ''sub''::text))', m.key_expression)
          and e.with_check is not distinct from case when w.command = 'w' then e.qual end
      )
    -- Policies that let an API role see everything: any on a table of ours, and on a mapped table one that is simply true.
    -- What else the owner allows there is the owner's.
    union all
    select format('%I.%I', p.schemaname, p.tablename), format('policy %s lets API roles pass', p.policyname)
    from pg_catalog.pg_policies as p
    where p.permissive = 'PERMISSIVE'
      and p.roles && array['anon', 'authenticated', 'public']::name[]
      and case
        when format('%I.%I', p.schemaname, p.tablename)::regclass in (select m.oid from mapped as m) then 'true' in (p.qual, p.with_check)
        else p.schemaname = 'clerk_sync' or (p.schemaname, p.tablename) = ('public', 'job_queue')
      end
  )
  select coalesce(jsonb_agg(jsonb_build_object('object', f.object, 'what', f.what)), '[]')
  from findings as f;
$$;

-- The foreign keys on the table of users that stop the deletion of a user who has rows there: [{table, constraint}].
create or replace function public.clerk_sync_blocking_references()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('table', c.conrelid::regclass, 'constraint', c.conname) order by c.conname), '[]')
  from pg_catalog.pg_constraint as c
  where c.contype = 'f'
    and c.confrelid = (select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user')
    and c.confdeltype in ('a', 'r') -- no action, restrict
    and c.conparentid = 0;
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
    clerk_sync.drift_history, clerk_sync.events, clerk_sync.known_users, clerk_sync.user_rows, clerk_sync.organization_rows,
    clerk_sync.membership_rows, clerk_sync.role_rows, clerk_sync.invitation_rows, clerk_sync.health_thresholds,
    clerk_sync.incident_thresholds
  from service_role;

revoke all on public.job_queue from public, anon, authenticated;
grant select, insert, update, delete on public.job_queue to service_role;

revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;

-- Each table of schema clerk_sync under row level security, open to the service role; and our functions in public.
do $$
declare
  v_statements text;
begin
  for v_statements in
    select format(
      'alter table clerk_sync.%1$I enable row level security; drop policy if exists %2$I on clerk_sync.%1$I; '
        || 'create policy %2$I on clerk_sync.%1$I to service_role using (true) with check (true)',
      c.relname, c.relname || '_service_role'
    )
    from pg_catalog.pg_class as c
    where c.relnamespace = 'clerk_sync'::regnamespace
      and c.relkind = 'r'
    union all
    select format(
      'revoke execute on function %1$s from public, anon, authenticated; grant execute on function %1$s to service_role',
      p.oid::regprocedure
    )
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and starts_with(p.proname, 'clerk_sync_')
  loop
    execute v_statements;
  end loop;
end
$$;
