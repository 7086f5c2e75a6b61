-- What keeps the queue moving when workers die or jobs hang.

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
