-- public.users: one row per Clerk user. A table of this shape that is already there keeps its
-- columns, defaults and rows; only what is missing is added. One of another shape was refused in the file before.
-- Rows are written by clerk_sync.write_users and clerk_sync.delete_users alone.

do $$
begin
  if to_regtype('public."UserRole"') is null then
    create type public."UserRole" as enum ('user', 'admin');
  end if;
end
$$;

create table if not exists public.users (
  id          uuid              not null default gen_random_uuid(),
  clerk_id    text              null,
  email       text              null,
  name        text              null,
  role        public."UserRole" not null default 'user',
  "createdAt" timestamp         not null default current_timestamp,
  "updatedAt" timestamp         not null default current_timestamp,
  created_at  timestamptz       default now(),
  updated_at  timestamptz       default now(),
  constraint "User_pkey" primary key (id),
  constraint "User_clerkId_key" unique (clerk_id),
  constraint "User_email_key" unique (email)
);

alter table public.users
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now(),
  add column if not exists preferences jsonb
    default '{"displayUnit":"A1C","reminderEnabled":false,"reminderFrequency":"DAILY","theme":"system"}',
  add column if not exists medical_profile jsonb
    default '{"preferredUnit":"MGDL"}',
  add column if not exists deleted_at timestamptz;

alter table public.users enable row level security;

-- A signed-in user reads the own row and edits only what is theirs: role, email, clerk_id and
-- deleted_at are kept out of reach by column grants, which row level security cannot do.
revoke all on public.users from public, anon, authenticated;
grant select on public.users to authenticated;
grant update (name, preferences, medical_profile) on public.users to authenticated;
grant select, insert, update, delete on public.users to service_role;

-- In exactly this form: auth.uid() raises on a Clerk id, and Supabase's linter flags the others.
drop policy if exists users_select_own on public.users;
create policy users_select_own
  on public.users
  for select
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'));

-- What a user may edit stays small: 64 kB in all. Whoever is not signed in as a user (the sync, the owner) is not bounded.
-- Restrictive, so that PostgreSQL names this policy when it refuses.
drop policy if exists users_update_at_most_64_kb on public.users;
create policy users_update_at_most_64_kb
  on public.users
  as restrictive
  for update
  to authenticated
  using (true)
  with check (
    coalesce(octet_length(name), 0)
      -- by key, for the owner may drop these two columns
      + coalesce(octet_length(to_jsonb(users) ->> 'preferences'), 0)
      + coalesce(octet_length(to_jsonb(users) ->> 'medical_profile'), 0) <= 65536
  );

drop policy if exists users_update_own on public.users;
create policy users_update_own
  on public.users
  for update
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'))
  with check (clerk_id = ((select auth.jwt()) ->> 'sub'));
