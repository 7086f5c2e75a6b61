-- How the users of Supabase Auth and ours are compared: somebody may have deleted or changed one of them there by hand.
-- Only what was mirrored is compared; what is owed to the mirror is the queue's business. Marks of a compare under way:
-- clerk_sync.run_marks holds the ids of Auth users beside the Clerk ids, which never look alike.

-- What we have of a user against its mirror: {field: {here, auth}} for each field that differs. An address that the user
-- has no more, that Clerk has not verified or that another Auth user holds is replaced by a placeholder there, see
-- mirror-contact.ts. Every mirror is locked by a ban in Auth; Clerk's own ban is in its metadata.
create or replace function clerk_sync.differing_auth_fields(
  p_auth  jsonb,
  p_user  public.users,
  p_state clerk_sync.user_state,
  p_now   timestamptz
)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(f.name, jsonb_build_object('here', f.here, 'auth', f.auth)), '{}')
  from (
    values
      ('clerk_id', p_state.clerk_id, p_auth ->> 'clerk_id'),
      (
        'email',
        case when p_state.email_verified and p_state.auth_finding is null then coalesce(lower(p_user.email), '') else '' end,
        case when p_auth ->> 'email' like p_state.auth_user_id || '%@removed.invalid' then '' else p_auth ->> 'email' end
      ),
      ('role', p_user.role::text, p_auth ->> 'role'),
      (
        'banned',
        (p_state.banned or p_state.deprovisioned)::text,
        coalesce(p_auth ->> 'banned', 'false')
      ),
      ('locked', 'true', coalesce((p_auth ->> 'banned_until')::timestamptz > p_now, false)::text),
      ('deleted', 'false', p_auth ->> 'deleted')
  ) as f(name, here, auth)
  where f.here is distinct from f.auth;
$$;

revoke execute on function clerk_sync.differing_auth_fields from public, anon, authenticated;
grant execute on function clerk_sync.differing_auth_fields to service_role;

-- Whether nobody of ours, here or at Clerk, is meant by this Clerk id, and the Auth user is no living user's mirror.
create or replace function clerk_sync.is_extra_in_auth(p_clerk_id text, p_auth_user_id uuid)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select not exists (
      select 1 from clerk_sync.user_state as s where s.clerk_id = p_clerk_id and s.deleted_at is null
    )
    and not exists (select 1 from public.users as u where u.clerk_id = p_clerk_id and u.deleted_at is null)
    and not exists (select 1 from clerk_sync.run_marks as m where m.clerk_id = p_clerk_id)
    and not exists (
      select 1 from clerk_sync.user_state as o where o.auth_user_id = p_auth_user_id and o.deleted_at is null
    );
$$;

revoke execute on function clerk_sync.is_extra_in_auth from public, anon, authenticated;
grant execute on function clerk_sync.is_extra_in_auth to service_role;

