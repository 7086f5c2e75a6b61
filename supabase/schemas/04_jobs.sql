-- public.job_queue: the jobs, their states and history, and the functions that store, lock, move and describe them.

--   PENDING ──> PROCESSING ──> COMPLETED          CANCELLED: by a person
--      └───────────┬──┴──> FAILED (again at run_at) ──> … ──> DEAD (gave up; a person retries)
--
-- Jobs come in by clerk_sync_enqueue and move by clerk_sync_run_jobs, clerk_sync_settle_jobs and
-- clerk_sync_rescue_jobs. The trigger record_transition records every change of state, whoever makes it.
--
-- source: webhook (what Clerk sent), refresh (the user is read from Clerk's API when the job runs), ensure (the user
-- was read there for ensure-user), or why the mirror alone is owed (email_taken, lease_lost, ensure).
--
-- waits_for: the service (auth, clerk) whose circuit was open when the job came to need it; null again when it is due.
-- runs_alone: a call that applied this job with others was cut off. Such a job is applied in a call of its own, beside the
-- batches (clerk_sync_lease_alone), and so are later jobs of its user until one of them is applied.

-- A queue of the same shape that a hand-written processor left behind is taken over: what it owed is owed
-- still, what it had failed waits as a dead letter (its payload may be long out of date).
do $$
begin
  if to_regclass('public.job_queue') is null or exists (
    select 1
    from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass('public.job_queue')
      and a.attname = 'event_id'
  ) then
    return;
  end if;
  update public.job_queue as j
  set status = case
        when j.status = 'FAILED' then 'DEAD'
        when j.status = 'PROCESSING' then 'PENDING'
        else j.status
      end,
      processed_at = case
        when j.status in ('COMPLETED', 'FAILED') then coalesce(j.processed_at, j.updated_at, now())
      end,
      created_at = coalesce(j.created_at, j.updated_at, now()),
      updated_at = coalesce(j.updated_at, now());
end
$$;

create table if not exists public.job_queue (
  id           uuid        not null default gen_random_uuid(),
  job_type     text        not null,
  payload      jsonb       not null default '{}',
  status       text        not null default 'PENDING',
  priority     integer     not null default 1,
  error        text        null,
  result       jsonb       null,
  created_at   timestamptz default now(),
  updated_at   timestamptz default now(),
  processed_at timestamptz null,
  constraint job_queue_pkey primary key (id)
);

alter table public.job_queue
  add column if not exists event_id     text,
  add column if not exists clerk_id     text,
  add column if not exists version      bigint      not null default 0,
  add column if not exists source       text        not null default 'webhook',
  add column if not exists attempts     integer     not null default 0,
  add column if not exists max_attempts integer     not null default 15,
  add column if not exists run_at       timestamptz not null default now(),
  add column if not exists lease_token  uuid,
  add column if not exists lease_until  timestamptz,
  add column if not exists history      jsonb       not null default '[]',
  add column if not exists cancel_requested_at timestamptz,
  add column if not exists waits_for    text,
  add column if not exists runs_alone   boolean     not null default false;

update public.job_queue as j
set clerk_id = j.payload ->> 'clerk_id'
where j.clerk_id is null
  and j.payload ->> 'clerk_id' <> '';

alter table public.job_queue
  drop constraint if exists job_type_is_known,
  drop constraint if exists status_is_known,
  drop constraint if exists leased_iff_processing,
  drop constraint if exists processed_iff_final,
  drop constraint if exists waits_only_while_owed;
