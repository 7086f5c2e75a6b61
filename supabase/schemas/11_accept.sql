-- How jobs come in: from the webhook, from backfill and reconcile, and from ensure-user.

-- Users whose creation is no news, by event id: {id, clerk_id}; their row is there and as new. Not for an event that is in
-- the queue (a duplicate), nor while a dead letter of the user may have something pending (perhaps the mirror). Here alone
-- storing reads the table of users, which somebody may hold locked: the function waits no longer than a sender notices.
create or replace function clerk_sync.find_existing(p_events clerk_sync.events[])
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
begin
  return (
    select coalesce(jsonb_object_agg(e.event_id, jsonb_build_object('id', u.row_id, 'clerk_id', u.clerk_id)), '{}')
    from unnest(p_events) as e
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (
      select k.row_id, k.clerk_id from clerk_sync.user_rows as k where k.clerk_id = e.clerk_id and k.deleted_at is null offset 0
    ) as u
    where e.job_type = 'USER_CREATED'
      and (
        select r.deleted_at is null and r.version between e.version and clerk_sync.latest_version(clock_timestamp())
          and coalesce(r.absent_version > e.version, true) -- else it may bring what is absent
          and array(select jsonb_array_elements_text(e.payload -> 'given')) <@ r.given -- else it is news that Clerk gave it
        from clerk_sync.records as r
        where r.id = e.clerk_id
      )
      and not exists (select 1 from public.job_queue as j where j.event_id = e.event_id)
      and not exists (select 1 from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'DEAD')
  );
end
$$;

