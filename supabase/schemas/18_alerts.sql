-- Incidents, and the notices that tell targets of them. An incident is what clerk_sync_health says is wrong, and lasts: a
-- reason becomes one once it has held for a while; one that comes and goes stays the same incident; it is over when the
-- reason has been absent for a while. Nothing of it is personal.

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

comment on column clerk_sync.incidents.subject is 'such as the service of a circuit; empty where the code says it all';
comment on column clerk_sync.incidents.status is 'at its worst';
comment on column clerk_sync.incidents.opened_at is 'null: it has not lasted long enough, and no target has a notice of it';
comment on column clerk_sync.incidents.absent_since is 'the first of the checks in a row that did not see it';

create unique index if not exists incidents_one_open
  on clerk_sync.incidents (code, subject)
  where closed_at is null;
create index if not exists incidents_closed_idx
  on clerk_sync.incidents (closed_at);

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

-- hold_seconds: so long a reason has to hold, which takes two checks at least; quiet_seconds: so long it has to be
-- absent. docs/alerts.md explains both.
create or replace view clerk_sync.incident_thresholds
with (security_invoker = true)
as
select
  coalesce(o.hold_seconds, 45) as hold_seconds,
  coalesce(o.quiet_seconds, 300) as quiet_seconds,
  coalesce(o.kept_days, 90) as kept_days
from (select true) as one_row
left join clerk_sync.own_thresholds as o on true;

-- Compares the incidents with what is wrong now, unless that was done within p_every_seconds or another caller is doing
-- it. Answers whether it did. A silence that is suspected and then confirmed is one incident, two circuits are two.
create or replace function clerk_sync.update_incidents(p_every_seconds integer, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_check  clerk_sync.incident_check;
  v_health jsonb;
  v_t      clerk_sync.incident_thresholds;
begin
  select * into v_check from clerk_sync.incident_check as c for update skip locked;
  if not found or v_check.checked_at between p_now - make_interval(secs => p_every_seconds) and p_now then
    return false;
  end if;
  select * into v_t from clerk_sync.incident_thresholds;
  v_health := public.clerk_sync_health(p_now);
  insert into clerk_sync.incidents as i (code, subject, status, what, remedy, since, first_seen_at, last_seen_at)
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
    coalesce((c.value ->> 'since')::timestamptz, r.since, p_now),
    p_now,
    p_now
  from jsonb_to_recordset(v_health -> 'reasons') as r(code text, status text, what text, remedy text, since timestamptz)
  left join lateral jsonb_each(v_health #> '{facts,circuits}') as c
    on r.code = 'circuit_open'
   and c.value ->> 'state' <> 'closed'
  on conflict (code, subject) where closed_at is null do update
    set status = least(i.status, excluded.status), -- compromised sorts before degraded
        what = excluded.what,
        remedy = excluded.remedy,
        since = least(i.since, excluded.since),
        last_seen_at = excluded.last_seen_at;
  delete from clerk_sync.incidents as i
  where (i.opened_at is null and i.last_seen_at <> p_now)
     or i.closed_at < p_now - make_interval(days => v_t.kept_days);
  update clerk_sync.incidents as i
  set opened_at = coalesce(
        i.opened_at,
        case when i.first_seen_at <= p_now - make_interval(secs => v_t.hold_seconds) then p_now end
      ),
      absent_since = case when i.last_seen_at <> p_now then coalesce(i.absent_since, p_now) end
  where i.closed_at is null;
  update clerk_sync.incidents as i
  set closed_at = p_now
  where i.closed_at is null
    and i.absent_since <= p_now - make_interval(secs => v_t.quiet_seconds);
  update clerk_sync.incident_check as c set checked_at = p_now;
  return true;
end
$$;

-- Notices: each incident is told once to each target when it opens and once when it is over, by the worker of the
-- queue (send-alerts.ts). Every target has its own row, so that one that is down does not make another told twice.

-- The targets that workers and processors have in their settings (ALERT_WEBHOOK_URL, ALERT_SLACK_URL), by name; the
-- addresses stay there.
create table if not exists clerk_sync.alert_targets (
  name    text        not null,
  seen_at timestamptz not null,
  constraint alert_targets_pkey primary key (name),
  constraint target_is_known check (name in ('webhook', 'slack'))
);

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

-- Makes the notices of all incidents. A new target gets a notice of each incident that is open. The end of an incident goes
-- to the targets that have a notice of its beginning.
create or replace function clerk_sync.make_notices(p_now timestamptz)
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
-- After three days a notice is not sent any more; a test is of use for ten minutes.
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

-- Checks the incidents unless that was done within p_every_seconds, and leases the notices that are due to the caller, at
-- most ten: {checked, notices: [{id, token, kind, target, attempts, last_error, incident}]}. p_targets are those that the
-- caller can send to; one that no caller has named for an hour is no longer configured. Each call that got notices is
-- followed by one of clerk_sync_settle_notices; without it they are handed out again after two minutes.
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
  v_token   uuid := gen_random_uuid();
  v_notices jsonb;
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
  v_checked := clerk_sync.update_incidents(p_every_seconds, p_now);
  perform clerk_sync.make_notices(p_now);
  with taken as (
    update clerk_sync.notices as n
    set token = v_token,
        lease_until = p_now + interval '2 minutes'
    where n.id = any (array(
        select o.id
        from clerk_sync.notices as o
        where o.id in (select d.id from clerk_sync.due_notices(p_targets, p_now) as d)
        order by o.created_at, o.id
        limit 10
        for update of o skip locked
      ))
      and coalesce(n.lease_until <= p_now, true) -- another's, that committed meanwhile
      and n.sent_at is null
    returning n.*
  )
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'id', n.id, 'token', n.token, 'kind', n.kind, 'target', n.target, 'attempts', n.attempts,
      'last_error', n.last_error, 'incident', to_jsonb(i) - '{first_seen_at,last_seen_at}'::text[]
    )
    order by n.created_at, n.id
  ), '[]')
  into v_notices
  from taken as n
  join clerk_sync.incidents as i on i.id = n.incident_id;
  return jsonb_build_object('checked', v_checked, 'notices', v_notices);
