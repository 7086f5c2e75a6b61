-- A signed-in Clerk user reads the own row and no other.
begin;
select plan(3);

insert into public.users (clerk_id, email, name, "updatedAt")
values
  ('user_ada', 'ada@example.com', 'Ada', now()),
  ('user_eve', 'eve@example.com', 'Eve', now());

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);
select results_eq(
  'select clerk_id from public.users',
  array['user_ada'],
  'a signed-in user reads the own row only'
);

select set_config('request.jwt.claims', '{"role": "authenticated"}', true);
select is_empty('select clerk_id from public.users', 'a token without a subject reads nothing');

set local role anon;
select throws_ok('select clerk_id from public.users', '42501', null, 'anon may not even ask');

select * from finish();
rollback;
