-- How healthy the sync is, for SQL, the sync-health endpoint and the command line alike.

-- What is wrong with what was tried lately, in the form of the reasons before; see clerk_sync.attempt_facts.
create or replace function clerk_sync.attempt_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  with f as (
    select a.failed, a.failed + a.done as tried, a.since
    from jsonb_to_record(p_facts -> 'attempts') as a(failed bigint, done bigint, since timestamptz)
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'code', 'error_rate',
    'status', 'degraded',
    'what', format('Of the last %s jobs that were tried %s failed.', f.tried, f.failed),
    'since', f.since,
    'remedy', 'See their errors: admin page, Jobs, failed; or clerk-sync jobs list --status failed,dead.'
      || ' docs/errors.md explains the codes.'
  )), '[]')
  from f
  where f.failed >= greatest(
    (p_t ->> 'failed_degraded')::integer, f.tried * (p_t ->> 'failed_degraded_percent')::numeric / 100
  );
$$;

revoke execute on function clerk_sync.attempt_reasons from public, anon, authenticated;
grant execute on function clerk_sync.attempt_reasons to service_role;

-- What clerk_sync_write_failure says, in the form of the reasons before.
create or replace function clerk_sync.write_reasons(p_facts jsonb)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'code', 'not_writable',
    'status', 'compromised',
    'what', format('The database takes no writes, so every event is refused and Clerk delivers it again: %s', f.failure),
    'remedy', 'Is the disk full? Make room, or a larger disk; on Supabase: Settings, Compute and Disk. A database that the host made'
      || ' read-only has to be made writable again (default_transaction_read_only); a standby has to be promoted, or DATABASE_URL to'
      || ' name the primary.'
  )), '[]')
  from (select p_facts ->> 'write_failure' as failure) as f
  where f.failure is not null;
$$;

revoke execute on function clerk_sync.write_reasons from public, anon, authenticated;
grant execute on function clerk_sync.write_reasons to service_role;

-- {status, reasons}: compromised, degraded or healthy, by the worst of its reasons, which come first.
create or replace function clerk_sync.judge_health(
  p_facts      jsonb,
  p_thresholds jsonb default clerk_sync.health_thresholds()
)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'status', coalesce(min(r.value ->> 'status'), 'healthy'),
    'reasons', coalesce(jsonb_agg(jsonb_strip_nulls(r.value) order by r.value ->> 'status', r.place), '[]')
  )
  from jsonb_array_elements(
    clerk_sync.write_reasons(p_facts)
      || clerk_sync.queue_reasons(p_facts, p_thresholds)
      || clerk_sync.attempt_reasons(p_facts, p_thresholds)
      || clerk_sync.delivery_reasons(p_facts, p_thresholds)
      || clerk_sync.service_reasons(p_facts, p_thresholds)
      || clerk_sync.sync_reasons(p_facts)
  ) with ordinality as r(value, place);
$$;

revoke execute on function clerk_sync.judge_health from public, anon, authenticated;
grant execute on function clerk_sync.judge_health to service_role;

-- {status: healthy | degraded | compromised, reasons: [{code, status, what, since?, remedy}], facts}.
create or replace function public.clerk_sync_health(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_facts jsonb := clerk_sync.health_facts(p_now);
begin
  return clerk_sync.judge_health(v_facts) || jsonb_build_object('facts', v_facts);
end
$$;

revoke execute on function public.clerk_sync_health from public, anon, authenticated;
grant execute on function public.clerk_sync_health to service_role;

-- Whether what depends on fresh user data may go on: true while the sync is healthy or degraded.
create or replace function public.clerk_sync_is_healthy(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return public.clerk_sync_health(p_now) ->> 'status' <> 'compromised';
end
$$;

revoke execute on function public.clerk_sync_is_healthy from public, anon, authenticated;
grant execute on function public.clerk_sync_is_healthy to service_role;
