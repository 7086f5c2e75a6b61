-- The schedule of pg_cron, the calls it makes, and how long data is kept.

-- True when a processor would find something to do; jobs that wait for a service count when it may be called again. A
-- refresh or a run that no processor has taken for ten minutes is waiting for a CLERK_SECRET_KEY, and does not count.
create or replace function clerk_sync.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
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
    select 1 from clerk_sync.known_users as s where s.refresh_due_at between p_now - interval '10 minutes' and p_now
  ) or exists (
    select 1
    from clerk_sync.sync_runs as r
    where r.status = 'RUNNING'
      and r.applies
      and r.lease_until between p_now - interval '10 minutes' and p_now
  );
$$;

-- Calls the processor when there is work, when an incident is to be told, or to start a run (p_work: sweep, compare); not
-- for a run once it has said that it has no CLERK_SECRET_KEY. A quiet project costs no function calls. Each call looks at
-- the incidents. Answers the id of pg_net's request, whose answer net._http_response keeps for six hours; null without a
-- call, also when the Vault lacks one of the secrets.
create or replace function clerk_sync.call_processor(p_work text default null)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_alerts  boolean := clerk_sync.alerts_due();
  v_url     text;
  v_secret  text;
  v_request bigint;
begin
  if not (case
    when p_work is null then v_alerts or clerk_sync.has_work()
    else coalesce((select h.can_read from clerk_sync.heartbeats as h where h.name = 'processor'), true)
  end) then
    return null;
  end if;
  select max(s.decrypted_secret) filter (where s.name = 'clerk_sync_project_url'),
         max(s.decrypted_secret) filter (where s.name = 'clerk_sync_processor_secret')
  into v_url, v_secret
  from vault.decrypted_secrets as s;
  if v_url is null or v_secret is null then
    return null;
  end if;
  select net.http_post(
    url := rtrim(v_url, '/') || '/functions/v1/user-job-processor',
    body := jsonb_strip_nulls(jsonb_build_object('source', 'schedule', 'work', p_work)),
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

-- On Supabase pg_cron calls the processor through pg_net, once the Vault has its address and key:
--   select vault.create_secret('https://<project>.supabase.co', 'clerk_sync_project_url');
--   select vault.create_secret('<PROCESSOR_SECRET>', 'clerk_sync_processor_secret');
-- Elsewhere pg_cron must be preloaded first. A database without these extensions is left alone: there a worker of ours does
-- the same, or any scheduler that calls the processor.
do $$
begin
  if exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron')
    and exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_net') then
    create schema if not exists extensions;
    create extension if not exists pg_cron with schema pg_catalog;
    create extension if not exists pg_net with schema extensions;
  end if;
exception
  when insufficient_privilege or feature_not_supported or object_not_in_prerequisite_state or internal_error
    or raise_exception then -- pg_cron is configured for another database
    raise notice 'pg_cron and pg_net are not enabled here: %', sqlerrm;
end
$$;

-- Sets up the schedule, or replaces it: process every p_seconds while something is due, free expired leases,
-- purge old jobs and the history of pg_cron, look through the queue; where the functions have CLERK_SECRET_KEY, ask Clerk
-- every quarter of an hour for changes that brought no event, and nightly compare all users. Answers whether there is a
-- pg_cron to do it with. Before version 1.5 pg_cron knows no seconds: every minute then.
create or replace function public.clerk_sync_schedule(p_seconds integer default 10, p_retention_days integer default 30)
returns boolean
language plpgsql
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
    e.name, case when v_has_seconds or e.schedule !~ 'seconds' then e.schedule else '* * * * *' end, e.command
  )
  from (
    values
      ('clerk-sync-process', format('%s seconds', p_seconds), 'select clerk_sync.call_processor()'),
      ('clerk-sync-rescue', '30 seconds', 'select public.clerk_sync_rescue_jobs()'),
      ('clerk-sync-sweep', '7-59/15 * * * *', 'select clerk_sync.call_processor(''sweep'')'),
      ('clerk-sync-compare', '23 3 * * *', 'select clerk_sync.call_processor(''compare'')'),
      ('clerk-sync-purge', '*/5 * * * *', format('select public.clerk_sync_purge_jobs(%s, 50000)', p_retention_days)),
      ('clerk-sync-audit', '*/5 * * * *', 'select public.clerk_sync_audit_jobs()'),
      (
        'clerk-sync-purge-cron-history', '17 3 * * *',
        'delete from cron.job_run_details as d using cron.job as j where j.jobid = d.jobid'
          || ' and j.jobname like ''clerk-sync-%'' and d.end_time < now() - interval ''2 days'''
      )
  ) as e(name, schedule, command);
  return true;
end
$$;

-- Takes the schedule away; answers how many entries it had.
create or replace function public.clerk_sync_unschedule()
returns integer
language plpgsql
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return 0;
  end if;
  return (select count(cron.unschedule(j.jobname::text)) from cron.job as j where j.jobname like 'clerk-sync-%');
end
$$;

-- An existing schedule is left as it is: a person may have chosen its seconds and days.
do $$
begin
  if to_regclass('cron.job') is not null
    and not (public.clerk_sync_schedule_state() ->> 'scheduled')::boolean then
    perform public.clerk_sync_schedule();
  end if;
end
$$;

-- What is kept, and how long: a job keeps what is applied, and of its event kind, ids and times; of a deleted user nothing
-- is kept but ids and times; in the end the job goes.

-- Deletes finished jobs older than p_days, at most p_limit of them; answers how many. Dead letters stay until a person has
-- seen them. No job goes that is not counted. With them go entries of the audit that are as old, or not among its newest
-- 100,000; minutes of the metrics that the chart of a day does not read, and hours as old as the jobs, after eight days at
-- the earliest; days of skipped events that are as old as these hours; and programs that differing_programs looks at no more.
-- Totals stay, so that no counter goes back.
create or replace function public.clerk_sync_purge_jobs(
  p_days  integer,
  p_limit integer default 5000,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_deadline timestamptz := clock_timestamp() + interval '500 milliseconds';
  v_count    integer;
begin
  while clerk_sync.roll_up(p_now) and clock_timestamp() < v_deadline loop
  end loop;
  perform set_config('clerk_sync.actor', 'sync', true);
  delete from public.job_queue as j
  where j.id = any (array(
    select d.id
    from public.job_queue as d
    where d.status in ('COMPLETED', 'CANCELLED')
      and d.processed_at < p_now - make_interval(days => p_days)
      and d.processed_at < (select s.rolled_until from clerk_sync.metric_state as s)
    order by d.processed_at
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_count = row_count;
  perform set_config('clerk_sync.actor', '', true);
  delete from clerk_sync.audit as a
  where a.at < greatest(
    p_now - make_interval(days => p_days),
    (select o.at from clerk_sync.audit as o order by o.at desc offset 100000 limit 1)
  );
  delete from clerk_sync.skipped_events as s
  where s.day < (p_now - make_interval(days => greatest(p_days, 8)))::date;
  delete from clerk_sync.programs as p
  where p.seen_at < p_now - interval '1 day';
  delete from clerk_sync.metric_counts as m
  using (
    values
      ('minute', interval '25 hours'),
      ('hour', make_interval(days => greatest(p_days, 8)))
  ) as k(grain, kept)
  where m.grain = k.grain
    and m.name = any (array(select t.name from clerk_sync.metric_counts as t where t.grain = 'total'))
    and m.at < p_now - k.kept;
  return v_count;
end
$$;
