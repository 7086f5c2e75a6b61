-- Runs that walk all users or the changed ones at Clerk: backfill (everybody, once), sweep (what changed since the
-- last run) and compare (everybody, field by field, and who is gone). A run is walked by one runner at a time, in as
-- many slices as it takes; where it stands is here, so that any runner can carry it on.
--
--   take_run ──> advance_run … advance_run ──> end_run          RUNNING ──> COMPLETED | FAILED | CANCELLED
create table if not exists clerk_sync.sync_runs (
  id             uuid        not null default gen_random_uuid(),
  kind           text        not null,
  status         text        not null default 'RUNNING',
  applies        boolean     not null default true,
  phase          text        not null default 'check',
  cursor         jsonb       not null default '{}',
  counts         jsonb       not null default '{}',
  steps          integer     not null default 0,
  users_at_clerk integer     null,
  error          text        null,
  started_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  finished_at    timestamptz null,
  lease_token    uuid        null,
  lease_until    timestamptz not null default now(),
  constraint sync_runs_pkey primary key (id),
  constraint kind_is_known check (kind in ('backfill', 'sweep', 'compare')),
  constraint run_status_is_known check (status in ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  constraint finished_iff_not_running check ((status = 'RUNNING') = (finished_at is null))
);

comment on column clerk_sync.sync_runs.applies is 'false: a dry run, which only counts';
comment on column clerk_sync.sync_runs.lease_until is
  'with lease_token: until then a runner has it; without: not to be carried on by the schedule before';

create unique index if not exists sync_runs_one_open
  on clerk_sync.sync_runs ((true))
  where status = 'RUNNING';
create index if not exists sync_runs_kind_idx
  on clerk_sync.sync_runs (kind, started_at desc);

-- The users that Clerk's API has shown in the compare under way.
create table if not exists clerk_sync.run_marks (
  clerk_id text not null,
  constraint run_marks_pkey primary key (clerk_id)
);

alter table clerk_sync.sync_runs enable row level security;
alter table clerk_sync.run_marks enable row level security;
revoke all on clerk_sync.sync_runs, clerk_sync.run_marks from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.sync_runs to service_role;
grant select, insert, update, delete, truncate on clerk_sync.run_marks to service_role;

drop policy if exists sync_runs_service_role on clerk_sync.sync_runs;
create policy sync_runs_service_role
  on clerk_sync.sync_runs
  for all
  to service_role
  using (true)
  with check (true);
drop policy if exists run_marks_service_role on clerk_sync.run_marks;
create policy run_marks_service_role
  on clerk_sync.run_marks
  for all
  to service_role
  using (true)
  with check (true);

-- A run as jsonb, for the answers of the other functions.
create or replace function clerk_sync.describe_run(p_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'id', r.id,
      'kind', r.kind,
      'status', r.status,
      'applies', r.applies,
      'phase', r.phase,
      'cursor', r.cursor,
      'counts', r.counts,
      'steps', r.steps,
      'users_at_clerk', r.users_at_clerk,
      'error', r.error,
      'started_at', r.started_at,
      'updated_at', r.updated_at,
      'finished_at', r.finished_at,
      'lease_until', r.lease_until
    )
    from clerk_sync.sync_runs as r
    where r.id = p_id
  );
end
$$;

revoke execute on function clerk_sync.describe_run from public, anon, authenticated;
grant execute on function clerk_sync.describe_run to service_role;

-- Whether the caller may carry on the open run. One without p_kind (the schedule) carries on whatever applies and
-- waits out a pause; one that names what it wants carries on exactly that.
create or replace function clerk_sync.may_carry_on(
  p_run     clerk_sync.sync_runs,
  p_kind    text,
  p_applies boolean,
  p_now     timestamptz
)
returns boolean
language sql
immutable
security invoker
set search_path = ''
as $$
  select case
    when p_run.lease_until > p_now and (p_run.lease_token is not null or p_kind is null) then false
    when p_kind is null then p_run.applies
    else p_run.kind = p_kind and p_run.applies = p_applies
  end;
$$;

revoke execute on function clerk_sync.may_carry_on from public, anon, authenticated;
grant execute on function clerk_sync.may_carry_on to service_role;

