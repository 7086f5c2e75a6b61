-- Circuit breakers around Supabase Auth and Clerk's API, and the jobs that wait until a service answers again.

-- One circuit is 'auth', the other 'clerk'. Their state lives here, so that workers and functions that live for seconds
-- share it:
--
--   closed ──5 failures or 20 failed users in a row──> open ──probe_at──> half_open ──probe ok──> closed
--                                                       ^────────────────probe failed────┘
--
-- A failure is a call whose answer says that the service is down or refuses us all. The workers tell them apart
-- (watch-circuit.ts): when the service answers otherwise (ask-service.ts), the call failed for its user alone. Such a
-- user counts once until another user's call succeeds, so that no single user opens a circuit, however often the job
-- is tried. While a circuit is not closed, jobs that need its service wait (job_queue.waits_for): applied, with no
-- attempt used up, and out of the claim's way. The one that has waited longest is the probe. It is leased like any
-- other job; when its worker dies, another worker takes the probe after the lease.
create table if not exists clerk_sync.circuits (
  name         text        not null,
  since        timestamptz not null default now(),
  failures     integer     not null default 0,
  failed_users text[]      not null default '{}',
  openings     integer     not null default 0,
  probe_at     timestamptz null,
  probe_token  uuid        null,
  last_error   text        null,
  state        text        not null generated always as (
    case when probe_at is null then 'closed' when probe_token is null then 'open' else 'half_open' end
  ) stored,
  constraint circuits_pkey primary key (name),
  constraint circuit_is_known check (name in ('auth', 'clerk')),
  constraint closed_has_no_probe check (probe_at is not null or probe_token is null)
);

comment on column clerk_sync.circuits.since is 'when it opened or closed last';
comment on column clerk_sync.circuits.failures is 'in a row, up to now; nothing is written while all is well';
comment on column clerk_sync.circuits.failed_users is 'users in a row whose calls failed although the service answers, each once';
comment on column clerk_sync.circuits.openings is
  'how often it opened, or stayed open after a probe, without five quiet minutes between: the pause grows with it';
comment on column clerk_sync.circuits.probe_at is
  'open: when the next probe may be taken; half_open: when the lease of the probe runs out; null: closed';
comment on column clerk_sync.circuits.probe_token is 'the lease of the batch that has the probe';

insert into clerk_sync.circuits (name)
values ('auth'), ('clerk')
on conflict (name) do nothing;