alter table public.job_queue
  add constraint job_type_is_known
    check (job_type in ('USER_CREATED', 'USER_UPDATED', 'USER_DELETED')),
  add constraint status_is_known
    check (status in ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD', 'CANCELLED')),
  add constraint leased_iff_processing
    check ((status = 'PROCESSING') = (lease_token is not null and lease_until is not null)),
  add constraint processed_iff_final
    check ((status in ('COMPLETED', 'DEAD', 'CANCELLED')) = (processed_at is not null)),
  add constraint waits_only_while_owed
    check (waits_for is null or status in ('PENDING', 'FAILED'));

-- One delivery, one job: svix-id is the same on every retry of an event.
create unique index if not exists job_queue_event_id_key
  on public.job_queue (event_id);
-- The claim reads this one in order. run_at is a key column: a backlog of waiting retries is
-- then passed over inside the index. Jobs that wait for a service are in the next one.
create index if not exists job_queue_due_idx
  on public.job_queue (priority desc, run_at, id)
  where status in ('PENDING', 'FAILED') and waits_for is null;
create index if not exists job_queue_waiting_idx
  on public.job_queue (waits_for, run_at, id)
  where waits_for is not null;
-- Usually empty: the jobs that run alone, in the order in which they are leased, and by user.
create index if not exists job_queue_alone_due_idx
  on public.job_queue (attempts, run_at, id)
  where runs_alone and status in ('PENDING', 'FAILED');
create index if not exists job_queue_alone_user_idx
  on public.job_queue (clerk_id)
  where runs_alone and status <> 'COMPLETED';
-- Law 5: one mirror call per user at a time, whatever the workers do.
create unique index if not exists job_queue_one_processing_per_user
  on public.job_queue (clerk_id)
  where status = 'PROCESSING';
-- Not by status: a look whether a user's job is PROCESSING must not go through all that are.
create index if not exists job_queue_lease_idx
  on public.job_queue (lease_until)
  where lease_until is not null;
create index if not exists job_queue_user_idx
  on public.job_queue (clerk_id, status, created_at);
-- What a person looks at: everything that went wrong or was stopped.
create index if not exists job_queue_stopped_idx
  on public.job_queue (updated_at)
  where status in ('FAILED', 'DEAD', 'CANCELLED');
create index if not exists job_queue_purge_idx
  on public.job_queue (processed_at)
  where status in ('COMPLETED', 'CANCELLED');

-- A queue dies and is reborn row by row; the defaults would let millions of dead rows pile up.
alter table public.job_queue set (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 5000
);

alter table public.job_queue enable row level security;

drop policy if exists job_queue_service_role on public.job_queue;
create policy job_queue_service_role
  on public.job_queue
  for all
  to service_role
  using (true)
  with check (true);

-- What a statement edits by hand is collected in a setting of its transaction, and goes into the audit as one entry
-- when the statement ends: {jobs}, the first ten ids.
create or replace function clerk_sync.note_edit(p_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ids   text    := coalesce(current_setting('clerk_sync.edited_ids', true), '');
  v_count integer := coalesce(nullif(current_setting('clerk_sync.edited_count', true), ''), '0')::integer;
begin
  perform set_config('clerk_sync.edited_count', (v_count + 1)::text, true);
  if v_count < 10 then
    perform set_config('clerk_sync.edited_ids', concat_ws(',', nullif(v_ids, ''), p_id), true);
  end if;
end
$$;

-- A payload whose original_event is cut down to kind, ids and times, as the webhook stores it (core/summarise-event.ts);
-- for jobs that came in another way.
create or replace function clerk_sync.audit_payload(p_payload jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_event jsonb := p_payload -> 'original_event';
  v_data  jsonb := v_event -> 'data';
begin
  if jsonb_typeof(v_event) is distinct from 'object' then
    return p_payload;
  end if;
  return p_payload || jsonb_build_object('original_event', jsonb_strip_nulls(jsonb_build_object(
    'type', v_event -> 'type',
    'object', v_event -> 'object',
    'timestamp', v_event -> 'timestamp',
    'instance_id', v_event -> 'instance_id',
    'data', jsonb_build_object(
      'id', v_data -> 'id',
      'object', v_data -> 'object',
      'deleted', v_data -> 'deleted',
      'created_at', v_data -> 'created_at',
      'updated_at', v_data -> 'updated_at'
    )
  )));
end
$$;

-- A history whose errors are their codes only: what follows the colon may quote a value.
create or replace function clerk_sync.history_without_messages(p_history jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(
      case
        when h.entry ? 'error' then h.entry || jsonb_build_object('error', split_part(h.entry ->> 'error', ':', 1))
        else h.entry
      end
      order by h.place
    ), '[]')
    from jsonb_array_elements(p_history) with ordinality as h(entry, place)
  );
end
$$;

-- Who changes a job by hand: the database user and, where it differs, the role; null when one of our functions does.
-- The stack of calls tells, so that no function has to say who it is, and none can forget to. The hot path is known
-- sooner: its functions run with enable_seqscan off, which nobody's session does.
create or replace function clerk_sync.editor()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_calls text;
begin
  if current_setting('enable_seqscan') = 'off' then
    return null;
  end if;
  get diagnostics v_calls = pg_context;
  if v_calls ~ 'function ("clerk_sync_|public[.]clerk_sync_|clerk_sync[.](?!editor|record_))' then
    return null;
  end if;
  return concat_ws(' as ', session_user, nullif(current_user, session_user));
end
$$;

-- One entry of the history of a job: {at, status, attempt, error?, by?}.
create or replace function clerk_sync.history_entry(p_status text, p_attempt integer, p_error text, p_by text)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'at', clock_timestamp(), 'status', p_status, 'attempt', p_attempt, 'error', p_error, 'by', p_by
  ));
