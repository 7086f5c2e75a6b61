-- public.users: one row per Clerk user, and the policies for reading and editing it.

-- A table of this shape that is already there keeps its columns, defaults and rows; only what is missing is added. One of
-- another shape was refused in the file before.

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

-- In exactly this form: auth.uid() raises on a Clerk id, and Supabase's linter flags the others.
drop policy if exists users_select_own on public.users;
create policy users_select_own
  on public.users
  for select
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'));

-- What a user may edit stays small: 64 kB in all. The sync and the owner are not bounded. Restrictive, so that PostgreSQL
-- names this policy when it refuses.
drop policy if exists users_update_at_most_64_kb on public.users;
create policy users_update_at_most_64_kb
  on public.users
  as restrictive
  for update
  to authenticated
  using (true)
  with check (
    coalesce(octet_length(name), 0)
      -- by key, because the owner may drop these two columns
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

-- A role that is no label of "UserRole" becomes user (law 10).
create or replace function clerk_sync.allowed_role(p_role text)
returns public."UserRole"
language sql
stable
set search_path = ''
as $$
  select case
    when p_role = any (enum_range(null::public."UserRole")::text[]) then p_role
    else 'user'
  end::public."UserRole";
$$;

-- The columns of a row that its owner may read through the API.
create or replace function clerk_sync.readable_columns(p_user public.users)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(c.key, c.value), '{}')
  from jsonb_each(to_jsonb(p_user)) as c
  where has_column_privilege('authenticated', 'public.users', c.key, 'select');
$$;

-- Hard: the rows go. Soft: they stay with deleted_at, the data untouched.
create or replace function clerk_sync.delete_users(p_clerk_ids text[], p_delete_mode text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
begin
  if p_delete_mode = 'soft' then
    update public.users as u
    set deleted_at = p_now,
        "updatedAt" = p_now at time zone 'utc',
        updated_at = p_now
    where u.clerk_id = any (p_clerk_ids)
      and u.deleted_at is null;
    return;
  end if;
  delete from public.users as u
  where u.clerk_id = any (p_clerk_ids);
end
$$;
