-- Which migrations a plain PostgreSQL has (on Supabase the CLI keeps its own list).
create schema if not exists clerk_sync_migrations;
revoke all on schema clerk_sync_migrations from public;

create table if not exists clerk_sync_migrations.applied (
  name       text        not null,
  checksum   text        not null,
  applied_at timestamptz not null default now(),
  constraint applied_pkey primary key (name)
);
