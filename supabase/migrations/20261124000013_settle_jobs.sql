-- What happens to a job after its attempt: completed, tried again later, or given up.

-- Exponential backoff with full jitter: anything from 0 to 2 s, 4 s, 8 s … at most 15 minutes.
-- p_random in [0, 1) is a parameter so that a test can pin it.
create or replace function clerk_sync.backoff(p_attempts integer, p_random double precision default random())
returns interval
language sql
volatile
security invoker
set search_path = ''
as $$
  select make_interval(secs => p_random * least(900, 2 ^ least(greatest(p_attempts, 1), 30)));
$$;

revoke execute on function clerk_sync.backoff from public, anon, authenticated;
grant execute on function clerk_sync.backoff to service_role;

-- A failed attempt: FAILED and due again after the backoff (never before p_retry_after), or DEAD when
-- the attempts are used up or trying again cannot help; CANCELLED when a person asked for that meanwhile.
create or replace function clerk_sync.fail_job(
  p_id          uuid,
  p_attempts    integer,
  p_error       text,
  p_permanent   boolean,
  p_retry_after interval,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_status text;
begin
  update public.job_queue as j
  set status = case
        when j.cancel_requested_at is not null then 'CANCELLED'
        when p_permanent or p_attempts >= j.max_attempts then 'DEAD'
        else 'FAILED'
      end,
      attempts = p_attempts,
      error = p_error,
      run_at = p_now + greatest(clerk_sync.backoff(p_attempts), p_retry_after),
      updated_at = p_now
  where j.id = p_id
  returning j.status into v_status;
  insert into clerk_sync.metric_events (at, name, labels)
  values (p_now, 'failed_attempts', jsonb_build_object('code', split_part(p_error, ':', 1)));
  if v_status = 'DEAD' then
    insert into clerk_sync.metric_events (at, name, labels)
    values (p_now, 'dead', jsonb_build_object('code', split_part(p_error, ':', 1)));
  end if;
end
$$;

revoke execute on function clerk_sync.fail_job from public, anon, authenticated;
grant execute on function clerk_sync.fail_job to service_role;

-- Ends the attempts of a leased batch. Outcomes of jobs whose lease was lost are counted as stale and
-- settle nothing: another worker has them (the token is the fence). Their users are mirrored again.
-- p_outcomes: [{job_id, outcome: completed|retry|dead|released|waiting|locked, error?, retry_after?, circuit?,
-- auth_user_id?, auth_holder_id?, auth_locked_at?, mirror?}]. released, waiting and locked give the attempt back, as a
-- retry does whose circuit is open. p_calls: see record_calls.
-- Answers {jobs: [{job_id, job_type, status, error}], stale: n, circuits: [those that opened or closed]}.
create or replace function public.clerk_sync_settle_jobs(
  p_token    uuid,
  p_outcomes jsonb,
  p_now      timestamptz default clock_timestamp(),
  p_calls    jsonb default null
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_ids      uuid[];
  v_circuits jsonb;
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (o.value ->> 'job_id')::uuid from jsonb_array_elements(p_outcomes) as o))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
    order by j.id
    for update
  );
  v_circuits := clerk_sync.record_calls(p_token, p_calls, p_now);
  begin
    perform clerk_sync.settle_outcomes(v_ids, p_outcomes, p_now);
  exception
    when others or assert_failure then -- some outcome of the batch is at fault: find out which, let the others pass
      perform clerk_sync.settle_one_by_one(v_ids, p_outcomes, p_now);
  end;
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_ids),
    'stale', clerk_sync.repair_stale(p_outcomes, v_ids, p_now),
    'circuits', v_circuits
  );
end
$$;

revoke execute on function public.clerk_sync_settle_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_settle_jobs to service_role;

-- Writes the outcomes of jobs that are locked and still leased.
create or replace function clerk_sync.settle_outcomes(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  set constraints all deferred; -- as apply_jobs
  perform clerk_sync.complete_mirrored(p_ids, p_outcomes, p_now);
  if not p_outcomes @? '$[*] ? (@.outcome != "completed")' then
    set constraints all immediate;
    return;
  end if;
  v_waiting := clerk_sync.wait_for_circuits(p_ids, p_outcomes, p_now);

  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      updated_at = p_now
  where j.id = any (array(
    select o.job_id
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text)
    where o.outcome = 'released'
      and o.job_id = any (p_ids)
  ));

  perform clerk_sync.wait_for_tokens(p_ids, p_outcomes, p_now);

  perform clerk_sync.fail_job(
    j.id, j.attempts, o.error, o.outcome = 'dead', make_interval(secs => o.retry_after), p_now
  )
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, error text, retry_after double precision)
  cross join lateral (select k.id, k.attempts from public.job_queue as k where k.id = o.job_id offset 0) as j
  where o.job_id = any (p_ids)
    and o.job_id <> all (v_waiting)
    and o.outcome in ('retry', 'dead');
  set constraints all immediate;
