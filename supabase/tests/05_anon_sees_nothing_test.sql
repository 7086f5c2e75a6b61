-- Without a session there is nothing to see or to do: no column of any table of ours, no verb. Functions are in 04. A mapped table
-- whose access is its owner's ("leave") is not ours.
begin;
select * from no_plan();

create temporary table attempts on commit drop as
select v.sql
from clerk_sync.mappings as m
cross join lateral (
  values
    (format('select count(*) from %s', m.table_name)),
    (format('select %I from %s', m.key, m.table_name)),
    (format('update %s set %I = %2$I', m.table_name, m.key)),
    (format('delete from %s', m.table_name)),
    (format('insert into %s default values', m.table_name))
) as v(sql)
where m.kind = 'user'
  and m.editable is not null;
grant select on attempts to anon;

select is_empty(
  $$
    select c.oid::regclass::text, g.privilege
    from pg_catalog.pg_class as c
    cross join unnest(array['select', 'insert', 'update', 'references']) as g(privilege)
    where (
        c.relnamespace = 'clerk_sync'::regnamespace
        or c.oid = 'public.job_queue'::regclass
        or c.oid in (select to_regclass(m.table_name) from clerk_sync.mappings as m where m.editable is not null)
      )
      and c.relkind in ('r', 'v', 'm', 'f', 'p')
      and has_any_column_privilege('anon', c.oid, g.privilege)
  $$,
  'anon has no right on any column'
);

set local role anon;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "anon"}', true);
select throws_ok(a.sql, '42501', null, 'anon: ' || a.sql) from attempts as a;

select * from finish();
rollback;
