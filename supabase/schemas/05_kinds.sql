-- Generated from clerk-sync.config.json.

-- Applies the newest event of each record of this kind where only the version decides: see apply_users. Nothing is done for
-- a kind that no table is mapped for.
create or replace function clerk_sync.apply_plain(
  p_kind       text,
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      select a.* into carries, superseded, notes from clerk_sync.apply_users(p_events, p_is_settled, p_now) as a;
    else
      carries := array[]::uuid[];
      superseded := array[]::uuid[];
  end case;
end
$$;

-- What becomes of the rows of deleted records of this kind.
create or replace function clerk_sync.delete_rows(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      perform clerk_sync.delete_users(p_ids, p_now);
    else
      null;
  end case;
end
$$;

-- Names the column of a record of this kind that does not take what an event brings; null when each takes it.
create or replace function clerk_sync.refused_column(p_kind text, p_payload jsonb)
returns text
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      return clerk_sync.refused_user_column(p_payload);
    else
      return null;
  end case;
end
$$;

-- Gives the columns of a metadata key of a record of this kind their default: see default_user_columns.
create or replace function clerk_sync.default_columns(p_kind text, p_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      perform clerk_sync.default_user_columns(p_id, p_source, p_absent, p_now);
    else
      null;
  end case;
end
$$;

-- Takes a permission that was deleted at Clerk from the rows of roles.
create or replace function clerk_sync.withdraw_permission(p_key text, p_now timestamptz)
returns void
language sql
set search_path = ''
set timezone = 'UTC'
as $$
$$;

-- Of which row, organization or user, a membership needs the id and does not find it; null when it finds all.
create or replace function clerk_sync.missing_parent(p_payload jsonb)
returns text
language sql
stable
set search_path = ''
as $$
  select null::text;
$$;

-- Jobs of memberships that wait for these organizations or users are due.
create or replace function clerk_sync.wake_members(p_kind text, p_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
$$;

revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;
