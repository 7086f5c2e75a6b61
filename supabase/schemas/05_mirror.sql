-- What the worker writes to Supabase Auth about users, and what becomes of a job when it has written.

-- Queues the mirror of users as they are now. No row changes by these jobs: they count as applied.
-- p_reason becomes the source of the jobs.
create or replace function clerk_sync.queue_mirror(p_clerk_ids text[], p_reason text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_clerk_ids) = 0 then
    return;
  end if;
  perform clerk_sync.insert_jobs(clerk_sync.new_events((
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', p_reason || '_' || gen_random_uuid(),
      'job_type', case when r.deleted_at is null then 'USER_UPDATED' else 'USER_DELETED' end,
      'clerk_id', r.id,
      'version', r.version,
      'source', p_reason,
      'applied_at', p_now,
      'payload', jsonb_build_object('clerk_id', r.id, 'retry_count', 0)
    )), '[]')
    from clerk_sync.records as r
    where r.id = any (p_clerk_ids)
      and (
        r.deleted_at is not null
        -- offset 0: a lookup each, whatever the statistics say
        or exists (select 1 from public.users as u where u.clerk_id = r.id offset 0)
      )
  )), p_now);
end
$$;

-- A worker that was frozen past its lease may have written an old state over the mirror of another worker. When it
-- settles, the users of its jobs are mirrored once more. Answers how many jobs.
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
language sql
set search_path = ''
as $$
  select case when count(*) > 0 then jsonb_build_object('queued', count(*)) else '{}' end
  from jsonb_array_elements(clerk_sync.insert_jobs(clerk_sync.new_events((
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', format('reconcile_%s_%s_auth', p_run, r.id),
      'job_type', 'USER_UPDATED',
      'clerk_id', r.id,
      'version', r.version,
      'source', 'reconcile',
      'applied_at', p_now,
      'payload', jsonb_build_object('clerk_id', r.id, 'retry_count', 0)
    )), '[]')
    from clerk_sync.records as r
    join public.users as u on u.clerk_id = r.id
    where r.id in (select jsonb_array_elements_text(p_clerk_ids))
      and r.deleted_at is null
  )), p_now)) as a
  where a.value ->> 'outcome' = 'queued';
$$;

-- For those of the jobs that are still PROCESSING: the user as it is now, which the worker writes to Supabase Auth.
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
    cross join lateral (select * from clerk_sync.known_users as k where k.clerk_id = j.clerk_id offset 0) as s
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
-- p_outcomes: [{job_id, error, retry_after, auth_holder_id, auth_locked_at}], retry_after in seconds.
create or replace function clerk_sync.wait_for_tokens(p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.user_state as s (clerk_id, auth_holder_id, auth_locked_at)
  select j.clerk_id, o.auth_holder_id, o.auth_locked_at
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, auth_holder_id uuid, auth_locked_at timestamptz)
  cross join lateral (select k.clerk_id from public.job_queue as k where k.id = o.job_id offset 0) as j
  on conflict (clerk_id) do update
    set auth_holder_id = excluded.auth_holder_id,
        auth_locked_at = excluded.auth_locked_at;

  perform clerk_sync.move_jobs(
    array[o.job_id], 'PENDING', p_now,
    p_error => o.error,
    p_run_at => p_now + make_interval(secs => o.retry_after)
  )
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, error text, retry_after double precision);
end
$$;

-- Completes jobs whose users are mirrored, and remembers the id of the Auth user: one commit.
-- p_outcomes: [{job_id, auth_user_id, mirror}]
create or replace function clerk_sync.complete_mirrored(p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ids   uuid[];
  v_notes jsonb; -- by job
begin
  insert into clerk_sync.user_state as s (clerk_id, auth_user_id, auth_finding, mirrored_version, mirrored_at)
  select r.id, o.auth_user_id, o.mirror ->> 'finding', r.version, p_now
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, auth_user_id uuid, mirror jsonb)
  -- offset 0: a lookup each, whatever the statistics say
  cross join lateral (select k.clerk_id from public.job_queue as k where k.id = o.job_id offset 0) as j
  cross join lateral (select k.id, k.version from clerk_sync.records as k where k.id = j.clerk_id offset 0) as r
  on conflict (clerk_id) do update
    set auth_user_id = excluded.auth_user_id,
        auth_finding = excluded.auth_finding,
        auth_holder_id = null,
        auth_locked_at = null,
        mirrored_version = excluded.mirrored_version,
        mirrored_at = excluded.mirrored_at;

  select array_agg(o.job_id), jsonb_object_agg(o.job_id, jsonb_build_object('mirror', o.mirror))
  into v_ids, v_notes
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, mirror jsonb);
  perform clerk_sync.move_jobs(v_ids, 'COMPLETED', p_now, p_notes => v_notes);
  perform clerk_sync.erase_deleted(v_ids, p_now);
end
$$;
