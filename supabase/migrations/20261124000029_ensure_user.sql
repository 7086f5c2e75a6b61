-- ensure-user: the row of a signed-in user for an app that cannot wait for the webhook. What was read of the user from
-- Clerk's API for it is a job like any other (source ensure), applied in the same transaction: same lock, same
-- version guard, same functions, same history. Only the mirror is left to the queue.

-- The columns of a row that its owner may read through the API.
create or replace function clerk_sync.readable_columns(p_user public.users)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(c.key, c.value), '{}')
  from jsonb_each(to_jsonb(p_user)) as c
  where has_column_privilege('authenticated', 'public.users', c.key, 'select');
$$;

revoke execute on function clerk_sync.readable_columns from public, anon, authenticated;
grant execute on function clerk_sync.readable_columns to service_role;

-- What there is of one user: {state, row, version, at}, where state is
--   present    row holds what its owner may read
--   missing    there is no row; version is null when nothing at all is known of the user
--   deleted    the user has a tombstone
-- at is when it was looked at, by the clock that also stamps tombstones.
create or replace function public.clerk_sync_own_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return (
    select jsonb_build_object(
      'state', o.state,
      'row', case when o.state = 'present' then clerk_sync.readable_columns(o.found) end,
      'version', o.version,
      'at', clock_timestamp()
    )
    from (
      select
        u.found,
        s.version,
        case
          when s.deleted_at is not null or u.deleted_at is not null then 'deleted'
          when u.clerk_id is null then 'missing'
          else 'present'
        end as state
      from (values (p_clerk_id)) as i(clerk_id)
      -- offset 0: looked up by key, whatever the statistics say
      left join lateral (
        select r as found, r.clerk_id, r.deleted_at from public.users as r where r.clerk_id = i.clerk_id offset 0
      ) as u on true
      left join lateral (
        select r.version, r.deleted_at from clerk_sync.user_state as r where r.clerk_id = i.clerk_id offset 0
      ) as s on true
    ) as o
  );
end
$$;

revoke execute on function public.clerk_sync_own_row from public, anon, authenticated;
grant execute on function public.clerk_sync_own_row to service_role;

-- Locks one user, known or not, and waits for whoever has the lock: a worker is about to make the row then.
-- p_signed_up_at: who is new counts as one whom a webhook brought (first_seen_at).
create or replace function clerk_sync.lock_user(p_clerk_id text, p_signed_up_at timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform clerk_sync.lock_new_users(array[p_clerk_id]);
  insert into clerk_sync.user_state as s (clerk_id, first_seen_at)
  values (p_clerk_id, p_signed_up_at)
  on conflict (clerk_id) do nothing;
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = p_clerk_id
  for update;
end
$$;

revoke execute on function clerk_sync.lock_user from public, anon, authenticated;
grant execute on function clerk_sync.lock_user to service_role;

-- Stores what was read of a user as a due job and returns its id. A state of a user is one job, however often it is
-- read; null while a worker has that job in hand.
create or replace function clerk_sync.store_ensure_job(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer,
  p_now          timestamptz
)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_id uuid;
begin
  insert into public.job_queue as j
    (event_id, job_type, clerk_id, version, payload, result, source, max_attempts, created_at, updated_at, run_at)
  values (
    format('ensure_%s_%s', p_clerk_id, p_version), 'USER_UPDATED', p_clerk_id, p_version,
    p_payload || '{"retry_count": 0}', jsonb_build_object('read_at', p_read_at), 'ensure', p_max_attempts,
    p_now, p_now, p_now
  )
  on conflict (event_id) do update
    set status = 'PENDING',
        payload = excluded.payload,
        result = excluded.result,
        attempts = 0,
        error = null,
        run_at = p_now,
        updated_at = p_now
    where j.status <> 'PROCESSING'
  returning j.id
  into v_id;
  return v_id;
end
$$;

revoke execute on function clerk_sync.store_ensure_job from public, anon, authenticated;
grant execute on function clerk_sync.store_ensure_job to service_role;

-- Applies what was read of one user from Clerk's API, unless the row is there by now; answers as clerk_sync_own_row.
-- When the read cannot be applied (it is older than what is known, the table refuses it), the state stays as it was:
-- the job says why and, where that can help, is tried again like any other.
-- p_version and p_payload as a webhook job has them; p_read_at: at of the look before the read.
create or replace function public.clerk_sync_ensure_user(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '1s'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_own jsonb;
  v_job uuid;
begin
  perform clerk_sync.lock_user(p_clerk_id, (p_payload ->> 'created_at')::timestamptz);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    return v_own;
  end if;
  v_job := clerk_sync.store_ensure_job(p_clerk_id, p_version, p_payload, p_read_at, p_max_attempts, p_now);
  perform clerk_sync.apply_batch(array_remove(array[v_job], null), null, null, 'hard', p_now);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    perform clerk_sync.queue_mirror(array[p_clerk_id], 'ensure', p_now);
  end if;
  return v_own;
end
$$;

revoke execute on function public.clerk_sync_ensure_user from public, anon, authenticated;
grant execute on function public.clerk_sync_ensure_user to service_role;
