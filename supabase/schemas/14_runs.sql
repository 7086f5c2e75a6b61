-- Runs over the users at Clerk, and the budget of requests to Clerk's API.

-- Kinds of runs: backfill (all users, once), sweep (what changed since the last run) and compare (all users, field by
-- field, and deletions). One runner at a time walks a run, in slices; the row says where the walk stands, so that any
-- runner can continue it.
--
--   take_run ──> advance_run … advance_run ──> end_run          RUNNING ──> COMPLETED | FAILED | CANCELLED
create table if not exists clerk_sync.sync_runs (
  id             uuid        not null default gen_random_uuid(),
  kind           text        not null,
  status         text        not null default 'RUNNING',
  applies        boolean     not null default true,
  columns        text[]      null,
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
  constraint columns_are_of_a_backfill check (columns is null or (kind = 'backfill' and cardinality(columns) > 0)),
  constraint run_status_is_known check (status in ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  constraint finished_iff_not_running check ((status = 'RUNNING') = (finished_at is null))
);

comment on column clerk_sync.sync_runs.applies is 'false: a dry run, which only counts';
comment on column clerk_sync.sync_runs.columns is
  'the mapped columns that a backfill fills in rows that are there; null: all that Clerk says is brought in';
comment on column clerk_sync.sync_runs.counts is
  'of a sweep or compare: missing, stale, ahead, differs, unmirrored and extra are users who differ from Clerk, auth_missing, auth_differs, auth_deleted and auth_extra those in Supabase Auth';
comment on column clerk_sync.sync_runs.lease_until is
  'with lease_token: until then a runner has it; without: the schedule does not continue it before';

create unique index if not exists sync_runs_one_open
  on clerk_sync.sync_runs ((true))
  where status = 'RUNNING';
create index if not exists sync_runs_kind_idx
  on clerk_sync.sync_runs (kind, started_at desc);

-- The users that Clerk's API has shown in the open compare.
create table if not exists clerk_sync.run_marks (
  clerk_id text not null,
  constraint run_marks_pkey primary key (clerk_id)
);

-- A run as jsonb, for the answers of the other functions; sources are what Clerk says for its columns.
create or replace function clerk_sync.describe_run(p_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(r) - 'lease_token' || jsonb_build_object('sources', (
    select jsonb_agg(distinct m.columns -> c)
    from unnest(r.columns) as c
    join clerk_sync.mappings as m on m.kind = 'user' and m.columns ? c
  ))
  from clerk_sync.sync_runs as r
  where r.id = p_id;
$$;

-- The mapped columns of users, in the order of their names: [{name, source, is_written}]. is_written: what Clerk says is
-- written into a row that is there, too. A backfill can fill these.
create or replace function public.clerk_sync_user_columns()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('name', c.key, 'source', c.value, 'is_written', c.key = any (m.written)) order by c.key
  ), '[]')
  from clerk_sync.mappings as m
  cross join lateral jsonb_each_text(m.columns) as c
  where m.kind = 'user';
$$;

-- Ends the part of the runner that has p_token (null: no runner has the run). COMPLETED, FAILED or CANCELLED ends the run;
-- RUNNING gives it back, so that another runner continues it; the schedule waits p_pause_seconds before that. Answers
-- whether the run was still the caller's.
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
set search_path = ''
as $$
begin
  update clerk_sync.sync_runs as r
  set status = p_status,
      error = p_error,
      updated_at = case when p_status = 'RUNNING' then r.updated_at else p_now end,
      finished_at = case when p_status <> 'RUNNING' then p_now end,
      lease_token = null,
      lease_until = p_now + make_interval(secs => p_pause_seconds)
  where r.id = p_id
    and r.status = 'RUNNING'
    and r.lease_token is not distinct from p_token;
  return found;
end
$$;

