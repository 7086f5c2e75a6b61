-- What is known of the sync at this moment. What it means is judged in the next file. Every read is bounded, however
-- long the queue and its history are.

-- When a part of the system was last seen: worker (a Node server), processor (the Edge Function), webhook (the last
-- delivery it took).
create table if not exists clerk_sync.heartbeats (
  name text        not null,
  at   timestamptz not null,
  constraint heartbeats_pkey primary key (name)
);

alter table clerk_sync.heartbeats enable row level security;
revoke all on clerk_sync.heartbeats from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.heartbeats to service_role;

drop policy if exists heartbeats_service_role on clerk_sync.heartbeats;
create policy heartbeats_service_role
  on clerk_sync.heartbeats
  for all
  to service_role
  using (true)
  with check (true);

-- Takes down that a part is alive; writes nothing while its last word is younger than ten seconds.
create or replace function public.clerk_sync_beat(p_name text, p_now timestamptz default clock_timestamp())
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into clerk_sync.heartbeats as h (name, at)
  values (p_name, p_now)
  on conflict (name) do update
    set at = excluded.at
    where h.at < excluded.at - interval '10 seconds';
end
$$;

revoke execute on function public.clerk_sync_beat from public, anon, authenticated;
grant execute on function public.clerk_sync_beat to service_role;

-- Dead letters in the order they died. In this form, which `status = 'DEAD'` does not imply: no other query is to be
-- planned with it, it would read all dead letters for one user's.
create index if not exists job_queue_dead_idx
  on public.job_queue (updated_at)
  where case when status = 'DEAD' then true end;

-- Since when the oldest due job waits; null when nothing is due. The due index is ordered by priority first: the heads
-- of the priorities there are, one lookup each. A refresh may be waiting for a CLERK_SECRET_KEY and does not count;
-- of each priority the first thousand jobs are looked at.
create or replace function clerk_sync.oldest_due(p_now timestamptz)
returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  with recursive priorities(priority) as (
    select max(j.priority) from public.job_queue as j where j.status in ('PENDING', 'FAILED')
    union all
    select (
      select max(j.priority)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.priority < p.priority
    )
    from priorities as p
    where p.priority is not null
  )
  select min(h.run_at)
  from priorities as p
  cross join lateral (
    select j.run_at, j.source
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.priority = p.priority
      and j.run_at <= p_now
    order by j.run_at
    limit 1000
  ) as h
  where h.source <> 'refresh';
$$;

revoke execute on function clerk_sync.oldest_due from public, anon, authenticated;
grant execute on function clerk_sync.oldest_due to service_role;

-- What is in the queue, counted as far as p_most: {open: {PENDING, FAILED, PROCESSING}, dead: {count, newest_at}}.
create or replace function clerk_sync.count_queue(p_most integer)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'open', (
      select coalesce(jsonb_object_agg(g.status, g.jobs), '{}')
      from (
        select w.status, count(*) as jobs
        from (
          (select j.status from public.job_queue as j where j.status in ('PENDING', 'FAILED') limit p_most)
          union all
          (select j.status from public.job_queue as j where j.status = 'PROCESSING' limit p_most)
        ) as w
        group by w.status
      ) as g
    ),
    'dead', (
      select jsonb_build_object('count', count(*), 'newest_at', max(d.updated_at))
      from (
        select j.updated_at
        from public.job_queue as j
        where case when j.status = 'DEAD' then true end
        order by j.updated_at desc
        limit p_most
      ) as d
    )
  );
$$;

revoke execute on function clerk_sync.count_queue from public, anon, authenticated;
grant execute on function clerk_sync.count_queue to service_role;

-- How many users there are: counted up to 10,000, beyond that as autovacuum last estimated.
create or replace function clerk_sync.estimate_users()
returns bigint
language sql
stable
security invoker
set search_path = ''
as $$
  select case
    when n.users < 10000 then n.users
    else greatest(n.users, (select c.reltuples from pg_catalog.pg_class as c where c.oid = 'public.users'::regclass))
  end::bigint
  from (select clerk_sync.count_users(10000) as users) as n;
$$;

revoke execute on function clerk_sync.estimate_users from public, anon, authenticated;
grant execute on function clerk_sync.estimate_users to service_role;

-- The state of the schedule; null where there is no pg_cron, or where the caller may not look at it.
create or replace function clerk_sync.schedule_facts()
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  return public.clerk_sync_schedule_state();
exception
  when insufficient_privilege then
    return null;
end
$$;

revoke execute on function clerk_sync.schedule_facts from public, anon, authenticated;
grant execute on function clerk_sync.schedule_facts to service_role;

-- Facts of parts that have tables of their own.
-- >>> Add facts of other parts here, and their reasons to clerk_sync.sync_reasons:
--     'circuits', (select … from clerk_sync.circuits …)     of the circuit breakers
--     'drift', (select … from clerk_sync.sync_runs …)       of the last compare with Clerk
create or replace function clerk_sync.part_facts()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'delete_brake', (
      select jsonb_build_object('engaged_at', b.engaged_at, 'reason', b.reason)
      from clerk_sync.delete_brake as b
    ),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, h.at), '{}') from clerk_sync.heartbeats as h)
  );
$$;

revoke execute on function clerk_sync.part_facts from public, anon, authenticated;
grant execute on function clerk_sync.part_facts to service_role;

-- What is known: {now, schema_version, oldest_due_at, oldest_refresh_at, open, dead, users, last_applied_at, schedule,
-- silence, audit, …}. Nothing of it is personal.
create or replace function clerk_sync.health_facts(p_now timestamptz)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- a bitmap is made of all that match, whatever the limit
as $$
begin
  return jsonb_build_object(
    'now', p_now,
    'schema_version', public.clerk_sync_schema_version(),
    'oldest_due_at', clerk_sync.oldest_due(p_now),
    'oldest_refresh_at', (
      select min(s.refresh_due_at) from clerk_sync.user_state as s where s.refresh_due_at is not null
    ),
    'users', clerk_sync.estimate_users(),
    'last_applied_at', (
      select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED')
    ),
    'schedule', clerk_sync.schedule_facts(),
    'silence', clerk_sync.silence_facts(),
    'audit', clerk_sync.audit_facts(p_now - interval '1 hour')
  ) || clerk_sync.count_queue(10000) || clerk_sync.part_facts();
end
$$;

revoke execute on function clerk_sync.health_facts from public, anon, authenticated;
grant execute on function clerk_sync.health_facts to service_role;
