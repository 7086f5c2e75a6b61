-- Read-only views of jobs and users as jsonb, for the answers of the other functions and for tools.

-- [{job_id, job_type, status, attempts, error}]
create or replace function clerk_sync.describe_jobs(p_ids uuid[])
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(to_jsonb(array_agg(r)), '[]')
    from (
      select j.id as job_id, j.job_type, j.status, j.attempts, j.error
      from public.job_queue as j
      where j.id = any (p_ids)
    ) as r
  );
end
$$;

revoke execute on function clerk_sync.describe_jobs from public, anon, authenticated;
grant execute on function clerk_sync.describe_jobs to service_role;

-- Whom the jobs leased for a read are to read from Clerk's API: [{job_id, clerk_id}].
create or replace function clerk_sync.describe_reads(p_ids uuid[])
returns jsonb
language plpgsql
stable
security invoker
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

revoke execute on function clerk_sync.describe_reads from public, anon, authenticated;
grant execute on function clerk_sync.describe_reads to service_role;

-- What those of the jobs that are still PROCESSING owe to Supabase Auth: the user as it is now.
create or replace function clerk_sync.describe_mirror(p_ids uuid[])
returns jsonb
language plpgsql
stable
security invoker
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

revoke execute on function clerk_sync.describe_mirror from public, anon, authenticated;
grant execute on function clerk_sync.describe_mirror to service_role;

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

revoke execute on function public.clerk_sync_is_super_admin from public, anon, authenticated;
grant execute on function public.clerk_sync_is_super_admin to service_role;

-- The users of p_clerk_ids that were ever seen: [{clerk_id, row, deleted, version,
-- auth_user_id, refresh_reason, open_jobs}].
create or replace function public.clerk_sync_user_rows(p_clerk_ids text[])
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', i.clerk_id,
      'row', to_jsonb(u),
      'deleted', s.deleted_at is not null,
      'version', s.version,
      'auth_user_id', s.auth_user_id,
      'refresh_reason', s.refresh_reason,
      'open_jobs', (
        select count(*)
        from public.job_queue as j
        where j.clerk_id = i.clerk_id
          and j.status in ('PENDING', 'PROCESSING', 'FAILED')
      )
    )), '[]')
    from unnest(p_clerk_ids) as i(clerk_id)
    left join public.users as u on u.clerk_id = i.clerk_id
    left join clerk_sync.user_state as s on s.clerk_id = i.clerk_id
    where u.clerk_id is not null
       or s.clerk_id is not null
  );
end
$$;

revoke execute on function public.clerk_sync_user_rows from public, anon, authenticated;
grant execute on function public.clerk_sync_user_rows to service_role;

-- One job without its payload: {id, job_type, status, attempts, error, source, clerk_id, event_id, created_at, run_at,
-- processed_at, history, result}; null when there is none.
create or replace function public.clerk_sync_job(p_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'id', j.id,
      'job_type', j.job_type,
      'status', j.status,
      'attempts', j.attempts,
      'error', j.error,
      'source', j.source,
      'clerk_id', j.clerk_id,
      'event_id', j.event_id,
      'created_at', j.created_at,
      'run_at', j.run_at,
      'processed_at', j.processed_at,
      'history', j.history,
      'result', j.result
    )
    from public.job_queue as j
    where j.id = p_id
  );
end
$$;

revoke execute on function public.clerk_sync_job from public, anon, authenticated;
grant execute on function public.clerk_sync_job to service_role;

-- The Clerk instances whose events the newest finished jobs, at most p_limit, came from: [{instance_id, jobs,
-- newest_at}], newest first; canaries come from none. More than one: development and production write into one database.
create or replace function public.clerk_sync_instances(p_limit integer default 1000)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(g) order by g.newest_at desc), '[]')
    from (
      select n.instance_id, count(*) as jobs, max(n.processed_at) as newest_at
      from (
        select j.clerk_id, j.payload #>> '{original_event,instance_id}' as instance_id, j.processed_at
        from public.job_queue as j
        where j.status in ('COMPLETED', 'CANCELLED')
        order by j.processed_at desc
        limit p_limit
      ) as n
      where n.instance_id is not null
        and not coalesce(clerk_sync.is_canary(n.clerk_id), false)
      group by n.instance_id
    ) as g
  );
end
$$;

revoke execute on function public.clerk_sync_instances from public, anon, authenticated;
grant execute on function public.clerk_sync_instances to service_role;
