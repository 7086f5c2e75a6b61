-- The helpers for policies tell a signed-in user nothing but who the user is and what the user may do: anon may call none, and
-- claims of any form are no error. Their schema has the name that the configuration gives.
begin;
select * from no_plan();

create temporary table helpers on commit drop as
select p.oid, p.proname as name, p.pronargs as arguments, p.prosecdef as is_definer, p.pronamespace::regnamespace as schema
from pg_catalog.pg_proc as p
where obj_description(p.oid, 'pg_proc') like 'Made by clerk-sync.%';

create temporary table calls on commit drop as
select
  format('select h::text from %s.%I(%s) as h', h.schema, h.name, array_to_string(array_fill('''org_other'''::text, array[h.arguments]), ', ')) collate "default" as sql
from helpers as h;
create temporary table claims (text text) on commit drop;
insert into claims (text)
values
  (''), ('{'), ('null'), ('[]'), ('"user_ada"'), ('{}'), ('{"sub": 1}'), ('{"sub": "user_ada", "v": 2, "o": []}'),
  ('{"sub": "user_ada", "v": 2, "fea": "o:a,x", "o": {"id": "org_1", "per": "read", "fpm": "99999999999999999999999"}}'),
  ('{"sub": "user_ada", "org_id": {}, "org_permissions": "org:a:read"}');
grant select on calls, claims to anon, authenticated;

select is(count(*), 13::bigint, 'every helper is there') from helpers;
select is(count(distinct h.schema), 1::bigint, 'in one schema') from helpers as h;
select is_empty(
  $$select h.name from helpers as h join pg_catalog.pg_proc as p on p.oid = h.oid where p.provolatile <> 's'$$,
  'each is stable, so that a query calls it once where it stands in a select of its own'
);
select is_empty(
  $$
    select h.name
    from helpers as h
    where h.is_definer <> (h.name in ('my_org_ids', 'is_member', 'member_role', 'member_has_permission'))
  $$,
  'only those that read tables have the rights of their owner'
);

set local role authenticated;
select lives_ok(
  format('do %L', format('begin perform set_config(''request.jwt.claims'', %L, true); perform x.h from (%s) as x; end', c.text, k.sql)),
  format('no error with the claims %s: %s', c.text, k.sql)
)
from claims as c
cross join calls as k;

select set_config('request.jwt.claims', '{"sub": "user_nobody", "role": "authenticated"}', true);
select is_empty(k.sql, 'who is a member of nothing has no organizations')
from calls as k
where k.sql like '%my_org_ids%';
select results_eq(k.sql, array['false'], format('who is a member of nothing: %s', k.sql))
from calls as k
where k.sql like '%is_member%'
   or k.sql like '%member_has_permission%';

set local role anon;
select throws_ok(k.sql, '42501', null, 'anon: ' || k.sql) from calls as k;

select * from finish();
rollback;
