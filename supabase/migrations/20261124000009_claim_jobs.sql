-- Which jobs a batch consists of, and the locks it works under.

-- A due job that is locked, and whose it is.
do $$
begin
  if to_regtype('clerk_sync.due_job') is null then
    create type clerk_sync.due_job as (
      id       uuid,
      clerk_id text
    );
  end if;
end
$$;

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
  v_due clerk_sync.due_job[];
begin
  -- Here as everywhere in what runs often: = any(array(...)), subqueries and offset 0, not joins. They are looked up by
  -- key whatever the statistics say; a plan made while the tables were small is kept until the next analyze.
  v_due := array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source <> 'refresh')
      and (
        select true from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING'
      ) is null
    order by j.priority desc, j.run_at, j.id
    limit p_limit
    for update of j skip locked
  );
  if cardinality(v_due) = 0 then
    return '{}'::uuid[];
  end if;
  v_due := clerk_sync.claim_users(clerk_sync.find_users_by_external_id(v_due));
  return array(select d.id from unnest(v_due) as d) || clerk_sync.claim_rest(v_due, p_limit, p_can_read, p_now);
end
$$;

revoke execute on function clerk_sync.claim_jobs from public, anon, authenticated;
grant execute on function clerk_sync.claim_jobs to service_role;

-- Locks further due jobs of users who have several in a batch, up to three times p_limit: the newest carries the state,
-- the others are only marked. Left behind they would be passed over by every other worker while their users are locked.
create or replace function clerk_sync.claim_rest(
  p_due      clerk_sync.due_job[],
  p_limit    integer,
  p_can_read boolean,
  p_now      timestamptz
)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_users text[] := array(
    select d.clerk_id
    from unnest(p_due) as d
    where d.clerk_id is not null
    group by d.clerk_id
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
      and not j.runs_alone
      and (p_can_read or j.source <> 'refresh')
    limit p_limit * 4
    for update skip locked
  );
  return array(select i from unnest(v_more) as i except select d.id from unnest(p_due) as d limit p_limit * 3);
end
$$;

revoke execute on function clerk_sync.claim_rest from public, anon, authenticated;
grant execute on function clerk_sync.claim_rest to service_role;

-- Locks the users of these jobs, which the caller holds; returns the jobs of those it got.
create or replace function clerk_sync.claim_users(p_due clerk_sync.due_job[])
returns clerk_sync.due_job[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_users text[] := array(select distinct d.clerk_id from unnest(p_due) as d where d.clerk_id is not null);
  v_free  text[] := clerk_sync.lock_free_users(v_users);
begin
  if cardinality(v_free) = cardinality(v_users) then
    return p_due;
  end if;
  return array(select d from unnest(p_due) as d where d.clerk_id is null or d.clerk_id = any (v_free));
end
$$;

revoke execute on function clerk_sync.claim_users from public, anon, authenticated;
grant execute on function clerk_sync.claim_users to service_role;

-- Locks these users and returns those it got: a user whom another worker has in hand is not waited for. The lock is the
-- row of their state; of a user never seen it is an advisory lock, which everybody takes who makes such a row.
create or replace function clerk_sync.lock_free_users(p_clerk_ids text[])
returns text[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_new  text[] := array(
    select i.clerk_id
    from unnest(p_clerk_ids) as i(clerk_id)
    where case -- in this order: the lock is not asked for users who are known
        when (select true from clerk_sync.user_state as k where k.clerk_id = i.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(i.clerk_id, 7461203))
      end
  );
  v_known text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.clerk_id = any (p_clerk_ids)
    for update skip locked
  );
begin
  -- Looked at again, now that nobody else can: a user who was made before the lock is known, and may be locked by
  -- another worker; and PROCESSING (in claim_jobs for the second time).
  return array(
    select i.clerk_id
    from (
      select unnest(v_known) as clerk_id
      union all
      select n.clerk_id
      from unnest(v_new) as n(clerk_id)
      where (select true from clerk_sync.user_state as k where k.clerk_id = n.clerk_id) is null
    ) as i
    where (
      select true from public.job_queue as r where r.clerk_id = i.clerk_id and r.status = 'PROCESSING'
    ) is null
  );
end
$$;

revoke execute on function clerk_sync.lock_free_users from public, anon, authenticated;
grant execute on function clerk_sync.lock_free_users to service_role;

-- Locks those of these users who were never seen, and waits for whoever has them in hand: before a row of their state is
-- made by anybody but a worker. In one order for all.
create or replace function clerk_sync.lock_new_users(p_clerk_ids text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(n.clerk_id, 7461203))
  from (
    select distinct i.clerk_id
    from unnest(p_clerk_ids) as i(clerk_id)
    where (select true from clerk_sync.user_state as k where k.clerk_id = i.clerk_id) is null
    order by i.clerk_id
  ) as n;
end
$$;

revoke execute on function clerk_sync.lock_new_users from public, anon, authenticated;
grant execute on function clerk_sync.lock_new_users to service_role;

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
