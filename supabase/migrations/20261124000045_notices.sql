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
revoke all on clerk_sync.alert_targets from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.alert_targets to service_role;

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
revoke all on clerk_sync.notices from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.notices to service_role;

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
volatile
security invoker
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

revoke execute on function clerk_sync.register_targets from public, anon, authenticated;
grant execute on function clerk_sync.register_targets to service_role;

-- Makes the notices that are owed. A target that is new is told of what is open; the end goes to who was to be told of
-- the beginning.
create or replace function clerk_sync.owe_notices(p_now timestamptz)
returns void
language sql
volatile
security invoker
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

revoke execute on function clerk_sync.owe_notices from public, anon, authenticated;
grant execute on function clerk_sync.owe_notices to service_role;

-- Those to be sent now, oldest first, to these targets. The end of an incident waits until its beginning was accepted.
-- After three days nobody is told any more; a test is of use for ten minutes.
create or replace function clerk_sync.due_notices(p_targets text[], p_now timestamptz)
returns setof clerk_sync.notices
language sql
stable
security invoker
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

revoke execute on function clerk_sync.due_notices from public, anon, authenticated;
grant execute on function clerk_sync.due_notices to service_role;

-- Leases up to p_limit of them to the caller: [{id, token, kind, target, attempts, last_error, incident}].
create or replace function clerk_sync.take_notices(p_targets text[], p_limit integer, p_now timestamptz)
returns jsonb
language plpgsql
volatile
security invoker
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

revoke execute on function clerk_sync.take_notices from public, anon, authenticated;
grant execute on function clerk_sync.take_notices to service_role;
