-- Which jobs a batch consists of, and the locks it works under.

-- Locks up to p_limit due jobs and their users for this transaction; returns the job ids. Nothing is
-- waited for: a job or user that another worker holds is left for the next round. Refreshes are left to
-- workers that can read from Clerk's API. Where a user has several jobs, the others of these users come along.
create or replace function clerk_sync.claim_jobs(p_limit integer, p_can_read boolean, p_now timestamptz)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_due     uuid[];
  v_claimed uuid[];
begin
  -- = any(array(...)) and not a join: the plan stays an index scan whatever the statistics say.
  v_due := array(
    select j.id
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source <> 'refresh')
      and not exists (
        select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING'
      )
    order by j.priority desc, j.run_at, j.id
    limit p_limit
    for update of j skip locked
  );
  if cardinality(v_due) = 0 then
    return v_due;
  end if;
  perform clerk_sync.find_users_by_external_id(v_due);
  v_claimed := clerk_sync.claim_users(v_due, p_now);
  return v_claimed || clerk_sync.claim_rest(v_claimed, p_limit, p_can_read, p_now);
end
$$;

revoke execute on function clerk_sync.claim_jobs from public, anon, authenticated;
grant execute on function clerk_sync.claim_jobs to service_role;

-- Locks further due jobs of users who have several in a batch, up to three times p_limit: the newest carries the state,
-- the others are only marked. Left behind they would be passed over by every other worker while their users are locked.
create or replace function clerk_sync.claim_rest(p_ids uuid[], p_limit integer, p_can_read boolean, p_now timestamptz)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_users text[] := array(
    select j.clerk_id
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.clerk_id is not null
    group by j.clerk_id
    having count(*) > 1
  );
  v_more  uuid[];
begin
  if cardinality(v_users) = 0 then
    return '{}'::uuid[];
  end if;
  v_more := array(
    select j.id
    from public.job_queue as j
    where j.clerk_id = any (v_users)
      and j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source <> 'refresh')
    limit p_limit * 4
    for update skip locked
  );
  return array(select i from unnest(v_more) as i except select i from unnest(p_ids) as i limit p_limit * 3);
end
$$;

revoke execute on function clerk_sync.claim_rest from public, anon, authenticated;
grant execute on function clerk_sync.claim_rest to service_role;

-- Locks the users of these jobs, which the caller holds; returns the jobs of those it got.
create or replace function clerk_sync.claim_users(p_ids uuid[], p_now timestamptz)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_users text[];
  v_live  boolean[];
  v_free  text[];
begin
  select array_agg(u.clerk_id), array_agg(u.is_live)
  into v_users, v_live
  from (
    select j.clerk_id, bool_or(j.source = 'webhook') as is_live
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.clerk_id is not null
    group by j.clerk_id
  ) as u;
  v_free := clerk_sync.lock_free_users(v_users, v_live, p_now);
  if cardinality(v_free) = cardinality(v_users) then
    return p_ids;
  end if;
  return array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and (j.clerk_id is null or j.clerk_id = any (v_free))
  );
end
$$;

revoke execute on function clerk_sync.claim_users from public, anon, authenticated;
grant execute on function clerk_sync.claim_users to service_role;

-- Locks these users and returns those it got: a user whom another worker has in hand is not waited for. p_live: whether
-- Clerk's own event brings each, who is first seen now.
create or replace function clerk_sync.lock_free_users(p_clerk_ids text[], p_live boolean[], p_now timestamptz)
returns text[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_users text[];
begin
  perform clerk_sync.insert_user_state(p_clerk_ids, p_live, p_now);
  v_users := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.clerk_id = any (p_clerk_ids)
    for update skip locked
  );
  -- A look at PROCESSING (in claim_jobs the second), now that nobody else can claim these users.
  return array(
    select i.clerk_id
    from unnest(v_users) as i(clerk_id)
    where not exists (
      select 1 from public.job_queue as r where r.clerk_id = i.clerk_id and r.status = 'PROCESSING'
    )
  );
end
$$;

revoke execute on function clerk_sync.lock_free_users from public, anon, authenticated;
grant execute on function clerk_sync.lock_free_users to service_role;

-- Makes the state rows of users never seen. An insert would wait for another worker's insert of the same
-- user, so a user whom another worker is making is left out, by a lock that is not waited for.
create or replace function clerk_sync.insert_user_state(p_clerk_ids text[], p_live boolean[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into clerk_sync.user_state as s (clerk_id, first_seen_at)
  select
    n.clerk_id,
    case
      when n.is_live and not exists (select 1 from public.users as u where u.clerk_id = n.clerk_id) then p_now
    end
  from (
    select i.clerk_id, i.is_live
    from unnest(p_clerk_ids, p_live) as i(clerk_id, is_live)
    where not exists (select 1 from clerk_sync.user_state as k where k.clerk_id = i.clerk_id)
    offset 0 -- keeps the lock below from being asked for rows this filter drops
  ) as n
  where pg_try_advisory_xact_lock(hashtextextended(n.clerk_id, 7461203))
  order by n.clerk_id
  on conflict (clerk_id) do nothing;
end
$$;

revoke execute on function clerk_sync.insert_user_state from public, anon, authenticated;
grant execute on function clerk_sync.insert_user_state to service_role;

-- Leases jobs for what they still need, a call: a read of their user from Clerk's API, or the mirror. read_at is when
-- the read can begin.
create or replace function clerk_sync.lease_calls(
  p_ids         uuid[],
  p_reads       boolean,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.job_queue as j
  set status = 'PROCESSING',
      attempts = j.attempts + 1,
      error = null,
      result = case
        when p_reads then coalesce(j.result, '{}') || jsonb_build_object('read_at', p_now)
        else j.result
      end,
      lease_token = p_token,
      lease_until = p_lease_until,
      updated_at = p_now
  where j.id = any (p_ids);
end
$$;

revoke execute on function clerk_sync.lease_calls from public, anon, authenticated;
grant execute on function clerk_sync.lease_calls to service_role;
