-- What is known of the sync at this moment. What it means is judged in the next file; the file before has the facts of
-- single parts. Every read is bounded, however long the queue and its history are.

-- Dead letters in the order they died. In this form, which `status = 'DEAD'` does not imply: no other query is to be
-- planned with it, it would read all dead letters for one user's.
create index if not exists job_queue_dead_idx
  on public.job_queue (updated_at)
  where case when status = 'DEAD' then true end;

-- Since when the oldest due job waits; null when nothing is due. The due index is ordered by priority first: the heads
-- of the priorities there are, one lookup each. A refresh may be waiting for a CLERK_SECRET_KEY and does not count;
-- nor does what waits for a service that is down. Of each priority the first thousand jobs are looked at.
create or replace function clerk_sync.oldest_due(p_now timestamptz)
returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  with recursive priorities(priority) as (
    select max(j.priority) from public.job_queue as j where j.status in ('PENDING', 'FAILED') and j.waits_for is null
    union all
    select (
      select max(j.priority)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.waits_for is null
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
      and j.waits_for is null
      and j.priority = p.priority
      and j.run_at <= p_now
    order by j.run_at
    limit 1000
  ) as h
  where h.source <> 'refresh';
$$;

revoke execute on function clerk_sync.oldest_due from public, anon, authenticated;
grant execute on function clerk_sync.oldest_due to service_role;

-- How many jobs are in a status, counted as far as p_most.
create or replace function clerk_sync.count_jobs_in(p_status text, p_most integer)
returns integer
language sql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
as $$
  select count(*)::integer
  from (
    select 1
    from public.job_queue as j
    where case when j.id is not null then true end -- job_queue_list_idx
      and j.status = p_status
    limit p_most
  ) as counted;
$$;

revoke execute on function clerk_sync.count_jobs_in from public, anon, authenticated;
grant execute on function clerk_sync.count_jobs_in to service_role;

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
      select coalesce(jsonb_object_agg(g.status, g.jobs) filter (where g.jobs > 0), '{}')
      from (
        select s.status, clerk_sync.count_jobs_in(s.status, p_most) as jobs
        from unnest('{PENDING,FAILED,PROCESSING}'::text[]) as s(status)
        offset 0 -- counts once, not wherever jobs is named
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
  from (select clerk_sync.count_users(10000) as users offset 0) as n; -- counts once, not wherever users is named
$$;

revoke execute on function clerk_sync.estimate_users from public, anon, authenticated;
grant execute on function clerk_sync.estimate_users to service_role;

-- Of the jobs tried within p_minutes: {done, failed, since}, failed are those whose last attempt did, since the oldest of
-- them. A job that is tried often counts once. Of each the newest 200 are looked at, over the same time: the last second
-- where there are many.
create or replace function clerk_sync.attempt_facts(p_now timestamptz, p_minutes integer)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  with done as materialized (
    select j.processed_at as at, j.status = 'COMPLETED' as counts
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at > p_now - make_interval(mins => p_minutes)
    order by j.processed_at desc
    limit 200
  ),
  failed as materialized (
    select j.updated_at as at, j.status <> 'CANCELLED' and j.attempts > 0 as counts
    from public.job_queue as j
    where j.status in ('FAILED', 'DEAD', 'CANCELLED')
      and j.updated_at > p_now - make_interval(mins => p_minutes)
    order by j.updated_at desc
    limit 200
  ),
  span as (
    select greatest(
      (select min(d.at) from done as d having count(*) = 200),
      (select min(f.at) from failed as f having count(*) = 200)
    ) as start
  )
  select jsonb_build_object(
    'done', (select count(*) from done as d where d.counts and coalesce(d.at >= s.start, true)),
    'failed', (select count(*) from failed as f where f.counts and coalesce(f.at >= s.start, true)),
    'since', (select min(f.at) from failed as f where f.counts)
  )
  from span as s;
$$;

revoke execute on function clerk_sync.attempt_facts from public, anon, authenticated;
grant execute on function clerk_sync.attempt_facts to service_role;

-- What is known: {now, schema_version, write_failure, oldest_due_at, oldest_refresh_at, open, dead, users, attempts, last_applied_at,
-- schedule, runs, silence, audit, …}. Nothing of it is personal.
create or replace function clerk_sync.health_facts(p_now timestamptz)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- a bitmap is made of all that match, whatever the limit
as $$
begin
  return jsonb_build_object(
    'now', p_now,
    'schema_version', public.clerk_sync_schema_version(),
    'write_failure', public.clerk_sync_write_failure(),
    'oldest_due_at', clerk_sync.oldest_due(p_now),
    'oldest_refresh_at', (
      select min(s.refresh_due_at) from clerk_sync.user_state as s where s.refresh_due_at is not null
    ),
    'users', clerk_sync.estimate_users(),
    'last_applied_at', (
      select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED')
    ),
    'attempts', clerk_sync.attempt_facts(p_now, 15),
    'schedule', clerk_sync.schedule_facts(),
    'runs', clerk_sync.run_facts(),
    'silence', clerk_sync.silence_facts(),
    'audit', clerk_sync.audit_facts(p_now - interval '1 hour')
  ) || clerk_sync.count_queue(10000) || clerk_sync.part_facts();
end
$$;

revoke execute on function clerk_sync.health_facts from public, anon, authenticated;
grant execute on function clerk_sync.health_facts to service_role;
