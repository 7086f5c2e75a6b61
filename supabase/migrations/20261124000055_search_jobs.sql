-- Free search for jobs: by job id, event id, Clerk id or address.

-- A sign-up that never became a row is found by its address. Addresses end at 320: a longer value must not stop the job.
create index if not exists job_queue_stopped_email_idx
  on public.job_queue (lower(left(payload ->> 'email', 320)))
  where status in ('FAILED', 'DEAD', 'CANCELLED');

-- Jobs whose user has this address, at most 1,000: of the stopped ones all are looked at, of the open ones the newest
-- 1,000. What a completed job brought is in users.
create or replace function clerk_sync.jobs_of_email(p_email text)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_email text := lower(left(p_email, 320));
begin
  return array(
    select j.id
    from public.job_queue as j
    where lower(left(j.payload ->> 'email', 320)) = v_email
      and j.status in ('FAILED', 'DEAD', 'CANCELLED')
    limit 1000
  ) || array(
    select j.id
    from public.job_queue as j
    where j.id = any (clerk_sync.look_at_jobs('{PENDING,PROCESSING}', null, null, '-infinity', null, 1000))
      and lower(left(j.payload ->> 'email', 320)) = v_email
  );
end
$$;

revoke execute on function clerk_sync.jobs_of_email from public, anon, authenticated;
grant execute on function clerk_sync.jobs_of_email to service_role;

-- What a free text stands for: a job, event or Clerk id, or an address in any case. ids are jobs; all jobs of clerk_ids
-- are meant as well.
create or replace function clerk_sync.search_jobs(p_q text, out ids uuid[], out clerk_ids text[])
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  ids := array(select j.id from public.job_queue as j where j.event_id = p_q);
  clerk_ids := array[p_q];
  if p_q ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    ids := ids || p_q::uuid;
  end if;
  if position('@' in p_q) > 0 then
    ids := ids || clerk_sync.jobs_of_email(p_q);
    clerk_ids := clerk_ids
      || array(select u.clerk_id::text from public.users as u where lower(u.email) = lower(p_q) and u.clerk_id is not null)
      || array(select j.clerk_id from public.job_queue as j where j.id = any (search_jobs.ids) and j.clerk_id is not null);
  end if;
end
$$;

revoke execute on function clerk_sync.search_jobs from public, anon, authenticated;
grant execute on function clerk_sync.search_jobs to service_role;
