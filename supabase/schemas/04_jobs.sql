-- public.job_queue: the jobs, their states and history, and the functions that store, lock, move and describe them.

--   PENDING ──> PROCESSING ──> COMPLETED          CANCELLED: by a person
--      └───────────┬──┴──> FAILED (again at run_at) ──> … ──> DEAD (gave up; a person retries)
--
-- The sync inserts jobs by clerk_sync.insert_jobs, moves them by clerk_sync.move_jobs and ends them by
-- clerk_sync.complete_jobs; all three record what they do in the job's history. A trigger records what anybody else does to
-- a job: a change by hand.
--
-- source: webhook (Clerk sent it), refresh (the worker reads the user from Clerk's API when the job runs), backfill,
-- reconcile or ensure (the payload was read there), or why only the mirror is pending (email_taken, role_withdrawn, lease_lost); members (the memberships of a restored
-- organization or user are read), read (what that read brought).

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
  add column if not exists kind         text        not null generated always as (lower(split_part(job_type, '_', 1))) stored,
  add column if not exists applied_at   timestamptz,
  add column if not exists read_at      timestamptz,
  add column if not exists erased_at    timestamptz,
  add column if not exists waits_for    text,
  add column if not exists is_held      boolean     not null default false,
  add column if not exists is_confirmed boolean     not null default false,
  add column if not exists for_auth_only boolean    not null default false,
  add column if not exists runs_alone   boolean     not null default false;

comment on column public.job_queue.kind is
  'the kind of record that the job is about: user, organization, membership, role, permission or invitation';
comment on column public.job_queue.applied_at is
  'when the change was written; a job that comes again after that only has its mirror pending';
comment on column public.job_queue.read_at is
  'when the read from Clerk''s API began that the payload came from; null when Clerk sent it';
comment on column public.job_queue.erased_at is
  'when the job lost what it held of a deleted person';
comment on column public.job_queue.waits_for is
  'what the job needs: the service (auth, clerk) whose circuit was open, or the row of the organization or user of a membership; null again when the job is due';
comment on column public.job_queue.is_held is
  'the delete brake holds this deletion until an operator decides';
comment on column public.job_queue.is_confirmed is
  'an operator let this deletion pass the delete brake';
comment on column public.job_queue.for_auth_only is
  'a compare of Supabase Auth made this deletion: the user may be there in Supabase Auth alone';
comment on column public.job_queue.runs_alone is
  'a call that applied this job with others was cut off; the job, and later jobs of its user until one of them is applied, get a call of their own (clerk_sync_lease_alone)';

update public.job_queue as j
set clerk_id = j.payload ->> 'clerk_id'
where j.clerk_id is null
  and j.payload ->> 'clerk_id' <> '';

alter table public.job_queue
  drop constraint if exists job_type_is_known,
  drop constraint if exists status_is_known,
  drop constraint if exists leased_iff_processing,
  drop constraint if exists processed_iff_final,
  drop constraint if exists kind_is_known,
  drop constraint if exists source_is_known,
  drop constraint if exists waits_only_while_open,
  drop constraint if exists held_is_a_pending_deletion,
  drop constraint if exists only_deletions_are_confirmed;
alter table public.job_queue
  add constraint job_type_is_known
    check (job_type in (
      'USER_CREATED', 'USER_UPDATED', 'USER_DELETED',
      'ORGANIZATION_CREATED', 'ORGANIZATION_UPDATED', 'ORGANIZATION_DELETED',
      'MEMBERSHIP_CREATED', 'MEMBERSHIP_UPDATED', 'MEMBERSHIP_DELETED',
      'ROLE_CREATED', 'ROLE_UPDATED', 'ROLE_DELETED',
      'PERMISSION_CREATED', 'PERMISSION_UPDATED', 'PERMISSION_DELETED',
      'INVITATION_CREATED', 'INVITATION_UPDATED', 'INVITATION_DELETED'
    )),
  add constraint status_is_known
    check (status in ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD', 'CANCELLED')),
  add constraint leased_iff_processing
    check ((status = 'PROCESSING') = (lease_token is not null and lease_until is not null)),
  add constraint processed_iff_final
    check ((status in ('COMPLETED', 'DEAD', 'CANCELLED')) = (processed_at is not null)),
  add constraint source_is_known
    check (source <> ''),
  add constraint waits_only_while_open
    check (waits_for is null or (waits_for in ('auth', 'clerk', 'organization', 'user') and status in ('PENDING', 'FAILED'))),
  add constraint held_is_a_pending_deletion
    check (not is_held or (status = 'PENDING' and job_type like '%DELETED')),
  add constraint only_deletions_are_confirmed
    check (not (is_confirmed or for_auth_only) or job_type like '%DELETED');

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

-- Changes by hand: the trigger that records them, and what it needs.

-- The name of the person who runs a statement in SQL: the database user and, where it differs, the role.
create or replace function clerk_sync.database_user()
returns text
language sql
stable
set search_path = ''
as $$
  select concat_ws(' as ', session_user, nullif(current_user, session_user));
$$;

-- Collects what a statement changes by hand in two settings of its transaction. When the statement ends, record_edit
-- writes one entry of the audit: how many jobs, and the first ten ids.
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

-- One entry of the history of a job: {at, status, attempt, error?, by?}. by: the operator, or the database user, who made
-- the change; the sync made a change without it.
create or replace function clerk_sync.history_entry(p_status text, p_attempt integer, p_error text, p_by text)
returns jsonb
language sql
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'at', clock_timestamp(), 'status', p_status, 'attempt', p_attempt, 'error', p_error, 'by', p_by
  ));
