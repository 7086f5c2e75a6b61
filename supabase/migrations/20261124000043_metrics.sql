-- Everything that a scrape reads, in one answer, and views for those who have the SQL editor only. docs/metrics.md
-- explains both.

-- What the newest compare found, by kind, and how the runs of each kind did: {drift, runs: {kind: {completed_at,
-- failed}}, active}. drift is null before the first compare.
create or replace function clerk_sync.run_metrics()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'drift', (
      select '{"read": 0, "missing": 0, "stale": 0, "ahead": 0, "differs": 0, "extra": 0, "unmirrored": 0}'::jsonb || s.counts
      from clerk_sync.sync_runs as s
      where s.kind = 'compare'
        and s.status = 'COMPLETED'
      order by s.started_at desc
      limit 1
    ),
    'runs', (
      select jsonb_object_agg(k.kind, jsonb_build_object(
        'completed_at', (
          select max(s.finished_at)
          from clerk_sync.sync_runs as s
          where s.kind = k.kind
            and s.status = 'COMPLETED'
            and s.applies
        ),
        'failed', coalesce((
          select s.status = 'FAILED'
          from clerk_sync.sync_runs as s
          where s.kind = k.kind
            and s.status in ('COMPLETED', 'FAILED')
            and s.applies
          order by s.started_at desc
          limit 1
        ), false)
      ))
      from (values ('backfill'), ('sweep'), ('compare')) as k(kind)
    ),
    'active', exists (select 1 from clerk_sync.sync_runs as s where s.status = 'RUNNING')
  );
$$;

revoke execute on function clerk_sync.run_metrics from public, anon, authenticated;
grant execute on function clerk_sync.run_metrics to service_role;

-- {bounds, rolled_until, counts: [{name, labels, count, sum, buckets: {bucket: count}}], jobs: [{status, type, service,
-- count}], health, drift, runs, active}. counts are totals since the installation; jobs are those that are open or dead,
-- of each kind 10,000 at most; health is clerk_sync_health. metric-families.ts makes metrics of it.
create or replace function public.clerk_sync_metrics(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform clerk_sync.roll_up(p_now, 5000);
  return jsonb_build_object(
    'bounds', clerk_sync.latency_bounds(),
    'rolled_until', (select s.rolled_until from clerk_sync.metric_state as s),
    'counts', (
      select coalesce(jsonb_agg(to_jsonb(t)), '[]')
      from (
        select
          m.name, m.labels, sum(m.count) as count, sum(m.sum) as sum,
          jsonb_object_agg(m.bucket, m.count order by m.bucket) as buckets
        from clerk_sync.metric_counts as m
        where m.grain = 'total'
        group by m.name, m.labels
      ) as t
    ),
    'jobs', (
      select coalesce(jsonb_agg(to_jsonb(t)), '[]')
      from (
        select o.status, o.job_type as type, o.waits_for as service, count(*) as count
        from clerk_sync.open_jobs(10000) as o
        group by 1, 2, 3
      ) as t
    ),
    'health', public.clerk_sync_health(p_now)
  ) || clerk_sync.run_metrics();
end
$$;

revoke execute on function public.clerk_sync_metrics from public, anon, authenticated;
grant execute on function public.clerk_sync_metrics to service_role;

-- How many jobs there are of each status and type, and since when the oldest of them waits. Reads the whole queue.
create or replace view clerk_sync.queue_status
with (security_invoker = true)
as
select
  j.status,
  j.job_type,
  j.waits_for,
  count(*) as jobs,
  min(j.created_at) as oldest_created_at,
  min(j.run_at) filter (where j.status in ('PENDING', 'FAILED')) as next_run_at
from public.job_queue as j
group by j.status, j.job_type, j.waits_for;

-- Dead letters by the code of their error: what went wrong, how often, since when, and one of them to look at.
create or replace view clerk_sync.dead_letter_groups
with (security_invoker = true)
as
select
  split_part(j.error, ':', 1) as code,
  count(*) as jobs,
  count(distinct j.clerk_id) as users,
  min(j.processed_at) as first_at,
  max(j.processed_at) as last_at,
  (array_agg(j.id order by j.processed_at desc))[1] as newest_job
from public.job_queue as j
where case when j.status = 'DEAD' then true end
group by 1;

-- Jobs that failed or gave up, with the error of their last attempt and when the next one is due.
create or replace view clerk_sync.recent_failures
with (security_invoker = true)
as
select
  j.updated_at as failed_at,
  j.id,
  j.clerk_id,
  j.event_id,
  j.job_type,
  j.status,
  j.attempts,
  j.max_attempts,
  j.error,
  case when j.status = 'FAILED' then j.run_at end as next_run_at
from public.job_queue as j
where j.status in ('FAILED', 'DEAD');

-- How long what Clerk sent took from receipt to completion, by hour: seconds, estimated from a histogram.
create or replace view clerk_sync.latency_by_hour
with (security_invoker = true)
as
select
  h.at as hour,
  h.jobs,
  h.sum / h.jobs as mean_seconds,
  clerk_sync.quantile(0.5, h.buckets) as p50_seconds,
  clerk_sync.quantile(0.95, h.buckets) as p95_seconds
from (
  select m.at, sum(m.count) as jobs, sum(m.sum) as sum, jsonb_object_agg(m.bucket, m.count) as buckets
  from clerk_sync.metric_counts as m
  where m.grain = 'hour'
    and m.name = 'latency'
    and m.labels = '{"source": "webhook"}'
  group by m.at
) as h;

-- What each compare found out of step, by kind.
create or replace view clerk_sync.drift_history
with (security_invoker = true)
as
select
  s.finished_at,
  s.id as run_id,
  s.applies as repaired,
  coalesce((s.counts ->> 'read')::bigint, 0) as read,
  coalesce((s.counts ->> 'missing')::bigint, 0) as missing,
  coalesce((s.counts ->> 'stale')::bigint, 0) as stale,
  coalesce((s.counts ->> 'differs')::bigint, 0) as differs,
  coalesce((s.counts ->> 'extra')::bigint, 0) as extra,
  coalesce((s.counts ->> 'unmirrored')::bigint, 0) as unmirrored,
  coalesce((s.counts ->> 'ahead')::bigint, 0) as ahead
from clerk_sync.sync_runs as s
where s.kind = 'compare'
  and s.status = 'COMPLETED';

revoke all on clerk_sync.queue_status, clerk_sync.dead_letter_groups, clerk_sync.recent_failures,
  clerk_sync.latency_by_hour, clerk_sync.drift_history from public, anon, authenticated;
grant select on clerk_sync.queue_status to service_role;
grant select on clerk_sync.dead_letter_groups to service_role;
grant select on clerk_sync.recent_failures to service_role;
grant select on clerk_sync.latency_by_hour to service_role;
grant select on clerk_sync.drift_history to service_role;