-- Gives the caller the open run, or starts one of p_kind, unless one began within p_idle_seconds and completed.
-- Answers {outcome, run, token, read_at, mirrors}: started, resumed, busy (run says which) or none. read_at is
-- when the next read of Clerk's API begins at the earliest; mirrors: users of ours are mirrored in Supabase Auth.
-- Without p_kind (the schedule) a caller continues a run that applies, after its pause; with p_kind exactly that one.
-- A run that no runner moves gives way: a dry run after an hour, or to a caller with p_kind; another to such a caller
-- after a day. p_columns: the run is a backfill that fills only these columns; one of other columns is another run.
-- A sweep begins where the last run that applied began, or two days ago, and a quarter of an hour before:
-- Clerk's clock is not ours. A new run has runs of 90 days ago forgotten, and sweeps that found nothing after an hour.
create or replace function public.clerk_sync_take_run(
  p_kind          text default null,
  p_applies       boolean default true,
  p_idle_seconds  integer default 0,
  p_lease_seconds integer default 60,
  p_now           timestamptz default clock_timestamp(),
  p_columns       text[] default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_run     clerk_sync.sync_runs;
  v_outcome text;
  v_last    timestamptz;
  v_unknown text := (
    select string_agg(c, ', ')
    from unnest(p_columns) as c
    where c <> all (array(select unnest(m.written) from clerk_sync.mappings as m where m.kind = 'user'))
  );
begin
  if v_unknown is not null then
    raise exception 'no columns that can be filled: %', v_unknown using errcode = 'SY002';
  end if;
  select r.* into v_run from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update;
  v_outcome := case
    when v_run.id is null then 'started'
    when v_run.lease_until > p_now and (v_run.lease_token is not null or p_kind is null) then 'busy'
    when v_run.applies and p_kind is null then 'resumed'
    when v_run.kind = p_kind and v_run.applies = p_applies and v_run.columns is not distinct from p_columns then 'resumed'
    when v_run.lease_until <= p_now and v_run.updated_at < case
      when v_run.applies then p_now - interval '1 day'
      when p_kind is null then p_now - interval '1 hour'
      else 'infinity'
    end then 'abandoned'
    else 'busy'
  end;
  if v_outcome = 'abandoned' then
    perform public.clerk_sync_end_run(
      v_run.id, v_run.lease_token, 'FAILED', 'run_abandoned: nobody carried it on', p_now => p_now
    );
    v_outcome := 'started';
  end if;
  if v_outcome = 'started' then
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
    v_last := (select max(r.started_at) from clerk_sync.sync_runs as r where r.status = 'COMPLETED' and r.applies);
    insert into clerk_sync.sync_runs as r (kind, applies, columns, cursor, started_at, updated_at, lease_until)
    select
      p_kind, p_applies, p_columns,
      case when p_kind = 'sweep' then jsonb_build_object('floor', floor(1000 * extract(epoch from b.begins_at))) else '{}' end,
      p_now, p_now, p_now
    from (select coalesce(v_last, p_now - interval '2 days') - interval '15 minutes' as begins_at) as b
    on conflict do nothing
    returning r.* into v_run;
    if found then
      truncate clerk_sync.run_marks;
      delete from clerk_sync.sync_runs as r
      where r.finished_at < p_now - interval '90 days'
         or (
           r.kind = 'sweep'
           and r.status = 'COMPLETED'
           and r.finished_at < v_last - interval '1 hour'
           and coalesce((r.counts ->> 'queued')::integer, 0) = 0
         );
    else -- another caller has started one
      v_outcome := 'busy';
    end if;
  end if;
  if v_outcome = 'busy' then
    return jsonb_build_object('outcome', 'busy', 'run', clerk_sync.describe_run(v_run.id));
  end if;
  update clerk_sync.sync_runs as r
  set lease_token = gen_random_uuid(),
      lease_until = p_now + make_interval(secs => p_lease_seconds)
  where r.id = v_run.id
  returning r.* into v_run;
  return jsonb_build_object(
    'outcome', v_outcome, 'run', clerk_sync.describe_run(v_run.id), 'token', v_run.lease_token, 'read_at', p_now,
    'mirrors', exists (select 1 from clerk_sync.known_users as s where s.mirrored_at is not null)
  );
end
$$;

-- The fields in which a user at Clerk (p_payload, as map-user.ts makes it) is not as it is here: columns of the row, and what
-- the sync keeps beside it. Only what Clerk said counts. An address that another row has by a better claim is no difference:
-- Clerk lets several users have one address that is not verified. is_own: the user edited the column here, for Clerk still
-- has what was applied last, or the job that applied it is gone.
create or replace function clerk_sync.differing_fields(p_clerk_id text, p_payload jsonb, p_state clerk_sync.known_users)
returns table (name text, key text, clerk text, here text, is_own boolean)
language sql
stable
set search_path = ''
as $$
  select
    c.name, c.key, c.clerk, c.here,
    c.is_editable and not exists (
      select 1
      from public.job_queue as j
      where j.clerk_id = p_state.clerk_id
        and j.status = 'COMPLETED'
        and j.version = p_state.version
        and j.payload ? c.key
        and j.payload ->> c.key is distinct from c.clerk
    )
  from clerk_sync.differing_columns(p_clerk_id, p_payload) as c
  where not (
    c.key = 'email'
    and p_state.withheld_email = p_payload ->> 'email'
    and exists (
      select 1 from clerk_sync.email_holders(array[p_state.withheld_email]) as h where h.clerk_id <> p_state.clerk_id
    )
  )
  union all
  select f.name, f.name, f.clerk, f.here, false
  from (
    values
      ('phone', case when p_payload -> 'phone_verified' = 'true' then p_payload ->> 'phone' end, p_state.phone),
      ('external_id', p_payload ->> 'external_id', p_state.external_id),
      ('email_verified', p_payload ->> 'email_verified', p_state.email_verified::text),
      ('banned', p_payload ->> 'banned', p_state.banned::text),
      ('locked', p_payload ->> 'locked', p_state.locked::text),
      ('deprovisioned', p_payload ->> 'deprovisioned', p_state.deprovisioned::text)
  ) as f(name, clerk, here)
  where p_payload ? f.name
    and f.clerk is distinct from f.here;
$$;

-- Silence: Clerk has changes that no delivery brought. An endpoint that Svix has disabled, or whose route is gone,
-- says nothing; only Clerk's API does. A run that reads Clerk's users notes such a change before it repairs the user;
-- the next delivery ends the silence. How old the change is decides what it means, see delivery_reasons.
create table if not exists clerk_sync.silence (
  is_only_row  boolean     not null default true,
  installed_at timestamptz not null default now(),
  changed_at   timestamptz null,
  ended_since  timestamptz null,
  ended_at     timestamptz null,
  constraint silence_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

comment on column clerk_sync.silence.changed_at is
  'the oldest change at Clerk that no delivery brought, while none has come since';
comment on column clerk_sync.silence.ended_since is
  'with ended_at: the last silence there was, whose missing messages can be replayed';

insert into clerk_sync.silence (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- When the webhook last took a delivery; null: never.
create or replace function clerk_sync.last_delivery()
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select h.at from clerk_sync.heartbeats as h where h.name = 'webhook';
$$;

-- Notes the oldest change that no delivery brought, among the jobs that a run is about to queue. A newer version alone
-- proves nothing, for a sign-in may move it without an event: what counts is a user who differs here, or who signed up and
-- is not here. A version that is in the queue was delivered, also when its job failed. Some changes are no silence: one
-- from before the last delivery was lost alone, which is drift; one from before the installation belongs to a backfill, and
-- a user with a tombstone here to a compare.
create or replace function clerk_sync.note_silence(p_jobs jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_after   timestamptz;
  v_changed timestamptz;
begin
  if p_jobs = '[]' then
    return;
  end if;
  select s.installed_at into v_after from clerk_sync.silence as s for update; -- deliveries are recorded after the note
  v_after := coalesce(clerk_sync.last_delivery(), v_after);
  select to_timestamp(min(i.version) / 1000.0)
  into v_changed
  from jsonb_to_recordset(p_jobs) as i(clerk_id text, version bigint, payload jsonb, source text)
  left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
  left join clerk_sync.known_users as s on s.clerk_id = i.clerk_id
  where i.source = 'reconcile'
    and i.version > extract(epoch from v_after) * 1000
    and i.version > coalesce(s.version, 0)
    and s.deleted_at is null
    and not exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.version >= i.version)
    and case
      when u.clerk_id is null or coalesce(s.version, 0) = 0 then (i.payload ->> 'created_at')::timestamptz > v_after
      else exists (
        select 1
        from clerk_sync.differing_fields(i.clerk_id, i.payload, s) as f
        where not f.is_own
          and f.name <> 'locked' -- a lock runs out without an event
          and (f.key <> 'email' or s.refresh_reason is null)
      )
    end;
  update clerk_sync.silence as s
  set changed_at = v_changed
  where v_changed < coalesce(s.changed_at, 'infinity');
end
$$;

-- One step of a run that is held by p_token: stores its jobs, its marks and where the run stands in one transaction, and
-- notes before that what of its jobs Clerk should have delivered. p_step: {number?, phase?, cursor?, counts?, jobs?,
-- mirror?, marks?, users_at_clerk?}; jobs as clerk_sync_enqueue takes them, mirror: Clerk ids of users who are mirrored
-- once more as they are; counts are added to those of the run, as are the outcomes of the jobs. A step whose number is
-- stored already (its answer was lost) is not stored again. Answers {held, run, read_at, open_jobs}. When the run was taken
-- over or cancelled, held is false and nothing was stored. open_jobs: jobs of backfill and reconcile that wait, but for
-- deletions, which may wait for the delete brake; counted as far as p_most_jobs.
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
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_enqueue
as $$
declare
  v_step     jsonb;
  v_enqueued jsonb;
  v_mirrors  bigint;
begin
  select case when (p_step ->> 'number')::integer <= r.steps then '{}' else p_step end
  into v_step
  from clerk_sync.sync_runs as r
  where r.id = p_id
    and r.lease_token = p_token
  for update;
  if not found then
    return jsonb_build_object('held', false);
  end if;
  perform clerk_sync.note_silence(coalesce(v_step -> 'jobs', '[]'));
  v_enqueued := public.clerk_sync_enqueue(coalesce(v_step -> 'jobs', '[]'), p_max_attempts, p_now);
  v_mirrors := clerk_sync.queue_mirror(
    array(select jsonb_array_elements_text(v_step -> 'mirror')), 'reconcile', p_now, p_id
  );
  insert into clerk_sync.run_marks (clerk_id)
  select m from jsonb_array_elements_text(coalesce(v_step -> 'marks', '[]')) as m
  on conflict (clerk_id) do nothing;
  update clerk_sync.sync_runs as r
  set steps = greatest(r.steps, coalesce((v_step ->> 'number')::integer, 0)),
      phase = coalesce(v_step ->> 'phase', r.phase),
      cursor = coalesce(v_step -> 'cursor', r.cursor),
      counts = (
        select coalesce(jsonb_object_agg(t.name, t.count), '{}')
        from (
          select c.name, sum(c.count) as count
          from (
            select o.key, o.value::bigint from jsonb_each_text(r.counts) as o
            union all
            select n.key, n.value::bigint from jsonb_each_text(coalesce(v_step -> 'counts', '{}')) as n
            union all
            select e.value ->> 'outcome', 1 from jsonb_array_elements(v_enqueued) as e
            union all
            select 'queued', v_mirrors where v_mirrors > 0
          ) as c(name, count)
          group by c.name
        ) as t
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
    'open_jobs', (
      select count(*)
      from (
        select 1
        from public.job_queue as j
        where j.status in ('PENDING', 'FAILED')
          and j.waits_for is null
          and j.priority = 0
          and j.job_type not like '%DELETED'
        limit p_most_jobs
      ) as waiting
    )
  );
end
$$;

-- Cancels the open run; its runner notices at its next step. Jobs it has queued stay. Answers the run, or null.
create or replace function public.clerk_sync_cancel_run(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_run clerk_sync.sync_runs;
begin
  select r.* into v_run from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update;
  perform public.clerk_sync_end_run(v_run.id, v_run.lease_token, 'CANCELLED', p_now => p_now);
  return clerk_sync.describe_run(v_run.id);
end
$$;

-- What became of the jobs of backfill and reconcile since a run began: {users, due, retrying, dead, held}. due is work
-- under way, retrying has failed and waits, held waits for the delete brake; users is how many we have now, which is
-- counted only when nothing is due.
create or replace function public.clerk_sync_run_progress(p_id uuid, p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(c) || jsonb_build_object('users', case when c.due = 0 then (
    select count(*) from clerk_sync.user_rows as u where u.clerk_id is not null and u.deleted_at is null
  ) end)
  from (
    select
      count(*) filter (where j.state = 'due') as due,
      count(*) filter (where j.state = 'retrying') as retrying,
      count(*) filter (where j.state = 'held') as held,
      count(*) filter (where j.state = 'dead') as dead
    from ( -- each by its own partial index
      select case when w.run_at <= p_now then 'due' when w.status = 'FAILED' then 'retrying' else 'held' end
      from public.job_queue as w
      where w.status in ('PENDING', 'FAILED') and w.waits_for is null and w.priority = 0
      union all
      select 'retrying' from public.job_queue as c where c.waits_for is not null and c.priority = 0
      union all
      select 'due' from public.job_queue as p where p.status = 'PROCESSING' and p.priority = 0
      union all
      select 'dead'
      from public.job_queue as d
      where d.status = 'DEAD'
        and d.updated_at >= (select r.started_at from clerk_sync.sync_runs as r where r.id = p_id)
        and d.priority = 0
    ) as j(state)
  ) as c;
$$;

-- The budget of requests to Clerk's API. The rate is the instance's (1,000 requests in 10 s in production, 100 in
-- development) and does not depend on the caller: functions, server and command line take from this row before they ask.
create table if not exists clerk_sync.clerk_rate (
  is_only_row boolean   not null default true,
  slot        bigint    not null default 0,
  used        integer[] not null default array_fill(0, array[11]),
  constraint clerk_rate_pkey primary key (is_only_row),
  constraint one_row check (is_only_row),
  constraint eleven_slots check (cardinality(used) = 11)
);

comment on column clerk_sync.clerk_rate.used is
  'requests taken in each tenth of the window, the newest first; eleven of them cover any whole window';

insert into clerk_sync.clerk_rate (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- Takes up to p_wanted requests out of p_rate in any p_window_seconds; answers {granted, wait_milliseconds}. When
-- nothing is granted, something is again after the wait. A caller that passes a smaller p_rate leaves the rest to others:
-- what they took counts against it. The cost is one row, however much is taken.
create or replace function public.clerk_sync_take_clerk_requests(
  p_wanted         integer,
  p_rate           integer,
  p_window_seconds integer default 10,
  p_now            timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_milliseconds numeric := extract(epoch from p_now) * 1000;
  v_length       integer := p_window_seconds * 100; -- of a slot
  v_slot         bigint  := floor(v_milliseconds / v_length);
  v_last         bigint;
  v_used         integer[];
  v_granted      integer;
begin
  select r.slot, r.used
  into v_last, v_used
  from clerk_sync.clerk_rate as r
  for update;
  if abs(v_slot - v_last) >= 11 then
    v_used := array_fill(0, array[11]);
  elsif v_slot > v_last then
    v_used := (array_fill(0, array[(v_slot - v_last)::integer]) || v_used)[1:11];
  else
    v_slot := v_last; -- another caller's clock_timestamp() is ahead
  end if;
  v_granted := greatest(0, least(p_wanted, p_rate - (select sum(u) from unnest(v_used) as u)));
  v_used[1] := v_used[1] + v_granted;
  update clerk_sync.clerk_rate as r
  set slot = v_slot,
      used = v_used;
  return jsonb_build_object('granted', v_granted, 'wait_milliseconds', case when v_granted > 0 then 0 else (
    select ceil((v_slot + min(k)) * v_length - v_milliseconds)
    from generate_series(1, 11) as k
    where k = 11
       or (select sum(u) from unnest(v_used[1:11 - k]) as u) < p_rate
  ) end);
end
$$;
