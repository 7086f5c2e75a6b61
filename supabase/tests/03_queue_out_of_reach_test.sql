-- Queue and state are out of reach for anon and for signed-in users, also through functions.
begin;
select plan(16);

create temporary table attempts (place integer generated always as identity, sql text) on commit drop;
grant select on attempts to anon, authenticated;
insert into attempts (sql)
values
  ('select * from public.job_queue'),
  ('insert into public.job_queue (job_type) values (''USER_DELETED'')'),
  ('select * from clerk_sync.user_state'),
  ('select public.clerk_sync_enqueue(''[]'')'),
  ('select public.clerk_sync_run_jobs()'),
  ('select public.clerk_sync_users(''{user_eve}'')'),
  ('select public.clerk_sync_release_delete_brake(''apply'')'),
  ('select public.clerk_sync_schedule()');

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);
select throws_ok(a.sql, '42501', null, 'authenticated: ' || a.sql) from attempts as a order by a.place;

set local role anon;
select set_config('request.jwt.claims', '{"role": "anon"}', true);
select throws_ok(a.sql, '42501', null, 'anon: ' || a.sql) from attempts as a order by a.place;

select * from finish();
rollback;
