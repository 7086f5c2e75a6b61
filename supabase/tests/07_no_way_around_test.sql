-- There is no way around the rights of a signed-in user: nothing that runs with its owner's rights is in reach,
-- and no object can be made that would.
begin;
select * from no_plan();

-- The rows are made as the sync makes them, whatever columns the configuration names. An API role cannot read the mapping, so
-- statements are kept where each role can read them.
select public.clerk_sync_accept(jsonb_agg(jsonb_build_object(
  'event_id', 'test_' || u.id,
  'job_type', 'USER_CREATED',
  'clerk_id', u.id,
  'version', 1,
  'source', 'webhook',
  'payload', jsonb_build_object('clerk_id', u.id, 'retry_count', 0, 'created_at', now(), 'uuid', gen_random_uuid())
)))
from unnest(array['user_ada', 'user_eve']) as u(id);

create temporary table mapped on commit drop as
select m.table_name
from clerk_sync.mappings as m
where m.kind = 'user'
  and m.editable is not null;
grant select on mapped to authenticated;

-- A view of the owner's on the mapped table; where that is its owner's, on none.
do $$
begin
  execute format(
    'create view public.clerk_sync_test_view with (security_invoker = true) as %s',
    coalesce(
      (
        select format('select %I::text as clerk_id from %s', m.key, m.table_name)
        from clerk_sync.mappings as m
        where m.kind = 'user'
          and m.editable is not null
      ),
      'select ''user_ada''::text as clerk_id'
    )
  );
end
$$;
grant select on public.clerk_sync_test_view to authenticated;

select is_empty(
  $$
    select p.oid::regprocedure::text
    from pg_catalog.pg_proc as p
    where (p.pronamespace = 'clerk_sync'::regnamespace or p.proname like 'clerk\_sync\_%')
      and p.prosecdef
      and (exists (select 1 from unnest(p.proargtypes) as a(type) where a.type not in ('uuid'::regtype, 'text'::regtype))
        or has_function_privilege('anon', p.oid, 'execute')
        or has_function_privilege('authenticated', p.oid, 'execute'))
  $$,
  'a function with its owner''s rights takes nothing but an id and is the service role''s alone'
);
select is_empty(
  $$
    select c.oid::regclass::text
    from pg_catalog.pg_class as c
    where c.relnamespace = 'clerk_sync'::regnamespace
      and c.relkind in ('v', 'm', 'f')
      and (c.relkind <> 'v'
        or not coalesce('security_invoker=true' = any (c.reloptions), false)
        or has_table_privilege('anon', c.oid, 'select')
        or has_table_privilege('authenticated', c.oid, 'select'))
  $$,
  'a view of the state has no rights of its owner''s and is the service role''s alone'
);

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);
select results_eq(
  $$select clerk_id from public.clerk_sync_test_view where clerk_id in ('user_ada', 'user_eve')$$,
  array['user_ada'],
  'a view of the owner''s with security_invoker shows the own row only'
);
select throws_ok('create table public.clerk_sync_x (id int)', '42501', null, 'no table can be made in public');
select throws_ok('create table clerk_sync.x (id int)', '42501', null, 'no table can be made in clerk_sync');
select throws_ok(
  'create view public.clerk_sync_x as select 1 as one', '42501', null, 'no view can be made in public'
);
select throws_ok(
  format('create trigger x before update on %s for each row execute function suppress_redundant_updates_trigger()', m.table_name),
  '42501', null, 'no trigger can be put on the table of users'
)
from mapped as m;
select throws_ok(
  'select clerk_sync.record_transition()', '42501', null, 'a function of the private schema cannot be called'
);
select throws_ok(
  format('alter table %s disable row level security', m.table_name), '42501', null, 'row level security stays on'
)
from mapped as m;

select * from finish();
rollback;