$$;

-- True while a job of this user, open or dead, runs alone.
create or replace function clerk_sync.runs_alone(p_clerk_id text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select 1
    from public.job_queue as j
    where j.clerk_id = p_clerk_id
      and j.runs_alone
      and j.status <> 'COMPLETED'
  );
$$;

-- Keeps a job that a person makes or changes in SQL consistent, and adds the change to its history with the person's name.
-- The functions of the sync say that they act by the setting clerk_sync.actor, and this trigger does not fire for them.
create or replace function clerk_sync.record_hand_edit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
    new.created_at := coalesce(new.created_at, new.updated_at);
    new.runs_alone := new.runs_alone or clerk_sync.runs_alone(new.clerk_id);
  else
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
  end if;

  new.waits_for := case when new.status in ('PENDING', 'FAILED') then new.waits_for end;
  new.is_held := new.is_held and new.status = 'PENDING';
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

  new.history := new.history || clerk_sync.history_entry(new.status, new.attempts, new.error, clerk_sync.database_user());
  perform clerk_sync.note_edit(new.id);
  return new;
end
$$;

drop trigger if exists record_hand_edit on public.job_queue;
create trigger record_hand_edit
  before insert or update on public.job_queue
  for each row
  when (current_setting('clerk_sync.actor', true) is distinct from 'sync')
  execute function clerk_sync.record_hand_edit();

-- Events: what the sync applies. An event is a job, or what becomes one.

create or replace view clerk_sync.events
with (security_invoker = true)
as
select
  j.id,
  j.event_id,
  j.job_type,
  j.kind,
  j.job_type like '%DELETED' as deletes,
  j.clerk_id,
  j.version,
  j.payload,
  j.source,
  j.created_at,
  j.read_at,
  j.applied_at,
  j.erased_at,
  j.for_auth_only,
  case when j.status = 'DEAD' then j.error end as dead_reason
from public.job_queue as j;