end
$$;

-- Records what became of notices: [{id, token, outcome, error?, retry_after?}], retry_after in seconds. sent: the
-- target accepted it; retry: again after 30 s, 1 min, 2 min … at most 15 minutes; refused: it will not take it as it
-- is, again in an hour. A notice whose lease was lost stays as it is. Answers how many were recorded.
create or replace function public.clerk_sync_settle_notices(
  p_results jsonb,
  p_now     timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  with settled as (
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
      and n.sent_at is null
    returning n.id
  )
  select count(*)::integer from settled;
$$;

-- Whether a processor would find notices to send. Checks the incidents itself, at most once a minute, so that no function
-- is called for that while all is well. Whatever goes wrong in here, the processor must be called for its other work.
create or replace function clerk_sync.alerts_due(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if clerk_sync.update_incidents(55, p_now) then
    perform clerk_sync.make_notices(p_now);
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
  perform clerk_sync.make_notices(p_now);
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
      select coalesce(jsonb_agg(to_jsonb(s) order by s.name), '[]')
      from (
        select
          t.name,
          t.seen_at,
          max(n.sent_at) as last_sent_at,
          count(n.id) filter (where n.sent_at is null and n.kind <> 'test') as unsent,
          max(n.last_error) filter (where n.sent_at is null and n.kind <> 'test') as last_error
        from clerk_sync.alert_targets as t
        left join clerk_sync.notices as n on n.target = t.name
        group by t.name
      ) as s
    ),
    'open', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.opened_at), '[]')
      from clerk_sync.incidents as i
      where i.opened_at is not null
        and i.closed_at is null
    ),
    'notices', (
      select coalesce(jsonb_agg(to_jsonb(s) order by s.target, s.kind), '[]')
      from (
        select n.target, n.kind, n.sent_at, n.attempts, n.last_error
        from clerk_sync.notices as n
        where n.incident_id = p_incident
      ) as s
    )
  );
$$;
