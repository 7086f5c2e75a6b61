-- How a run moves: each step stores its jobs, its marks and where it stands in one transaction.

-- One step of a run that is held by p_token. p_step: {number?, phase?, cursor?, counts?, jobs?, mirror?, marks?,
-- users_at_clerk?}; jobs as clerk_sync_enqueue takes them, mirror: Clerk ids of users who are mirrored once more as they
-- are; counts are added to those of the run, as are the outcomes of the jobs. A step whose number is stored already (its answer was lost) is not stored again. Answers
-- {held, run, read_at, open_jobs}. When the run was taken over or cancelled, held is false and nothing was stored.
-- open_jobs: jobs of backfill and reconcile that wait, counted as far as p_most_jobs.
create or replace function public.clerk_sync_advance_run(
  p_id            uuid,
  p_token         uuid,
  p_step          jsonb,
  p_max_attempts  integer default 15,
  p_most_jobs     integer default 10000,
  p_lease_seconds integer default 60,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_enqueue
as $$
declare
  v_steps    integer;
  v_step     jsonb := p_step;
  v_enqueued jsonb;
  v_repairs  jsonb;
begin
  select r.steps
  into v_steps
  from clerk_sync.sync_runs as r
  where r.id = p_id
    and r.lease_token = p_token
  for update;
  if not found then
    return jsonb_build_object('held', false);
  end if;
  if (v_step ->> 'number')::integer <= v_steps then
    v_step := '{}';
  end if;
  v_enqueued := public.clerk_sync_enqueue(coalesce(v_step -> 'jobs', '[]'), p_max_attempts, p_now);
  v_repairs := clerk_sync.queue_auth_repairs(p_id, coalesce(v_step -> 'mirror', '[]'), p_now);
  insert into clerk_sync.run_marks (clerk_id)
  select m from jsonb_array_elements_text(coalesce(v_step -> 'marks', '[]')) as m
  on conflict (clerk_id) do nothing;
  update clerk_sync.sync_runs as r
  set steps = greatest(r.steps, coalesce((v_step ->> 'number')::integer, 0)),
      phase = coalesce(v_step ->> 'phase', r.phase),
      cursor = coalesce(v_step -> 'cursor', r.cursor),
      counts = clerk_sync.add_counts(
        clerk_sync.add_counts(r.counts, coalesce(v_step -> 'counts', '{}')),
        clerk_sync.add_counts(clerk_sync.count_outcomes(v_enqueued), v_repairs)
      ),
      users_at_clerk = coalesce((v_step ->> 'users_at_clerk')::integer, r.users_at_clerk),
      error = null,
      updated_at = p_now,
      lease_until = p_now + make_interval(secs => p_lease_seconds)
  where r.id = p_id;
  return jsonb_build_object(
    'held', true,
    'run', clerk_sync.describe_run(p_id),
    'read_at', p_now,
    'open_jobs', clerk_sync.count_background_jobs(p_most_jobs)
  );
end
$$;

revoke execute on function public.clerk_sync_advance_run from public, anon, authenticated;
grant execute on function public.clerk_sync_advance_run to service_role;

-- Ends the runner's part: COMPLETED or FAILED ends the run, RUNNING gives it back to be carried on, by the schedule
-- not before p_pause_seconds. Answers whether the run was still the caller's.
create or replace function public.clerk_sync_end_run(
  p_id            uuid,
  p_token         uuid,
  p_status        text,
  p_error         text default null,
  p_pause_seconds integer default 0,
  p_now           timestamptz default clock_timestamp()
)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform 1
  from clerk_sync.sync_runs as r
  where r.id = p_id
    and r.lease_token = p_token
  for update;
  if not found then
    return false;
  end if;
  if p_status <> 'RUNNING' then
    perform clerk_sync.close_run(p_id, p_status, p_error, p_now);
    return true;
  end if;
  update clerk_sync.sync_runs as r
  set error = p_error,
      lease_token = null,
      lease_until = p_now + make_interval(secs => p_pause_seconds)
  where r.id = p_id;
  return true;
end
$$;

revoke execute on function public.clerk_sync_end_run from public, anon, authenticated;
grant execute on function public.clerk_sync_end_run to service_role;

-- Cancels the open run; its runner notices at its next step. Jobs it has queued stay. Answers the run, or null.
create or replace function public.clerk_sync_cancel_run(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_id uuid := (select r.id from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update);
begin
  perform clerk_sync.close_run(v_id, 'CANCELLED', null, p_now);
  return clerk_sync.describe_run(v_id);
end
$$;

revoke execute on function public.clerk_sync_cancel_run from public, anon, authenticated;
grant execute on function public.clerk_sync_cancel_run to service_role;

-- The newest runs, the last first. counts.missing, stale, ahead, differs, unmirrored and extra of a sweep or compare are how
-- far out of step it found us, auth_missing, auth_differs, auth_deleted and auth_extra how far Supabase Auth.
create or replace function public.clerk_sync_list_runs(p_limit integer default 20)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(clerk_sync.describe_run(r.id) order by r.started_at desc), '[]')
    from (select s.id, s.started_at from clerk_sync.sync_runs as s order by s.started_at desc limit p_limit) as r
  );
end
$$;

revoke execute on function public.clerk_sync_list_runs from public, anon, authenticated;
grant execute on function public.clerk_sync_list_runs to service_role;

-- {a: 1} and {a: 2, b: 3} make {a: 3, b: 3}.
create or replace function clerk_sync.add_counts(p_counts jsonb, p_more jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select p_counts || coalesce(
    (
      select jsonb_object_agg(m.key, coalesce((p_counts ->> m.key)::bigint, 0) + m.value::bigint)
      from jsonb_each_text(p_more) as m
    ),
    '{}'
  );
$$;

revoke execute on function clerk_sync.add_counts from public, anon, authenticated;
grant execute on function clerk_sync.add_counts to service_role;

-- How often each outcome came in an answer of clerk_sync_enqueue.
create or replace function clerk_sync.count_outcomes(p_enqueued jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(o.outcome, o.count), '{}')
  from (
    select e.value ->> 'outcome' as outcome, count(*) as count
    from jsonb_array_elements(p_enqueued) as e
    group by e.value ->> 'outcome'
  ) as o;
$$;

revoke execute on function clerk_sync.count_outcomes from public, anon, authenticated;
grant execute on function clerk_sync.count_outcomes to service_role;

-- How many jobs of backfill and reconcile wait, counted as far as p_most. Deletions may wait for the delete brake
-- and do not count.
create or replace function clerk_sync.count_background_jobs(p_most integer)
returns integer
language sql
stable
security invoker
set search_path = ''
as $$
  select count(*)::integer
  from (
    select 1
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.priority = 0
      and j.job_type <> 'USER_DELETED'
    limit p_most
  ) as waiting;
$$;

revoke execute on function clerk_sync.count_background_jobs from public, anon, authenticated;
grant execute on function clerk_sync.count_background_jobs to service_role;
