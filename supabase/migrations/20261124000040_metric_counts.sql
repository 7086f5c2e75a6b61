-- What was counted, for charts and for Prometheus. Nothing of it is on the hot path: what the queue keeps is counted from
-- it afterwards (clerk_sync.roll_up, the next file), what it does not keep is put down where it happens and is rare:
-- failed attempts, dead letters, and what the webhook and the workers saw, in batches. docs/metrics.md explains each.
--
--   job_queue (finished) ──┐
--                          roll_up ──> metric_counts: by minute, quarter of an hour, hour, and in total
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
  constraint grain_is_known check (grain in ('minute', 'quarter', 'hour', 'total')),
  constraint total_has_no_time check ((grain = 'total') = (at = '-infinity'))
);

comment on column clerk_sync.metric_counts.sum is
  'of the values of a histogram, in seconds';

-- Waits for the next roll-up, which takes it away. Rows are only added here, so that no worker waits for another. The
-- label code may be any text here.
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

alter table clerk_sync.metric_counts enable row level security;
alter table clerk_sync.metric_events enable row level security;
alter table clerk_sync.metric_state enable row level security;
revoke all on clerk_sync.metric_counts, clerk_sync.metric_events, clerk_sync.metric_state
  from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.metric_counts to service_role;
grant select, insert, update, delete on clerk_sync.metric_events to service_role;
grant select, insert, update, delete on clerk_sync.metric_state to service_role;

drop policy if exists metric_counts_service_role on clerk_sync.metric_counts;
create policy metric_counts_service_role
  on clerk_sync.metric_counts
  for all
  to service_role
  using (true)
  with check (true);
drop policy if exists metric_events_service_role on clerk_sync.metric_events;
create policy metric_events_service_role
  on clerk_sync.metric_events
  for all
  to service_role
  using (true)
  with check (true);
drop policy if exists metric_state_service_role on clerk_sync.metric_state;
create policy metric_state_service_role
  on clerk_sync.metric_state
  for all
  to service_role
  using (true)
  with check (true);

-- The upper bounds of the buckets of latencies, in seconds; the last bucket has none.
create or replace function clerk_sync.latency_bounds()
returns double precision[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select '{0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,900,3600,21600}'::double precision[];
$$;

revoke execute on function clerk_sync.latency_bounds from public, anon, authenticated;
grant execute on function clerk_sync.latency_bounds to service_role;

-- The code of an error, without what follows it: a label must have few values, whatever a worker sends.
create or replace function clerk_sync.code_of(p_error text)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select coalesce(substring(p_error from '^([a-z_]{1,60})([: ]|$)'), 'unknown');
$$;

revoke execute on function clerk_sync.code_of from public, anon, authenticated;
grant execute on function clerk_sync.code_of to service_role;

-- Calls to the services, as clerk_sync.record_calls gets them. failure: it says that the service is down or refuses us.
create or replace function clerk_sync.count_calls(p_calls jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into clerk_sync.metric_events (at, name, labels, count)
  select p_now, 'calls', jsonb_build_object('service', c.name, 'outcome', o.outcome), o.count
  from jsonb_to_recordset(p_calls) as c(name text, successes bigint, failures bigint)
  cross join lateral (values ('success', c.successes), ('failure', c.failures)) as o(outcome, count)
  where o.count > 0
    and c.name in ('auth', 'clerk');
end
$$;

revoke execute on function clerk_sync.count_calls from public, anon, authenticated;
grant execute on function clerk_sync.count_calls to service_role;

-- Until this file came there was one with fewer arguments; both together would be ambiguous.
drop function if exists public.clerk_sync_record_deliveries(timestamptz, jsonb);

-- What the webhook saw since its last word: when it last took a delivery (p_accepted_at, null if it took none),
-- p_entries for the audit: [{kind, at, source, subject?, code?, count}], of which the first 200 are kept, and what it
-- answered, p_counts: [{name: answers | signature_failures, value: status | code, count}].
create or replace function public.clerk_sync_record_deliveries(
  p_accepted_at timestamptz,
  p_entries     jsonb default '[]',
  p_counts      jsonb default '[]',
  p_now         timestamptz default clock_timestamp()
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_accepted_at is not null then
    insert into clerk_sync.heartbeats as h (name, at)
    values ('webhook', p_accepted_at)
    on conflict (name) do update
      set at = greatest(h.at, excluded.at);
    perform clerk_sync.end_silence(p_accepted_at);
  end if;
  perform clerk_sync.add_audit(e.kind, e.source, e.subject, e.code, e.count, null, e.at)
  from (
    select i.*
    from jsonb_to_recordset(p_entries) as i(
      kind text, at timestamptz, source text, subject text, code text, count integer
    )
    order by i.kind, i.at, i.source, i.subject, i.code -- two writers take the rows in one order
    limit 200
  ) as e;
  insert into clerk_sync.metric_events (at, name, labels, count)
  select
    p_now, c.name,
    case c.name
      when 'answers' then jsonb_build_object('status', substring(c.value from '^[0-9]{3}$'))
      else jsonb_build_object('code', c.value)
    end,
    c.count
  from jsonb_to_recordset(p_counts) as c(name text, value text, count bigint)
  where c.name in ('answers', 'signature_failures')
  limit 100;
end
$$;

revoke execute on function public.clerk_sync_record_deliveries from public, anon, authenticated;
grant execute on function public.clerk_sync_record_deliveries to service_role;
