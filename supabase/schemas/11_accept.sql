-- How jobs come in: from the webhook, from backfill and reconcile, and from ensure-user.

-- Puts jobs into the queue. Called by the webhook with one job, by backfill and reconcile with up
-- to 500; the whole call is one transaction, so what it answers is durable when it returns.
--
-- p_jobs: [{event_id, job_type, clerk_id?, version, payload, source?, read_at?, dead_reason?}]; read_at: the payload was
-- read from Clerk's API, and that read began then.
-- Answers, in the same order: [{event_id, outcome, applied, job_id, user}], where applied is no (see clerk_sync_accept)
-- and outcome is
--   queued     a new job
--   requeued   the event was a dead letter and is tried again from the start
--   duplicate  the event is known and its job is not dead; nothing was done
--   exists     a create for a row that is already as new; nothing was stored
--   dead       stored as a dead letter at once, because it can never succeed (dead_reason)
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
set lock_timeout = '4s' -- for a call that stores the same event just now
as $$
declare
  v_jobs clerk_sync.new_job[] := clerk_sync.read_jobs(p_jobs);
begin
  -- Law 1 asks for the queue only: where public.users cannot be read, the jobs are stored, and a worker finds out.
  begin
    v_jobs := clerk_sync.find_existing(v_jobs);
  exception
    when others or query_canceled then
      null;
  end;
  return clerk_sync.store_jobs(v_jobs, p_max_attempts, p_now);
end
$$;

-- The jobs of a call, each with an id. Raises SY003 unless each has an event_id of its own: of two that share one, or have
-- none, one would be swallowed.
create or replace function clerk_sync.read_jobs(p_jobs jsonb)
returns clerk_sync.new_job[]
language plpgsql
set search_path = ''
as $$
declare
  -- Ids begin with the time (UUID version 7), so that new jobs are neighbours in an index of millions.
  v_time text := overlay(
    lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') placing '-' from 9 for 0
  ) || '-7';
  v_jobs clerk_sync.new_job[] := array(
    select row(
      i.event_id, i.job_type, coalesce(i.clerk_id, nullif(i.payload ->> 'clerk_id', '')), coalesce(i.version, 0),
      i.payload, coalesce(i.source, 'webhook'), i.read_at, i.dead_reason,
      overlay(gen_random_uuid()::text placing v_time from 1 for 15)::uuid,
      case when i.dead_reason is null then 'PENDING' else 'DEAD' end, 0, null,
      case when i.read_at is not null then jsonb_build_object('read_at', i.read_at) end, null
    )::clerk_sync.new_job
    from jsonb_populate_recordset(null::clerk_sync.new_job, p_jobs) as i
  );
begin
  if cardinality(v_jobs) = 1 and v_jobs[1].event_id is not null then
    return v_jobs;
  end if;
  if (select count(distinct i.event_id) < count(*) from unnest(v_jobs) as i) then
    raise exception 'each job of a call needs an event_id of its own' using errcode = 'SY003';
  end if;
  return v_jobs;
end
$$;

-- The jobs, each that would make a row that is there and already as new with that row: {id, clerk_id}. Not for an event that
-- is in the queue (a duplicate), nor while a dead letter of the user still owes something (perhaps the mirror). Here alone
-- storing reads public.users, which somebody may hold locked: nothing is waited for longer than a sender notices.
create or replace function clerk_sync.find_existing(p_jobs clerk_sync.new_job[])
returns clerk_sync.new_job[]
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_jobs  clerk_sync.new_job[] := p_jobs;
  v_found jsonb; -- by event id
begin
  v_found := (
    select jsonb_object_agg(i.event_id, jsonb_build_object('id', u.id::text, 'clerk_id', u.clerk_id))
    from unnest(p_jobs) as i
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (
      select k.id, k.clerk_id from public.users as k where k.clerk_id = i.clerk_id and k.deleted_at is null offset 0
    ) as u
    where i.job_type = 'USER_CREATED'
      and (
        select s.deleted_at is null and s.version between i.version and clerk_sync.latest_version(clock_timestamp())
          and coalesce(s.absent_version > i.version, true) -- else it may bring what is absent
        from clerk_sync.user_state as s
        where s.clerk_id = i.clerk_id
      )
      and not exists (select 1 from public.job_queue as j where j.event_id = i.event_id)
      and not exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.status = 'DEAD')
  );
  if v_found is null then
    return p_jobs;
  end if;
  for v_place in 1 .. cardinality(v_jobs) loop
    v_jobs[v_place].existing := v_found -> v_jobs[v_place].event_id;
  end loop;
  return v_jobs;
