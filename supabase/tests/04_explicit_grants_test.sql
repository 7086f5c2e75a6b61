-- Walks the catalogs: whatever a later migration adds, it is closed to the API roles, open to the service
-- role, under row level security, and pins its search_path.
begin;
select plan(2);

create function pg_temp.findings()
returns table (object text, what text)
language sql
as $$
  select f.value ->> 'object', f.value ->> 'what'
  from jsonb_array_elements(public.clerk_sync_privilege_findings()) as f
  order by 1, 2
$$;

select is_empty('select * from pg_temp.findings()', 'nothing is wrong with the rights of any object');

create table clerk_sync.forgotten (id integer);
select isnt_empty('select * from pg_temp.findings()', 'a table that was forgotten would be found');

select * from finish();
rollback;
