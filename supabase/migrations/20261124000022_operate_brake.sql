-- What a person sees of the delete brake and the circuits, and decides.

-- Deletions that wait for the brake: few, and found among however many jobs wait.
create index if not exists job_queue_held_idx
  on public.job_queue (id)
  where status = 'PENDING' and job_type = 'USER_DELETED' and error like 'delete_brake:%';

-- {engaged_at, reason, released_at, waiting}: whether deletions wait, why, and how many, counted as far as 10,000.
create or replace function public.clerk_sync_delete_brake()
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'engaged_at', b.engaged_at,
      'reason', b.reason,
      'released_at', b.released_at,
      'waiting', (
        select count(*)
        from (
          select 1
          from public.job_queue as j
          where j.status = 'PENDING'
            and j.job_type = 'USER_DELETED'
            and j.error like 'delete_brake:%'
          limit 10000
        ) as w
      )
    )
    from clerk_sync.delete_brake as b
  );
end
$$;

revoke execute on function public.clerk_sync_delete_brake from public, anon, authenticated;
grant execute on function public.clerk_sync_delete_brake to service_role;

-- What an operator decides about the deletions that wait: 'apply' lets these pass, and only these; 'cancel'
-- takes them out of the queue. The brake is off again when none waits. Answers {changed, left}; call it
-- until nothing is left, each call takes at most p_limit.
create or replace function public.clerk_sync_release_delete_brake(
  p_decision text,
  p_limit    integer default 1000,
  p_now      timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed integer;
  v_left    integer;
begin
  if p_decision is null or p_decision not in ('apply', 'cancel') then
    raise exception 'p_decision is %, it must be apply or cancel', p_decision using errcode = 'SY002';
  end if;
  perform 1 from clerk_sync.delete_brake as b for update;
  update public.job_queue as j
  set status = case when p_decision = 'apply' then 'PENDING' else 'CANCELLED' end,
      result = case
        when p_decision = 'apply' then coalesce(j.result, '{}') || jsonb_build_object('delete_confirmed', p_now)
        else j.result
      end,
      error = case when p_decision = 'apply' then null else j.error end,
      run_at = p_now,
      updated_at = p_now
  where j.id = any (array(
    select w.id
    from public.job_queue as w
    where w.status = 'PENDING'
      and w.job_type = 'USER_DELETED'
      and w.error like 'delete_brake:%'
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_changed = row_count;
  v_left := (public.clerk_sync_delete_brake() ->> 'waiting')::integer;
  update clerk_sync.delete_brake as b
  set engaged_at = null,
      reason = null,
      released_at = p_now
  where v_left = 0;
  return jsonb_build_object('changed', v_changed, 'left', v_left);
end
$$;

revoke execute on function public.clerk_sync_release_delete_brake from public, anon, authenticated;
grant execute on function public.clerk_sync_release_delete_brake to service_role;

-- The circuits: [{name, state, since, failures, next_probe, last_error, waiting}]. next_probe is null while closed;
-- waiting is how many jobs wait for the service, counted as far as 10,000.
create or replace function public.clerk_sync_circuits()
returns jsonb
language plpgsql
stable
security invoker
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

revoke execute on function public.clerk_sync_circuits from public, anon, authenticated;
grant execute on function public.clerk_sync_circuits to service_role;

-- Closes a circuit by hand, for instance after a wrong key was corrected: what waits is due at once. Answers whether
-- it was open; SY002 for a name there is no circuit of.
create or replace function public.clerk_sync_reset_circuit(
  p_name text,
  p_now  timestamptz default clock_timestamp()
)
returns boolean
language plpgsql
volatile
security invoker
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

revoke execute on function public.clerk_sync_reset_circuit from public, anon, authenticated;
grant execute on function public.clerk_sync_reset_circuit to service_role;
