-- What charts and Prometheus read, and views for the SQL editor. docs/metrics.md explains them.

-- The jobs that are open or wait as dead letters, of each kind the first p_most; of the dead letters the newest.
create or replace function clerk_sync.open_jobs(p_most integer)
returns table (status text, job_type text, waits_for text, created_at timestamptz)
language sql
stable
set search_path = ''
as $$
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.waits_for is not null
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.status = 'PROCESSING'
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
    order by j.updated_at desc
    limit p_most
  );
$$;

-- The value below which this share of a histogram is, in seconds, as Prometheus' histogram_quantile estimates it; null
-- when it is empty. p_counts: {bucket: count}.
create or replace function clerk_sync.quantile(p_share double precision, p_counts jsonb)
returns double precision
language sql
immutable
strict
set search_path = ''
as $$
  with bounds as (select clerk_sync.latency_bounds() as upper),
  buckets as (
    select
      c.key::integer as bucket,
      c.value::double precision as count,
      sum(c.value::double precision) over (order by c.key::integer) as up_to,
      sum(c.value::double precision) over () as total
    from jsonb_each_text(p_counts) as c
  )
  select coalesce(b.upper[k.bucket], 0)
    + (coalesce(b.upper[k.bucket + 1], b.upper[k.bucket]) - coalesce(b.upper[k.bucket], 0))
    * (p_share * k.total - (k.up_to - k.count)) / k.count
  from buckets as k
  cross join bounds as b
  where k.up_to >= p_share * k.total
    and k.count > 0
  order by k.bucket
  limit 1;
$$;

-- {window, interval_seconds, points: [{at, received, completed, failed_attempts, dead, latency_p50, latency_p95}]} of the
-- last hour by minutes, day by quarters of an hour, or week by two hours: every interval, the oldest first; the last one
-- is under way. Counts are what was rolled up, what finished since, and as received 10,000 of each kind of open jobs.
-- Latencies are those of Clerk's events, in ms: a backfill waits by intention.
create or replace function public.clerk_sync_series(p_window text default '1h', p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_interval interval := make_interval(mins => case p_window when '1h' then 1 when '24h' then 15 when '7d' then 120 end);
  v_points   integer  := case p_window when '1h' then 60 when '24h' then 96 else 84 end;
  v_last     timestamptz;
  v_from     timestamptz;
begin
  if v_interval is null then
    raise exception 'p_window is %, it must be 1h, 24h or 7d', p_window using errcode = 'SY002';
  end if;
  perform clerk_sync.roll_up(p_now, 5000);
  v_last := date_bin(v_interval, p_now, 'epoch');
  v_from := v_last - (v_points - 1) * v_interval;
  return jsonb_build_object(
    'window', p_window,
    'interval_seconds', extract(epoch from v_interval)::integer,
    'points', (
      select jsonb_agg(
        jsonb_build_object('at', i.at)
          || '{"received": 0, "completed": 0, "failed_attempts": 0, "dead": 0}'
          || coalesce(s.sums, '{}')
          || jsonb_build_object(
            'latency_p50', 1000 * clerk_sync.quantile(0.5, s.latencies),
            'latency_p95', 1000 * clerk_sync.quantile(0.95, s.latencies)
          )
        order by i.at
      )
      from generate_series(v_from, v_last, v_interval) as i(at)
      left join (
        select
          g.at,
          jsonb_object_agg(g.name, g.count) filter (where g.name <> 'latency') as sums,
          jsonb_object_agg(g.bucket, g.count) filter (where g.name = 'latency') as latencies
        from (
          select
            date_bin(v_interval, c.at, 'epoch') as at,
            case c.name when 'finished' then 'completed' else c.name end as name,
            c.bucket,
            sum(c.count) as count
          from (
            select m.at, m.name, m.labels, m.bucket, m.count
            from clerk_sync.metric_counts as m
            where m.grain = case p_window when '7d' then 'hour' else 'minute' end
              and m.name in ('received', 'finished', 'latency', 'failed_attempts', 'dead')
              and m.at >= v_from
            union all
            select f.at, f.name, f.labels, f.bucket, f.count
            from clerk_sync.finished_counts(
              (select s.rolled_until from clerk_sync.metric_state as s), p_now + interval '1 minute', 20000
            ) as f
            where f.name in ('received', 'finished', 'latency')
            union all
            select o.created_at, 'received', '{}', 0, 1
            from clerk_sync.open_jobs(10000) as o
          ) as c
          where c.at >= v_from
            and (c.name <> 'finished' or c.labels ->> 'status' = 'COMPLETED')
            and (c.name <> 'latency' or c.labels ->> 'source' = 'webhook')
          group by 1, 2, 3
        ) as g
        group by g.at
      ) as s on s.at = i.at
    )
  );
end
$$;

-- {bounds, rolled_until, counts: [{name, labels, count, sum, buckets: {bucket: count}}], jobs: [{status, type, service,
-- count}], health, drift, runs: {kind: {completed_at, failed}}, active}: everything that a scrape reads. counts are totals
-- since the installation; jobs are those that are open or dead, of each kind 10,000 at most; health is clerk_sync_health;
-- drift is what the newest compare counted, without zeros, null before the first. metrics/families.ts makes metrics of it.
create or replace function public.clerk_sync_metrics(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
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
    'health', public.clerk_sync_health(p_now),
    'drift', (
      select s.counts
      from clerk_sync.sync_runs as s
      where s.kind = 'compare'
        and s.status = 'COMPLETED'
      order by s.started_at desc
      limit 1
    ),
    'runs', (
      select jsonb_object_agg(t.kind, to_jsonb(t) - 'kind')
      from (
        select
          k.kind,
          max(s.finished_at) filter (where s.status = 'COMPLETED') as completed_at,
          coalesce((array_agg(s.status order by s.started_at desc))[1] = 'FAILED', false) as failed
        from (values ('backfill'), ('sweep'), ('compare')) as k(kind)
        left join clerk_sync.sync_runs as s on s.kind = k.kind
          and s.applies
          and s.status in ('COMPLETED', 'FAILED')
        group by k.kind
      ) as t
    ),
    'active', exists (select 1 from clerk_sync.sync_runs as s where s.status = 'RUNNING')
  );
end
$$;

-- How many jobs there are of each status and type, and since when the oldest of them waits. Reads the whole queue.
create or replace view clerk_sync.queue_status
with (security_invoker = true)
as
select
  j.status, j.job_type, j.waits_for,
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
  j.id, j.clerk_id, j.event_id, j.job_type, j.status, j.attempts, j.max_attempts, j.error,
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

-- How many users each compare found to differ, by kind.
create or replace view clerk_sync.drift_history
with (security_invoker = true)
as
select s.finished_at, s.id as run_id, s.applies as repaired, c.*
from clerk_sync.sync_runs as s
cross join lateral jsonb_to_record(
  '{"read": 0, "missing": 0, "stale": 0, "differs": 0, "extra": 0, "unmirrored": 0, "ahead": 0}' || s.counts
) as c(read bigint, missing bigint, stale bigint, differs bigint, extra bigint, unmirrored bigint, ahead bigint)
where s.kind = 'compare'
  and s.status = 'COMPLETED';
