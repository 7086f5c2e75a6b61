-- Incidents, and the notices that tell targets of them.

-- Incidents: what clerk_sync_health says is wrong, and lasts. A reason becomes an incident once it has held for a
-- while; one that comes and goes stays the same incident; it is over when the reason has been absent for a while.
-- Nothing of it is personal.

create table if not exists clerk_sync.incidents (
  id            uuid        not null default gen_random_uuid(),
  code          text        not null,
  subject       text        not null default '',
  status        text        not null,
  what          text        not null,
  remedy        text        not null,
  since         timestamptz not null,
  first_seen_at timestamptz not null,
  last_seen_at  timestamptz not null,
  absent_since  timestamptz null,
  opened_at     timestamptz null,
  closed_at     timestamptz null,
  constraint incidents_pkey primary key (id),
  constraint incident_status_is_known check (status in ('degraded', 'compromised')),
  constraint closed_after_opened check (closed_at is null or opened_at is not null)
);

comment on column clerk_sync.incidents.subject is 'what it is about where the code does not say, such as the service of a circuit';
comment on column clerk_sync.incidents.status is 'at its worst';
comment on column clerk_sync.incidents.opened_at is 'null: it has not held for long enough, nobody is told of it';
comment on column clerk_sync.incidents.absent_since is 'the first of the checks in a row that did not see it';

create unique index if not exists incidents_one_open
  on clerk_sync.incidents (code, subject)
  where closed_at is null;
create index if not exists incidents_closed_idx
  on clerk_sync.incidents (closed_at);

alter table clerk_sync.incidents enable row level security;

drop policy if exists incidents_service_role on clerk_sync.incidents;
create policy incidents_service_role
  on clerk_sync.incidents
  for all
  to service_role
  using (true)
  with check (true);

