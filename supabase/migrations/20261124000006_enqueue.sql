-- A job to come, as the caller names it.
do $$
begin
  if to_regtype('clerk_sync.new_job') is null then
    create type clerk_sync.new_job as (
      event_id    text,
      job_type    text,
      clerk_id    text,
      version     bigint,
      payload     jsonb,
      source      text,
      read_at     timestamptz,
      dead_reason text
    );
  end if;
end
$$;

-- Puts jobs into the queue. Called by the webhook with one job, by backfill and reconcile with up
-- to 500; the whole call is one transaction, so what it answers is durable when it returns.
--
-- p_jobs: [{event_id, job_type, clerk_id?, version, payload, source?, read_at?, dead_reason?}]; read_at: the payload was
-- read from Clerk's API, and that read began then.
-- Answers, in the same order: [{event_id, outcome, job_id, user}], where outcome is
--   queued     a new job
--   requeued   the event was a dead letter and is tried again from the start
--   duplicate  the event is known and its job is not dead; nothing was done
--   exists     a create for a row that is already as new; nothing was stored
--   dead       stored as a dead letter at once, because it can never succeed (dead_reason)
-- Known jobs are looked up by subquery, not by join: one index lookup a job, whatever the statistics say.
create or replace function public.clerk_sync_enqueue(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set enable_seqscan = 'off' -- a plan made while the table was small would read all of it for ever
as $$
declare
  v_answer jsonb;
begin
  perform clerk_sync.check_event_ids(p_jobs);
  with incoming as materialized (
    select i.*, case
      when i.job_type = 'USER_CREATED' then clerk_sync.row_as_new(i.event_id, i.clerk_id, i.version)
    end as existing
    from jsonb_populate_recordset(null::clerk_sync.new_job, p_jobs) with ordinality as i
  ),
  stored as (
    insert into public.job_queue as j
      (event_id, job_type, clerk_id, version, payload, source, error, status, priority, max_attempts, created_at,
       updated_at, run_at, result)
    select
      i.event_id, i.job_type, i.clerk_id, coalesce(i.version, 0), i.payload, coalesce(i.source, 'webhook'), i.dead_reason,
      case when i.dead_reason is null then 'PENDING' else 'DEAD' end,
      case -- sign-ups first, then the other live events, then what reconcile and backfill bring
        when coalesce(i.source, 'webhook') not in ('webhook', 'refresh') then 0
        when i.job_type = 'USER_CREATED' then 2
        else 1
      end,
      p_max_attempts, p_now, p_now, p_now, case when i.read_at is not null then jsonb_build_object('read_at', i.read_at) end
    from incoming as i
    where i.existing is null
    order by i.event_id -- two calls that share events take them in one order
    on conflict (event_id) do update
      set status = 'PENDING', attempts = 0, error = null, run_at = p_now, updated_at = p_now
      where j.status = 'DEAD' and excluded.status = 'PENDING'
    returning j.id, j.event_id, j.status, (j.xmax = 0) as is_new
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'event_id', i.event_id,
    'outcome', case
      when i.existing is not null then 'exists'
      when n.id is null then 'duplicate'
      when n.status = 'DEAD' then 'dead'
      when n.is_new then 'queued'
      else 'requeued'
    end,
    'job_id', coalesce(n.id, (select o.id from public.job_queue as o where o.event_id = i.event_id)),
    'user', i.existing
  ) order by i.ordinality), '[]')
  into v_answer
  from incoming as i
  left join stored as n on n.event_id = i.event_id;
  return v_answer;
end
$$;

revoke execute on function public.clerk_sync_enqueue from public, anon, authenticated;
grant execute on function public.clerk_sync_enqueue to service_role;

-- {id, clerk_id} of the row a create would make, when it is there and already as new; null otherwise. Also
-- null for an event that is in the queue (a duplicate), and while a dead letter of the user still owes
-- something (perhaps the mirror).
create or replace function clerk_sync.row_as_new(
  p_event_id text,
  p_clerk_id text,
  p_version  bigint
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('id', u.id::text, 'clerk_id', u.clerk_id)
    from public.users as u
    join clerk_sync.user_state as s on s.clerk_id = u.clerk_id
    where u.clerk_id = p_clerk_id
      and u.deleted_at is null
      and s.deleted_at is null
      and s.version >= p_version
      and not exists (select 1 from public.job_queue as j where j.event_id = p_event_id)
      and not exists (select 1 from public.job_queue as j where j.clerk_id = p_clerk_id and j.status = 'DEAD')
  );
end
$$;

revoke execute on function clerk_sync.row_as_new from public, anon, authenticated;
grant execute on function clerk_sync.row_as_new to service_role;

-- Raises SY003 unless each job of a call has an event_id of its own: of two that share one, or have none,
-- one would be swallowed.
create or replace function clerk_sync.check_event_ids(p_jobs jsonb)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if exists (
    select 1
    from jsonb_array_elements(p_jobs) as i
    group by i.value ->> 'event_id'
    having count(*) > 1
        or i.value ->> 'event_id' is null
  ) then
    raise exception 'each job of a call needs an event_id of its own' using errcode = 'SY003';
  end if;
end
$$;

revoke execute on function clerk_sync.check_event_ids from public, anon, authenticated;
grant execute on function clerk_sync.check_event_ids to service_role;
