-- How the schedule of pg_cron does: what is set up, what its last run and the processor said, and what is left undone.

-- How pg_cron does with the entry that calls the processor: {schedule, active, at, status, message}, the last three of
-- its last run, null while there was none. Null where there is no such entry. pg_cron keeps the runs of all entries in
-- one table and prunes it never: no more than its newest 5,000 are looked through.
create or replace function clerk_sync.last_cron_run()
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  return (
    select jsonb_build_object(
      'schedule', j.schedule,
      'active', j.active,
      'at', coalesce(d.start_time, d.end_time),
      'status', d.status,
      'message', d.return_message
    )
    from cron.job as j
    left join lateral (
      select n.*
      from (select r.* from cron.job_run_details as r order by r.runid desc limit 5000) as n
      where n.jobid = j.jobid
      order by n.runid desc
      limit 1
    ) as d on true
    where j.jobname = 'clerk-sync-process'
    limit 1
  );
end
$$;

revoke execute on function clerk_sync.last_cron_run from public, anon, authenticated;
grant execute on function clerk_sync.last_cron_run to service_role;

-- What the processor answered to the newest calls of the schedule, at most five: [{called_at, status, timed_out, error}],
-- newest first. Calls without an answer yet are left out.
create or replace function clerk_sync.processor_answers()
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if to_regclass('net._http_response') is null then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.called_at desc), '[]')
    from (
      select c.called_at, r.status_code as status, coalesce(r.timed_out, false) as timed_out, r.error_msg as error
      from clerk_sync.processor_call as c
      join net._http_response as r
        on r.id = c.request_id
       and r.created >= c.called_at
      order by c.called_at desc
      limit 5
    ) as a
  );
exception
  when insufficient_privilege then -- pg_net belongs to Supabase, which decides who may read its answers
    return '[]'::jsonb;
end
$$;

revoke execute on function clerk_sync.processor_answers from public, anon, authenticated;
grant execute on function clerk_sync.processor_answers to service_role;

-- Whether work waits and whether anybody does it: {now, due_since, last_done_at}. A refresh that waits for a
-- CLERK_SECRET_KEY does not count, nor does what waits for a service that is down.
create or replace function clerk_sync.queue_pace(p_now timestamptz)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'now', p_now,
    'due_since', (
      select min(j.run_at)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.waits_for is null
        and j.run_at <= p_now
        and j.source <> 'refresh'
    ),
    'last_done_at', (
      select max(j.processed_at)
      from public.job_queue as j
      where j.status in ('COMPLETED', 'CANCELLED')
    )
  );
end
$$;

revoke execute on function clerk_sync.queue_pace from public, anon, authenticated;
grant execute on function clerk_sync.queue_pace to service_role;

-- Whether the schedule can work here: {cron, net, vault, project_url, processor_secret, scheduled}, each true
-- or false; whether it does: {last_run, answers}; and what it leaves undone: {now, due_since, last_done_at}.
-- By the rights of its owner, for the API's service_role may not look into cron; it takes no argument.
create or replace function public.clerk_sync_schedule_state()
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_names text[] := '{}'::text[];
  v_jobs  integer := 0;
begin
  if to_regclass('vault.decrypted_secrets') is not null then
    execute 'select coalesce(array_agg(s.name), ''{}'') from vault.decrypted_secrets as s' into v_names;
  end if;
  if to_regclass('cron.job') is not null then
    execute 'select count(*) from cron.job as j where j.jobname like ''clerk-sync-%'' and j.active' into v_jobs;
  end if;
  return jsonb_build_object(
    'cron', to_regclass('cron.job') is not null,
    'net', exists (select 1 from pg_catalog.pg_namespace as n where n.nspname = 'net'),
    'vault', to_regclass('vault.decrypted_secrets') is not null,
    'project_url', 'clerk_sync_project_url' = any (v_names),
    'processor_secret', 'clerk_sync_processor_secret' = any (v_names),
    'scheduled', v_jobs >= 7,
    'last_run', clerk_sync.last_cron_run(),
    'answers', clerk_sync.processor_answers()
  ) || clerk_sync.queue_pace(clock_timestamp());
end
$$;

revoke execute on function public.clerk_sync_schedule_state from public, anon, authenticated;
grant execute on function public.clerk_sync_schedule_state to service_role;
