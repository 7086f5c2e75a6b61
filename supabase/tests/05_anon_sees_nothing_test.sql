-- Without a session there is nothing to see or to do: no column of any table, no verb. Functions are in 04.
begin;
select plan(6);

insert into public.users (clerk_id, email, name, "updatedAt")
values ('user_ada', 'ada@example.com', 'Ada', now());

select is_empty(
  $$
    select c.oid::regclass::text, g.privilege
    from pg_catalog.pg_class as c
    cross join unnest(array['select', 'insert', 'update', 'references']) as g(privilege)
    where (c.relnamespace = 'clerk_sync'::regnamespace or c.oid in ('public.users'::regclass, 'public.job_queue'::regclass))
      and c.relkind in ('r', 'v', 'm', 'f', 'p')
      and has_any_column_privilege('anon', c.oid, g.privilege)
  $$,
  'anon has no right on any column'
);

set local role anon;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "anon"}', true);
select throws_ok('select count(*) from public.users', '42501', null, 'anon may not count');
select throws_ok('select email from public.users', '42501', null, 'anon may not read');
select throws_ok($$update public.users set name = 'x'$$, '42501', null, 'anon may not edit');
select throws_ok('delete from public.users', '42501', null, 'anon may not delete');
select throws_ok(
  $$insert into public.users (clerk_id, "updatedAt") values ('user_x', now())$$, '42501', null, 'anon may not insert'
);

select * from finish();
rollback;
