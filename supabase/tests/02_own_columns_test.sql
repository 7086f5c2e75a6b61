-- A signed-in Clerk user edits name and preferences of the own row, and nothing that Clerk decides.
begin;
select plan(9);

insert into public.users (clerk_id, email, name, "updatedAt")
values
  ('user_ada', 'ada@example.com', 'Ada', now()),
  ('user_eve', 'eve@example.com', 'Eve', now());

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);

select lives_ok(
  $$update public.users set name = 'A', preferences = '{}', medical_profile = '{}' where clerk_id = 'user_ada'$$,
  'name and preferences of the own row are the user''s'
);
select is_empty(
  $$update public.users set name = 'x' where clerk_id = 'user_eve' returning clerk_id$$,
  'another row is out of reach'
);
select throws_ok($$update public.users set role = 'admin'$$, '42501', null, 'no user raises the own role');
select throws_ok($$update public.users set email = 'x@example.com'$$, '42501', null, 'the email is Clerk''s');
select throws_ok($$update public.users set clerk_id = 'user_eve'$$, '42501', null, 'nobody becomes somebody else');
select throws_ok($$update public.users set deleted_at = now()$$, '42501', null, 'nobody sets the deletion');
select throws_ok(
  $$insert into public.users (clerk_id, "updatedAt") values ('user_x', now())$$, '42501', null, 'nobody makes rows'
);
select throws_ok($$delete from public.users$$, '42501', null, 'nobody deletes rows');

reset role;
select results_eq(
  $$select name, role::text from public.users where clerk_id = 'user_eve'$$,
  $$values ('Eve', 'user')$$,
  'the other row is as it was'
);

select * from finish();
rollback;
