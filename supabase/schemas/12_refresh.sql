-- Refreshes: a user is read again from Clerk's API when what we know of the user may be wrong.

-- A refresh is a job like any other (source refresh), with lease, retries and dead letter; what it applies is read when it
-- runs.
--   refresh_due_at ─ queue_refreshes ─> job ─ lease_reads ─> GET /v1/users/{id} ─ clerk_sync_apply_reads ─> users

-- Asks for a refresh of users, known or not; also of deleted ones, whom only a fresh read revives. It is queued
-- by the next worker that can read from Clerk's API. Answers how many were asked for.
create or replace function public.clerk_sync_request_refresh(
  p_clerk_ids text[],
  p_reason    text default 'requested',
  p_now       timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform clerk_sync.lock_new_users(p_clerk_ids);
  insert into clerk_sync.user_state as s (clerk_id, refresh_reason, refresh_due_at)
  select distinct i.clerk_id, p_reason, p_now
  from unnest(p_clerk_ids) as i(clerk_id)
  where i.clerk_id <> ''
  order by i.clerk_id
  on conflict (clerk_id) do update
    set refresh_reason = coalesce(s.refresh_reason, excluded.refresh_reason),
        refresh_due_at = excluded.refresh_due_at,
        refresh_attempts = 0;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- Makes the jobs of refreshes that are due. A user whose refresh is in the queue, or dead, gets no second one; one
-- that is being read just now stays due, for the reason may be younger.
create or replace function clerk_sync.queue_refreshes(p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_due text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.refresh_due_at <= p_now
      and (
        select r.source
        from public.job_queue as r
        where r.clerk_id = s.clerk_id
          and r.status = 'PROCESSING'
      ) is distinct from 'refresh'
    order by s.refresh_due_at
    limit p_limit
    for update skip locked
  );
begin
  if cardinality(v_due) = 0 then
    return;
  end if;
  insert into public.job_queue
    (event_id, job_type, clerk_id, version, source, created_at, updated_at, run_at, payload)
  select
    'refresh_' || gen_random_uuid(), 'USER_UPDATED', s.clerk_id, s.version, 'refresh', p_now, p_now, p_now,
    jsonb_build_object('clerk_id', s.clerk_id, 'reason', s.refresh_reason, 'retry_count', 0)
  from clerk_sync.user_state as s
  where s.clerk_id = any (v_due)
    and not exists (
      select 1
      from public.job_queue as r
      where r.clerk_id = s.clerk_id
        and r.status in ('PENDING', 'FAILED', 'DEAD')
        and r.source = 'refresh'
        and not coalesce(r.result @> '{"applied": true}', false)
      offset 0
    );
  update clerk_sync.user_state as s
  set refresh_due_at = null
  where s.clerk_id = any (v_due);
end
$$;

-- The jobs of a batch that have what they apply: all but the refreshes whose read is still to come.
create or replace function clerk_sync.without_unread(p_ids uuid[])
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and (j.source <> 'refresh' or coalesce(j.result @> '{"applied": true}', false))
  );
end
$$;