-- Puts jobs into the queue. Called by the webhook with one job, by backfill and reconcile with up
-- to 500; the whole call is one transaction, so what it answers is durable when it returns.
--
-- p_jobs: as new_events takes them; read_at: the payload was
-- read from Clerk's API, and that read began then.
-- Returns, in the same order: [{event_id, outcome, applied, job_id, user}], where applied is no (see clerk_sync_accept)
-- and outcome is
--   queued     a new job
--   requeued   the event was a dead letter and is tried again from the start
--   duplicate  the event is known and its job is not dead; nothing was done
--   exists     a create for a row that is already as new; nothing was stored
--   dead       stored as a dead letter, because it can never succeed (dead_reason)
create or replace function public.clerk_sync_enqueue(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- a plan made while the table was small would read all of it for ever
set plan_cache_mode = 'force_generic_plan' -- as clerk_sync_run_jobs
set lock_timeout = '4s' -- for a call that stores the same event right now
as $$
declare
  v_events   clerk_sync.events[] := clerk_sync.new_events(p_jobs);
  v_existing jsonb := jsonb '{}';
begin
  begin
    v_existing := clerk_sync.find_existing(v_events);
  exception
    when others or query_canceled then -- law 1 asks for the queue only: a worker finds out what is wrong with the table of users
      raise log 'clerk_sync: events are stored without a look at the table of users, because of SQLSTATE %', sqlstate;
  end;
  return clerk_sync.insert_jobs(v_events, p_now, p_max_attempts, p_existing => v_existing);
end
$$;

-- Applies new events before they are stored, so that each job is stored once, as it then stands. Events that are known, and
-- users whom a worker has in flight or whose jobs run alone, are left to workers. The function waits for no lock longer
-- than a sender notices. Returns as apply_plain does.
create or replace function clerk_sync.apply_new(
  p_events clerk_sync.events[],
  p_now    timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_new   clerk_sync.events[];
  v_kinds text[];
  v_kind  text;
  v_done  record;
begin
  carries := array[]::uuid[];
  superseded := array[]::uuid[];
  v_new := array(
    select e
    from unnest(p_events) as e
    where e.dead_reason is null
      and e.clerk_id is not null
      -- a lookup each, whatever the statistics say
      and (select true from public.job_queue as j where j.event_id = e.event_id) is null
      and (select true from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'PROCESSING') is null
      and ( -- as runs_alone
        select true from public.job_queue as j where j.clerk_id = e.clerk_id and j.runs_alone and j.status <> 'COMPLETED' limit 1
      ) is null
  );
  v_kinds := clerk_sync.kinds_of(v_new);
  foreach v_kind in array v_kinds loop
    v_done := clerk_sync.apply_plain(v_kind, clerk_sync.events_of(v_kind, v_kinds, v_new), false, p_now);
    carries := carries || v_done.carries;
    superseded := superseded || v_done.superseded;
    if v_kind in ('organization', 'user') then
      perform clerk_sync.wake_members(v_kind, array(select e.clerk_id from unnest(v_new) as e where e.kind = v_kind), p_now);
    end if;
    notes := case when notes is null then v_done.notes else notes || coalesce(v_done.notes, '{}') end;
    if cardinality(v_done.superseded) > 0 then
      perform clerk_sync.add_given(v_kind, clerk_sync.events_of(v_kind, v_kinds, v_new), p_now);
    end if;
  end loop;
  set constraints all immediate; -- as apply_jobs
end
$$;

-- Says in the answer to a call of events why each event that was stored only was left to a worker (left), and counts the
-- reasons. p_refused: the SQLSTATE with which the database refused to apply the call.
create or replace function clerk_sync.note_left(p_answer jsonb, p_events clerk_sync.events[], p_refused text, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_reasons jsonb := ( -- by event id
    select coalesce(jsonb_object_agg(e.event_id, case
      when p_refused = '57014' then 'timeout'
      when p_refused is not null then 'refused ' || p_refused
      when e.deletes then 'deletion'
      when clerk_sync.absent_fields(e.payload) is not null then 'trimmed'
      when e.version > clerk_sync.latest_version(p_now) then 'future'
      when exists (select 1 from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'PROCESSING') then 'in_flight'
      when clerk_sync.runs_alone(e.clerk_id) then 'runs_alone'
      when r.deleted_at is not null then 'deleted'
      when r.version > e.version then 'late'
      when r.trusted_version is not null or r.absent_version is not null then 'unsettled'
      else 'disputed' -- an address that another user has or waits for, or a record that another transaction holds
    end), '{}')
    from unnest(p_events) as e
    left join lateral (select * from clerk_sync.records as k where k.id = e.clerk_id offset 0) as r on true
    where p_answer @> jsonb_build_array(jsonb_build_object('event_id', e.event_id, 'outcome', 'queued', 'applied', 'no'))
  );
begin
  insert into clerk_sync.metric_events (at, name, labels, count)
  select p_now, 'left_to_worker', jsonb_build_object('reason', v.value), count(*)
  from jsonb_each_text(v_reasons) as v
  group by v.value;
  return (
    select jsonb_agg(a.value || jsonb_build_object('left', v_reasons -> (a.value ->> 'event_id')) order by a.ordinality)
    from jsonb_array_elements(p_answer) with ordinality as a
  );
end
$$;

-- What the webhook calls: events go into the queue and, where only the version decides (see clerk_sync.apply_users), into
-- their users' rows in the same transaction, so that the row is there when the 202 leaves. Everything else stays queued for
-- a worker: a deletion, an address that two users claim, a user whom a worker has in flight or whose jobs run alone, events
-- that the database refuses. When applying takes longer than the call may (2 s, see clerk_sync_run_jobs), its jobs are
-- stored without it, to run alone.
-- Returns what clerk_sync_enqueue does, and in each entry that was left to a worker why (left); applied may be row (the
-- mirror is pending), or all.
create or replace function public.clerk_sync_accept(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_mirrors      boolean default false,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set lock_timeout = '4s' -- for a call that stores the same event right now
set statement_timeout = '2s'
as $$
declare
  v_events     clerk_sync.events[] := clerk_sync.new_events(p_jobs);
  v_carries    uuid[] := array[]::uuid[];
  v_superseded uuid[] := array[]::uuid[];
  v_notes      jsonb;
  v_existing   jsonb := jsonb '{}';
  v_refused    text; -- the SQLSTATE
  v_answer     jsonb;
begin
  begin
    select a.carries, a.superseded, a.notes
    into v_carries, v_superseded, v_notes
    from clerk_sync.apply_new(v_events, p_now) as a;
    if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
      v_existing := clerk_sync.find_existing(array(
        select e
        from unnest(v_events) as e
        where e.id <> all (v_carries || v_superseded)
      ));
    end if;
  exception
    when others or assert_failure or query_canceled then -- the events are stored as they came: a worker applies them
      v_refused := sqlstate;
      v_carries := array[]::uuid[];
      v_superseded := array[]::uuid[];
  end;
  v_answer := clerk_sync.insert_jobs(
    v_events, p_now, p_max_attempts,
    p_carries => v_carries,
    p_superseded => v_superseded,
    p_notes => v_notes,
    p_existing => v_existing,
    p_mirrors => p_mirrors,
    p_waits_for => case when p_mirrors and clerk_sync.circuit_is_open('auth') then 'auth' end,
    p_alone => coalesce(v_refused = '57014', false)
  );
  if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
    return clerk_sync.note_left(v_answer, v_events, v_refused, p_now);
  end if;
  return v_answer;
end
$$;

-- ensure-user: the row of a signed-in user for an app that cannot wait for the webhook. What was read of the user from
-- Clerk's API for it is a job like any other (source ensure), applied in the same transaction: same lock, same
-- version guard, same functions, same history. Only the mirror is left to the queue.

-- What there is of one user: {state, row, version, at}, where state is
--   present    row holds what its owner may read
--   missing    there is no row; version is null when nothing at all is known of the user
--   deleted    the user has a tombstone
-- at is when it was looked at, by the clock that also stamps tombstones.
create or replace function public.clerk_sync_own_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return (
    select jsonb_build_object(
      'state', o.state,
      'row', case when o.state = 'present' then clerk_sync.readable_row(p_clerk_id) end,
      'version', o.version,
      'at', clock_timestamp()
    )
    from (
      select
        s.version,
        case
          when s.deleted_at is not null or u.deleted_at is not null then 'deleted'
          when u.clerk_id is null then 'missing'
          else 'present'
        end as state
      from (values (p_clerk_id)) as i(clerk_id)
      -- offset 0: looked up by key, whatever the statistics say
      left join lateral (
        select r.clerk_id, r.deleted_at from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0
      ) as u on true
      left join lateral (
        select r.version, r.deleted_at from clerk_sync.records as r where r.id = i.clerk_id offset 0
      ) as s on true
    ) as o
  );
end
$$;

-- Puts what was read of their users into jobs, in place of what they held.
-- p_reads: [{job_id, deleted?, version?, payload?, read_at?}]
create or replace function clerk_sync.put_reads(p_reads jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set job_type = upper(j.kind) || case when r.deleted then '_DELETED' else '_UPDATED' end,
      version = coalesce(r.version, j.version),
      payload = jsonb_build_object('clerk_id', j.clerk_id, 'retry_count', coalesce(j.payload -> 'retry_count', '0'))
        || jsonb_strip_nulls(jsonb_build_object('reason', j.payload -> 'reason', 'original_event', j.payload -> 'original_event'))
        || coalesce(clerk_sync.known_payload(r.payload, clerk_sync.payload_keys(j.kind)), '{}'),
      read_at = coalesce(r.read_at, j.read_at),
      applied_at = null,
      erased_at = null,
      is_confirmed = j.is_confirmed and coalesce(r.deleted, false),
      updated_at = p_now
  from jsonb_to_recordset(p_reads) as r(job_id uuid, deleted boolean, version bigint, payload jsonb, read_at timestamptz)
  where j.id = r.job_id;
  perform set_config('clerk_sync.actor', '', true);
end
$$;

-- Stores what was read of a user as a due job and returns its id. A state of a user is one job, however often it is read;
-- null while a worker has that job in flight.
create or replace function clerk_sync.store_ensure_job(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer,
  p_now          timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_stored jsonb;
  v_id     uuid;
begin
  v_stored := clerk_sync.insert_jobs(clerk_sync.new_events(jsonb_build_array(jsonb_build_object(
    'event_id', format('ensure_%s_%s', p_clerk_id, p_version),
    'job_type', 'USER_UPDATED',
    'clerk_id', p_clerk_id,
    'version', p_version,
    'source', 'ensure',
    'read_at', p_read_at,
    'payload', p_payload || '{"retry_count": 0}'
  ))), p_now, p_max_attempts) -> 0;
  v_id := (v_stored ->> 'job_id')::uuid;
  if v_stored ->> 'outcome' = 'queued' then
    return v_id;
  end if;
  perform 1 from public.job_queue as j where j.id = v_id and j.status <> 'PROCESSING' for update;
  if not found then
    return null;
  end if;
  perform clerk_sync.put_reads(jsonb_build_array(jsonb_build_object(
    'job_id', v_id, 'version', p_version, 'payload', p_payload, 'read_at', p_read_at
  )), p_now);
  perform clerk_sync.move_jobs(array[v_id], 'PENDING', p_now, p_run_at => p_now, p_starts_over => true);
  return v_id;
end
$$;

-- Applies what was read of one user from Clerk's API, unless the row is there by now; answers as clerk_sync_own_row.
-- When the read cannot be applied (it is older than what is known, the table refuses it), the state stays as it was:
-- the job says why and, where that can help, is tried again like any other.
-- p_version and p_payload as a webhook job has them; p_read_at: at of the look before the read.
create or replace function public.clerk_sync_ensure_user(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '1s'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_own jsonb;
  v_job uuid;
begin
  perform clerk_sync.lock_records(array[p_clerk_id], 'user', (p_payload ->> 'created_at')::timestamptz);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    return v_own;
  end if;
  v_job := clerk_sync.store_ensure_job(p_clerk_id, p_version, p_payload, p_read_at, p_max_attempts, p_now);
  perform clerk_sync.apply_batch(array_remove(array[v_job], null), row(null, null)::clerk_sync.apply_rules, p_now);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    perform clerk_sync.queue_mirror(array[p_clerk_id], 'ensure', p_now);
  end if;
  return v_own;
end
$$;
