-- The schedule on Supabase: pg_cron calls the processor through pg_net, with address and key from the Vault,
-- and only while something is due, so that a quiet project costs no function calls. A database without these
-- extensions is left alone: there a worker of ours does the same, or any scheduler that calls the processor.
--
-- To turn it on, once:
--   select vault.create_secret('https://<project>.supabase.co', 'clerk_sync_project_url');
--   select vault.create_secret('<PROCESSOR_SECRET>', 'clerk_sync_processor_secret');

-- Makes the extensions where the database has them. Supabase has; elsewhere pg_cron must be preloaded first.
do $$
begin
  if exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron')
    and exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_net') then
    create schema if not exists extensions;
    create extension if not exists pg_cron with schema pg_catalog;
    create extension if not exists pg_net with schema extensions;
  end if;
exception
  when insufficient_privilege or feature_not_supported or object_not_in_prerequisite_state or internal_error then
    raise notice 'pg_cron and pg_net are not enabled here: %', sqlerrm;
end
$$;

-- True when a processor would find something to do; jobs that wait for a service count when it may be called again. A
-- refresh or a run that nobody has taken for ten minutes is waiting for a CLERK_SECRET_KEY: it must not have the processor
-- called for ever.
create or replace function clerk_sync.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select 1
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and (j.source <> 'refresh' or j.run_at > p_now - interval '10 minutes')
  ) or exists (
    select 1 from public.job_queue as j where j.status = 'PROCESSING' and j.lease_until <= p_now
  ) or exists (
    select 1
    from clerk_sync.circuits as c
    where (c.state = 'closed' or c.probe_at <= p_now)
      and exists (select 1 from public.job_queue as j where j.waits_for = c.name)
  ) or exists (
    select 1
    from clerk_sync.user_state as s
    where s.refresh_due_at <= p_now
      and s.refresh_due_at > p_now - interval '10 minutes'
  ) or exists (
    select 1
    from clerk_sync.sync_runs as r
    where r.status = 'RUNNING'
      and r.applies
      and r.lease_until <= p_now
      and r.lease_until > p_now - interval '10 minutes'
  );
end
$$;

revoke execute on function clerk_sync.has_work from public, anon, authenticated;
grant execute on function clerk_sync.has_work to service_role;

-- The calls of the last hour: net._http_response holds the answers to everybody's requests and says of none whose it is.
create table if not exists clerk_sync.processor_call (
  request_id bigint      not null,
  called_at  timestamptz not null,
  constraint processor_call_pkey primary key (request_id)
);

alter table clerk_sync.processor_call enable row level security;
revoke all on clerk_sync.processor_call from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.processor_call to service_role;

drop policy if exists processor_call_service_role on clerk_sync.processor_call;
create policy processor_call_service_role
  on clerk_sync.processor_call
  for all
  to service_role
  using (true)
  with check (true);

-- Calls the processor with this body. Answers the id of pg_net's request; null when the Vault does not hold both
-- secrets. The answer of the processor is in net._http_response for six hours.
create or replace function clerk_sync.post_to_processor(p_body jsonb)
returns bigint
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_url     text;
  v_secret  text;
  v_request bigint;
begin
  select max(s.decrypted_secret) filter (where s.name = 'clerk_sync_project_url'),
         max(s.decrypted_secret) filter (where s.name = 'clerk_sync_processor_secret')
  into v_url, v_secret
  from vault.decrypted_secrets as s;
  if v_url is null or v_secret is null then
    return null;
  end if;
  select net.http_post(
    url := rtrim(v_url, '/') || '/functions/v1/user-job-processor',
    body := p_body,
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_secret),
    timeout_milliseconds := 60000
  )
  into v_request;
  insert into clerk_sync.processor_call (request_id, called_at)
  values (v_request, now())
  on conflict (request_id) do update -- pg_net counts from 1 again after a crash
    set called_at = excluded.called_at;
  delete from clerk_sync.processor_call as c where c.called_at < now() - interval '1 hour';
  return v_request;
end
$$;

revoke execute on function clerk_sync.post_to_processor from public, anon, authenticated;
grant execute on function clerk_sync.post_to_processor to service_role;

drop function if exists clerk_sync.call_processor(); -- before it had a parameter

