-- A signed-in Clerk user edits in the own row what the configuration lets users edit, and nothing else. Where access to the table is
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

create temporary table edits on commit drop as
select
  m.table_name, m.key, a.attname as name, a.attname::text = any (m.editable) as is_editable,
  format('update %s set %I = %2$I', m.table_name, a.attname) as sql
from clerk_sync.mappings as m
join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(m.table_name)
where m.kind = 'user'
  and m.editable is not null
  and a.attnum > 0
  and not a.attisdropped
  and a.attgenerated = ''
  and a.attidentity <> 'a';
grant select on edits to authenticated;

select pass('the configuration says what users edit');

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);

select lives_ok(e.sql, format('%s of the own row is the user''s', e.name))
from edits as e
where e.is_editable;
select is_empty(
  format('%s where %I::text = ''user_eve'' returning 1', e.sql, e.key), format('%s of another row is out of reach', e.name)
)
from edits as e
where e.is_editable;
select throws_ok(e.sql, '42501', null, format('%s is not the user''s', e.name))
from edits as e
where not e.is_editable;
select throws_ok(format('insert into %s default values', e.table_name), '42501', null, 'no user makes rows')
from (select distinct table_name from edits) as e;
select throws_ok(format('delete from %s', e.table_name), '42501', null, 'no user deletes rows')
from (select distinct table_name from edits) as e;

select * from finish();
rollback;
