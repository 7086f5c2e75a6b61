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
  when insufficient_privilege or feature_not_supported or object_not_in_prerequisite_state or internal_error
    or raise_exception then -- pg_cron is configured for another database
    raise notice 'pg_cron and pg_net are not enabled here: %', sqlerrm;
end
$$;

-- Sets up the schedule, or sets it up anew: process every p_seconds while something is due, free expired leases,
-- purge old jobs and the history of pg_cron, look through the queue; where the functions have CLERK_SECRET_KEY, hourly
-- ask Clerk whether deliveries still come and for changes that brought no event, nightly compare everybody. Answers whether there is a
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
    'clerk-sync-purge', '*/5 * * * *', format('select public.clerk_sync_purge_jobs(%s, 50000)', p_retention_days)
  );
  perform cron.schedule('clerk-sync-audit', '*/5 * * * *', 'select public.clerk_sync_audit_jobs()');
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

-- An existing schedule is left as it is: its seconds and days may have been chosen by somebody. But the check of silence
-- is part of the hourly sweep now.
do $$
begin
  if to_regclass('cron.job') is not null then
    perform cron.unschedule(j.jobid) from cron.job as j where j.jobname = 'clerk-sync-check-silence';
  end if;
  if to_regclass('cron.job') is not null
    and not (public.clerk_sync_schedule_state() ->> 'scheduled')::boolean then
    perform public.clerk_sync_schedule();
  end if;
end
$$;
