-- What is counted of jobs, deliveries and calls. docs/metrics.md explains each metric; 19_metrics.sql reads them. Nothing
-- of it is on the hot path: clerk_sync.roll_up counts the finished jobs of the queue afterwards. What the queue does not
-- keep is noted where it happens, and is rare: failed attempts, dead letters, and what webhook and workers saw, in batches.
--
--   job_queue (finished) ──┐
--                          roll_up ──> metric_counts: by minute, by hour, and in total
--   metric_events ─────────┘

-- bucket: of a histogram, how many bounds of clerk_sync.latency_bounds the value is above; 0 for what is only counted.
create table if not exists clerk_sync.metric_counts (
  grain  text             not null,
  at     timestamptz      not null,
  name   text             not null,
  labels jsonb            not null default '{}',
  bucket smallint         not null default 0,
  count  bigint           not null,
  sum    double precision not null default 0,
  constraint metric_counts_pkey primary key (grain, name, at, labels, bucket),
  constraint grain_is_known check (grain in ('minute', 'hour', 'total')),
  constraint total_has_no_time check ((grain = 'total') = (at = '-infinity'))
);

comment on column clerk_sync.metric_counts.sum is 'of the values of a histogram, in seconds';

-- Waits for the next roll-up, which takes it away. Rows are only added, so that no worker waits for another. The label code
-- may be any text.
create table if not exists clerk_sync.metric_events (
  id     bigint generated always as identity,
  at     timestamptz not null,
  name   text        not null,
  labels jsonb       not null default '{}',
  count  bigint      not null default 1,
  constraint metric_events_pkey primary key (id)
);