-- The events of a call, each with the id that its job gets: [{event_id, job_type, clerk_id?, version?, payload, source?,
-- read_at?, applied_at?, for_auth_only?, dead_reason?}]. Raises SY003 unless each has an event_id of its own: of two that
-- share one, or have none, one would be lost.
create or replace function clerk_sync.new_events(p_jobs jsonb)
returns clerk_sync.events[]
language plpgsql
set search_path = ''
as $$
declare
  -- Ids begin with the time (UUID version 7), so that new jobs are neighbours in an index of millions. The place in the
  -- call follows: the ids of a call have the order of its events.
  v_time   text := overlay(
    lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') placing '-' from 9 for 0
  ) || '-7';
  v_events clerk_sync.events[] := array(
    select row( -- the columns of clerk_sync.events in their order
      overlay(gen_random_uuid()::text placing v_time || lpad(to_hex(i.ordinality & 4095), 3, '0') from 1 for 18)::uuid,
      i.value ->> 'event_id',
      i.value ->> 'job_type',
      k.kind,
      i.value ->> 'job_type' like '%DELETED',
      case when i.value ? 'clerk_id' then i.value ->> 'clerk_id' else nullif(i.value -> 'payload' ->> 'clerk_id', '') end,
      (i.value ->> 'version')::bigint,
      case -- almost every payload is kept as it is
        when jsonb_typeof(i.value -> 'payload') = 'object'
          and (i.value -> 'payload') - clerk_sync.payload_keys(k.kind) = '{}'
          and not i.value -> 'payload' ? 'absent'
        then i.value -> 'payload'
        else clerk_sync.known_payload(i.value -> 'payload', clerk_sync.payload_keys(k.kind))
      end,
      i.value ->> 'source',
      null,
      (i.value ->> 'read_at')::timestamptz,
      (i.value ->> 'applied_at')::timestamptz,
      null,
      (i.value ->> 'for_auth_only')::boolean,
      i.value ->> 'dead_reason'
    )::clerk_sync.events
    from jsonb_array_elements(p_jobs) with ordinality as i
    cross join lateral (select lower(split_part(i.value ->> 'job_type', '_', 1)) as kind) as k
  );
begin
  if (cardinality(v_events) <> 1 or v_events[1].event_id is null)
    and (select count(distinct e.event_id) < count(*) from unnest(v_events) as e) then
    raise exception 'each job of a call needs an event_id of its own' using errcode = 'SY003';
  end if;
  return v_events;
end
$$;

-- The three writers of job state. Three other statements of the sync change what a job holds, never its state: put_reads (a
-- read of its user), name_users (the user of a deletion without an id) and erase_deleted.

