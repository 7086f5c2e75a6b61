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
volatile
security invoker
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

revoke execute on function public.clerk_sync_check_incidents from public, anon, authenticated;
grant execute on function public.clerk_sync_check_incidents to service_role;

-- Takes down what became of notices: [{id, token, outcome, error?, retry_after?}], retry_after in seconds. sent: the
-- target accepted it; retry: again after 30 s, 1 min, 2 min … at most 15 minutes; refused: it will not take it as it
-- is, again in an hour. What lost its lease is left alone. Answers how many were taken down.
create or replace function public.clerk_sync_settle_notices(
  p_results jsonb,
  p_now     timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
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

revoke execute on function public.clerk_sync_settle_notices from public, anon, authenticated;
grant execute on function public.clerk_sync_settle_notices to service_role;

-- Whether a processor would find notices to send. Checks the incidents itself, at most once a minute, so that nobody is
-- called for that while all is well. Whatever goes wrong in here, the processor must be called for its other work.
create or replace function clerk_sync.alerts_due(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
volatile
security invoker
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

revoke execute on function clerk_sync.alerts_due from public, anon, authenticated;
grant execute on function clerk_sync.alerts_due to service_role;

-- Makes a test notice for every target that is configured, or named within ten minutes; answers its incident's id.
create or replace function public.clerk_sync_test_alert(p_now timestamptz default clock_timestamp())
returns uuid
language plpgsql
volatile
security invoker
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

revoke execute on function public.clerk_sync_test_alert from public, anon, authenticated;
grant execute on function public.clerk_sync_test_alert to service_role;

-- What alerts do: {checked_at, targets: [{name, seen_at, last_sent_at, unsent, last_error}], open: the incidents,
-- notices: [{target, kind, sent_at, attempts, last_error}] of p_incident}.
create or replace function public.clerk_sync_alert_state(p_incident uuid default null)
returns jsonb
language sql
stable
security invoker
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

revoke execute on function public.clerk_sync_alert_state from public, anon, authenticated;
grant execute on function public.clerk_sync_alert_state to service_role;
