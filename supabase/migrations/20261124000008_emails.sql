-- users.email is unique, and Clerk lets an address move from one account to another while its
-- events arrive in any order. A claim whose address Clerk has verified comes before one that is not, then the newest by
-- (version, clerk_id): it holds the address. Every other user has none, and is read again from Clerk's API, also when
-- the holder gives the address up later.

-- True when some address a batch wants is wanted twice or held by a row of somebody else.
create or replace function clerk_sync.has_email_conflict(p_changes clerk_sync.user_change[])
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select 1
    from unnest(p_changes) as c
    where not c.deletes
      -- a lookup each, whatever the statistics say
      and exists (
        select 1 from public.users as u where u.email = c.email and u.clerk_id is distinct from c.clerk_id offset 0
      )
  ) or (
    select count(distinct c.email) < count(c.email)
    from unnest(p_changes) as c
    where not c.deletes
  );
end
$$;

revoke execute on function clerk_sync.has_email_conflict from public, anon, authenticated;
grant execute on function clerk_sync.has_email_conflict to service_role;

-- Rows that nobody's Clerk id is on (made by the app before the sync, or by its own sign-up) are
-- linked to the Clerk user who has proved the address. Without that proof they are left alone.
create or replace function clerk_sync.adopt_rows(p_changes clerk_sync.user_change[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.users as u
  set clerk_id = c.clerk_id
  from unnest(p_changes) as c
  where u.email = c.email
    and coalesce(u.clerk_id, 'NULL') = 'NULL'
    and c.email_verified
    and not c.deletes
    and not exists (select 1 from public.users as own where own.clerk_id = c.clerk_id)
    and not exists (
      select 1
      from unnest(p_changes) as rival
      where rival.email = c.email
        and not rival.deletes
        and rival.email_verified
        and (rival.version, rival.clerk_id) > (c.version, c.clerk_id)
    );
end
$$;

revoke execute on function clerk_sync.adopt_rows from public, anon, authenticated;
grant execute on function clerk_sync.adopt_rows to service_role;

-- Who may not have the address it claims: [clerk_id]. Holders outside the batch claim with the verification and
-- version of their last snapshot, rows without a Clerk id keep theirs, deleted users claim nothing.
create or replace function clerk_sync.email_losers(p_changes clerk_sync.user_change[])
returns text[]
language sql
stable
security invoker
set search_path = ''
as $$
  with claims as (
    select
      c.email, c.clerk_id, c.email_verified, clerk_sync.version_of('email', c.version, c.absent, c.absent_version) as version,
      false as is_unlinked
    from unnest(p_changes) as c
    where not c.deletes
      and c.email is not null
    union all
    select distinct
      u.email, u.clerk_id, coalesce(s.email_verified, false),
      coalesce(clerk_sync.version_of('email', s.version, s.absent, s.absent_version), 0),
      coalesce(u.clerk_id, 'NULL') = 'NULL'
    from unnest(p_changes) as c
    join public.users as u on u.email = c.email
    left join clerk_sync.user_state as s on s.clerk_id = u.clerk_id
    where not c.deletes
      and s.deleted_at is null
      and not exists (select 1 from unnest(p_changes) as own where own.clerk_id = u.clerk_id)
  ),
  ranked as (
    select
      q.clerk_id,
      row_number() over (
        partition by q.email
        order by q.is_unlinked desc, q.email_verified desc, q.version desc, q.clerk_id desc
      ) as place
    from claims as q
  )
  select coalesce(array_agg(r.clerk_id), '{}')
  from ranked as r
  where r.place > 1;
$$;

revoke execute on function clerk_sync.email_losers from public, anon, authenticated;
grant execute on function clerk_sync.email_losers to service_role;

-- Locks users by their state without waiting; answers how many of them have one.
create or replace function clerk_sync.lock_users(p_clerk_ids text[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = any (p_clerk_ids)
  order by s.clerk_id
  for update nowait;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

revoke execute on function clerk_sync.lock_users from public, anon, authenticated;
grant execute on function clerk_sync.lock_users to service_role;

-- Takes an address from the rows of p_clerk_ids and asks for a refresh of those users. Their state is
-- locked without waiting: two workers that want each other's users must fail and retry, not deadlock.
create or replace function clerk_sync.release_emails(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
begin
  insert into clerk_sync.user_state as s (clerk_id)
  select h.clerk_id
  from unnest(p_clerk_ids) as h(clerk_id)
  where pg_try_advisory_xact_lock(hashtextextended(h.clerk_id, 7461203))
  order by h.clerk_id
  on conflict (clerk_id) do nothing;

  if clerk_sync.lock_users(p_clerk_ids) < cardinality(p_clerk_ids) then
    raise exception 'another worker is making the holder of an address' using errcode = '55P03';
  end if;

  update clerk_sync.user_state as s
  set refresh_reason = 'email_taken',
      refresh_due_at = p_now,
      refresh_attempts = 0,
      withheld_email = (select u.email from public.users as u where u.clerk_id = s.clerk_id)
  where s.clerk_id = any (p_clerk_ids)
    and s.deleted_at is null;

  update public.users as u
  set email = null,
      "updatedAt" = p_now at time zone 'utc',
      updated_at = p_now
  where u.clerk_id = any (p_clerk_ids)
    and u.email is not null;
end
$$;

revoke execute on function clerk_sync.release_emails from public, anon, authenticated;
grant execute on function clerk_sync.release_emails to service_role;

-- A user read afresh lost its address to a holder of whom we know less: that one is read afresh too.
create or replace function clerk_sync.doubt_holders(
  p_changes clerk_sync.user_change[],
  p_losers  text[],
  p_now     timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update clerk_sync.user_state as s
  set refresh_reason = 'email_doubted',
      refresh_due_at = p_now,
      refresh_attempts = 0
  from unnest(p_changes) as c
  join public.users as u on u.email = c.email
  where c.fresh
    and c.clerk_id = any (p_losers)
    and u.clerk_id <> c.clerk_id
    and s.clerk_id = u.clerk_id
    and s.refresh_reason is null;
end
$$;

revoke execute on function clerk_sync.doubt_holders from public, anon, authenticated;
grant execute on function clerk_sync.doubt_holders to service_role;

-- Has the users read again whose claim to an address was withheld from them, when these changes give that address up:
-- its holder has another one now, is deleted, or is no longer verified. Before the rows are written.
create or replace function clerk_sync.offer_emails(p_changes clerk_sync.user_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_given_up  text[];
  v_claimants text[];
begin
  if not exists (select 1 from clerk_sync.user_state as s where s.withheld_email is not null) then
    return;
  end if;
  v_given_up := array(
    select h.email
    from unnest(p_changes) as c
    cross join lateral ( -- a lookup each, whatever the statistics say
      select u.email, (select s.email_verified from clerk_sync.user_state as s where s.clerk_id = u.clerk_id) as was_verified
      from public.users as u
      where u.clerk_id = c.clerk_id
        and u.email is not null
      offset 0
    ) as h
    where not c.mirror_only
      and (
        c.deletes
        or c.email is distinct from h.email
        or (h.was_verified and not c.email_verified)
      )
  );
  v_claimants := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.withheld_email = any (v_given_up)
      and s.clerk_id <> all (array(select c.clerk_id from unnest(p_changes) as c))
  );
  if cardinality(v_claimants) = 0 then
    return;
  end if;
  -- Without waiting, as everywhere: two workers that want each other's users must fail and retry, not deadlock.
  perform clerk_sync.lock_users(v_claimants);
  update clerk_sync.user_state as s
  set refresh_reason = 'email_free',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where s.clerk_id = any (v_claimants);
end
$$;

revoke execute on function clerk_sync.offer_emails from public, anon, authenticated;
grant execute on function clerk_sync.offer_emails to service_role;

-- Settles who holds which address before the rows are written; returns the changes, the email of every loser null.
create or replace function clerk_sync.resolve_emails(p_changes clerk_sync.user_change[], p_now timestamptz)
returns clerk_sync.user_change[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_losers  text[];
  v_holders text[];
  v_changes clerk_sync.user_change[];
begin
  if not clerk_sync.has_email_conflict(p_changes) then
    return p_changes;
  end if;
  -- The holders are locked before they are ranked: one of them may be getting a newer claim just now.
  perform clerk_sync.lock_users(array(
    select distinct u.clerk_id
    from unnest(p_changes) as c
    join public.users as u on u.email = c.email
    where not c.deletes
      and u.clerk_id is distinct from c.clerk_id
  ));
  perform clerk_sync.adopt_rows(p_changes);
  v_losers := clerk_sync.email_losers(p_changes);
  perform clerk_sync.doubt_holders(p_changes, v_losers, p_now);

  v_changes := clerk_sync.without_emails(p_changes, v_losers);

  v_holders := array(
    select distinct u.clerk_id
    from unnest(v_changes) as c
    join public.users as u on u.email = c.email
    where u.clerk_id <> c.clerk_id
      and not c.deletes
  );
  perform clerk_sync.release_emails(v_holders, p_now);
  perform clerk_sync.queue_mirror(
    array(select h from unnest(v_holders) as h except select c.clerk_id from unnest(v_changes) as c),
    'email_taken',
    p_now
  );
  return v_changes;
end
$$;

revoke execute on function clerk_sync.resolve_emails from public, anon, authenticated;
grant execute on function clerk_sync.resolve_emails to service_role;