-- Leases the refreshes of a batch for their read, and returns them: one a user, and none of a user with other
-- work in the batch; that goes first.
create or replace function clerk_sync.lease_reads(
  p_ids         uuid[],
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_ready uuid[] := clerk_sync.without_unread(p_ids);
  v_reads uuid[];
begin
  if cardinality(v_ready) = cardinality(p_ids) then
    return '{}'::uuid[];
  end if;
  v_reads := array(
    select distinct on (j.clerk_id) j.id
    from (
      select k.id, k.clerk_id, k.run_at
      from public.job_queue as k
      where k.id = any (array(select i from unnest(p_ids) as i except select i from unnest(v_ready) as i))
      offset 0
    ) as j
    where j.clerk_id <> all (array(select o.clerk_id from public.job_queue as o where o.id = any (v_ready)))
    order by j.clerk_id, j.run_at, j.id
  );
  perform clerk_sync.lease_calls(v_reads, true, p_token, p_lease_until, p_now);
  return v_reads;
end
$$;

-- Takes down in the jobs what was read of their users, fails those whose read is older than what is known
-- (Clerk's API may lag behind its webhooks) and settles nothing (read_settles), and returns the others.
-- p_reads: [{job_id, deleted, version?, payload?}]
create or replace function clerk_sync.store_reads(p_ids uuid[], p_reads jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_reads jsonb := (select jsonb_object_agg(r.value ->> 'job_id', r.value) from jsonb_array_elements(p_reads) as r); -- by job
  v_stale uuid[];
begin
  update public.job_queue as j
  set job_type = case when (v_reads -> j.id::text ->> 'deleted')::boolean then 'USER_DELETED' else 'USER_UPDATED' end,
      version = coalesce((v_reads -> j.id::text ->> 'version')::bigint, j.version),
      payload = (j.payload - '{erased,email,email_verified,ignored_email,phone,name,user_role,ignored_role,external_id,banned,locked,created_at}'::text[])
        || coalesce(nullif(v_reads -> j.id::text -> 'payload', 'null'), '{}'),
      updated_at = p_now
  where j.id = any (p_ids);

  v_stale := array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.job_type <> 'USER_DELETED'
      and (
        select s.deleted_at is null
          and j.version < s.version
          and not clerk_sync.read_settles(
            j.version, (j.result ->> 'read_at')::timestamptz, s.version, s.trusted_version, s.last_synced_at, p_now
          )
        from clerk_sync.user_state as s
        where s.clerk_id = j.clerk_id
      )
  );
  perform clerk_sync.fail_job(
    j.id, j.attempts, 'clerk_stale: Clerk''s API answered an older state than is known', false, null, p_now
  )
  from public.job_queue as j
  where j.id = any (v_stale);
  return array(select i from unnest(p_ids) as i where i <> all (v_stale));
end
$$;

-- Applies what was read of users whose refresh is leased under p_token; reads of a lost lease are dropped.
-- p_reads: [{job_id, deleted, version?, payload?}], version and payload as a webhook job has them.
-- p_mirror: the mirror is owed then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_reads(
  p_token        uuid,
  p_reads        jsonb,
  p_mirror       boolean,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set statement_timeout = '2s' -- as clerk_sync_run_jobs
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_lease_until timestamptz;
  v_leased      uuid[];
  v_ids         uuid[];
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (r.value ->> 'job_id')::uuid from jsonb_array_elements(p_reads) as r))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.source = 'refresh'
      and j.cancel_requested_at is null
    order by j.id
    for update
  );
  -- In one order for all, and before any other lock that is waited for.
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = any (array(select j.clerk_id from public.job_queue as j where j.id = any (v_leased)))
  order by s.clerk_id
  for update;
  v_ids := clerk_sync.store_reads(v_leased, p_reads, p_now);
  v_ids := clerk_sync.hold_deletes(v_ids, p_delete_brake, p_now);
  v_lease_until := (select max(j.lease_until) from public.job_queue as j where j.id = any (v_ids));
  perform clerk_sync.apply_batch(v_ids, case when p_mirror then p_token end, v_lease_until, p_delete_mode, p_now);
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

-- Whom the jobs leased for a read are to read from Clerk's API: [{job_id, clerk_id}].
create or replace function clerk_sync.describe_reads(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('job_id', j.id, 'clerk_id', j.clerk_id)), '[]')
    from public.job_queue as j
    where j.id = any (p_ids)
  );
end
$$;

-- Of the jobs of a batch, lets those refreshes wait whose read Clerk's API would not answer: all that are unread while
-- its circuit is open. Returns the others.
create or replace function clerk_sync.hold_reads(p_ids uuid[])
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_ready uuid[];
begin
  if not clerk_sync.circuit_is_open('clerk') then
    return p_ids;
  end if;
  v_ready := clerk_sync.without_unread(p_ids);
  update public.job_queue as j
  set waits_for = 'clerk'
  where j.id = any (p_ids)
    and j.id <> all (v_ready);
  return v_ready;
end
$$;
