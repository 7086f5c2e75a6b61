-- What a person does with jobs: try again, cancel; those named by id, or all that match a filter. Each answers
-- how many jobs changed; the history of each job says when.

-- Queues failed, dead and cancelled jobs from the start: attempts are zero again, the history stays.
create or replace function public.clerk_sync_retry_jobs(
  p_ids uuid[],
  p_now timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  update public.job_queue as j
  set status = 'PENDING',
      attempts = 0,
      error = null,
      run_at = p_now,
      updated_at = p_now
  where j.id = any (p_ids)
    and j.status in ('FAILED', 'DEAD', 'CANCELLED');
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

revoke execute on function public.clerk_sync_retry_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_retry_jobs to service_role;

-- Takes jobs that are not finished out of the queue. One that a worker has in hand is cancelled when its attempt
-- ends, unless that completes it: freeing it sooner would let a second mirror call of the user start (law 5).
create or replace function public.clerk_sync_cancel_jobs(
  p_ids uuid[],
  p_now timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  update public.job_queue as j
  set status = case when j.status = 'PROCESSING' then j.status else 'CANCELLED' end,
      cancel_requested_at = p_now,
      updated_at = p_now
  where j.id = any (p_ids)
    and j.status in ('PENDING', 'PROCESSING', 'FAILED', 'DEAD');
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

revoke execute on function public.clerk_sync_cancel_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_cancel_jobs to service_role;

-- Raises SY002 for a filter with an unknown key: a misspelt condition would match everything.
create or replace function clerk_sync.check_filter_keys(p_filter jsonb, p_known text[])
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    raise exception 'the filter must be a JSON object' using errcode = 'SY002';
  end if;
  v_unknown := array(select k from jsonb_object_keys(p_filter) as k where k <> all (p_known));
  if cardinality(v_unknown) > 0 then
    raise exception 'the filter has unknown keys: %', array_to_string(v_unknown, ', ')
      using errcode = 'SY002', hint = 'Known are ' || array_to_string(p_known, ', ') || '.';
  end if;
end
$$;

revoke execute on function clerk_sync.check_filter_keys from public, anon, authenticated;
grant execute on function clerk_sync.check_filter_keys to service_role;

-- Those of p_allowed that a filter's status, one or several, lets pass.
create or replace function clerk_sync.filter_statuses(
  p_filter  jsonb,
  p_allowed text[] default '{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'
)
returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select array(
    select s.status
    from unnest(p_allowed) as s(status)
    where case jsonb_typeof(p_filter -> 'status')
      when 'array' then (p_filter -> 'status') ? s.status
      else s.status = coalesce(p_filter ->> 'status', s.status)
    end
  );
$$;

revoke execute on function clerk_sync.filter_statuses from public, anon, authenticated;
grant execute on function clerk_sync.filter_statuses to service_role;

-- The statuses of the jobs that match a filter and that retry or cancel changes. Cancelled jobs are retried, and jobs in
-- a worker's hand cancelled, only when the filter names that status. Raises SY002 for another action.
create or replace function clerk_sync.changeable_statuses(p_action text, p_filter jsonb)
returns text[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_action is null or p_action not in ('retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  return clerk_sync.filter_statuses(p_filter, case
    when p_action = 'retry' and p_filter ->> 'status' is null then '{FAILED,DEAD}'::text[]
    when p_action = 'retry' then '{FAILED,DEAD,CANCELLED}'
    when p_filter ->> 'status' is null then '{PENDING,FAILED,DEAD}'
    else '{PENDING,PROCESSING,FAILED,DEAD}'
  end);
end
$$;

revoke execute on function clerk_sync.changeable_statuses from public, anon, authenticated;
grant execute on function clerk_sync.changeable_statuses to service_role;

-- The newest jobs, at most p_limit, that are in one of p_statuses and match every condition of p_filter, which is that of
-- clerk_sync.find_jobs. It looks until it has them, or has seen all in these statuses.
create or replace function clerk_sync.matching_jobs(p_filter jsonb, p_statuses text[], p_limit integer)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_ids   uuid[] := '{}'::uuid[];
  v_found record;
  v_next  jsonb;
begin
  loop
    select f.ids, f.next
    into v_found
    from clerk_sync.find_jobs(p_filter, p_statuses, v_next, p_limit - cardinality(v_ids), 10000) as f;
    v_ids := v_ids || v_found.ids;
    v_next := v_found.next;
    exit when v_next is null or cardinality(v_ids) >= p_limit;
  end loop;
  return v_ids;
end
$$;

revoke execute on function clerk_sync.matching_jobs from public, anon, authenticated;
grant execute on function clerk_sync.matching_jobs to service_role;

-- How many jobs match a filter, counted as far as p_most.
create or replace function public.clerk_sync_count_jobs(p_filter jsonb, p_most integer default 100000)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return cardinality(clerk_sync.matching_jobs(p_filter, clerk_sync.filter_statuses(p_filter), p_most));
end
$$;

revoke execute on function public.clerk_sync_count_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_count_jobs to service_role;

-- Retries failed and dead jobs that match (cancelled ones only when the filter asks for that status). Call it
-- until it answers 0, with updated_before set to when you began: a job that fails again does not match then.
create or replace function public.clerk_sync_retry_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return public.clerk_sync_retry_jobs(
    clerk_sync.matching_jobs(p_filter, clerk_sync.changeable_statuses('retry', p_filter), p_limit), p_now
  );
end
$$;

revoke execute on function public.clerk_sync_retry_matching_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_retry_matching_jobs to service_role;

-- Cancels unfinished jobs that match. Call it until it answers 0; jobs in a worker's hand are asked for only
-- when the filter names the status PROCESSING.
create or replace function public.clerk_sync_cancel_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return public.clerk_sync_cancel_jobs(
    clerk_sync.matching_jobs(p_filter, clerk_sync.changeable_statuses('cancel', p_filter), p_limit), p_now
  );
end
$$;

revoke execute on function public.clerk_sync_cancel_matching_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_cancel_matching_jobs to service_role;
