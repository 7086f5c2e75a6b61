-- What a person does with jobs: try again, cancel. Both take ids and answer how many jobs changed; the
-- history of each job says when. Jobs in PROCESSING belong to a worker and are left alone.

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

-- Takes jobs that are not finished out of the queue for good.
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
  set status = 'CANCELLED',
      updated_at = p_now
  where j.id = any (p_ids)
    and j.status in ('PENDING', 'FAILED', 'DEAD');
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

revoke execute on function public.clerk_sync_cancel_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_cancel_jobs to service_role;