-- Moves jobs on, to every state but COMPLETED (complete_jobs). Every change goes into the history of the job.
-- An attempt counts when a job leaves the queue for it (PROCESSING), or ends in the same call (COMPLETED, FAILED, DEAD). A
-- job that goes back to PENDING from PROCESSING gets its attempt back.
--   p_status       the status to come; null: it stays. FAILED becomes DEAD when the attempts are used up. A job whose
--                  cancel was asked for during its attempt ends as CANCELLED instead of PENDING, FAILED or DEAD. CANCELLED
--                  asks a job in flight for that.
--   p_error        why; a status that stays, and CANCELLED, keep the error that is there
--   p_run_at       when the job is due; null: as before
--   p_applied      its change is written
--   p_notes        what its result says besides, by job id
--   p_read_at      when the read from Clerk's API begins that the job is leased for
--   p_token, p_lease_until   the lease of a job that becomes PROCESSING; null: the one it has
--   p_is_confirmed, p_runs_alone   null: as before
--   p_waits_for, p_is_held   as given: a move that does not name them ends the waiting
--   p_starts_over  the job begins again with no attempt counted
--   p_by           the person who moves the job; null: the sync does
-- Returns how many jobs moved.
create or replace function clerk_sync.move_jobs(
  p_ids          uuid[],
  p_status       text,
  p_now          timestamptz,
  p_error        text default null,
  p_run_at       timestamptz default null,
  p_waits_for    text default null,
  p_is_held      boolean default false,
  p_is_confirmed boolean default null,
  p_runs_alone   boolean default null,
  p_applied      boolean default false,
  p_notes        jsonb default null,
  p_token        uuid default null,
  p_lease_until  timestamptz default null,
  p_read_at      timestamptz default null,
  p_starts_over  boolean default false,
  p_by           text default null
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_why   jsonb := jsonb_strip_nulls(jsonb_build_object('error', p_error, 'by', p_by));
  v_count integer;
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return 0;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set (status, attempts, payload, error, result, run_at, waits_for, is_held, is_confirmed, runs_alone, applied_at, read_at,
       lease_token, lease_until, cancel_requested_at, processed_at, updated_at, history) = (
    select
      m.status,
      a.attempts,
      case
        when greatest(a.attempts - 1, 0) = greatest(j.attempts - 1, 0) then j.payload
        else j.payload || jsonb_build_object('retry_count', greatest(a.attempts - 1, 0))
      end,
      case when p_status is null or m.status = 'CANCELLED' then coalesce(p_error, j.error) else p_error end,
      case
        when p_applied and (j.applied_at is null or j.job_type like '%DELETED') then case
          when j.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', j.payload -> 'ignored_email')
          else '{"applied": true}'
        end
        when p_notes ? j.id::text then coalesce(j.result, '{}')
        else j.result
      end || case when p_notes ? j.id::text then p_notes -> j.id::text else '{}' end,
      coalesce(p_run_at, j.run_at),
      p_waits_for,
      p_is_held,
      coalesce(p_is_confirmed, j.is_confirmed),
      coalesce(p_runs_alone, j.runs_alone),
      case when p_applied then coalesce(j.applied_at, p_now) else j.applied_at end,
      coalesce(p_read_at, j.read_at),
      case when m.status = 'PROCESSING' then coalesce(p_token, j.lease_token) end,
      case when m.status = 'PROCESSING' then coalesce(p_lease_until, j.lease_until) end,
      case
        when m.status <> 'PROCESSING' then null
        when p_status = 'CANCELLED' then p_now
        else j.cancel_requested_at
      end,
      case
        when m.status = j.status then j.processed_at
        when m.status in ('DEAD', 'CANCELLED') then p_now
      end,
      p_now,
      case
        when m.status = j.status and a.attempts = j.attempts and p_by is null then j.history
        else j.history || ( -- as history_entry, at a third of its cost
          jsonb_build_object('at', clock_timestamp(), 'status', m.status, 'attempt', a.attempts) || v_why
        )
      end
    from (
      select case
        when p_starts_over then 0
        when j.status = 'PROCESSING' then case when p_status = 'PENDING' then j.attempts - 1 else j.attempts end
        when p_status in ('PROCESSING', 'FAILED', 'DEAD') then j.attempts + 1
        else j.attempts
      end as attempts
    ) as a
    cross join lateral (
      select case
        when p_status = 'CANCELLED' and j.status = 'PROCESSING' then 'PROCESSING'
        when j.cancel_requested_at is not null and p_status in ('PENDING', 'FAILED', 'DEAD') then 'CANCELLED'
        when p_status = 'FAILED' and a.attempts >= j.max_attempts then 'DEAD'
        else coalesce(p_status, j.status)
      end as status
    ) as m
  )
  where j.id = any (p_ids);
  get diagnostics v_count = row_count;
  perform set_config('clerk_sync.actor', '', true);
  return v_count;
end
$$;

-- Completes jobs: nothing of them is pending any more. Almost every job ends so; this statement is short because it does
-- nothing else. An attempt counts as in move_jobs.
--   p_applied  true: the change is written; false: a newer change of the user is known; null: as the job says
--   p_notes    what the results say besides, by job id
create or replace function clerk_sync.complete_jobs(
  p_ids     uuid[],
  p_now     timestamptz,
  p_applied boolean default null,
  p_notes   jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set status = 'COMPLETED',
      attempts = j.attempts + (j.status <> 'PROCESSING')::integer,
      payload = case
        when j.status = 'PROCESSING' or j.attempts = 0 then j.payload
        else j.payload || jsonb_build_object('retry_count', j.attempts)
      end,
      error = null,
      result = case
        when p_applied and (j.applied_at is null or j.job_type like '%DELETED') then case
          when j.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', j.payload -> 'ignored_email')
          else '{"applied": true}'
        end
        when not p_applied and j.applied_at is null and p_notes ? j.id::text then '{"applied": false}'
        when not p_applied and j.applied_at is null then ( -- a newer change of the record is known
          select case
            when r.deleted_at is not null then jsonb_build_object('applied', false, 'reason', r.kind || '_deleted')
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', r.version)
          end
          from clerk_sync.records as r
          where r.id = j.clerk_id
        )
        when p_notes ? j.id::text then coalesce(j.result, '{}')
        else j.result
      end || case when p_notes ? j.id::text then p_notes -> j.id::text else '{}' end,
      waits_for = null,
      is_held = false,
      runs_alone = false,
      applied_at = case when p_applied then coalesce(j.applied_at, p_now) else j.applied_at end,
      lease_token = null,
      lease_until = null,
      cancel_requested_at = null,
      processed_at = p_now,
      updated_at = p_now,
      history = j.history || jsonb_build_object( -- as history_entry
        'at', clock_timestamp(), 'status', 'COMPLETED', 'attempt', j.attempts + (j.status <> 'PROCESSING')::integer
      )
  where j.id = any (p_ids);
  perform set_config('clerk_sync.actor', '', true);
end
$$;

-- Inserts the jobs of events: the only insert of jobs by the sync. An event that is known inserts nothing; if its job is a
-- dead letter, the job starts over.
-- p_carries: events whose change is written; their jobs are done, or, with p_mirrors, wait for the mirror.
-- p_superseded: events that bring nothing newer. p_notes: what the results of jobs say besides, by job id.
-- p_existing: users whose creation is no news, by event id: {id, clerk_id}; nothing is stored for them.
-- p_waits_for: the service that the mirror waits for. p_alone: these jobs run alone, as do those of users who have such a job.
-- Returns [{event_id, outcome, applied, job_id, user}] in the order of the events' ids, as clerk_sync_enqueue describes it.
create or replace function clerk_sync.insert_jobs(
  p_events       clerk_sync.events[],
  p_now          timestamptz,
  p_max_attempts integer default 15,
  p_carries      uuid[] default '{}',
  p_superseded   uuid[] default '{}',
  p_notes        jsonb default null,
  p_existing     jsonb default '{}',
  p_mirrors      boolean default false,
  p_waits_for    text default null,
  p_alone        boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_done      timestamptz := p_now + (clock_timestamp() - statement_timestamp());
  v_answer    jsonb;
  v_stored    uuid[];
  v_restarted uuid[];
begin
  perform set_config('clerk_sync.actor', 'sync', true);
  with stored as (
    insert into public.job_queue as j
      (id, event_id, job_type, clerk_id, version, payload, source, read_at, applied_at, for_auth_only, error, status,
       priority, attempts, max_attempts, created_at, updated_at, run_at, processed_at, waits_for, runs_alone, result, history)
    select
      e.id, e.event_id, e.job_type, e.clerk_id, coalesce(e.version, 0), e.payload, coalesce(e.source, 'webhook'), e.read_at,
      case when s.carries then p_now else e.applied_at end, coalesce(e.for_auth_only, false), e.dead_reason, s.status,
      case -- sign-ups first, then the other live events, then what backfill and reconcile bring
        when e.source in ('backfill', 'reconcile') then 0
        when e.job_type = 'USER_CREATED' then 2
        else 1
      end,
      (s.status = 'COMPLETED')::integer, p_max_attempts, p_now, p_now, p_now,
      case when s.status <> 'PENDING' then v_done end,
      case when s.carries and p_mirrors then p_waits_for end,
      case
        when s.carries then false
        else p_alone or coalesce(( -- as runs_alone
          select true from public.job_queue as a where a.clerk_id = e.clerk_id and a.runs_alone and a.status <> 'COMPLETED' limit 1
        ), false)
      end,
      case
        when s.carries or e.applied_at is not null then case
          when e.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', e.payload -> 'ignored_email')
          else '{"applied": true}'
        end || case when p_notes ? e.id::text then p_notes -> e.id::text else '{}' end
        when s.status = 'COMPLETED' then ( -- a newer change of the record is known
          select case
            when r.deleted_at is not null then jsonb_build_object('applied', false, 'reason', r.kind || '_deleted')
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', r.version)
          end
          from clerk_sync.records as r
          where r.id = e.clerk_id
        )
      end,
      jsonb_build_array( -- as history_entry, at a third of its cost
        jsonb_build_object('at', clock_timestamp(), 'status', s.status, 'attempt', (s.status = 'COMPLETED')::integer)
          || case when e.dead_reason is not null then jsonb_build_object('error', e.dead_reason) else '{}' end
      )
    from unnest(p_events) as e
    cross join lateral (
      select
        e.id = any (p_carries) as carries,
        case
          when e.dead_reason is not null then 'DEAD'
          when e.id = any (p_superseded) or (e.id = any (p_carries) and not p_mirrors) then 'COMPLETED'
          else 'PENDING'
        end as status
    ) as s
    where not p_existing ? e.event_id
    order by e.event_id -- two calls that share events take them in one order
    on conflict (event_id) do nothing
    returning j.id, j.event_id, j.status
  )
  select
    array_agg(s.id),
    jsonb_agg(jsonb_build_object(
      'event_id', s.event_id,
      'outcome', case s.status when 'DEAD' then 'dead' else 'queued' end,
      'applied', case when s.status = 'COMPLETED' then 'all' when s.id = any (p_carries) then 'row' else 'no' end,
      'job_id', s.id,
      'user', null
    ) order by s.id)
  into v_stored, v_answer
  from stored as s;
  perform set_config('clerk_sync.actor', '', true);
  if cardinality(v_stored) = cardinality(p_events) then
    return v_answer;
  end if;

  v_restarted := array(
    select j.id
    from public.job_queue as j
    where j.event_id = any (array(
        select e.event_id from unnest(p_events) as e where e.dead_reason is null and not p_existing ? e.event_id
      ))
      and j.status = 'DEAD'
    order by j.event_id
    for update
  );
  perform clerk_sync.move_jobs(v_restarted, 'PENDING', p_now, p_run_at => p_now, p_starts_over => true);
  return (
    select coalesce(jsonb_agg(coalesce(a.answer, jsonb_build_object(
      'event_id', e.event_id,
      'outcome', case when p_existing ? e.event_id then 'exists' when j.id = any (v_restarted) then 'requeued' else 'duplicate' end,
      'applied', 'no',
      'job_id', j.id,
      'user', p_existing -> e.event_id
    )) order by e.id), '[]')
    from unnest(p_events) as e
    left join (select i.value as answer from jsonb_array_elements(v_answer) as i) as a on a.answer ->> 'event_id' = e.event_id
    -- offset 0: a lookup each, whatever the statistics say
    left join lateral (
      select k.id from public.job_queue as k where k.event_id = e.event_id and not p_existing ? e.event_id offset 0
    ) as j on true
  );
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

-- Erases what jobs hold of deleted users whose deletion is complete, given some jobs of theirs. Called when a deletion
-- completes, here and in Auth, and when a late event of a deleted user brought nothing. A job that another worker holds
-- is skipped: that worker erases it.
create or replace function clerk_sync.erase_deleted(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set payload = jsonb_strip_nulls(jsonb_build_object(
        'clerk_id', j.clerk_id,
        'retry_count', j.payload -> 'retry_count',
        'original_event', ( -- kind, ids and times, as summarise-event.ts keeps them
          select jsonb_build_object(
            'type', e.value -> 'type', 'object', e.value -> 'object', 'timestamp', e.value -> 'timestamp',
            'instance_id', e.value -> 'instance_id', 'data', jsonb_build_object(
              'id', d.value -> 'id', 'object', d.value -> 'object', 'deleted', d.value -> 'deleted',
              'created_at', d.value -> 'created_at', 'updated_at', d.value -> 'updated_at'
            )
          )
          from (select j.payload -> 'original_event' as value) as e
          cross join lateral (select e.value -> 'data' as value) as d
          where jsonb_typeof(e.value) = 'object'
        ),
        'erased', true
      )),
      erased_at = p_now,
      error = split_part(j.error, ':', 1),
      history = ( -- what follows the colon of an error may quote a value
        select coalesce(jsonb_agg(
          h.entry || jsonb_strip_nulls(jsonb_build_object('error', split_part(h.entry ->> 'error', ':', 1))) order by h.place
        ), '[]')
        from jsonb_array_elements(j.history) with ordinality as h(entry, place)
      ),
      updated_at = p_now
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
        where (select r.deleted_at is not null from clerk_sync.records as r where r.id = d.clerk_id)
      ))
      and o.status <> 'PROCESSING'
      and o.erased_at is null
      and o.payload - '{clerk_id,retry_count,reason}'::text[] <> '{}'
    for update skip locked
  ));
  perform set_config('clerk_sync.actor', '', true);
end
$$;