-- Makes a new run; null when there is an open one. What is older than 90 days is forgotten then. A sweep goes back to the beginning of the last run that applied,
-- and a quarter of an hour further: Clerk's clock is not ours. Without one it goes back two days.
create or replace function clerk_sync.start_run(p_kind text, p_applies boolean, p_now timestamptz)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_id    uuid;
  v_since timestamptz := coalesce(
    (select max(r.started_at) from clerk_sync.sync_runs as r where r.status = 'COMPLETED' and r.applies),
    p_now - interval '2 days'
  ) - interval '15 minutes';
begin
  insert into clerk_sync.sync_runs (kind, applies, cursor, started_at, updated_at, lease_until)
  select p_kind, p_applies,
    case when p_kind = 'sweep' then jsonb_build_object('floor', floor(extract(epoch from v_since) * 1000)) else '{}' end,
    p_now, p_now, p_now
  on conflict do nothing
  returning id into v_id;
  if v_id is not null then
    truncate clerk_sync.run_marks;
    delete from clerk_sync.sync_runs as r where r.finished_at < p_now - interval '90 days';
  end if;
  return v_id;
end
$$;

revoke execute on function clerk_sync.start_run from public, anon, authenticated;
grant execute on function clerk_sync.start_run to service_role;

-- Gives the caller the open run, or starts one of p_kind, unless one began within p_idle_seconds and completed.
-- Answers {outcome, run, token, read_at, mirrors}: started, resumed, busy (run says who has it) or none. read_at is
-- when the next read of Clerk's API begins at the earliest; mirrors: users of ours are mirrored in Supabase Auth.
-- An abandoned run gives way: a dry run at once, another a day after it last moved.
create or replace function public.clerk_sync_take_run(
  p_kind          text default null,
  p_applies       boolean default true,
  p_idle_seconds  integer default 0,
  p_lease_seconds integer default 60,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_run     clerk_sync.sync_runs;
  v_id      uuid;
  v_outcome text := 'resumed';
  v_token   uuid := gen_random_uuid();
begin
  select r.* into v_run from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update;
  if v_run.id is not null and clerk_sync.may_carry_on(v_run, p_kind, p_applies, p_now) then
    v_id := v_run.id;
  elsif v_run.id is not null and v_run.lease_until <= p_now and (
    not v_run.applies and (p_kind is not null or v_run.updated_at < p_now - interval '1 hour')
    or p_kind is not null and v_run.updated_at < p_now - interval '1 day'
  ) then
    perform clerk_sync.close_run(v_run.id, 'FAILED', 'run_abandoned: nobody carried it on', p_now);
  elsif v_run.id is not null then
    return jsonb_build_object('outcome', 'busy', 'run', clerk_sync.describe_run(v_run.id));
  end if;
  if v_id is null then
    if p_kind is null or exists (
      select 1
      from clerk_sync.sync_runs as r
      where r.kind = p_kind
        and r.status = 'COMPLETED'
        and r.applies
        and r.started_at > p_now - make_interval(secs => p_idle_seconds)
    ) then
      return jsonb_build_object('outcome', 'none');
    end if;
    v_id := clerk_sync.start_run(p_kind, p_applies, p_now);
    v_outcome := 'started';
  end if;
  update clerk_sync.sync_runs as r
  set lease_token = v_token, lease_until = p_now + make_interval(secs => p_lease_seconds)
  where r.id = v_id;
  return jsonb_build_object(
    'outcome', case when v_id is null then 'busy' else v_outcome end, 'run', clerk_sync.describe_run(v_id),
    'token', v_token, 'read_at', p_now,
    'mirrors', exists (select 1 from clerk_sync.user_state as s where s.mirrored_at is not null)
  );
end
$$;

revoke execute on function public.clerk_sync_take_run from public, anon, authenticated;
grant execute on function public.clerk_sync_take_run to service_role;

-- Ends a run, whoever has it.
create or replace function clerk_sync.close_run(p_id uuid, p_status text, p_error text, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update clerk_sync.sync_runs as r
  set status = p_status,
      error = p_error,
      finished_at = p_now,
      updated_at = p_now,
      lease_token = null,
      lease_until = p_now
  where r.id = p_id;
end
$$;

revoke execute on function clerk_sync.close_run from public, anon, authenticated;
grant execute on function clerk_sync.close_run to service_role;
