-- How users at Clerk and ours are compared.

-- A role is taken only when it is a label of "UserRole"; everybody else is a plain user (law 10).
create or replace function clerk_sync.allowed_role(p_role text)
returns public."UserRole"
language sql
stable
security invoker
set search_path = ''
as $$
  select case
    when p_role = any (enum_range(null::public."UserRole")::text[]) then p_role
    else 'user'
  end::public."UserRole";
$$;

revoke execute on function clerk_sync.allowed_role from public, anon, authenticated;
grant execute on function clerk_sync.allowed_role to service_role;

-- Whether a user has no address here because another row has it, by a better claim: that is how it should be. Clerk lets
-- several users have one address that is not verified.
create or replace function clerk_sync.is_withheld(p_email text, p_user public.users, p_state clerk_sync.user_state)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select p_user.email is null
    and p_state.withheld_email = p_email
    and exists (select 1 from public.users as u where u.email = p_email and u.clerk_id <> p_user.clerk_id);
$$;

revoke execute on function clerk_sync.is_withheld from public, anon, authenticated;
grant execute on function clerk_sync.is_withheld to service_role;

-- What Clerk has of a user against what we have: {field: {clerk, here}} for each field that differs. Only a role
-- that may be stored counts, and only what Clerk said.
create or replace function clerk_sync.differing_fields(
  p_payload jsonb,
  p_user    public.users,
  p_state   clerk_sync.user_state
)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(jsonb_object_agg(f.name, jsonb_build_object('clerk', f.clerk, 'here', f.here)), '{}')
  from (
    values
      ('email', 'email', p_payload ->> 'email', case
        when clerk_sync.is_withheld(p_payload ->> 'email', p_user, p_state) then p_payload ->> 'email'
        else p_user.email
      end),
      ('name', 'name', p_payload ->> 'name', p_user.name),
      ('role', 'user_role', clerk_sync.allowed_role(p_payload ->> 'user_role')::text, p_user.role::text),
      ('phone', 'phone', p_payload ->> 'phone', p_state.phone),
      ('external_id', 'external_id', p_payload ->> 'external_id', p_state.external_id),
      ('email_verified', 'email_verified', p_payload ->> 'email_verified', p_state.email_verified::text),
      ('banned', 'banned', p_payload ->> 'banned', p_state.banned::text),
      ('locked', 'locked', p_payload ->> 'locked', p_state.locked::text),
      ('deprovisioned', 'deprovisioned', p_payload ->> 'deprovisioned', p_state.deprovisioned::text)
  ) as f(name, key, clerk, here)
  where p_payload ? f.key
    and f.clerk is distinct from f.here;
$$;

revoke execute on function clerk_sync.differing_fields from public, anon, authenticated;
grant execute on function clerk_sync.differing_fields to service_role;

drop function if exists public.clerk_sync_compare_users(jsonb, boolean, boolean); -- before it was told the time

-- Those of p_users ([{clerk_id, version, payload}] as read from Clerk's API) that are not as they are there:
-- [{clerk_id, kind, fields}] and, with p_with_values, fields as {field: {clerk, here}} instead of their names.
--   pending     work of this user is in the queue
--   missing     no row, or a deleted one
--   stale       what was applied is older, or we never applied anything
--   ahead       what was applied is newer than what Clerk has, and not because it came just now: it is not of Clerk
--   differs     the same version with other values
--   edited      only the name, which users may edit themselves
--   unmirrored  Supabase Auth has not got it, and p_mirrors
create or replace function public.clerk_sync_compare_users(
  p_users       jsonb,
  p_mirrors     boolean default false,
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
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', d.clerk_id,
      'kind', d.kind,
      'fields', case when p_with_values then d.fields else to_jsonb(array(select jsonb_object_keys(d.fields))) end
    )), '[]')
    from (
      select
        i.clerk_id, c.fields,
        case
          when exists (
            select 1 from public.job_queue as j
            where j.clerk_id = i.clerk_id
              and (j.version >= i.version or j.job_type = 'USER_DELETED' or j.source = 'refresh')
              and (
                j.status in ('PENDING', 'PROCESSING', 'FAILED')
                or (j.status = 'DEAD' and j.source in ('backfill', 'reconcile')) -- waits for a person; not one a night
              )
          ) then 'pending'
          when u.clerk_id is null or u.deleted_at is not null then 'missing'
          when s.clerk_id is null or s.version < i.version then 'stale'
          -- Ten minutes: what Clerk has was read within the last of them, and wins then (read_settles).
          when s.version > i.version
            and (s.version > clerk_sync.latest_version(p_now) or s.last_synced_at < p_now - interval '10 minutes')
          then 'ahead'
          when s.version > i.version then null -- changed since it was read
          when c.fields - 'name' <> '{}' then 'differs'
          when c.fields <> '{}' then 'edited'
          when p_mirrors and s.mirrored_version is distinct from s.version then 'unmirrored'
        end as kind
      from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
      left join lateral (select * from public.users as r where r.clerk_id = i.clerk_id) as u on true
      left join lateral (select * from clerk_sync.user_state as r where r.clerk_id = i.clerk_id) as s on true
      cross join lateral (
        select case
          when u.clerk_id is null then '{}'
          else clerk_sync.differing_fields(i.payload, u::public.users, s::clerk_sync.user_state)
        end
      ) as c(fields)
    ) as d
    where d.kind is not null
  );
end
$$;

revoke execute on function public.clerk_sync_compare_users from public, anon, authenticated;
grant execute on function public.clerk_sync_compare_users to service_role;

-- What became of the jobs of backfill and reconcile since a run began: {users, due, retrying, dead, held}. due is work
-- under way, retrying has failed and waits, held waits for the delete brake; users is how many we have now, which is
-- counted only when nothing is due.
create or replace function public.clerk_sync_run_jobs_state(p_id uuid, p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_since timestamptz := (select r.started_at from clerk_sync.sync_runs as r where r.id = p_id);
  v_state jsonb;
begin
  select jsonb_build_object(
    'due', count(*) filter (
      where j.status = 'PROCESSING' or (j.status <> 'DEAD' and j.waits_for is null and j.run_at <= p_now)
    ),
    'retrying', count(*) filter (where j.waits_for is not null or j.status = 'FAILED' and j.run_at > p_now),
    'held', count(*) filter (where j.waits_for is null and j.status = 'PENDING' and j.run_at > p_now),
    'dead', count(*) filter (where j.status = 'DEAD')
  )
  into v_state
  from ( -- each by its own partial index
    select w.status, w.run_at, w.waits_for
    from public.job_queue as w
    where w.status in ('PENDING', 'FAILED') and w.waits_for is null and w.priority = 0
    union all
    select c.status, c.run_at, c.waits_for from public.job_queue as c where c.waits_for is not null and c.priority = 0
    union all
    select p.status, p.run_at, p.waits_for from public.job_queue as p where p.status = 'PROCESSING' and p.priority = 0
    union all
    select d.status, d.run_at, d.waits_for
    from public.job_queue as d
    where d.status = 'DEAD'
      and d.updated_at >= v_since
      and d.priority = 0
  ) as j;
  return v_state || jsonb_build_object('users', case
    when (v_state ->> 'due')::integer = 0 then (
      select count(*) from public.users as u where u.clerk_id is not null and u.deleted_at is null
    )
  end);
end
$$;

revoke execute on function public.clerk_sync_run_jobs_state from public, anon, authenticated;
grant execute on function public.clerk_sync_run_jobs_state to service_role;