end
$$;

-- What the webhook calls: events go into the queue and, where nothing stands in the way, into their users' rows in the
-- same transaction, so that the row is there when the 202 leaves. Whatever hinders that leaves the job queued, as if
-- it had not been tried: another worker has the user in hand, the delete brake holds, or applying fails. When applying
-- takes longer than the call may (2 s, see clerk_sync_run_jobs), its jobs are stored without it, to run alone.
-- Answers what clerk_sync_enqueue does; applied may be row (the mirror is owed), or all.
create or replace function public.clerk_sync_accept(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_mirrors      boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set lock_timeout = '4s' -- for a call that stores the same event just now
set statement_timeout = '2s'
as $$
declare
  v_jobs       clerk_sync.new_job[] := clerk_sync.read_jobs(p_jobs);
  v_is_cut     boolean := false; -- the limit comes once a call: what follows has none, and only stores
  v_is_refused boolean := false;
  v_answer     jsonb;
  v_left       uuid[];
  v_written    uuid[];
begin
  begin
    v_jobs := clerk_sync.write_new_jobs(v_jobs, p_mirrors, p_now);
  exception
    when query_canceled then
      v_is_cut := true;
    when others or assert_failure then -- they are stored as they came: a worker applies them, or finds out what is wrong
      v_is_refused := true;
  end;
  v_answer := clerk_sync.store_jobs(v_jobs, p_max_attempts, p_now, v_is_cut);
  if v_is_cut or v_is_refused or not v_answer @> '[{"outcome": "queued", "applied": "no"}]' then
    return v_answer;
  end if;
  v_left := array(
    select (e.value ->> 'job_id')::uuid
    from jsonb_array_elements(v_answer) as e
    where e.value @> '{"outcome": "queued", "applied": "no"}'
  );
  begin
    v_written := clerk_sync.apply_at_once(v_left, p_mirrors, p_delete_mode, p_delete_brake, p_now);
  exception
    when query_canceled then
      perform clerk_sync.cut_jobs(v_left, p_now);
      return v_answer;
    when others or assert_failure then -- the jobs are in the queue: a worker applies them, or finds out what is wrong
      return v_answer;
  end;
  return (
    select jsonb_agg(
      case
        when (e.value ->> 'job_id')::uuid <> all (v_written) then e.value
        else e.value || jsonb_build_object('applied', case when p_mirrors then 'row' else 'all' end)
      end
      order by e.place
    )
    from jsonb_array_elements(v_answer) with ordinality as e(value, place)
  );
end
$$;

-- Writes what new snapshots bring before they are stored, so that each job is stored once, as it then stands; returns the
-- jobs, those written with the result applied. Deletions, events that are known, and users whom another worker has in
-- hand or whose jobs run alone are left to what follows. Nothing is waited for longer than a sender notices.
create or replace function clerk_sync.write_new_jobs(p_jobs clerk_sync.new_job[], p_mirrors boolean, p_now timestamptz)
returns clerk_sync.new_job[]
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_users   text[];
  v_changes clerk_sync.user_change[];
  v_known   clerk_sync.new_job[] := clerk_sync.find_existing(p_jobs);
  v_jobs    clerk_sync.new_job[] := array(
    select i
    from unnest(v_known) as i
    where i.status = 'PENDING'
      and i.job_type <> 'USER_DELETED'
      and i.clerk_id is not null
      and i.existing is null
      and not exists (select 1 from public.job_queue as j where j.event_id = i.event_id)
      and not exists ( -- as runs_alone
        select 1 from public.job_queue as a where a.clerk_id = i.clerk_id and a.runs_alone and a.status <> 'COMPLETED'
      )
  );
begin
  if cardinality(v_jobs) = 0 then
    return v_known;
  end if;
  v_users := clerk_sync.lock_free_users(array(select distinct i.clerk_id from unnest(v_jobs) as i));
  v_changes := clerk_sync.newest_changes(array(
    select row(i.id, i.job_type, i.clerk_id, i.version, i.payload, i.result, p_now, i.source = 'webhook')::clerk_sync.change_source
    from unnest(v_jobs) as i
    where i.clerk_id = any (v_users)
  ), p_now);
  -- As write_changes, which knows more kinds of changes.
  perform clerk_sync.offer_emails(v_changes, p_now);
  v_changes := clerk_sync.resolve_emails(v_changes, p_now);
  perform clerk_sync.write_user_state(v_changes, p_now);
  perform clerk_sync.write_users(v_changes, p_now);
  set constraints all immediate; -- as apply_jobs
  return clerk_sync.mark_written(v_known, v_changes, p_mirrors);
end
$$;

-- The jobs, those of them whose changes are written done, or, where the mirror is owed, waiting for it.
create or replace function clerk_sync.mark_written(
  p_jobs    clerk_sync.new_job[],
  p_changes clerk_sync.user_change[],
  p_mirrors boolean
)
returns clerk_sync.new_job[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_status    text    := case when p_mirrors then 'PENDING' else 'COMPLETED' end;
  v_attempts  integer := case when p_mirrors then 0 else 1 end;
  v_waits_for text    := case when p_mirrors and clerk_sync.circuit_is_open('auth') then 'auth' end;
begin
  return array(
    select case
      when c.job_id is null then i.job
      else row(
        (i.job).event_id, (i.job).job_type, (i.job).clerk_id, (i.job).version, (i.job).payload, (i.job).source,
        (i.job).read_at, null, (i.job).id, v_status, v_attempts, v_waits_for,
        jsonb_build_object('applied', true) || clerk_sync.note_change(c)
          || jsonb_strip_nulls(jsonb_build_object('ignored_email', (i.job).payload -> 'ignored_email')),
        null
      )::clerk_sync.new_job
    end
    from (select e as job, e.id, row_number() over () as place from unnest(p_jobs) as e) as i
    left join unnest(p_changes) as c on c.job_id = i.id
    order by i.place
  );
end
$$;

-- Applies jobs of this transaction and returns which. Nothing is waited for longer than a sender notices.
create or replace function clerk_sync.apply_at_once(
  p_ids          uuid[],
  p_mirrors      boolean,
  p_delete_mode  text,
  p_delete_brake jsonb,
  p_now          timestamptz
)
returns uuid[]
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_due clerk_sync.due_job[];
  v_ids uuid[];
begin
  v_due := clerk_sync.claim_users(array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.clerk_id is not null
      and not j.runs_alone
  ));
  v_ids := clerk_sync.hold_deletes(array(select d.id from unnest(v_due) as d), p_delete_brake, p_now);
  if cardinality(v_ids) > 0 then
    perform clerk_sync.apply_jobs(v_ids, null, null, p_delete_mode, p_now, true, p_mirrors);
  end if;
  return v_ids;
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
      'row', case when o.state = 'present' then clerk_sync.readable_columns(o.found) end,
      'version', o.version,
      'at', clock_timestamp()
    )
    from (
      select
        u.found,
        s.version,
        case
          when s.deleted_at is not null or u.deleted_at is not null then 'deleted'
          when u.clerk_id is null then 'missing'
          else 'present'
        end as state
      from (values (p_clerk_id)) as i(clerk_id)
      -- offset 0: looked up by key, whatever the statistics say
      left join lateral (
        select r as found, r.clerk_id, r.deleted_at from public.users as r where r.clerk_id = i.clerk_id offset 0
      ) as u on true
      left join lateral (
        select r.version, r.deleted_at from clerk_sync.user_state as r where r.clerk_id = i.clerk_id offset 0
      ) as s on true
    ) as o
  );
