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

-- The oldest changed jobs, at most p_limit, that are in one of p_statuses and match every condition of
-- p_filter: {status, job_type, source, clerk_id, event_id, code, created_after, created_before,
-- updated_before}. code is what stands before the colon of the error.
create or replace function clerk_sync.matching_jobs(p_filter jsonb, p_statuses text[], p_limit integer)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  perform clerk_sync.check_filter_keys(
    p_filter, '{status,job_type,source,clerk_id,event_id,code,created_after,created_before,updated_before}'
  );
  return array(
    select j.id
    from public.job_queue as j
    where j.status = any (p_statuses)
      and j.status = coalesce(p_filter ->> 'status', j.status)
      and j.job_type = coalesce(p_filter ->> 'job_type', j.job_type)
      and j.source = coalesce(p_filter ->> 'source', j.source)
      and (p_filter ->> 'clerk_id' is null or j.clerk_id = p_filter ->> 'clerk_id')
      and (p_filter ->> 'event_id' is null or j.event_id = p_filter ->> 'event_id')
      and (p_filter ->> 'code' is null or split_part(j.error, ':', 1) = p_filter ->> 'code')
      and (p_filter ->> 'created_after' is null or j.created_at > (p_filter ->> 'created_after')::timestamptz)
      and (p_filter ->> 'created_before' is null or j.created_at < (p_filter ->> 'created_before')::timestamptz)
      and (p_filter ->> 'updated_before' is null or j.updated_at < (p_filter ->> 'updated_before')::timestamptz)
    order by j.updated_at, j.id
    limit p_limit
  );
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
  return cardinality(clerk_sync.matching_jobs(
    p_filter, '{PENDING,PROCESSING,FAILED,DEAD,CANCELLED,COMPLETED}', p_most
  ));
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
declare
  v_statuses text[] := case
    when p_filter ->> 'status' = 'CANCELLED' then array['CANCELLED']
    else array['FAILED', 'DEAD']
  end;
begin
  return public.clerk_sync_retry_jobs(clerk_sync.matching_jobs(p_filter, v_statuses, p_limit), p_now);
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
declare
  v_statuses text[] := case
    when p_filter ->> 'status' = 'PROCESSING' then array['PROCESSING']
    else array['PENDING', 'FAILED', 'DEAD']
  end;
begin
  return public.clerk_sync_cancel_jobs(clerk_sync.matching_jobs(p_filter, v_statuses, p_limit), p_now);
end
$$;

revoke execute on function public.clerk_sync_cancel_matching_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_cancel_matching_jobs to service_role;
