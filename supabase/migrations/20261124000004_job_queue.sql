-- public.job_queue: the work owed, and its history until it is purged.
--
--   PENDING ──> PROCESSING ──> COMPLETED          CANCELLED: by a person
--      └───────────┬──┴──> FAILED (again at run_at) ──> … ──> DEAD (gave up; a person retries)
--
-- Jobs come in by clerk_sync_enqueue and move by clerk_sync_run_jobs, clerk_sync_settle_jobs and
-- clerk_sync_rescue_jobs. The trigger of the next file records every change of state, whoever makes it.
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
revoke all on public.job_queue from public, anon, authenticated;
grant select, insert, update, delete on public.job_queue to service_role;

drop policy if exists job_queue_service_role on public.job_queue;
create policy job_queue_service_role
  on public.job_queue
  for all
  to service_role
  using (true)
  with check (true);
