-- What the admin API answers of jobs, and of one user and their jobs, in the shapes of admin-jobs-contract.ts and
-- admin-users-contract.ts; values are unmasked, the handler masks.

-- A cursor is the place of the last line of a page, as a text that means nothing to who holds it; null after the last
-- page. p_list is the list that it belongs to.
create or replace function clerk_sync.write_cursor(p_list text, p_place jsonb)
returns text
language sql
stable
security invoker
set search_path = ''
as $$
  select encode(convert_to((p_place || jsonb_build_object('list', p_list))::text, 'UTF8'), 'hex');
$$;

revoke execute on function clerk_sync.write_cursor from public, anon, authenticated;
grant execute on function clerk_sync.write_cursor to service_role;

-- The place a cursor stands for, null for none. Raises SY002 for anything that this list has not written.
create or replace function clerk_sync.read_cursor(p_list text, p_cursor text)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_place jsonb;
begin
  if p_cursor is null then
    return null;
  end if;
  begin
    v_place := convert_from(decode(p_cursor, 'hex'), 'UTF8')::jsonb;
    perform (v_place ->> 'at')::timestamptz, (v_place ->> 'id')::uuid;
  exception
    when data_exception then
      v_place := null;
  end;
  if v_place ->> 'list' is distinct from p_list then
    raise exception 'this is no cursor of the list of %', p_list
      using errcode = 'SY002', hint = 'Pass what the page before answered as next, unchanged, or none for the first page.';
  end if;
  return v_place;
end
$$;

revoke execute on function clerk_sync.read_cursor from public, anon, authenticated;
grant execute on function clerk_sync.read_cursor to service_role;

-- Jobs as a list shows them, newest first.
create or replace function clerk_sync.summarize_jobs(p_ids uuid[])
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', j.id,
      'job_type', j.job_type,
      'status', j.status,
      'source', j.source,
      'clerk_id', j.clerk_id,
      'event_id', j.event_id,
      'attempts', j.attempts,
      'max_attempts', j.max_attempts,
      'error', j.error,
      'created_at', j.created_at,
      'updated_at', j.updated_at,
      'run_at', j.run_at,
      'processed_at', j.processed_at,
      'waits_for', j.waits_for
    ) order by j.created_at desc, j.id desc), '[]')
    from public.job_queue as j
    where j.id = any (p_ids)
  );
end
$$;

revoke execute on function clerk_sync.summarize_jobs from public, anon, authenticated;
grant execute on function clerk_sync.summarize_jobs to service_role;

-- {jobs, next}: the newest jobs that match p_filter (clerk_sync.find_jobs) after p_cursor. A page may be shorter than
-- p_limit, or empty, and have a next one all the same: 5,000 jobs are looked at for it where no index helps.
create or replace function public.clerk_sync_admin_jobs(
  p_filter jsonb default '{}',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_found record;
begin
  select f.ids, f.next
  into v_found
  from clerk_sync.find_jobs(
    p_filter, clerk_sync.filter_statuses(p_filter), clerk_sync.read_cursor('jobs', p_cursor), p_limit, 5000
  ) as f;
  return jsonb_build_object(
    'jobs', clerk_sync.summarize_jobs(v_found.ids),
    'next', clerk_sync.write_cursor('jobs', v_found.next)
  );
end
$$;

revoke execute on function public.clerk_sync_admin_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_jobs to service_role;

-- An object as it is, anything else (a job made by hand) as {value}.
create or replace function clerk_sync.as_object(p_value jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select case when jsonb_typeof(p_value) <> 'object' then jsonb_build_object('value', p_value) else p_value end;
$$;

revoke execute on function clerk_sync.as_object from public, anon, authenticated;
grant execute on function clerk_sync.as_object to service_role;

-- One job with all that is known of it; null when there is none.
create or replace function public.clerk_sync_admin_job(p_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select clerk_sync.summarize_jobs(array[j.id]) -> 0 || jsonb_build_object(
      'version', j.version,
      'priority', j.priority,
      'lease_until', j.lease_until,
      'cancel_requested_at', j.cancel_requested_at,
      'history', j.history,
      'result', clerk_sync.as_object(nullif(j.result, 'null')),
      'payload', clerk_sync.as_object(j.payload)
    )
    from public.job_queue as j
    where j.id = p_id
  );
end
$$;

revoke execute on function public.clerk_sync_admin_job from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_job to service_role;

-- All that is known here of a user: {row, state, values, jobs}. row is the one of users and state that of the sync, null
-- where there is none; values are those the sync keeps for Supabase Auth: {phone, email_verified, banned, locked,
-- deprovisioned, external_id}; jobs are the newest hundred.
create or replace function public.clerk_sync_admin_user(p_clerk_id text)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'row', (select to_jsonb(u) from public.users as u where u.clerk_id = i.clerk_id),
      'state', case when s.clerk_id is not null then jsonb_build_object(
        'version', nullif(s.version, 0),
        'deleted_at', s.deleted_at,
        'synced_at', s.last_synced_at,
        'mirrored_version', s.mirrored_version,
        'auth_user_id', s.auth_user_id,
        'auth_finding', s.auth_finding,
        'refresh_due_at', s.refresh_due_at,
        'refresh_reason', s.refresh_reason,
        'ignored_role', s.ignored_role
      ) end,
      'values', case when s.clerk_id is not null then jsonb_build_object(
        'phone', s.phone,
        'email_verified', s.email_verified,
        'banned', s.banned,
        'locked', s.locked,
        'deprovisioned', s.deprovisioned,
        'external_id', s.external_id
      ) end,
      'jobs', clerk_sync.summarize_jobs(clerk_sync.look_at_jobs(
        clerk_sync.filter_statuses('{}'), null, array[i.clerk_id], '-infinity', null, 100
      ))
    )
    from (values (p_clerk_id)) as i(clerk_id)
    left join clerk_sync.user_state as s on s.clerk_id = i.clerk_id
  );
end
$$;

revoke execute on function public.clerk_sync_admin_user from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_user to service_role;
