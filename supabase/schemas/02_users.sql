-- public.users: one row per Clerk user.

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
