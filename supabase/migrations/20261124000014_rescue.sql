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

-- Sets the first due jobs apart, to run alone. For a worker whose call with these jobs never came back (the connection was
-- lost in it, or PostgreSQL refused it as a whole): one of them may be why, and would come first for ever. Answers how many.
create or replace function public.clerk_sync_set_apart(
  p_limit    integer default 250,
  p_can_read boolean default false,
  p_now      timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_ids uuid[] := clerk_sync.claim_jobs(p_limit, p_can_read, p_now);
begin
  perform clerk_sync.cut_jobs(v_ids, p_now);
  return cardinality(v_ids);
end
$$;

revoke execute on function public.clerk_sync_set_apart from public, anon, authenticated;
grant execute on function public.clerk_sync_set_apart to service_role;

-- Leases one due job that runs alone. The lease, and with it the attempt, is committed before the job is applied: it counts
-- even if the call that applies it never comes back, and no other job waits for the locks of that call.
-- Answers {token, jobs: [{job_id, job_type, status, error}], leased: [job_id], reads: [{job_id, clerk_id}]}; reads: the user
-- is to be read from Clerk's API first.
create or replace function public.clerk_sync_lease_alone(
  p_lease_seconds integer default 60,
  p_can_read      boolean default false,
  p_delete_brake  jsonb default null,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_token   uuid := gen_random_uuid();
  v_due     clerk_sync.due_job[];
  v_claimed uuid[];
  v_ids     uuid[];
  v_unread  uuid[] := array[]::uuid[];
begin
  v_due := clerk_sync.claim_users(clerk_sync.find_users_by_external_id(array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (array( -- as in clerk_sync_run_jobs
        select a.id from public.job_queue as a where a.runs_alone and a.status in ('PENDING', 'FAILED')
      ))
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source <> 'refresh')
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id -- who was only in bad company goes first
    limit 10 -- the first of them may be another worker's user
    for update of j skip locked
  )));
  v_claimed := array(select d.id from unnest(v_due) as d limit 1);
  v_ids := clerk_sync.fail_jobs_without_user(v_claimed, p_now);
  if p_can_read then
    v_ids := clerk_sync.hold_reads(v_ids);
    v_unread := array(select i from unnest(v_ids) as i except select i from unnest(clerk_sync.without_unread(v_ids)) as i);
  end if;
  v_ids := clerk_sync.hold_deletes(v_ids, p_delete_brake, p_now);
  perform clerk_sync.lease_calls(
    v_ids, cardinality(v_unread) > 0, v_token, p_now + make_interval(secs => p_lease_seconds), p_now
  );
  return jsonb_build_object(
    'token', v_token,
    'jobs', clerk_sync.describe_jobs(v_claimed),
    'leased', to_jsonb(v_ids),
    'reads', clerk_sync.describe_reads(v_unread)
  );
end
$$;

revoke execute on function public.clerk_sync_lease_alone from public, anon, authenticated;
grant execute on function public.clerk_sync_lease_alone to service_role;

-- Applies the job that is leased under p_token; nothing when the lease was lost, or its cancel was asked for. This call may
-- take as long as any (8 s): a slow trigger is no error yet, and no other job waits for it. p_read: what was read of its user,
-- {job_id, deleted, version?, payload?}. p_mirror: the mirror is owed then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '8s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_leased uuid[];
  v_ids    uuid[];
begin
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = p_job_id
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.cancel_requested_at is null
    for update
  );
  v_ids := v_leased;
  perform clerk_sync.lock_new_users(array(select j.clerk_id from public.job_queue as j where j.id = any (v_leased)));
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = any (array(select j.clerk_id from public.job_queue as j where j.id = any (v_leased)))
  for update;
  if p_read is not null then
    v_ids := clerk_sync.hold_deletes(
      clerk_sync.store_reads(v_ids, jsonb_build_array(p_read), p_now), p_delete_brake, p_now
    );
  end if;
  perform clerk_sync.apply_job(j.id, j.attempts, case when p_mirror then p_token end, j.lease_until, p_delete_mode, p_now)
  from public.job_queue as j
  where j.id = any (v_ids);
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

revoke execute on function public.clerk_sync_apply_alone from public, anon, authenticated;
grant execute on function public.clerk_sync_apply_alone to service_role;

-- As clerk_sync_apply_alone, but in half a second: for a job's first attempt. Most jobs of a batch that was cut are quick, and
-- must not wait for those that hang. A function of its own, because PostgREST takes the limit from the function it calls.
create or replace function public.clerk_sync_try_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set statement_timeout = '500ms'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_mode, p_delete_brake, p_now);
end
$$;

revoke execute on function public.clerk_sync_try_alone from public, anon, authenticated;
grant execute on function public.clerk_sync_try_alone to service_role;

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
