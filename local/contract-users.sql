-- The table of users of this repository's own configuration, as an app has it: npm start, the tests and the bench make it
-- before the migration. preferences and medical_profile are the app's.
do $$
begin
  if to_regtype('public."UserRole"') is null then
    create type public."UserRole" as enum ('user', 'admin');
  end if;
end
$$;

create table public.users (
  id              uuid              not null default gen_random_uuid(),
  clerk_id        text              null,
  email           text              null,
  name            text              null,
  role            public."UserRole" not null default 'user',
  "createdAt"     timestamp         not null default current_timestamp,
  "updatedAt"     timestamp         not null default current_timestamp,
  created_at      timestamptz       default now(),
  updated_at      timestamptz       default now(),
  preferences     jsonb             default '{"displayUnit":"A1C","reminderEnabled":false,"reminderFrequency":"DAILY","theme":"system"}',
  medical_profile jsonb             default '{"preferredUnit":"MGDL"}',
  deleted_at      timestamptz       null,
  constraint "User_pkey" primary key (id),
  constraint "User_clerkId_key" unique (clerk_id),
  constraint "User_email_key" unique (email)
);

alter table public.users enable row level security;