end
$$;

revoke execute on function clerk_sync.settle_outcomes from public, anon, authenticated;
grant execute on function clerk_sync.settle_outcomes to service_role;

-- Jobs whose user is to take over an Auth user that is locked now: they wait until its last access token has run out.
create or replace function clerk_sync.wait_for_tokens(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update clerk_sync.user_state as s
  set auth_holder_id = o.auth_holder_id,
      auth_locked_at = o.auth_locked_at
  from jsonb_to_recordset(p_outcomes)
    as o(job_id uuid, outcome text, auth_holder_id uuid, auth_locked_at timestamptz)
  where o.outcome = 'locked'
    and o.job_id = any (p_ids)
    and s.clerk_id = (select j.clerk_id from public.job_queue as j where j.id = o.job_id);

  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      error = o.error,
      run_at = p_now + make_interval(secs => o.retry_after),
      updated_at = p_now
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, error text, retry_after double precision)
  where o.outcome = 'locked'
    and o.job_id = any (p_ids)
    and j.id = o.job_id;
end
$$;

revoke execute on function clerk_sync.wait_for_tokens from public, anon, authenticated;
grant execute on function clerk_sync.wait_for_tokens to service_role;

-- The fallback: one savepoint per outcome. A job whose outcome cannot be written is tried again; so is
-- one that is not reached within 1.5 s, when its lease has run out.
create or replace function clerk_sync.settle_one_by_one(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_outcome    jsonb;
  v_message    text;
  v_constraint text;
  v_deadline   timestamptz := clock_timestamp() + interval '1.5 seconds';
begin
  for v_outcome in
    select o.value from jsonb_array_elements(p_outcomes) as o
  loop
    exit when clock_timestamp() > v_deadline;
    begin
      perform clerk_sync.settle_outcomes(p_ids, jsonb_build_array(v_outcome), p_now);
    exception
      when others or assert_failure then -- recorded on the job it belongs to
        get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
        perform clerk_sync.fail_job(
          j.id, j.attempts, concat(concat_ws(' ', 'database_rejected', sqlstate, nullif(v_constraint, '')), ': ', v_message),
          false, null, p_now
        )
        from public.job_queue as j
        where j.id = (v_outcome ->> 'job_id')::uuid
          and j.id = any (p_ids);
    end;
  end loop;
end
$$;

revoke execute on function clerk_sync.settle_one_by_one from public, anon, authenticated;
grant execute on function clerk_sync.settle_one_by_one to service_role;

-- The mirror's success and the job's COMPLETED are one commit; the Auth user's id is remembered.
create or replace function clerk_sync.complete_mirrored(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_jobs    uuid[];
  v_mirrors jsonb; -- by job
  v_users   text[];
  v_auth    jsonb; -- by user
  v_finding jsonb; -- by user
begin
  -- By key and not by join: one lookup each, whatever the statistics say.
  select
    array_agg(o.job_id), jsonb_object_agg(o.job_id, o.mirror),
    array_agg(o.clerk_id), jsonb_object_agg(o.clerk_id, o.auth_user_id) filter (where o.clerk_id is not null),
    jsonb_object_agg(o.clerk_id, o.mirror ->> 'finding') filter (where o.clerk_id is not null)
  into v_jobs, v_mirrors, v_users, v_auth, v_finding
  from (
    select c.job_id, c.mirror, c.auth_user_id, (select j.clerk_id from public.job_queue as j where j.id = c.job_id) as clerk_id
    from jsonb_to_recordset(p_outcomes) as c(job_id uuid, outcome text, auth_user_id uuid, mirror jsonb)
    where c.outcome = 'completed'
      and c.job_id = any (p_ids)
  ) as o;

  update clerk_sync.user_state as s
  set auth_user_id = (v_auth ->> s.clerk_id)::uuid,
      auth_finding = v_finding ->> s.clerk_id,
      auth_holder_id = null,
      auth_locked_at = null,
      mirrored_version = s.version,
      mirrored_at = p_now
  where s.clerk_id = any (v_users);

  update public.job_queue as j
  set status = 'COMPLETED',
      result = coalesce(j.result, '{}') || jsonb_build_object('mirror', v_mirrors -> j.id::text),
      updated_at = p_now
  where j.id = any (v_jobs);

  perform clerk_sync.erase_deleted(p_ids);
end
$$;

revoke execute on function clerk_sync.complete_mirrored from public, anon, authenticated;
grant execute on function clerk_sync.complete_mirrored to service_role;
