-- A signed-in Clerk user reads the own row and no other, where the configuration gives that access. Where access to the table is
-- its owner's ("leave"), there is nothing to test.
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

create temporary table reads on commit drop as
select format('select %I::text from %s where %1$I::text in (''user_ada'', ''user_eve'')', m.key, m.table_name) as sql
from clerk_sync.mappings as m
where m.kind = 'user'
  and m.editable is not null;
grant select on reads to anon, authenticated;

select is(count(*), 2::bigint, 'the sync makes a row for each user')
from clerk_sync.user_rows as u
where u.clerk_id in ('user_ada', 'user_eve');

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);
select results_eq(r.sql, array['user_ada'], 'a signed-in user reads the own row only') from reads as r;

select set_config('request.jwt.claims', '{"role": "authenticated"}', true);
select is_empty(r.sql, 'a token without a subject reads nothing') from reads as r;

set local role anon;
select throws_ok(r.sql, '42501', null, 'anon may not even ask') from reads as r;

select * from finish();
rollback;
