-- Incidents: what clerk_sync_health says is wrong, and lasts. A reason becomes an incident once it has held for a
-- while; one that comes and goes stays the same incident; it is over when the reason has been absent for a while.
-- Nothing of it is personal. Whom it is told to is in the next file.

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
revoke all on clerk_sync.incidents from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.incidents to service_role;

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
revoke all on clerk_sync.incident_check from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.incident_check to service_role;

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
security invoker
set search_path = ''
as $$
  select jsonb_build_object('hold_seconds', 45, 'quiet_seconds', 300, 'kept_days', 90);
$$;

revoke execute on function clerk_sync.incident_thresholds from public, anon, authenticated;
grant execute on function clerk_sync.incident_thresholds to service_role;

-- The reasons in what clerk_sync_health answered, as incidents name them: a silence that is suspected and then confirmed
-- is one, two circuits are two.
create or replace function clerk_sync.incident_reasons(p_health jsonb)
returns table (code text, subject text, status text, what text, remedy text, since timestamptz)
language sql
stable
security invoker
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

revoke execute on function clerk_sync.incident_reasons from public, anon, authenticated;
grant execute on function clerk_sync.incident_reasons to service_role;

-- Compares the incidents with what is wrong now, p_health.
create or replace function clerk_sync.compare_incidents(p_health jsonb, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
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

revoke execute on function clerk_sync.compare_incidents from public, anon, authenticated;
grant execute on function clerk_sync.compare_incidents to service_role;

-- Checks, unless that was done within p_every_seconds or is being done by somebody else. Answers whether it did.
create or replace function clerk_sync.check_incidents(p_every_seconds integer, p_now timestamptz)
returns boolean
language plpgsql
volatile
security invoker
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

revoke execute on function clerk_sync.check_incidents from public, anon, authenticated;
grant execute on function clerk_sync.check_incidents to service_role;
