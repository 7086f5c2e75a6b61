-- The charts' data, from what was rolled up and, for what finished since, from the queue.

-- The jobs that are open or wait as dead letters, of each kind the first p_most; of the dead letters the newest.
create or replace function clerk_sync.open_jobs(p_most integer)
returns table (status text, job_type text, waits_for text, created_at timestamptz)
language sql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
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

revoke execute on function clerk_sync.open_jobs from public, anon, authenticated;
grant execute on function clerk_sync.open_jobs to service_role;

-- The value below which this share of a histogram is, in seconds, as Prometheus' histogram_quantile estimates it; null
-- when it is empty. p_counts: {bucket: count}.
create or replace function clerk_sync.quantile(p_share double precision, p_counts jsonb)
returns double precision
language sql
immutable
strict
security invoker
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

revoke execute on function clerk_sync.quantile from public, anon, authenticated;
grant execute on function clerk_sync.quantile to service_role;

-- Everything of the charts since p_from, by intervals. What is open has been received; of that 10,000 jobs are
-- counted, the rest when they finish. p_grain: minute, quarter or hour. Latency is
-- that of Clerk's events only: a backfill waits by intention.
create or replace function clerk_sync.interval_counts(
  p_from     timestamptz,
  p_interval interval,
  p_grain    text,
  p_now      timestamptz
)
returns table (at timestamptz, name text, bucket integer, count bigint)
language sql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off'
set enable_bitmapscan = 'off'
as $$
  select date_bin(p_interval, c.at, 'epoch'), c.name, c.bucket, sum(c.count)::bigint
  from (
    select m.at, m.name, m.labels, m.bucket::integer, m.count
    from clerk_sync.metric_counts as m
    where m.grain = p_grain
      and m.name in ('received', 'finished', 'latency', 'failed_attempts', 'dead')
      and m.at >= p_from
    union all
    select f.at, f.name, f.labels, f.bucket, f.count
    from clerk_sync.finished_counts(
      (select s.rolled_until from clerk_sync.metric_state as s), p_now + interval '1 minute', 20000
    ) as f
    union all
    select o.created_at, 'received', '{}', 0, 1
    from clerk_sync.open_jobs(10000) as o
  ) as c
  where c.at >= p_from
    and (c.name <> 'finished' or c.labels ->> 'status' = 'COMPLETED')
    and (c.name <> 'latency' or c.labels ->> 'source' = 'webhook')
  group by 1, 2, 3;
$$;

revoke execute on function clerk_sync.interval_counts from public, anon, authenticated;
grant execute on function clerk_sync.interval_counts to service_role;

-- {window, interval_seconds, points: [{at, received, completed, failed_attempts, dead, latency_p50, latency_p95}]} of the
-- last hour by minutes, day by quarters of an hour, or week by two hours: every interval, the oldest first; the last one
-- is under way. Latencies are in ms.
create or replace function public.clerk_sync_series(p_window text default '1h', p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_interval interval := make_interval(mins => case p_window when '1h' then 1 when '24h' then 15 when '7d' then 120 end);
  v_points   integer  := case p_window when '1h' then 60 when '24h' then 96 else 84 end;
  v_grain    text     := case p_window when '1h' then 'minute' when '24h' then 'quarter' else 'hour' end;
  v_from     timestamptz;
begin
  if v_interval is null then
    raise exception 'p_window is %, it must be 1h, 24h or 7d', p_window using errcode = 'SY002';
  end if;
  perform clerk_sync.roll_up(p_now, 5000);
  v_from := date_bin(v_interval, p_now, 'epoch') - (v_points - 1) * v_interval;
  return jsonb_build_object(
    'window', p_window,
    'interval_seconds', extract(epoch from v_interval)::integer,
    'points', (
      with counts as materialized (
        select c.*
        from clerk_sync.interval_counts(v_from, v_interval, v_grain, p_now) as c
      )
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
      from generate_series(v_from, v_from + (v_points - 1) * v_interval, v_interval) as i(at)
      left join (
        select
          g.at,
          jsonb_object_agg(case g.name when 'finished' then 'completed' else g.name end, g.count) filter (where g.name <> 'latency') as sums,
          jsonb_object_agg(g.bucket, g.count) filter (where g.name = 'latency') as latencies
        from counts as g
        group by g.at
      ) as s on s.at = i.at
    )
  );
end
$$;

revoke execute on function public.clerk_sync_series from public, anon, authenticated;
grant execute on function public.clerk_sync_series to service_role;