-- Calls the processor when there is work, or to start a run (p_work: sweep, compare); null when there is none.
create or replace function clerk_sync.call_processor(p_work text default null)
returns bigint
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_work is null and not clerk_sync.has_work() then
    return null;
  end if;
  return clerk_sync.post_to_processor(jsonb_strip_nulls(jsonb_build_object('source', 'schedule', 'work', p_work)));
end
$$;

revoke execute on function clerk_sync.call_processor from public, anon, authenticated;
grant execute on function clerk_sync.call_processor to service_role;

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
-- CLERK_SECRET_KEY does not count.
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
    'scheduled', v_jobs >= 8,
    'last_run', clerk_sync.last_cron_run(),
    'answers', clerk_sync.processor_answers()
  ) || clerk_sync.queue_pace(clock_timestamp());
end
$$;

revoke execute on function public.clerk_sync_schedule_state from public, anon, authenticated;
grant execute on function public.clerk_sync_schedule_state to service_role;

-- Sets up the schedule, or sets it up anew: process every p_seconds while something is due, free expired leases,
-- purge old jobs and the history of pg_cron, look through the queue; hourly look for changes that brought no event and
-- have the processor ask Clerk whether deliveries still come, nightly compare everybody. Answers whether there is a
-- pg_cron to do it with. Before version 1.5 pg_cron knows no seconds: every minute then.
create or replace function public.clerk_sync_schedule(p_seconds integer default 10, p_retention_days integer default 30)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_has_seconds boolean := exists (
    select 1
    from pg_catalog.pg_extension as e
    where e.extname = 'pg_cron'
      and e.extversion !~ '^1[.][0-4]([^0-9]|$)'
  );
begin
  if to_regclass('cron.job') is null then
    return false;
  end if;
  perform cron.schedule(
    'clerk-sync-process',
    case when v_has_seconds then format('%s seconds', p_seconds) else '* * * * *' end,
    'select clerk_sync.call_processor()'
  );
  perform cron.schedule(
    'clerk-sync-rescue',
    case when v_has_seconds then '30 seconds' else '* * * * *' end,
    'select public.clerk_sync_rescue_jobs()'
  );
  perform cron.schedule('clerk-sync-sweep', '7 * * * *', 'select clerk_sync.call_processor(''sweep'')');
  perform cron.schedule('clerk-sync-compare', '23 3 * * *', 'select clerk_sync.call_processor(''compare'')');
  perform cron.schedule(
    'clerk-sync-purge', '*/5 * * * *', format('select public.clerk_sync_purge_jobs(%s)', p_retention_days)
  );
  perform cron.schedule('clerk-sync-audit', '*/5 * * * *', 'select public.clerk_sync_audit_jobs()');
  perform cron.schedule(
    'clerk-sync-check-silence', '23 * * * *',
    'select clerk_sync.post_to_processor(''{"source": "schedule", "check": "silence"}'')'
  );
  perform cron.schedule(
    'clerk-sync-purge-cron-history', '17 3 * * *',
    'delete from cron.job_run_details as d using cron.job as j where j.jobid = d.jobid'
      || ' and j.jobname like ''clerk-sync-%'' and d.end_time < now() - interval ''2 days'''
  );
  return true;
end
$$;

revoke execute on function public.clerk_sync_schedule from public, anon, authenticated;
grant execute on function public.clerk_sync_schedule to service_role;

-- Takes the schedule away; answers how many entries it had.
create or replace function public.clerk_sync_unschedule()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_name  text;
  v_count integer := 0;
begin
  if to_regclass('cron.job') is null then
    return 0;
  end if;
  for v_name in
    execute 'select j.jobname from cron.job as j where j.jobname like ''clerk-sync-%'''
  loop
    execute 'select cron.unschedule($1)' using v_name;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

revoke execute on function public.clerk_sync_unschedule from public, anon, authenticated;
grant execute on function public.clerk_sync_unschedule to service_role;

-- An existing schedule is left as it is: its seconds and days may have been chosen by somebody.
do $$
begin
  if to_regclass('cron.job') is not null
    and not (public.clerk_sync_schedule_state() ->> 'scheduled')::boolean then
    perform public.clerk_sync_schedule();
  end if;
end
$$;