end
$$;

-- True while a job of this user, open or dead, runs alone.
create or replace function clerk_sync.runs_alone(p_clerk_id text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select 1
    from public.job_queue as j
    where j.clerk_id = p_clerk_id
      and j.runs_alone
      and j.status <> 'COMPLETED'
  );
end
$$;

-- The history of a job has one entry per change of state or attempt, or by hand; operator in it did it through the admin
-- API, see clerk_sync.change_jobs. It is written by this trigger, so that a change made by hand in the SQL editor is on
-- record like any other, and what hangs on the status (lease, processed_at) stays true. Two statements, which most jobs
-- go through, write all that themselves at a third of the cost: the insert of store_jobs and the update of move_jobs.
-- They say so by the setting clerk_sync.recorded.
create or replace function clerk_sync.record_transition()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_changed boolean := true;
  v_editor  text    := clerk_sync.editor();
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
    new.created_at := coalesce(new.created_at, new.updated_at);
    new.runs_alone := new.runs_alone or clerk_sync.runs_alone(new.clerk_id);
  else
    v_changed := new.status <> old.status or new.attempts <> old.attempts or v_editor is not null;
    new.history := old.history;
    if new.updated_at is null or new.updated_at = old.updated_at then
      new.updated_at := clock_timestamp();
    end if;
    if old.status in ('DEAD', 'CANCELLED') and new.status = 'PENDING' and new.attempts = old.attempts then
      new.attempts := 0; -- tried again by hand: from the start
      new.run_at := least(new.run_at, new.updated_at);
    end if;
    if greatest(new.attempts - 1, 0) <> greatest(old.attempts - 1, 0) then
      new.payload := new.payload || jsonb_build_object('retry_count', greatest(new.attempts - 1, 0));
    end if;
    if new.payload ? 'erased' and not old.payload ? 'erased' then
      new.error := split_part(new.error, ':', 1);
      new.history := clerk_sync.history_without_messages(new.history);
    end if;
  end if;

  new.waits_for := case when new.status in ('PENDING', 'FAILED') then new.waits_for end;
  if new.status = 'PROCESSING' then
    new.lease_token := coalesce(new.lease_token, gen_random_uuid());
    new.lease_until := coalesce(new.lease_until, new.updated_at + interval '1 minute');
  else
    new.lease_token := null;
    new.lease_until := null;
    new.cancel_requested_at := null;
  end if;

  new.processed_at := case
    when new.status in ('COMPLETED', 'DEAD', 'CANCELLED') then coalesce(new.processed_at, new.updated_at)
  end;

  if v_changed then
    new.history := new.history || (
      clerk_sync.history_entry(new.status, new.attempts, new.error, v_editor)
      || jsonb_strip_nulls(jsonb_build_object('operator', nullif(current_setting('clerk_sync.operator', true), '')))
    );
  end if;
  if v_editor is not null then
    perform clerk_sync.note_edit(new.id);
  end if;
  return new;
end
$$;

