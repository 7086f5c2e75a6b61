-- Circuit breakers around Supabase Auth and Clerk's API, and the jobs that wait until a service answers again.

-- One circuit is 'auth', the other 'clerk'. Their state lives here, so that workers and functions that live for seconds
-- share it:
--
--   closed ──5 failures in a row, or half of a minute's calls──> open ──probe_at──> half_open ──probe ok──> closed
--                                                                 ^─────────────probe failed─────┘
--
-- Only failures that say the service is down or refuses us all are counted, by the workers (watch-circuit.ts). A failure
-- of one user while the service answers otherwise (ask-service.ts) is the job's own; twenty known users in a row open
-- the circuit all the same. While a circuit is not closed, jobs that need its service wait (job_queue.waits_for):
-- applied, with no attempt used up, and out of the claim's way. The one that has waited longest is the probe. It is leased
-- like any other job; when its worker dies, the probe is taken anew after the lease.
create table if not exists clerk_sync.circuits (
  name            text        not null,
  state           text        not null default 'closed',
  since           timestamptz not null default now(),
  failures        integer     not null default 0,
  openings        integer     not null default 0,
  probe_at        timestamptz null,
  probe_token     uuid        null,
  window_since    timestamptz null,
  window_calls    integer     not null default 0,
  window_failures integer     not null default 0,
  failed_users    text[]      not null default '{}',
  last_error      text        null,
  constraint circuits_pkey primary key (name),
  constraint circuit_is_known check (name in ('auth', 'clerk')),
  constraint state_is_known check (state in ('closed', 'open', 'half_open')),
  constraint probed_unless_closed check ((state = 'closed') = (probe_at is null)),
  constraint probing_iff_half_open check ((state = 'half_open') = (probe_token is not null))
);

comment on column clerk_sync.circuits.since is
  'when it opened or closed last';
comment on column clerk_sync.circuits.failures is
  'in a row, up to now';
comment on column clerk_sync.circuits.openings is
  'how often it opened, or stayed open after a probe, without five quiet minutes between: the pause grows with it';
comment on column clerk_sync.circuits.probe_at is
  'open: when the next probe may be taken; half_open: when the lease of the probe runs out';
comment on column clerk_sync.circuits.window_calls is
  'calls in the minute that began with a failure; nothing is written while all is well';
comment on column clerk_sync.circuits.failed_users is
  'of that minute: users whose calls failed although the service answers, since the last success';

insert into clerk_sync.circuits (name)
values ('auth'), ('clerk')
on conflict (name) do nothing;

alter table clerk_sync.circuits enable row level security;

drop policy if exists circuits_service_role on clerk_sync.circuits;
create policy circuits_service_role
  on clerk_sync.circuits
  for all
  to service_role
  using (true)
  with check (true);

-- How long a circuit stays open: 30 s, 1 min, 2 min … at most 5 minutes, less up to a fifth, so that many
-- installations do not come back in step. p_random in [0, 1) is a parameter so that a test can pin it.
create or replace function clerk_sync.circuit_pause(p_openings integer, p_random double precision default random())
returns interval
language sql
set search_path = ''
as $$
  select make_interval(secs => (1 - p_random / 5) * least(300, 30 * 2 ^ least(greatest(p_openings - 1, 0), 30)));
$$;

-- A circuit as it is after it opened, or stayed open after a probe. p_calls as clerk_sync.record_calls.
create or replace function clerk_sync.opened_circuit(
  p_circuit clerk_sync.circuits,
  p_calls   jsonb,
  p_now     timestamptz
)
returns clerk_sync.circuits
language plpgsql
set search_path = ''
as $$
declare
  v_next  clerk_sync.circuits := clerk_sync.closed_circuit(p_circuit, p_now);
  v_pause interval;
begin
  v_next.openings := case
    when p_circuit.state = 'closed' and p_circuit.since <= p_now - interval '5 minutes' then 1
    else p_circuit.openings + 1
  end;
  v_pause := greatest(
    clerk_sync.circuit_pause(v_next.openings), make_interval(secs => (p_calls ->> 'retry_after')::double precision)
  );
  v_next.since := case when p_circuit.state = 'closed' then p_now else p_circuit.since end;
  v_next.state := 'open';
  v_next.failures := p_circuit.failures;
  v_next.probe_at := p_now + v_pause;
  return v_next;
end
$$;

