-- What keeps the queue moving when workers die.

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
