-- A new user has preferences and a medical profile from the start, and the least role.
begin;
select plan(5);

select col_has_default('public', 'users', 'preferences', 'preferences has a default');
select col_has_default('public', 'users', 'medical_profile', 'medical_profile has a default');

insert into public.users (clerk_id, "updatedAt")
values ('user_ada', now());

set local role authenticated;
select set_config('request.jwt.claims', '{"sub": "user_ada", "role": "authenticated"}', true);
select results_eq(
  'select preferences from public.users',
  $$values ('{"displayUnit": "A1C", "reminderEnabled": false, "reminderFrequency": "DAILY", "theme": "system"}'::jsonb)$$,
  'the user reads the default preferences'
);
select results_eq(
  'select medical_profile from public.users',
  $$values ('{"preferredUnit": "MGDL"}'::jsonb)$$,
  'the user reads the default medical profile'
);
select results_eq('select role::text from public.users', array['user'], 'nobody begins with more than the role user');

select * from finish();
rollback;