end
$$;

-- Stores what was read of a user as a due job and returns its id. A state of a user is one job, however often it is
-- read; null while a worker has that job in hand.
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
  v_id uuid;
begin
  insert into public.job_queue as j
    (event_id, job_type, clerk_id, version, payload, result, source, max_attempts, created_at, updated_at, run_at)
  values (
    format('ensure_%s_%s', p_clerk_id, p_version), 'USER_UPDATED', p_clerk_id, p_version,
    p_payload || '{"retry_count": 0}', jsonb_build_object('read_at', p_read_at), 'ensure', p_max_attempts,
    p_now, p_now, p_now
  )
  on conflict (event_id) do update
    set status = 'PENDING',
        payload = excluded.payload,
        result = excluded.result,
        attempts = 0,
        error = null,
        run_at = p_now,
        updated_at = p_now
    where j.status <> 'PROCESSING'
  returning j.id
  into v_id;
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
  perform clerk_sync.lock_user(p_clerk_id, (p_payload ->> 'created_at')::timestamptz);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    return v_own;
  end if;
  v_job := clerk_sync.store_ensure_job(p_clerk_id, p_version, p_payload, p_read_at, p_max_attempts, p_now);
  perform clerk_sync.apply_batch(array_remove(array[v_job], null), null, null, 'hard', p_now);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    perform clerk_sync.queue_mirror(array[p_clerk_id], 'ensure', p_now);
  end if;
  return v_own;
end
$$;
