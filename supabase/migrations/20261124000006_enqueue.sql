-- A job to come: first what the caller names, then what is found out of it on the way to the queue.
do $$
begin
  if to_regtype('clerk_sync.new_job') is null then
    create type clerk_sync.new_job as (
      event_id    text,
      job_type    text,
      clerk_id    text,
      version     bigint,
      payload     jsonb,
      source      text,
      read_at     timestamptz,
      dead_reason text,
      id          uuid,
      status      text,
      attempts    integer,
      waits_for   text,
      result      jsonb,
      existing    jsonb
    );
  end if;
end
$$;

-- Puts jobs into the queue. Called by the webhook with one job, by backfill and reconcile with up
-- to 500; the whole call is one transaction, so what it answers is durable when it returns.
--
-- p_jobs: [{event_id, job_type, clerk_id?, version, payload, source?, read_at?, dead_reason?}]; read_at: the payload was
-- read from Clerk's API, and that read began then.
-- Answers, in the same order: [{event_id, outcome, applied, job_id, user}], where applied is no (see clerk_sync_accept)
-- and outcome is
--   queued     a new job
--   requeued   the event was a dead letter and is tried again from the start
--   duplicate  the event is known and its job is not dead; nothing was done
--   exists     a create for a row that is already as new; nothing was stored
--   dead       stored as a dead letter at once, because it can never succeed (dead_reason)
create or replace function public.clerk_sync_enqueue(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- a plan made while the table was small would read all of it for ever
set plan_cache_mode = 'force_generic_plan' -- as clerk_sync_run_jobs
set lock_timeout = '4s' -- for a call that stores the same event just now
as $$
declare
  v_jobs clerk_sync.new_job[] := clerk_sync.read_jobs(p_jobs);
begin
  -- Law 1 asks for the queue only: where public.users cannot be read, the jobs are stored, and a worker finds out.
  begin
    v_jobs := clerk_sync.find_existing(v_jobs);
  exception
    when others or query_canceled then
      null;
  end;
  return clerk_sync.store_jobs(v_jobs, p_max_attempts, p_now);
end
$$;

revoke execute on function public.clerk_sync_enqueue from public, anon, authenticated;
grant execute on function public.clerk_sync_enqueue to service_role;

-- The jobs of a call, each with an id. Raises SY003 unless each has an event_id of its own: of two that share one, or have
-- none, one would be swallowed.
create or replace function clerk_sync.read_jobs(p_jobs jsonb)
returns clerk_sync.new_job[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  -- Ids begin with the time (UUID version 7), so that new jobs are neighbours in an index of millions.
  v_time text := overlay(
    lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') placing '-' from 9 for 0
  ) || '-7';
  v_jobs clerk_sync.new_job[] := array(
    select row(
      i.event_id, i.job_type, coalesce(i.clerk_id, nullif(i.payload ->> 'clerk_id', '')), coalesce(i.version, 0),
      i.payload, coalesce(i.source, 'webhook'), i.read_at, i.dead_reason,
      overlay(gen_random_uuid()::text placing v_time from 1 for 15)::uuid,
      case when i.dead_reason is null then 'PENDING' else 'DEAD' end, 0, null,
      case when i.read_at is not null then jsonb_build_object('read_at', i.read_at) end, null
    )::clerk_sync.new_job
    from jsonb_populate_recordset(null::clerk_sync.new_job, p_jobs) as i
  );
begin
  if cardinality(v_jobs) = 1 and v_jobs[1].event_id is not null then
    return v_jobs;
  end if;
  if (select count(distinct i.event_id) < count(*) from unnest(v_jobs) as i) then
    raise exception 'each job of a call needs an event_id of its own' using errcode = 'SY003';
  end if;
  return v_jobs;
end
$$;

revoke execute on function clerk_sync.read_jobs from public, anon, authenticated;
grant execute on function clerk_sync.read_jobs to service_role;

-- The jobs, each that would make a row that is there and already as new with that row: {id, clerk_id}. Not for an event that
-- is in the queue (a duplicate), nor while a dead letter of the user still owes something (perhaps the mirror). Here alone
-- storing reads public.users, which somebody may hold locked: nothing is waited for longer than a sender notices.
create or replace function clerk_sync.find_existing(p_jobs clerk_sync.new_job[])
returns clerk_sync.new_job[]
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_jobs  clerk_sync.new_job[] := p_jobs;
  v_found jsonb; -- by event id
begin
  v_found := (
    select jsonb_object_agg(i.event_id, jsonb_build_object('id', u.id::text, 'clerk_id', u.clerk_id))
    from unnest(p_jobs) as i
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (
      select k.id, k.clerk_id from public.users as k where k.clerk_id = i.clerk_id and k.deleted_at is null offset 0
    ) as u
    where i.job_type = 'USER_CREATED'
      and (
        select s.deleted_at is null and s.version between i.version and clerk_sync.latest_version(clock_timestamp())
          and coalesce(s.absent_version > i.version, true) -- else it may bring what is absent
        from clerk_sync.user_state as s
        where s.clerk_id = i.clerk_id
      )
      and not exists (select 1 from public.job_queue as j where j.event_id = i.event_id)
      and not exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.status = 'DEAD')
  );
  if v_found is null then
    return p_jobs;
  end if;
  for v_place in 1 .. cardinality(v_jobs) loop
    v_jobs[v_place].existing := v_found -> v_jobs[v_place].event_id;
  end loop;
  return v_jobs;
end
$$;

revoke execute on function clerk_sync.find_existing from public, anon, authenticated;
grant execute on function clerk_sync.find_existing to service_role;

-- What became of jobs, as clerk_sync_enqueue answers it; p_stored: ids of what was stored, by event id. Known ones are
-- looked up by subquery, not by join: one index lookup a job, whatever the statistics say.
create or replace function clerk_sync.describe_stored(p_jobs clerk_sync.new_job[], p_stored jsonb)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', i.event_id,
      'outcome', case
        when i.existing is not null then 'exists'
        when not p_stored ? i.event_id then 'duplicate'
        when (p_stored ->> i.event_id)::uuid <> i.id then 'requeued'
        when i.status = 'DEAD' then 'dead'
        else 'queued'
      end,
      'applied', case
        when not p_stored ? i.event_id or not coalesce(i.result @> '{"applied": true}', false) then 'no'
        when i.status = 'COMPLETED' then 'all'
        else 'row'
      end,
      'job_id', coalesce(p_stored ->> i.event_id, (select o.id::text from public.job_queue as o where o.event_id = i.event_id)),
      'user', i.existing
    ) order by i.ordinality), '[]')
    from unnest(p_jobs) with ordinality as i
  );