-- Records how the services answered a batch, and answers which circuits opened or closed by that:
-- [{name, state, code, seconds}]. While a circuit is closed, every batch counts; afterwards the batch that has the probe
-- decides alone. p_calls: [{name, successes, failures, streak, failed_users?, any_user_worked?, code?, retry_after?}];
-- successes: calls that the service answered, also with a refusal; streak: failures after the last of them;
-- failed_users as the circuit's; any_user_worked: they are those after a user whose call succeeded.
create or replace function clerk_sync.record_calls(p_token uuid, p_calls jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_seen     record; -- a circuit as it was, and what the batch saw of its service
  v_failures integer;
  v_users    text[];
  v_turn     text;
  v_openings integer;
  v_pause    interval;
  v_changes  jsonb := '[]'::jsonb;
begin
  insert into clerk_sync.metric_events (at, name, labels, count)
  select p_now, 'calls', jsonb_build_object('service', r.name, 'outcome', o.outcome), o.count
  from jsonb_to_recordset(p_calls) as r(name text, successes bigint, failures bigint)
  cross join lateral (values ('success', r.successes), ('failure', r.failures)) as o(outcome, count)
  where o.count > 0
    and r.name in ('auth', 'clerk');

  for v_seen in
    select
      c.*,
      coalesce(r.successes, 0) as successes_now,
      coalesce(r.failures, 0) as failures_now,
      coalesce(r.streak, 0) as streak_now,
      r.failed_users as users_now,
      r.any_user_worked,
      r.code,
      r.retry_after
    from clerk_sync.circuits as c
    left join jsonb_to_recordset(p_calls) as r(
      name text, successes integer, failures integer, streak integer, failed_users text[], any_user_worked boolean,
      code text, retry_after double precision
    ) on r.name = c.name
    where c.probe_token = p_token
       or (
         c.state = 'closed'
         and r.name is not null
         and (r.failures > 0 or r.failed_users is not null or c.failures > 0 or c.failed_users <> '{}')
       )
    order by c.name
    for update of c
  loop
    v_failures := v_seen.streak_now + case when v_seen.successes_now = 0 then v_seen.failures else 0 end;
    v_users := array(
      select unnest(v_seen.users_now)
      union
      select unnest(v_seen.failed_users) where v_seen.any_user_worked is not true
    );
    v_turn := case
      when v_seen.state = 'closed' and (v_failures >= 5 or cardinality(v_users) >= 20) then 'opens'
      when v_seen.state = 'closed' then 'stays closed'
      when v_seen.failures_now > 0 then 'stays open'
      when v_seen.successes_now > 0 then 'closes'
      else 'was not probed' -- the worker was stopped: another one may take the probe
    end;
    v_pause := null;
    if v_turn in ('opens', 'stays open') then
      v_openings := case
        when v_turn = 'opens' and v_seen.since <= p_now - interval '5 minutes' then 1
        else v_seen.openings + 1
      end;
      -- Less up to a fifth, so that many installations do not come back in the same second.
      v_pause := greatest(
        make_interval(secs => (array[30, 60, 120, 240, 300])[least(v_openings, 5)] * (1 - random() / 5)),
        make_interval(secs => v_seen.retry_after)
      );
    end if;
    update clerk_sync.circuits as c
    set since = case when v_turn in ('opens', 'closes') then p_now else c.since end,
        failures = case v_turn when 'closes' then 0 else v_failures end,
        failed_users = case when v_pause is null then v_users else '{}' end,
        openings = case when v_pause is null then c.openings else v_openings end, -- closed, too: it may open again soon
        probe_at = case when v_turn = 'was not probed' then p_now else p_now + v_pause end,
        probe_token = null,
        last_error = coalesce(v_seen.code, c.last_error)
    where c.name = v_seen.name;

    v_changes := v_changes || coalesce((
      select jsonb_build_object(
        'name', c.name,
        'state', c.state,
        'code', c.last_error,
        'seconds', round(extract(epoch from coalesce(v_pause, p_now - v_seen.since)))
      )
      from clerk_sync.circuits as c
      where c.name = v_seen.name
        and v_turn in ('opens', 'closes')
    ), '[]'::jsonb);
  end loop;
  return v_changes;
end
$$;

-- Jobs that wait for a service whose circuit is open.

-- True while jobs that need this service have to wait; also during a probe, for all others.
create or replace function clerk_sync.circuit_is_open(p_name text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (select 1 from clerk_sync.circuits as c where c.name = p_name and c.probe_at is not null);
end
$$;

-- Lets jobs that waited be claimed again, at most p_limit of each service, so that a service that is back is not overrun.
-- A worker without a mirror (p_mirrors false) completes them without Auth.
create or replace function clerk_sync.wake_jobs(p_limit integer, p_mirrors boolean, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.move_jobs(array(
    select w.id
    from clerk_sync.circuits as c
    cross join lateral (
      select q.id
      from public.job_queue as q
      where q.waits_for = c.name
      order by q.run_at, q.id
      limit p_limit
      for update skip locked
    ) as w
    where c.state = 'closed'
       or (c.name = 'auth' and not p_mirrors)
  ), null, p_now);
end
$$;

-- Leases the job that has waited longest as the probe of a circuit whose time has come, and returns it; none when
-- another worker has the probe, or the user of that job. Nothing is waited for: the caller holds users' locks.
create or replace function clerk_sync.lease_probe(p_name text, p_token uuid, p_lease_until timestamptz, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_job record;
begin
  perform 1
  from clerk_sync.circuits as c
  where c.name = p_name
    and c.probe_at <= p_now
  for update skip locked;
  if not found then
    return array[]::uuid[];
  end if;
  select j.id, j.clerk_id
  into v_job
  from public.job_queue as j
  where j.waits_for = p_name
    and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
  order by j.run_at, j.id
  limit 1
  for update of j skip locked;
  perform 1 from clerk_sync.records as r where r.id = v_job.clerk_id for update skip locked;
  -- A second look at PROCESSING, now that no other worker can claim this user.
  if not found or exists (
    select 1 from public.job_queue as r where r.clerk_id = v_job.clerk_id and r.status = 'PROCESSING'
  ) then
    return array[]::uuid[];
  end if;
  update clerk_sync.circuits as c
  set probe_token = p_token,
      probe_at = p_lease_until
  where c.name = p_name;
  perform clerk_sync.move_jobs(
    array[v_job.id], 'PROCESSING', p_now,
    p_token => p_token,
    p_lease_until => p_lease_until,
    p_read_at => case when p_name = 'clerk' then p_now end
  );
  return array[v_job.id];
end
$$;

-- The circuits: [{name, state, since, failures, next_probe, last_error, waiting}]. next_probe is null while closed;
-- waiting is how many jobs wait for the service, counted as far as 10,000.
create or replace function public.clerk_sync_circuits()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(jsonb_build_object(
    'name', c.name,
    'state', c.state,
    'since', c.since,
    'failures', c.failures,
    'next_probe', c.probe_at,
    'last_error', c.last_error,
    'waiting', (
      select count(*)
      from (select 1 from public.job_queue as j where j.waits_for = c.name limit 10000) as w
    )
  ) order by c.name)
  from clerk_sync.circuits as c;
$$;

-- Closes a circuit by hand, for instance after a wrong key was corrected: what waits is due immediately. Answers whether
-- it was open; SY002 for a name there is no circuit of.
create or replace function public.clerk_sync_reset_circuit(p_name text, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_was_open boolean := clerk_sync.circuit_is_open(p_name);
begin
  update clerk_sync.circuits as c
  set since = p_now,
      failures = 0,
      failed_users = '{}',
      openings = 0,
      probe_at = null,
      probe_token = null
  where c.name = p_name;
  if not found then
    raise exception 'there is no circuit %, only auth and clerk', p_name using errcode = 'SY002';
  end if;
  return v_was_open;
end
$$;
