-- What keeps the queue moving when workers die, jobs hang, or a service is down.

-- Fails the jobs that name no user and returns the others. With an external_id that no user has, the user may still be
-- on its way through the queue, so they are tried again. Where several users have it a person has to say who is meant.
create or replace function clerk_sync.fail_jobs_without_user(p_ids uuid[], p_now timestamptz)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_nameless uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.clerk_id is null);
begin
  if cardinality(v_nameless) = 0 then
    return p_ids;
  end if;
  perform clerk_sync.fail_job(
    j.id,
    j.attempts + 1,
    case
      when j.payload ->> 'external_id' is null then 'user_unknown: the job names no user'
      when j.found = 0 then 'user_unknown: no user has this external_id'
      else format('user_ambiguous: %s users have this external_id, so none was deleted', j.found)
    end,
    j.payload ->> 'external_id' is null or j.found > 0,
    null,
    p_now
  )
  from (
    select
      k.id, k.attempts, k.payload,
      cardinality(clerk_sync.users_with_external_id(k.payload ->> 'external_id', k.version)) as found
    from public.job_queue as k
    where k.id = any (v_nameless)
    offset 0
  ) as j;
  return array(select i from unnest(p_ids) as i except select i from unnest(v_nameless) as i);
end
$$;

revoke execute on function clerk_sync.fail_jobs_without_user from public, anon, authenticated;
grant execute on function clerk_sync.fail_jobs_without_user to service_role;

-- Frees the jobs of workers that died: a lease that ran out is a failed attempt. Answers how many.
create or replace function public.clerk_sync_rescue_jobs(
  p_limit integer default 500,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.status = 'PROCESSING'
      and j.lease_until <= p_now
    order by j.lease_until
    limit p_limit
    for update skip locked
  );
  perform clerk_sync.fail_job(
    j.id, j.attempts, 'lease_expired: the worker did not finish in time', false, null, p_now
  )
  from public.job_queue as j
  where j.id = any (v_ids);
  return cardinality(v_ids);
end
$$;

revoke execute on function public.clerk_sync_rescue_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_rescue_jobs to service_role;

-- Fails the first due job. For a worker whose call was cancelled although it asked for one job only: no
-- savepoint catches a statement timeout, and without a trace of it the job would come first for ever.
-- Answers [{job_id, job_type, status, attempts, error}].
create or replace function public.clerk_sync_fail_next_job(
  p_error    text,
  p_can_read boolean default false,
  p_now      timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ids uuid[] := clerk_sync.claim_jobs(1, p_can_read, p_now);
begin
  perform clerk_sync.fail_job(j.id, j.attempts + 1, p_error, false, null, p_now)
  from public.job_queue as j
  where j.id = any (v_ids);
  return clerk_sync.describe_jobs(v_ids);
end
$$;

revoke execute on function public.clerk_sync_fail_next_job from public, anon, authenticated;
grant execute on function public.clerk_sync_fail_next_job to service_role;

-- Leases the job that has waited longest as the probe of a circuit whose time has come, and returns it; none when
-- another worker has the probe, or the user of that job. Nothing is waited for: the caller holds users' locks.
create or replace function clerk_sync.lease_probe(
  p_name        text,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_job record;
begin
  perform 1
  from clerk_sync.circuits as c
  where c.name = p_name
    and c.state <> 'closed'
    and c.probe_at <= p_now
  for update skip locked;
  if not found then
    return array[]::uuid[];
  end if;
  select j.id, j.clerk_id
  into v_job
  from public.job_queue as j
  where j.waits_for = p_name
    and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
  order by j.run_at, j.id
  limit 1
  for update of j skip locked;
  perform 1 from clerk_sync.user_state as s where s.clerk_id = v_job.clerk_id for update skip locked;
  -- A second look at PROCESSING, now that nobody else can claim this user.
  if not found or exists (
    select 1 from public.job_queue as r where r.clerk_id = v_job.clerk_id and r.status = 'PROCESSING'
  ) then
    return array[]::uuid[];
  end if;
  update clerk_sync.circuits as c
  set state = 'half_open',
      probe_token = p_token,
      probe_at = p_lease_until
  where c.name = p_name;
  perform clerk_sync.lease_calls(array[v_job.id], p_name = 'clerk', p_token, p_lease_until, p_now);
  return array[v_job.id];
end
$$;

revoke execute on function clerk_sync.lease_probe from public, anon, authenticated;
grant execute on function clerk_sync.lease_probe to service_role;

-- Lets jobs of a batch wait whose service the worker did not call any more, or called in vain while its circuit is not
-- closed; returns them. Their attempts do not count. A job that is a day old pays for such a call all the same: when
-- it is the job and not the service that fails, it must end as a dead letter.
create or replace function clerk_sync.wait_for_circuits(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[] := array(
    select j.id
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, circuit text)
    cross join lateral (select k.id, k.created_at from public.job_queue as k where k.id = o.job_id offset 0) as j
    where o.job_id = any (p_ids)
      and (
        o.outcome = 'waiting'
        or o.outcome = 'retry' and clerk_sync.circuit_is_open(o.circuit) and j.created_at > p_now - interval '1 day'
      )
  );
  v_outcomes jsonb := (select jsonb_object_agg(o.value ->> 'job_id', o.value) from jsonb_array_elements(p_outcomes) as o);
begin
  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      error = v_outcomes -> j.id::text ->> 'error',
      waits_for = v_outcomes -> j.id::text ->> 'circuit',
      run_at = case when v_outcomes -> j.id::text ->> 'outcome' = 'retry' then p_now else j.run_at end, -- another one is the next probe
      updated_at = p_now
  where j.id = any (v_waiting);
  return v_waiting;
end
$$;

revoke execute on function clerk_sync.wait_for_circuits from public, anon, authenticated;
grant execute on function clerk_sync.wait_for_circuits to service_role;
