-- How healthy the sync is, for SQL, the sync-health endpoint and the command line alike.

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
    clerk_sync.queue_reasons(p_facts, p_thresholds)
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