drop trigger if exists record_insertion on public.job_queue;
create trigger record_insertion
  before insert on public.job_queue
  for each row
  when (current_setting('clerk_sync.recorded', true) is distinct from 'insert')
  execute function clerk_sync.record_transition();

drop trigger if exists record_transition on public.job_queue;
create trigger record_transition
  before update on public.job_queue
  for each row
  when (current_setting('clerk_sync.recorded', true) is distinct from 'update')
  execute function clerk_sync.record_transition();

-- A job to come: first what the caller names, then what is found out of it on the way to the queue.
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
      dead_reason text,
      id          uuid,
      status      text,
      attempts    integer,
      waits_for   text,
      result      jsonb,
      existing    jsonb
    );
  end if;
end
$$;

-- What became of jobs, as clerk_sync_enqueue answers it; p_stored: ids of what was stored, by event id. Known ones are
-- looked up by subquery, not by join: one index lookup a job, whatever the statistics say.
create or replace function clerk_sync.describe_stored(p_jobs clerk_sync.new_job[], p_stored jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', i.event_id,
      'outcome', case
        when i.existing is not null then 'exists'
        when not p_stored ? i.event_id then 'duplicate'
        when (p_stored ->> i.event_id)::uuid <> i.id then 'requeued'
        when i.status = 'DEAD' then 'dead'
        else 'queued'
      end,
      'applied', case
        when not p_stored ? i.event_id or not coalesce(i.result @> '{"applied": true}', false) then 'no'
        when i.status = 'COMPLETED' then 'all'
        else 'row'
      end,
      'job_id', coalesce(p_stored ->> i.event_id, (select o.id::text from public.job_queue as o where o.event_id = i.event_id)),
      'user', i.existing
    ) order by i.ordinality), '[]')
    from unnest(p_jobs) with ordinality as i
  );
end
$$;