-- When it was last checked. Its row is the lock by which one at a time checks.
create table if not exists clerk_sync.incident_check (
  is_only_row boolean     not null default true,
  checked_at  timestamptz null,
  constraint incident_check_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.incident_check (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

alter table clerk_sync.incident_check enable row level security;

drop policy if exists incident_check_service_role on clerk_sync.incident_check;
create policy incident_check_service_role
  on clerk_sync.incident_check
  for all
  to service_role
  using (true)
  with check (true);

-- hold_seconds: so long a reason has to hold, which takes two checks at least; quiet_seconds: so long it has to be
-- absent. docs/alerts.md explains both.
create or replace function clerk_sync.incident_thresholds()
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('hold_seconds', 45, 'quiet_seconds', 300, 'kept_days', 90);
$$;

-- The reasons in what clerk_sync_health answered, as incidents name them: a silence that is suspected and then confirmed
-- is one, two circuits are two.
create or replace function clerk_sync.incident_reasons(p_health jsonb)
returns table (code text, subject text, status text, what text, remedy text, since timestamptz)
language sql
stable
set search_path = ''
as $$
  select
    case when r.code in ('silence_suspected', 'silence_confirmed') then 'silence' else r.code end,
    coalesce(c.key, ''),
    r.status,
    case
      when c.key is null then r.what
      else format(
        'Calls to %s are paused (%s). Users are written all the same; what needs the service waits.',
        case c.key when 'auth' then 'Supabase Auth' else 'Clerk''s API' end, c.value ->> 'code'
      )
    end,
    r.remedy,
    coalesce((c.value ->> 'since')::timestamptz, r.since)
  from jsonb_to_recordset(p_health -> 'reasons') as r(
    code text, status text, what text, remedy text, since timestamptz
  )
  left join lateral jsonb_each(p_health #> '{facts,circuits}') as c
    on r.code = 'circuit_open'
   and c.value ->> 'state' <> 'closed';
$$;

-- Compares the incidents with what is wrong now, p_health.
create or replace function clerk_sync.compare_incidents(p_health jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_t jsonb := clerk_sync.incident_thresholds();
begin
  insert into clerk_sync.incidents as i (code, subject, status, what, remedy, since, first_seen_at, last_seen_at)
  select r.code, r.subject, r.status, r.what, r.remedy, coalesce(r.since, p_now), p_now, p_now
  from clerk_sync.incident_reasons(p_health) as r
  on conflict (code, subject) where closed_at is null do update
    set status = least(i.status, excluded.status), -- compromised sorts before degraded
        what = excluded.what,
        remedy = excluded.remedy,
        since = least(i.since, excluded.since),
        last_seen_at = excluded.last_seen_at,
        absent_since = null;
  delete from clerk_sync.incidents as i
  where i.opened_at is null
    and i.last_seen_at <> p_now;
  update clerk_sync.incidents as i
  set opened_at = p_now
  where i.opened_at is null
    and i.first_seen_at <= p_now - make_interval(secs => (v_t ->> 'hold_seconds')::integer);
  update clerk_sync.incidents as i
  set absent_since = p_now
  where i.closed_at is null
    and i.absent_since is null
    and i.last_seen_at <> p_now;
  update clerk_sync.incidents as i
  set closed_at = p_now
  where i.closed_at is null
    and i.absent_since <= p_now - make_interval(secs => (v_t ->> 'quiet_seconds')::integer);
  delete from clerk_sync.incidents as i
  where i.closed_at < p_now - make_interval(days => (v_t ->> 'kept_days')::integer);
end
$$;

-- Checks, unless that was done within p_every_seconds or is being done by somebody else. Answers whether it did.
create or replace function clerk_sync.check_incidents(p_every_seconds integer, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_check clerk_sync.incident_check;
begin
  select * into v_check from clerk_sync.incident_check as c for update skip locked;
  if not found or v_check.checked_at between p_now - make_interval(secs => p_every_seconds) and p_now then
    return false;
  end if;
  perform clerk_sync.compare_incidents(public.clerk_sync_health(p_now), p_now);
  update clerk_sync.incident_check as c set checked_at = p_now;
  return true;
end
$$;

-- Notices: each incident is told once to each target when it opens and once when it is over, by whoever works on the
-- queue (send-alerts.ts). Every target has its own row, so that one that is down does not make another told twice.

-- What is configured where the queue is worked on (ALERT_WEBHOOK_URL, ALERT_SLACK_URL); the addresses stay there.
create table if not exists clerk_sync.alert_targets (
  name    text        not null,
  seen_at timestamptz not null,
  constraint alert_targets_pkey primary key (name),
  constraint target_is_known check (name in ('webhook', 'slack'))
);

alter table clerk_sync.alert_targets enable row level security;

drop policy if exists alert_targets_service_role on clerk_sync.alert_targets;
create policy alert_targets_service_role
  on clerk_sync.alert_targets
  for all
  to service_role
  using (true)
  with check (true);

create table if not exists clerk_sync.notices (
  id          uuid        not null default gen_random_uuid(),
  incident_id uuid        not null,
  kind        text        not null,
  target      text        not null,
  created_at  timestamptz not null,
  sent_at     timestamptz null,
  attempts    integer     not null default 0,
  next_at     timestamptz not null,
  last_error  text        null,
  token       uuid        null,
  lease_until timestamptz null,
  constraint notices_pkey primary key (id),
  constraint notices_once unique (incident_id, kind, target),
  constraint notices_of_incident foreign key (incident_id) references clerk_sync.incidents (id) on delete cascade,
  constraint notice_kind_is_known check (kind in ('opened', 'closed', 'test')),
  constraint leased_with_token check ((token is null) = (lease_until is null))
);

comment on column clerk_sync.notices.sent_at is 'when the target accepted it';

create index if not exists notices_unsent_idx
  on clerk_sync.notices (next_at)
  where sent_at is null;

alter table clerk_sync.notices enable row level security;

drop policy if exists notices_service_role on clerk_sync.notices;
create policy notices_service_role
  on clerk_sync.notices
  for all
  to service_role
  using (true)
  with check (true);

-- Takes down which targets the caller has. One that nobody has named for an hour is no longer configured.
create or replace function clerk_sync.register_targets(p_targets text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.alert_targets as t (name, seen_at)
  select n.name, p_now
  from unnest(p_targets) as n(name)
  order by n.name
  on conflict (name) do update
    set seen_at = excluded.seen_at
    where t.seen_at < excluded.seen_at - interval '5 minutes';
  delete from clerk_sync.alert_targets as t
  where t.name <> all (p_targets)
    and t.seen_at < p_now - interval '1 hour';
end
$$;

-- Makes the notices that are owed. A target that is new is told of what is open; the end goes to who was to be told of
-- the beginning.
create or replace function clerk_sync.owe_notices(p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  insert into clerk_sync.notices (incident_id, kind, target, created_at, next_at)
  select i.id, case when i.code = 'test' then 'test' else 'opened' end, t.name, p_now, p_now
  from clerk_sync.incidents as i
  cross join clerk_sync.alert_targets as t
  where i.opened_at is not null
    and (i.closed_at is null or i.code = 'test' and i.closed_at > p_now - interval '10 minutes')
  union all
  select i.id, 'closed', n.target, p_now, p_now
  from clerk_sync.incidents as i
  join clerk_sync.notices as n
    on n.incident_id = i.id
   and n.kind = 'opened'
  where i.closed_at > p_now - interval '3 days'
  order by 1, 2, 3 -- two writers take the keys in one order
  on conflict (incident_id, kind, target) do nothing;
$$;

-- Those to be sent now, oldest first, to these targets. The end of an incident waits until its beginning was accepted.
-- After three days nobody is told any more; a test is of use for ten minutes.
create or replace function clerk_sync.due_notices(p_targets text[], p_now timestamptz)
returns setof clerk_sync.notices
language sql
stable
set search_path = ''
as $$
  select n.*
  from clerk_sync.notices as n
  where n.sent_at is null
    and n.next_at <= p_now
    and n.target = any (p_targets)
    and coalesce(n.lease_until <= p_now, true)
    and n.created_at > p_now - case when n.kind = 'test' then interval '10 minutes' else interval '3 days' end
    and (
      n.kind <> 'closed'
      or exists (
        select 1
        from clerk_sync.notices as o
        where o.incident_id = n.incident_id
          and o.target = n.target
          and o.kind = 'opened'
          and o.sent_at is not null
      )
    )
  order by n.created_at, n.id;
$$;

-- Leases up to p_limit of them to the caller: [{id, token, kind, target, attempts, last_error, incident}].
create or replace function clerk_sync.take_notices(p_targets text[], p_limit integer, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_token uuid := gen_random_uuid();
  v_ids   uuid[];
begin
  v_ids := array(
    select n.id
    from clerk_sync.notices as n
    where n.id in (select d.id from clerk_sync.due_notices(p_targets, p_now) as d)
    order by n.created_at, n.id
    limit p_limit
    for update of n skip locked
  );
  update clerk_sync.notices as n
  set token = v_token,
      lease_until = p_now + interval '2 minutes'
  where n.id = any (v_ids)
    and coalesce(n.lease_until <= p_now, true) -- another's, that committed between the two statements
    and n.sent_at is null;
  return (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'id', n.id, 'token', n.token, 'kind', n.kind, 'target', n.target, 'attempts', n.attempts,
        'last_error', n.last_error, 'incident', to_jsonb(i) - '{first_seen_at,last_seen_at}'::text[]
      )
      order by n.created_at, n.id
    ), '[]')
    from clerk_sync.notices as n
    join clerk_sync.incidents as i on i.id = n.incident_id
    where n.id = any (v_ids)
      and n.token = v_token
  );
end
$$;

-- The calls by which notices are sent, tried out and looked at.

-- Checks the incidents unless that was done within p_every_seconds, and hands out the notices that are due, at most
-- ten: {checked, notices: as clerk_sync.take_notices}. p_targets: those that the caller can send to. Each call that
-- got notices is followed by one of clerk_sync_settle_notices; without it they are handed out again after two minutes.
create or replace function public.clerk_sync_check_incidents(
  p_targets       text[],
  p_every_seconds integer     default 25,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_checked boolean;
begin
  perform clerk_sync.register_targets(p_targets, p_now);
  v_checked := clerk_sync.check_incidents(p_every_seconds, p_now);
  perform clerk_sync.owe_notices(p_now);
  return jsonb_build_object('checked', v_checked, 'notices', clerk_sync.take_notices(p_targets, 10, p_now));
end
$$;

-- Takes down what became of notices: [{id, token, outcome, error?, retry_after?}], retry_after in seconds. sent: the
-- target accepted it; retry: again after 30 s, 1 min, 2 min … at most 15 minutes; refused: it will not take it as it
-- is, again in an hour. What lost its lease is left alone. Answers how many were taken down.
create or replace function public.clerk_sync_settle_notices(
  p_results jsonb,
  p_now     timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  update clerk_sync.notices as n
  set sent_at = case when r.outcome = 'sent' then p_now end,
      attempts = n.attempts + 1,
      next_at = p_now + make_interval(secs => greatest(
        r.retry_after,
        case when r.outcome = 'refused' then 3600 else least(900, 30 * 2 ^ least(n.attempts, 10)) end
      )),
      last_error = r.error,
      token = null,
      lease_until = null
  from jsonb_to_recordset(p_results) as r(
    id uuid, token uuid, outcome text, error text, retry_after double precision
  )
  where n.id = r.id
    and n.token = r.token
    and n.sent_at is null;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- Whether a processor would find notices to send. Checks the incidents itself, at most once a minute, so that nobody is
-- called for that while all is well. Whatever goes wrong in here, the processor must be called for its other work.
create or replace function clerk_sync.alerts_due(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if clerk_sync.check_incidents(55, p_now) then
    perform clerk_sync.owe_notices(p_now);
  end if;
  return exists (
    select 1
    from clerk_sync.due_notices(array(select t.name from clerk_sync.alert_targets as t), p_now)
  );
exception
  when others then
    raise warning 'clerk_sync.alerts_due: %', sqlerrm;
    return false;
end
$$;

-- Makes a test notice for every target that is configured, or named within ten minutes; answers its incident's id.
create or replace function public.clerk_sync_test_alert(p_now timestamptz default clock_timestamp())
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
begin
  insert into clerk_sync.incidents (
    code, status, what, remedy, since, first_seen_at, last_seen_at, opened_at, closed_at
  )
  values (
    'test', 'degraded', 'Somebody tries out whether alerts arrive. Nothing is wrong.', 'Nothing is to be done.',
    p_now, p_now, p_now, p_now, p_now
  )
  returning id into v_id;
  perform clerk_sync.owe_notices(p_now);
  return v_id;
end
$$;

-- What alerts do: {checked_at, targets: [{name, seen_at, last_sent_at, unsent, last_error}], open: the incidents,
-- notices: [{target, kind, sent_at, attempts, last_error}] of p_incident}.
create or replace function public.clerk_sync_alert_state(p_incident uuid default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'checked_at', (select c.checked_at from clerk_sync.incident_check as c),
    'targets', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', t.name,
        'seen_at', t.seen_at,
        'last_sent_at', n.last_sent_at,
        'unsent', n.unsent,
        'last_error', n.last_error
      ) order by t.name), '[]')
      from clerk_sync.alert_targets as t
      cross join lateral (
        select
          max(a.sent_at) as last_sent_at,
          count(*) filter (where a.sent_at is null and a.kind <> 'test') as unsent,
          max(a.last_error) filter (where a.sent_at is null and a.kind <> 'test') as last_error
        from clerk_sync.notices as a
        where a.target = t.name
      ) as n
    ),
    'open', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.opened_at), '[]')
      from clerk_sync.incidents as i
      where i.opened_at is not null
        and i.closed_at is null
    ),
    'notices', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'target', n.target, 'kind', n.kind, 'sent_at', n.sent_at, 'attempts', n.attempts, 'last_error', n.last_error
      ) order by n.target, n.kind), '[]')
      from clerk_sync.notices as n
      where n.incident_id = p_incident
    )
  );
$$;