end
$$;

revoke execute on function clerk_sync.describe_stored from public, anon, authenticated;
grant execute on function clerk_sync.describe_stored to service_role;

-- Stores jobs, and answers as clerk_sync_enqueue does. The insert writes its history itself, sooner than the trigger would.
-- p_alone: these jobs run alone, as do those of users who have such a job.
create or replace function clerk_sync.store_jobs(
  p_jobs         clerk_sync.new_job[],
  p_max_attempts integer,
  p_now          timestamptz,
  p_alone        boolean default false
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_done   timestamptz := p_now + (clock_timestamp() - statement_timestamp());
  v_stored jsonb; -- job ids by event id: a join would compare each with each, as few are expected
begin
  perform set_config('clerk_sync.recorded', 'insert', true);
  with stored as (
    insert into public.job_queue as j
      (id, event_id, job_type, clerk_id, version, payload, source, error, status, priority, attempts, max_attempts,
       created_at, updated_at, run_at, processed_at, waits_for, runs_alone, result, history)
    select
      i.id, i.event_id, i.job_type, i.clerk_id, i.version, i.payload, i.source, i.dead_reason, i.status,
      case -- sign-ups first, then the other live events, then what reconcile and backfill bring
        when i.source not in ('webhook', 'refresh') then 0
        when i.job_type = 'USER_CREATED' then 2
        else 1
      end,
      i.attempts, p_max_attempts, p_now, p_now, p_now, case when i.status <> 'PENDING' then v_done end, i.waits_for,
      p_alone or exists ( -- as runs_alone
        select 1 from public.job_queue as a where a.clerk_id = i.clerk_id and a.runs_alone and a.status <> 'COMPLETED'
      ),
      i.result,
      jsonb_build_array(jsonb_strip_nulls(jsonb_build_object( -- as history_entry
        'at', clock_timestamp(), 'status', i.status, 'attempt', i.attempts, 'error', i.dead_reason
      )))
    from unnest(p_jobs) as i
    where i.existing is null
    order by i.event_id -- two calls that share events take them in one order
    on conflict (event_id) do update
      set status = 'PENDING', attempts = 0, error = null, run_at = p_now, updated_at = p_now
      where j.status = 'DEAD' and excluded.status = 'PENDING'
    returning j.id, j.event_id
  )
  select coalesce(jsonb_object_agg(n.event_id, n.id), '{}')
  into v_stored
  from stored as n;
  perform set_config('clerk_sync.recorded', '', true);
  return clerk_sync.describe_stored(p_jobs, v_stored);
end
$$;

revoke execute on function clerk_sync.store_jobs from public, anon, authenticated;
grant execute on function clerk_sync.store_jobs to service_role;