-- Compares Auth users, read after p_read_at, with the users of ours that owner names. p_users: [{id, owner, clerk_id,
-- email, role, banned, banned_until, deleted}], or {id, owner, missing: true} for one that Auth says it has not. Answers
-- {mirrors: [ids of those that are their owner's mirror], found: [{id, clerk_id, kind, fields, remembered, tombstone}]};
-- fields are names, or with p_with_values {field: {here, auth}}.
--   auth_missing  Auth has not got it
--   auth_differs  it was changed there
--   auth_deleted  it was soft-deleted there, which cannot be undone
--   auth_extra    its Clerk id is that of somebody who is deleted or unknown here; remembered: we wrote down this id for
--                 that user, tombstone: we know of the deletion
-- Who has work in the queue, or was mirrored since, is left out.
create or replace function public.clerk_sync_compare_auth_users(
  p_users       jsonb,
  p_read_at     timestamptz,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
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
    with compared as (
      select
        i.id, i.owner, c.is_mirror, f.fields, c.is_remembered, s.deleted_at is not null as tombstone,
        case
          when clerk_sync.is_canary(i.owner) or exists (
            select 1 from public.job_queue as j
            where j.clerk_id = i.owner
              and (j.status in ('PENDING', 'PROCESSING', 'FAILED') or (j.status = 'DEAD' and j.source = 'reconcile'))
          ) then null
          when c.is_mirror and (s.mirrored_version is distinct from s.version or s.mirrored_at >= p_read_at) then null
          when c.is_mirror and i.missing then 'auth_missing'
          when c.is_mirror and f.fields = '{}' then null
          when c.is_mirror and i.deleted then 'auth_deleted'
          when c.is_mirror then 'auth_differs'
          when not coalesce(i.missing, false) and i.clerk_id = i.owner
            and clerk_sync.is_extra_in_auth(i.owner, i.id) then 'auth_extra'
        end as kind
      from jsonb_array_elements(p_users) as e
      cross join lateral jsonb_to_record(e.value)
        as i(id uuid, owner text, clerk_id text, missing boolean, deleted boolean)
      left join lateral (select * from public.users as r where r.clerk_id = i.owner) as u on true
      left join lateral (select * from clerk_sync.user_state as r where r.clerk_id = i.owner) as s on true
      cross join lateral (
        select
          coalesce(s.auth_user_id = i.id, false) as is_remembered,
          coalesce(s.auth_user_id = i.id and s.deleted_at is null, false) and u.clerk_id is not null as is_mirror
      ) as c
      cross join lateral (
        select clerk_sync.differing_auth_fields(e.value, u::public.users, s::clerk_sync.user_state, p_now) as fields
      ) as f
    )
    select jsonb_build_object(
      'mirrors', coalesce(jsonb_agg(c.id) filter (where c.is_mirror), '[]'),
      'found', coalesce(jsonb_agg(jsonb_build_object(
        'id', c.id, 'clerk_id', c.owner, 'kind', c.kind, 'remembered', c.is_remembered, 'tombstone', c.tombstone,
        'fields', case
          when c.kind not in ('auth_differs', 'auth_deleted') then '[]'
          when p_with_values then c.fields
          else to_jsonb(array(select jsonb_object_keys(c.fields)))
        end
      )) filter (where c.kind is not null), '[]')
    )
    from compared as c
  );
end
$$;

revoke execute on function public.clerk_sync_compare_auth_users from public, anon, authenticated;
grant execute on function public.clerk_sync_compare_auth_users to service_role;

-- How many users have a placeholder in Supabase Auth, where another user holds their address or number.
create or replace function public.clerk_sync_held_addresses()
returns integer
language sql
stable
security invoker
set search_path = ''
as $$
  select count(*)::integer
  from clerk_sync.user_state as s
  where s.auth_finding is not null
    and s.deleted_at is null;
$$;

revoke execute on function public.clerk_sync_held_addresses from public, anon, authenticated;
grant execute on function public.clerk_sync_held_addresses to service_role;

-- Users of ours that were mirrored and whose mirror the list of Supabase Auth has not shown to the compare under way,
-- after p_after in the order of their ids, at most p_limit: {users: [{clerk_id, id}], held, next}; next is null at the end.
-- Looks at some thousand users a call. held: [{clerk_id, email}] of those whose address another Auth user held.
create or replace function public.clerk_sync_unlisted_auth_users(p_after text default '', p_limit integer default 100)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_scanned text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.clerk_id > p_after
    order by s.clerk_id
    limit 5000
  );
  v_users jsonb := (
    select coalesce(jsonb_agg(jsonb_build_object('clerk_id', n.clerk_id, 'id', n.auth_user_id) order by n.clerk_id), '[]')
    from (
      select s.clerk_id, s.auth_user_id
      from clerk_sync.user_state as s
      where s.clerk_id = any (v_scanned)
        and s.auth_user_id is not null
        and s.deleted_at is null
        and s.mirrored_version = s.version
        and not exists (select 1 from clerk_sync.run_marks as m where m.clerk_id = s.auth_user_id::text)
      order by s.clerk_id
      limit p_limit
    ) as n
  );
begin
  return jsonb_build_object(
    'users', v_users,
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('clerk_id', s.clerk_id, 'email', u.email) order by s.clerk_id), '[]')
      from clerk_sync.user_state as s
      left join public.users as u on u.clerk_id = s.clerk_id
      where s.clerk_id = any (v_scanned)
        and s.clerk_id <= coalesce(case when jsonb_array_length(v_users) = p_limit then v_users #>> '{-1,clerk_id}' end, s.clerk_id)
        and s.auth_finding = 'auth_address_held'
        and s.deleted_at is null
        and s.mirrored_version = s.version
    ),
    'next', case when jsonb_array_length(v_users) = p_limit then v_users #>> '{-1,clerk_id}' else v_scanned[5000] end
  );
end
$$;

revoke execute on function public.clerk_sync_unlisted_auth_users from public, anon, authenticated;
grant execute on function public.clerk_sync_unlisted_auth_users to service_role;

-- Queues the mirror of these users ([clerk_id]) for the run, once each: jobs that change no row. Answers {queued}, or {}.
create or replace function clerk_sync.queue_auth_repairs(p_run uuid, p_clerk_ids jsonb, p_now timestamptz)
returns jsonb
language plpgsql
volatile
security invoker
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

revoke execute on function clerk_sync.queue_auth_repairs from public, anon, authenticated;
grant execute on function clerk_sync.queue_auth_repairs to service_role;
