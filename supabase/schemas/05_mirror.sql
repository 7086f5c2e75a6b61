-- What Supabase Auth is to be told of users, and what becomes of a job when it was told.

-- Queues the mirror of users as they are now. The jobs count as applied: no row changes by them.
-- p_reason becomes the source of the job.
create or replace function clerk_sync.queue_mirror(p_clerk_ids text[], p_reason text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.job_queue
    (event_id, job_type, clerk_id, version, source, created_at, updated_at, run_at, result, payload)
  select
    p_reason || '_' || gen_random_uuid(),
    case when s.deleted_at is null then 'USER_UPDATED' else 'USER_DELETED' end,
    s.clerk_id, s.version, p_reason, p_now, p_now, p_now, '{"applied": true}',
    jsonb_build_object('clerk_id', s.clerk_id, 'retry_count', 0)
  from clerk_sync.user_state as s
  where s.clerk_id = any (p_clerk_ids)
    and (
      s.deleted_at is not null
      -- offset 0: a lookup each, whatever the statistics say
      or exists (select 1 from public.users as u where u.clerk_id = s.clerk_id offset 0)
    );
end
$$;

-- A worker that was frozen past its lease may have written an old state over the mirror of another worker,
-- and says so when it settles. The users of these jobs are mirrored once more. Answers how many jobs.
create or replace function clerk_sync.repair_stale(p_outcomes jsonb, p_settled uuid[], p_now timestamptz)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_stale uuid[] := array(
    select (o.value ->> 'job_id')::uuid
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid <> all (p_settled)
      and o.value ->> 'outcome' not in ('released', 'waiting')
  );
begin
  perform clerk_sync.queue_mirror(
    array(select distinct j.clerk_id from public.job_queue as j where j.id = any (v_stale)), 'lease_lost', p_now
  );
  return cardinality(v_stale);
end
$$;

-- Queues the mirror of these users ([clerk_id]) for the run, once each: jobs that change no row. Answers {queued}, or {}.
create or replace function clerk_sync.queue_auth_repairs(p_run uuid, p_clerk_ids jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  insert into public.job_queue
    (event_id, job_type, clerk_id, version, source, priority, created_at, updated_at, run_at, result, payload)
  select
    format('reconcile_%s_%s_auth', p_run, s.clerk_id), 'USER_UPDATED', s.clerk_id, s.version, 'reconcile',
    0, p_now, p_now, p_now, '{"applied": true}',
    jsonb_build_object('clerk_id', s.clerk_id, 'retry_count', 0)
  from clerk_sync.user_state as s
  join public.users as u on u.clerk_id = s.clerk_id
  where s.clerk_id in (select jsonb_array_elements_text(p_clerk_ids))
    and s.deleted_at is null
  on conflict (event_id) do nothing;
  get diagnostics v_count = row_count;
  return case when v_count > 0 then jsonb_build_object('queued', v_count) else '{}' end;
end
$$;

-- What those of the jobs that are still PROCESSING owe to Supabase Auth: the user as it is now.
create or replace function clerk_sync.describe_mirror(p_ids uuid[])
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
    select coalesce(jsonb_agg(jsonb_build_object(
      'job_id', j.id,
      'clerk_id', j.clerk_id,
      'deleted', s.deleted_at is not null,
      'email', u.email,
      'email_verified', s.email_verified,
      'phone', s.phone,
      'name', u.name,
      'role', u.role,
      'banned', s.banned or s.deprovisioned,
      'auth_user_id', s.auth_user_id,
      'auth_finding', s.auth_finding,
      'auth_holder_id', s.auth_holder_id,
      'auth_locked_at', s.auth_locked_at,
      'attempts', j.attempts
    )), '[]')
    from public.job_queue as j
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select * from clerk_sync.user_state as k where k.clerk_id = j.clerk_id offset 0) as s
    left join lateral (select k.email, k.name, k.role from public.users as k where k.clerk_id = j.clerk_id offset 0) as u on true
    where j.id = any (p_ids)
      and j.status = 'PROCESSING'
  );
end
$$;

-- Whether this Auth user is a super admin, who is never taken over. With the rights of the owner, because Supabase lets
-- service_role read no table of Auth; false where Auth keeps its users in another database.
create or replace function public.clerk_sync_is_super_admin(p_auth_user_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_is_super_admin boolean;
begin
  if to_regclass('auth.users') is null then
    return false;
  end if;
  execute 'select u.is_super_admin from auth.users as u where u.id = $1' into v_is_super_admin using p_auth_user_id;
  return coalesce(v_is_super_admin, false);
end
$$;

-- Jobs whose user is to take over an Auth user that is locked now: they wait until its last access token has run out.
create or replace function clerk_sync.wait_for_tokens(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update clerk_sync.user_state as s
  set auth_holder_id = o.auth_holder_id,
      auth_locked_at = o.auth_locked_at
  from jsonb_to_recordset(p_outcomes)
    as o(job_id uuid, outcome text, auth_holder_id uuid, auth_locked_at timestamptz)
  where o.outcome = 'locked'
    and o.job_id = any (p_ids)
    and s.clerk_id = (select j.clerk_id from public.job_queue as j where j.id = o.job_id);

  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      error = o.error,
      run_at = p_now + make_interval(secs => o.retry_after),
      updated_at = p_now
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, error text, retry_after double precision)
  where o.outcome = 'locked'
    and o.job_id = any (p_ids)
    and j.id = o.job_id;
end
$$;

-- The mirror's success and the job's COMPLETED are one commit; the Auth user's id is remembered.
create or replace function clerk_sync.complete_mirrored(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_jobs    uuid[];
  v_mirrors jsonb; -- by job
  v_users   text[];
  v_auth    jsonb; -- by user
  v_finding jsonb; -- by user
begin
  -- By key and not by join: one lookup each, whatever the statistics say.
  select
    array_agg(o.job_id), jsonb_object_agg(o.job_id, o.mirror),
    array_agg(o.clerk_id), jsonb_object_agg(o.clerk_id, o.auth_user_id) filter (where o.clerk_id is not null),
    jsonb_object_agg(o.clerk_id, o.mirror ->> 'finding') filter (where o.clerk_id is not null)
  into v_jobs, v_mirrors, v_users, v_auth, v_finding
  from (
    select c.job_id, c.mirror, c.auth_user_id, (select j.clerk_id from public.job_queue as j where j.id = c.job_id) as clerk_id
    from jsonb_to_recordset(p_outcomes) as c(job_id uuid, outcome text, auth_user_id uuid, mirror jsonb)
    where c.outcome = 'completed'
      and c.job_id = any (p_ids)
  ) as o;

  update clerk_sync.user_state as s
  set auth_user_id = (v_auth ->> s.clerk_id)::uuid,
      auth_finding = v_finding ->> s.clerk_id,
      auth_holder_id = null,
      auth_locked_at = null,
      mirrored_version = s.version,
      mirrored_at = p_now
  where s.clerk_id = any (v_users);

  update public.job_queue as j
  set status = 'COMPLETED',
      result = coalesce(j.result, '{}') || jsonb_build_object('mirror', v_mirrors -> j.id::text),
      updated_at = p_now
  where j.id = any (v_jobs);

  perform clerk_sync.erase_deleted(p_ids);
end
$$;