-- A closed circuit with nothing counted; openings stay, so that one that opens again soon stays open longer.
create or replace function clerk_sync.closed_circuit(p_circuit clerk_sync.circuits, p_now timestamptz)
returns clerk_sync.circuits
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_next clerk_sync.circuits := p_circuit;
begin
  v_next.state := 'closed';
  v_next.since := p_now;
  v_next.failures := 0;
  v_next.probe_at := null;
  v_next.probe_token := null;
  v_next.window_since := null;
  v_next.window_calls := 0;
  v_next.window_failures := 0;
  v_next.failed_users := '{}';
  return v_next;
end
$$;

-- A circuit as it is after the calls of a batch: while it is closed they are counted, else they are its probe. A probe
-- that was not made (the worker was stopped) is due at once. p_calls as record_calls, null for none.
create or replace function clerk_sync.next_circuit(
  p_circuit clerk_sync.circuits,
  p_calls   jsonb,
  p_now     timestamptz
)
returns clerk_sync.circuits
language plpgsql
set search_path = ''
as $$
declare
  v_next      clerk_sync.circuits := p_circuit;
  v_successes integer := coalesce((p_calls ->> 'successes')::integer, 0);
  v_failures  integer := coalesce((p_calls ->> 'failures')::integer, 0);
  v_users     text[]  := array(select jsonb_array_elements_text(p_calls -> 'failed_users'));
begin
  v_next.failures := (p_calls ->> 'streak')::integer + case when v_successes = 0 then p_circuit.failures else 0 end;
  v_next.last_error := coalesce(p_calls ->> 'code', p_circuit.last_error);
  if p_circuit.state <> 'closed' then
    if v_failures > 0 then
      return clerk_sync.opened_circuit(v_next, p_calls, p_now);
    elsif v_successes > 0 then
      return clerk_sync.closed_circuit(v_next, p_now);
    end if;
    v_next := p_circuit;
    v_next.state := 'open';
    v_next.probe_at := p_now;
    v_next.probe_token := null;
    return v_next;
  end if;
  if coalesce(p_circuit.window_since <= p_now - interval '1 minute', true) then
    v_next.window_since := case when v_failures > 0 or cardinality(v_users) > 0 then p_now end;
    v_next.window_calls := 0;
    v_next.window_failures := 0;
    v_next.failed_users := '{}';
  end if;
  v_next.failed_users := case
    when (p_calls ->> 'any_user_worked')::boolean then v_users
    else array(select unnest(v_next.failed_users) union select unnest(v_users))
  end;
  if v_next.window_since is not null then
    v_next.window_calls := v_next.window_calls + v_successes + v_failures;
    v_next.window_failures := v_next.window_failures + v_failures;
  end if;
  if (p_calls ->> 'tripped')::boolean
    or v_next.failures >= 5
    or cardinality(v_next.failed_users) >= 20
    or (v_next.window_calls >= 20 and v_next.window_failures * 2 >= v_next.window_calls) then
    return clerk_sync.opened_circuit(v_next, p_calls, p_now);
  end if;
  return v_next;
end
$$;

