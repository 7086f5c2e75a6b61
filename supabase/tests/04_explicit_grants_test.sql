-- Walks the catalogs: whatever a later migration adds, it is closed to the API roles, open to the service
-- role, under row level security, and pins its search_path.
begin;
select plan(5);

select results_eq(
  $$
    select c.oid::regclass::text || ' ' || g.privilege || ' to ' || r.role
    from pg_catalog.pg_class as c
    cross join unnest(array['anon', 'authenticated']) as r(role)
    cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as g(privilege)
    where (c.relnamespace = 'clerk_sync'::regnamespace or c.oid in ('public.users'::regclass, 'public.job_queue'::regclass))
      and c.relkind in ('r', 'v', 'm', 'f', 'p')
      and has_table_privilege(r.role, c.oid, g.privilege)
    order by 1
  $$,
  array['users select to authenticated'],
  'no table or view is open to the API roles but users, for reading'
);
select is_empty(
  $$
    select p.oid::regprocedure::text, r.role
    from pg_catalog.pg_proc as p
    cross join unnest(array['anon', 'authenticated', 'public']) as r(role)
    where (p.pronamespace = 'clerk_sync'::regnamespace or p.proname like 'clerk\_sync\_%')
      and has_function_privilege(r.role, p.oid, 'execute')
  $$,
  'no function is open to anybody but the service role'
);
select is_empty(
  $$
    select p.oid::regprocedure::text
    from pg_catalog.pg_proc as p
    where (p.pronamespace = 'clerk_sync'::regnamespace or p.proname like 'clerk\_sync\_%')
      and not has_function_privilege('service_role', p.oid, 'execute')
  $$,
  'every function is open to the service role'
);
select is_empty(
  $$
    select c.oid::regclass::text
    from pg_catalog.pg_class as c
    where (c.relnamespace = 'clerk_sync'::regnamespace or c.oid in ('public.users'::regclass, 'public.job_queue'::regclass))
      and c.relkind = 'r'
      and not c.relrowsecurity
  $$,
  'every table is under row level security'
);
select is_empty(
  $$
    select p.oid::regprocedure::text
    from pg_catalog.pg_proc as p
    where (p.pronamespace = 'clerk_sync'::regnamespace or p.proname like 'clerk\_sync\_%')
      and not coalesce(p.proconfig @> array['search_path=""'], false)
  $$,
  'every function pins its search_path'
);

select * from finish();
rollback;