-- Stores jobs, and answers as clerk_sync_enqueue does. The insert writes its history itself, sooner than the trigger would.
-- p_alone: these jobs run alone, as do those of users who have such a job.
create or replace function clerk_sync.store_jobs(
  p_jobs         clerk_sync.new_job[],
  p_max_attempts integer,
  p_now          timestamptz,
  p_alone        boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_done   timestamptz := p_now + (clock_timestamp() - statement_timestamp());
  v_stored jsonb; -- job ids by event id: a join would compare each with each, as few are expected
begin
  perform set_config('clerk_sync.recorded', 'insert', true);
  with stored as (
    insert into public.job_queue as j
      (id, event_id, job_type, clerk_id, version, payload, source, error, status, priority, attempts, max_attempts,
       created_at, updated_at, run_at, processed_at, waits_for, runs_alone, result, history)
    select
      i.id, i.event_id, i.job_type, i.clerk_id, i.version, i.payload, i.source, i.dead_reason, i.status,
      case -- sign-ups first, then the other live events, then what reconcile and backfill bring
        when i.source not in ('webhook', 'refresh') then 0
        when i.job_type = 'USER_CREATED' then 2
        else 1
      end,
      i.attempts, p_max_attempts, p_now, p_now, p_now, case when i.status <> 'PENDING' then v_done end, i.waits_for,
      p_alone or exists ( -- as runs_alone
        select 1 from public.job_queue as a where a.clerk_id = i.clerk_id and a.runs_alone and a.status <> 'COMPLETED'
      ),
      i.result,
      jsonb_build_array(jsonb_strip_nulls(jsonb_build_object( -- as history_entry
        'at', clock_timestamp(), 'status', i.status, 'attempt', i.attempts, 'error', i.dead_reason
      )))
    from unnest(p_jobs) as i
    where i.existing is null
    order by i.event_id -- two calls that share events take them in one order
    on conflict (event_id) do update
      set status = 'PENDING', attempts = 0, error = null, run_at = p_now, updated_at = p_now
      where j.status = 'DEAD' and excluded.status = 'PENDING'
    returning j.id, j.event_id
  )
  select coalesce(jsonb_object_agg(n.event_id, n.id), '{}')
  into v_stored
  from stored as n;
  perform set_config('clerk_sync.recorded', '', true);
  return clerk_sync.describe_stored(p_jobs, v_stored);
end
$$;

-- Moves jobs to a status, with their history, which the trigger then need not write. p_status null: jobs that brought
-- nothing newer; they are done, and say why they were put aside, unless they were applied before. PENDING is no attempt.
create or replace function clerk_sync.move_jobs(
  p_ids         uuid[],
  p_status      text,
  p_waits_for   text,
  p_notes       jsonb,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_status    text    := coalesce(p_status, 'COMPLETED');
  v_is_leased boolean := v_status = 'PROCESSING';
  v_counts    integer := (v_status <> 'PENDING')::integer;
begin
  update public.job_queue as j
  set status = v_status,
      attempts = j.attempts + v_counts - (j.status = 'PROCESSING')::integer,
      payload = case
        when j.attempts = 0 then j.payload
        else j.payload || jsonb_build_object('retry_count', greatest(j.attempts + v_counts - (j.status = 'PROCESSING')::integer - 1, 0))
      end,
      waits_for = p_waits_for,
      runs_alone = false, -- applied: whatever hindered it is over
      error = null,
      lease_token = case when v_is_leased then p_token end,
      lease_until = case when v_is_leased then p_lease_until end,
      cancel_requested_at = case when v_is_leased then j.cancel_requested_at end,
      processed_at = case when v_status = 'COMPLETED' then p_now end,
      updated_at = p_now,
      result = case
        when j.result @> '{"applied": true}' and (j.job_type <> 'USER_DELETED' or p_status is null) then j.result
        when p_status is not null then
          '{"applied": true}' || jsonb_strip_nulls(jsonb_build_object('ignored_email', j.payload -> 'ignored_email'))
        else (
          select case
            when s.deleted_at is not null then '{"applied": false, "reason": "user_deleted"}'
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', s.version)
          end
          from clerk_sync.user_state as s
          where s.clerk_id = j.clerk_id
        )
      end || coalesce(p_notes -> j.id::text, '{}'),
      history = case
        when v_status = j.status then j.history
        else j.history || jsonb_build_object( -- as history_entry
          'at', clock_timestamp(), 'status', v_status, 'attempt', j.attempts + v_counts - (j.status = 'PROCESSING')::integer
        )
      end
  where j.id = any (p_ids);
end
$$;

-- A due job that is locked, and whose it is.
do $$
begin
  if to_regtype('clerk_sync.due_job') is null then
    create type clerk_sync.due_job as (
      id       uuid,
      clerk_id text
    );
  end if;
end
$$;

-- Locks these users and returns those it got: a user whom another worker has in hand is not waited for. The lock is the
-- row of their state; of a user never seen it is an advisory lock, which everybody takes who makes such a row.
create or replace function clerk_sync.lock_free_users(p_clerk_ids text[])
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_new  text[] := array(
    select i.clerk_id
    from unnest(p_clerk_ids) as i(clerk_id)
    where case -- in this order: the lock is not asked for users who are known
        when (select true from clerk_sync.user_state as k where k.clerk_id = i.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(i.clerk_id, 7461203))
      end
  );
  v_known text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.clerk_id = any (p_clerk_ids)
    for update skip locked
  );
begin
  -- Looked at again, now that nobody else can: a user who was made before the lock is known, and may be locked by
  -- another worker; and PROCESSING (in claim_jobs for the second time).
  return array(
    select i.clerk_id
    from (
      select unnest(v_known) as clerk_id
      union all
      select n.clerk_id
      from unnest(v_new) as n(clerk_id)
      where (select true from clerk_sync.user_state as k where k.clerk_id = n.clerk_id) is null
    ) as i
    where (
      select true from public.job_queue as r where r.clerk_id = i.clerk_id and r.status = 'PROCESSING'
    ) is null
  );
end
$$;

-- Locks the users of these jobs, which the caller holds; returns the jobs of those it got.
create or replace function clerk_sync.claim_users(p_due clerk_sync.due_job[])
returns clerk_sync.due_job[]
language plpgsql
set search_path = ''
as $$
declare
  v_users text[] := array(select distinct d.clerk_id from unnest(p_due) as d where d.clerk_id is not null);
  v_free  text[] := clerk_sync.lock_free_users(v_users);
begin
  if cardinality(v_free) = cardinality(v_users) then
    return p_due;
  end if;
  return array(select d from unnest(p_due) as d where d.clerk_id is null or d.clerk_id = any (v_free));
end
$$;

-- Leases jobs for what they still need, a call: a read of their user from Clerk's API, or the mirror. read_at is when
-- the read can begin.
create or replace function clerk_sync.lease_calls(
  p_ids         uuid[],
  p_reads       boolean,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.job_queue as j
  set status = 'PROCESSING',
      attempts = j.attempts + 1,
      error = null,
      result = case
        when p_reads then coalesce(j.result, '{}') || jsonb_build_object('read_at', p_now)
        else j.result
      end,
      lease_token = p_token,
      lease_until = p_lease_until,
      updated_at = p_now
  where j.id = any (p_ids);
end
$$;

-- A job as JSON: one shape for the worker, the command line and the page, parsed by core/database/job.ts. What may be long
-- (history, result, payload) is in clerk_sync_job alone; a list has all other keys, a worker's answer five of them.
create or replace function clerk_sync.describe_job(p_job public.job_queue)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_job.id,
    'job_type', p_job.job_type,
    'status', p_job.status,
    'source', p_job.source,
    'clerk_id', p_job.clerk_id,
    'event_id', p_job.event_id,
    'version', p_job.version,
    'priority', p_job.priority,
    'attempts', p_job.attempts,
    'max_attempts', p_job.max_attempts,
    'error', p_job.error,
    'created_at', p_job.created_at,
    'updated_at', p_job.updated_at,
    'run_at', p_job.run_at,
    'processed_at', p_job.processed_at,
    'lease_until', p_job.lease_until,
    'cancel_requested_at', p_job.cancel_requested_at,
    'waits_for', p_job.waits_for
  );
$$;

-- What a worker is answered of jobs: [{id, job_type, status, attempts, error}].
create or replace function clerk_sync.describe_jobs(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(to_jsonb(array_agg(r)), '[]')
    from (
      select j.id, j.job_type, j.status, j.attempts, j.error
      from public.job_queue as j
      where j.id = any (p_ids)
    ) as r
  );
end
$$;

-- An object as it is, anything else (a job made by hand) as {value}.
create or replace function clerk_sync.as_object(p_value jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select case when jsonb_typeof(p_value) <> 'object' then jsonb_build_object('value', p_value) else p_value end;
$$;

-- One job with all that is known of it; null when there is none.
create or replace function public.clerk_sync_job(p_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select clerk_sync.describe_job(j) || jsonb_build_object(
      'history', j.history,
      'result', clerk_sync.as_object(nullif(j.result, 'null')),
      'payload', clerk_sync.as_object(j.payload)
    )
    from public.job_queue as j
    where j.id = p_id
  );
end
$$;

-- Erases what jobs hold of the deleted users whose deletion is complete, given some jobs of theirs. Called when
-- a deletion completes, here and in Auth, and when a late event of a deleted user was put aside. A job that
-- another worker holds is skipped: it comes here itself.
create or replace function clerk_sync.erase_deleted(p_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.job_queue as j
  set payload = jsonb_strip_nulls(jsonb_build_object(
        'clerk_id', j.clerk_id,
        'retry_count', j.payload -> 'retry_count',
        'original_event', clerk_sync.audit_payload(j.payload) -> 'original_event',
        'erased', true
      ))
  where j.id = any (array(
    select o.id
    from public.job_queue as o
    where o.clerk_id = any (array(
        select d.clerk_id
        from (
          select distinct q.clerk_id
          from public.job_queue as q
          where q.id = any (p_ids)
            -- By case and subquery: as conditions to plan with they would lead to all finished jobs.
            and case when q.status = 'COMPLETED' then true end
        ) as d
        where (select s.deleted_at is not null from clerk_sync.user_state as s where s.clerk_id = d.clerk_id)
      ))
      and o.status <> 'PROCESSING'
      and not o.payload ? 'erased'
      and o.payload - '{clerk_id,retry_count,reason}'::text[] <> '{}'
    for update skip locked
  ));
end
$$;
