-- What the worker writes to Supabase Auth about users, and what becomes of a job when it has written.

-- Queues the mirror of users as they are now. No row changes by these jobs: they count as applied.
-- p_reason becomes the source of the jobs. p_run: the run that repairs mirrors; it queues each user once, and leaves
-- deleted users to their own jobs. Returns how many jobs are new.
create or replace function clerk_sync.queue_mirror(
  p_clerk_ids text[],
  p_reason    text,
  p_now       timestamptz,
  p_run       uuid default null
)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_clerk_ids) = 0 then
    return 0;
  end if;
  return (
    select count(*)
    from jsonb_array_elements(clerk_sync.insert_jobs(clerk_sync.new_events((
      select coalesce(jsonb_agg(jsonb_build_object(
        'event_id', case
          when p_run is null then format('%s_%s', p_reason, gen_random_uuid())
          else format('reconcile_%s_%s_auth', p_run, r.id)
        end,
        'job_type', case when r.deleted_at is null then 'USER_UPDATED' else 'USER_DELETED' end,
        'clerk_id', r.id,
        'version', r.version,
        'source', p_reason,
        'applied_at', p_now,
        'payload', jsonb_build_object('clerk_id', r.id, 'retry_count', 0)
      )), '[]')
      from clerk_sync.records as r
      where r.id = any (p_clerk_ids)
        and case
          when r.deleted_at is not null then p_run is null
          -- offset 0: a lookup each, whatever the statistics say
          else exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = r.id offset 0)
        end
    )), p_now)) as a
    where a.value ->> 'outcome' = 'queued'
  );
end
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
      'relinked', s.relinked_to is not null,
      'email', coalesce(u.email, s.email),
      'email_verified', s.email_verified,
      'phone', s.phone,
      'name', coalesce(u.name, s.name),
      'role', coalesce(u.role, s.role),
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
    left join lateral (select k.email, k.name, k.role from clerk_sync.user_rows as k where k.clerk_id = j.clerk_id offset 0) as u on true
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