-- Up to where finished jobs are counted. Its row is the lock of the roll-up.
create table if not exists clerk_sync.metric_state (
  is_only_row  boolean     not null default true,
  rolled_until timestamptz not null,
  constraint metric_state_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.metric_state (rolled_until)
values (now() - interval '7 days')
on conflict (is_only_row) do nothing;

-- The upper bounds of the buckets of latencies, in seconds; the last bucket has none.
create or replace function clerk_sync.latency_bounds()
returns double precision[]
language sql
immutable
set search_path = ''
as $$
  select '{0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,900,3600,21600}'::double precision[];
$$;

-- What the jobs finished from p_from until before p_until count for, by minute; the first p_limit of them.
--   received {}             at the minute the job came, so that no index on created_at is needed
--   finished {status, type}
--   latency {source}        a histogram, of completed jobs: from receipt to completion
--   processing {}           a histogram, of completed jobs: the last attempt
--   mirrored {outcome}      what the mirror did
-- Half a microsecond is taken from a latency so that a bound belongs to the bucket below it. The caller adds up rows that
-- count for the same.
create or replace function clerk_sync.finished_counts(p_from timestamptz, p_until timestamptz, p_limit bigint default null)
returns table (at timestamptz, name text, labels jsonb, bucket integer, count bigint, sum double precision)
language sql
stable
set search_path = ''
as $$
  with finished as materialized (
    select
      date_trunc('minute', j.processed_at, 'UTC') as at,
      date_trunc('minute', coalesce(j.created_at, j.processed_at), 'UTC') as received_at,
      j.status,
      j.job_type,
      case
        when j.source in ('webhook', 'refresh', 'ensure', 'backfill', 'reconcile') then j.source
        else 'mirror'
      end as source,
      greatest(0, extract(epoch from j.processed_at - coalesce(j.created_at, j.processed_at))::double precision) as latency,
      greatest(0, extract(epoch from (j.history -> -1 ->> 'at')::timestamptz - case
        when j.history -> -2 ->> 'status' = 'PROCESSING' then (j.history -> -2 ->> 'at')::timestamptz
        else j.processed_at
      end)::double precision) as processing,
      substring(j.result #>> '{mirror,outcome}' from '^[a-z_]{1,40}$') as mirrored
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at >= p_from
      and j.processed_at < p_until
    order by j.processed_at
    limit p_limit
  ),
  alike as (
    select
      f.at, f.received_at, f.status, f.job_type, f.source, f.mirrored,
      width_bucket(f.latency - 0.0000005, (select clerk_sync.latency_bounds())) as latency_bucket,
      width_bucket(f.processing - 0.0000005, (select clerk_sync.latency_bounds())) as processing_bucket,
      count(*) as count, sum(f.latency) as latency, sum(f.processing) as processing
    from finished as f
    group by 1, 2, 3, 4, 5, 6, 7, 8
  )
  select c.at, c.name, c.labels, c.bucket, a.count, c.sum
  from alike as a
  cross join lateral (
    values
      (true, a.received_at, 'received', '{}'::jsonb, 0, 0),
      (true, a.at, 'finished', jsonb_build_object('status', a.status, 'type', a.job_type), 0, 0),
      (a.status = 'COMPLETED', a.at, 'latency', jsonb_build_object('source', a.source), a.latency_bucket, a.latency),
      (a.status = 'COMPLETED', a.at, 'processing', '{}', a.processing_bucket, a.processing),
      (a.status = 'COMPLETED' and a.mirrored <> '', a.at, 'mirrored', jsonb_build_object('outcome', a.mirrored), 0, 0)
  ) as c(counts, at, name, labels, bucket, sum)
  where c.counts;
$$;

-- The roll-up: counts what finished up to a minute before p_now (a job is dated by the beginning of its transaction, which
-- may commit later), and takes the events away; of both at most p_limit. Answers whether there is more to count. Each job
-- and event is counted once: the mark moves with the counts, and events go with them. A second caller does not wait.
-- Called by the purge (each minute by a worker, every five by pg_cron), and when charts or metrics are read.
create or replace function clerk_sync.roll_up(p_now timestamptz default clock_timestamp(), p_limit integer default 20000)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_from  timestamptz;
  v_until timestamptz;
  v_next  timestamptz;
begin
  select s.rolled_until into v_from from clerk_sync.metric_state as s for update skip locked;
  if not found then
    return false;
  end if;
  v_until := greatest(v_from, p_now - interval '1 minute');
  v_next := (
    select j.processed_at
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at >= v_from
      and j.processed_at < v_until
    order by j.processed_at
    offset p_limit
    limit 1
  );
  if v_next is not null then -- where all of them finished at one moment, all are taken
    v_until := greatest(v_next, v_from + interval '1 microsecond');
  end if;
  with taken as (
    delete from clerk_sync.metric_events as e
    where e.id = any (array(select o.id from clerk_sync.metric_events as o order by o.id limit p_limit))
    returning e.at, e.name, e.labels, e.count
  ),
  counted as (
    select f.* from clerk_sync.finished_counts(v_from, v_until) as f
    union all
    select t.at, t.name, t.labels, 0, t.count, 0 from taken as t
    union all -- dead letters from the beginning, or made so by hand: no attempt of theirs failed
    select j.processed_at, 'dead', jsonb_build_object('code', j.error), 0, 1, 0
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
      and j.updated_at >= v_from
      and j.processed_at >= v_from
      and j.processed_at < v_until
      and j.attempts = 0
  )
  insert into clerk_sync.metric_counts as m (grain, at, name, labels, bucket, count, sum)
  select
    g.grain, case when g.width is null then '-infinity' else date_bin(g.width, c.at, 'epoch') end, c.name,
    case -- the code alone, without what follows it: a label must have few values
      when c.labels ? 'code' then jsonb_build_object(
        'code', coalesce(substring(c.labels ->> 'code' from '^([a-z_]{1,60})([: ]|$)'), 'unknown')
      )
      else c.labels
    end,
    c.bucket, sum(c.count), sum(c.sum)
  from counted as c
  cross join (
    values ('minute', interval '1 minute'), ('hour', '1 hour'), ('total', null)
  ) as g(grain, width)
  group by 1, 2, 3, 4, 5
  on conflict (grain, name, at, labels, bucket) do update
    set count = m.count + excluded.count,
        sum = m.sum + excluded.sum;
  update clerk_sync.metric_state as s
  set rolled_until = v_until
  where s.rolled_until <> v_until;
  return v_next is not null or exists (select 1 from clerk_sync.metric_events);
end
$$;