-- Takes down what a batch saw of the services, and answers which circuits opened or closed by it:
-- [{name, state, code, seconds}]. Calls of batches that began before a circuit opened decide nothing any more.
-- p_calls: [{name, successes, failures, streak, tripped, failed_users?, any_user_worked?, code?, retry_after?}]; streak:
-- failures after the last success; tripped: the worker has given up calling; failed_users as the circuit's.
create or replace function clerk_sync.record_calls(p_token uuid, p_calls jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_old     clerk_sync.circuits;
  v_next    clerk_sync.circuits;
  v_changes jsonb := '[]'::jsonb;
begin
  perform clerk_sync.count_calls(p_calls, p_now);
  for v_old in
    select c.*
    from clerk_sync.circuits as c
    where c.probe_token = p_token
       or c.state = 'closed' and exists (
         select 1
         from jsonb_to_recordset(p_calls) as r(name text, failures integer, failed_users jsonb)
         where r.name = c.name
           and (r.failures > 0 or r.failed_users is not null or c.failures > 0 or c.window_since is not null)
       )
    order by c.name
    for update
  loop
    v_next := clerk_sync.next_circuit(
      v_old, (select r.value from jsonb_array_elements(p_calls) as r where r.value ->> 'name' = v_old.name), p_now
    );
    update clerk_sync.circuits as c
    set (state, since, failures, openings, probe_at, probe_token, window_since, window_calls, window_failures, failed_users, last_error)
      = (v_next.state, v_next.since, v_next.failures, v_next.openings, v_next.probe_at, v_next.probe_token,
         v_next.window_since, v_next.window_calls, v_next.window_failures, v_next.failed_users, v_next.last_error)
    where c.name = v_old.name;
    if (v_old.state = 'closed') <> (v_next.state = 'closed') then
      v_changes := v_changes || jsonb_build_object(
        'name', v_next.name, 'state', v_next.state, 'code', v_next.last_error,
        'seconds', round(extract(epoch from case v_next.state
          when 'closed' then p_now - v_old.since
          else v_next.probe_at - p_now
        end))
      );
    end if;
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
  return exists (select 1 from clerk_sync.circuits as c where c.name = p_name and c.state <> 'closed');
end
$$;

-- Lets jobs that waited be claimed again, at most p_limit of each service, so that nobody is overrun when it is back.
-- A worker without a mirror (p_mirrors false) completes them without Auth.
create or replace function clerk_sync.wake_jobs(p_limit integer, p_mirrors boolean, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_name text;
begin
  if not exists (select 1 from public.job_queue as j where j.waits_for is not null) then
    return;
  end if;
  for v_name in
    select c.name
    from clerk_sync.circuits as c
    where c.state = 'closed'
       or (c.name = 'auth' and not p_mirrors)
  loop
    update public.job_queue as j
    set waits_for = null,
        updated_at = p_now
    where j.id = any (array(
      select w.id
      from public.job_queue as w
      where w.waits_for = v_name
      order by w.run_at, w.id
      limit p_limit
      for update skip locked
    ));
  end loop;
end
$$;

-- Leases the job that has waited longest as the probe of a circuit whose time has come, and returns it; none when
-- another worker has the probe, or the user of that job. Nothing is waited for: the caller holds users' locks.
create or replace function clerk_sync.lease_probe(
  p_name        text,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
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
    and c.state <> 'closed'
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
  perform 1 from clerk_sync.user_state as s where s.clerk_id = v_job.clerk_id for update skip locked;
  -- A second look at PROCESSING, now that nobody else can claim this user.
  if not found or exists (
    select 1 from public.job_queue as r where r.clerk_id = v_job.clerk_id and r.status = 'PROCESSING'
  ) then
    return array[]::uuid[];
  end if;
  update clerk_sync.circuits as c
  set state = 'half_open',
      probe_token = p_token,
      probe_at = p_lease_until
  where c.name = p_name;
  perform clerk_sync.lease_calls(array[v_job.id], p_name = 'clerk', p_token, p_lease_until, p_now);
  return array[v_job.id];
end
$$;

-- Lets jobs of a batch wait whose service the worker did not call any more, or called in vain while its circuit is not
-- closed; returns them. Their attempts do not count. A job that is a day old pays for such a call all the same: when
-- it is the job and not the service that fails, it must end as a dead letter.
create or replace function clerk_sync.wait_for_circuits(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_waiting uuid[] := array(
    select j.id
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, circuit text)
    cross join lateral (select k.id, k.created_at from public.job_queue as k where k.id = o.job_id offset 0) as j
    where o.job_id = any (p_ids)
      and (
        o.outcome = 'waiting'
        or o.outcome = 'retry' and clerk_sync.circuit_is_open(o.circuit) and j.created_at > p_now - interval '1 day'
      )
  );
  v_outcomes jsonb := (select jsonb_object_agg(o.value ->> 'job_id', o.value) from jsonb_array_elements(p_outcomes) as o);
begin
  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      error = v_outcomes -> j.id::text ->> 'error',
      waits_for = v_outcomes -> j.id::text ->> 'circuit',
      run_at = case when v_outcomes -> j.id::text ->> 'outcome' = 'retry' then p_now else j.run_at end, -- another one is the next probe
      updated_at = p_now
  where j.id = any (v_waiting);
  return v_waiting;
end
$$;

-- The circuits: [{name, state, since, failures, next_probe, last_error, waiting}]. next_probe is null while closed;
-- waiting is how many jobs wait for the service, counted as far as 10,000.
create or replace function public.clerk_sync_circuits()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
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
    from clerk_sync.circuits as c
  );
end
$$;

-- Closes a circuit by hand, for instance after a wrong key was corrected: what waits is due at once. Answers whether
-- it was open; SY002 for a name there is no circuit of.
create or replace function public.clerk_sync_reset_circuit(
  p_name text,
  p_now  timestamptz default clock_timestamp()
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_was_open boolean := clerk_sync.circuit_is_open(p_name);
begin
  update clerk_sync.circuits as c
  set state = 'closed',
      since = p_now,
      failures = 0,
      openings = 0,
      probe_at = null,
      probe_token = null,
      window_since = null,
      window_calls = 0,
      window_failures = 0,
      failed_users = '{}'
  where c.name = p_name;
  if not found then
    raise exception 'there is no circuit %, only auth and clerk', p_name using errcode = 'SY002';
  end if;
  return v_was_open;
end
$$;
