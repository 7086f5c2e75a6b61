-- From jobs to rows: what a batch of jobs changes in public.users and clerk_sync.user_state.
-- All functions here run under the locks taken by clerk_sync.claim_jobs, in the transaction of
-- clerk_sync_run_jobs, and work on whole batches.

-- The one change a batch makes to one user: its newest snapshot, or its deletion.
do $$
begin
  if to_regtype('clerk_sync.user_change') is null then
    create type clerk_sync.user_change as (
      clerk_id        text,
      job_id          uuid,
      deletes         boolean,
      version         bigint,
      email           text,
      email_verified  boolean,
      phone           text,
      name            text,
      user_role       text,
      external_id     text,
      banned          boolean,
      locked          boolean,
      deprovisioned   boolean,
      created_at      timestamptz,
      refresh_reason  text,
      mirror_only     boolean,
      fresh           boolean,
      is_new          boolean,
      withheld_email  text,
      trusted_version bigint,
      absent          text[],
      absent_version  bigint,
      ignored_role    text
    );
  end if;
end
$$;

-- What a change is made of: a job, in the queue already or on its way there. is_live: Clerk's own event brings it.
do $$
begin
  if to_regtype('clerk_sync.change_source') is null then
    create type clerk_sync.change_source as (
      id         uuid,
      job_type   text,
      clerk_id   text,
      version    bigint,
      payload    jsonb,
      result     jsonb,
      created_at timestamptz,
      is_live    boolean
    );
  end if;
end
$$;

-- A version is a time of Clerk's clock, in ms. One that lies more than five minutes ahead of the database's clock is not
-- believed: a leaked secret or a wrong clock is behind it, and no true event would ever be newer. Answers the latest that
-- is believed at this time. (Svix allows five minutes between two clocks, too.)
create or replace function clerk_sync.latest_version(p_at timestamptz)
returns bigint
language sql
immutable
security invoker
set search_path = ''
as $$
  select (extract(epoch from p_at) * 1000)::bigint + 300000;
$$;

revoke execute on function clerk_sync.latest_version from public, anon, authenticated;
grant execute on function clerk_sync.latest_version to service_role;

-- Whether a read from Clerk's API settles the state of a user although it brings a lower version: what is known lies in
-- the future, comes from an event of the future while the read is as new as what was known before it, or was there for
-- more than five minutes when the read began.
-- Clerk's API may lag behind its webhooks, but not that long: the newer version does not come from Clerk.
create or replace function clerk_sync.read_settles(
  p_read_version    bigint,
  p_read_at         timestamptz,
  p_version         bigint,
  p_trusted_version bigint,
  p_synced_at       timestamptz,
  p_now             timestamptz
)
returns boolean
language sql
immutable
security invoker
set search_path = ''
as $$
  select coalesce(
    p_version > clerk_sync.latest_version(p_now)
      or (p_read_version >= p_trusted_version and p_read_at >= p_synced_at)
      or p_read_at > p_synced_at + interval '5 minutes',
    false
  );
$$;

revoke execute on function clerk_sync.read_settles from public, anon, authenticated;
grant execute on function clerk_sync.read_settles to service_role;

-- What a payload should say of its user (Clerk's description requires it) and does not: the event, or the answer, was
-- trimmed on its way. Null when it says all. Named as absentFields of map-user.ts does; with an email comes whether it is
-- verified, with a role whether one was ignored.
create or replace function clerk_sync.absent_fields(p_payload jsonb)
returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select case
    when p_payload ?& '{email,phone,name,user_role,external_id,banned,locked,created_at}' then null
    else array(
      select f.name
      from unnest('{email,phone,name,user_role,external_id,banned,locked,created_at}'::text[]) as f(name)
      where not p_payload ? f.name
    )
  end;
$$;

revoke execute on function clerk_sync.absent_fields from public, anon, authenticated;
grant execute on function clerk_sync.absent_fields to service_role;

-- Of what kind the role at Clerk is when it is no role here; null when it is one. p_kind: of what is no text.
create or replace function clerk_sync.ignored_role(p_role text, p_kind text)
returns text
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(p_kind, case when p_role <> all (enum_range(null::public."UserRole")::text[]) then 'text' end);
$$;

revoke execute on function clerk_sync.ignored_role from public, anon, authenticated;
grant execute on function clerk_sync.ignored_role to service_role;

-- The version that a field is of: not that of the newest event when that one did not carry it.
create or replace function clerk_sync.version_of(p_field text, p_version bigint, p_absent text[], p_absent_version bigint)
returns bigint
language sql
immutable
security invoker
set search_path = ''
as $$
  select case when p_field = any (p_absent) then p_absent_version else p_version end;
$$;

revoke execute on function clerk_sync.version_of from public, anon, authenticated;
grant execute on function clerk_sync.version_of to service_role;

-- A job that was applied before and comes again (its mirror failed) is mirror_only: a row may have changed
-- since at the same version, or been edited by its user, and must not be set back.
-- Law 3, newest wins and deletions are final: per user the deletion if there is one, else the newest
-- snapshot, and only where it is not older than what was applied and the user has no tombstone. A fresh
-- snapshot was read from Clerk's API; when that read began after the tombstone was set, it revives the user.
-- The version of an event from the future becomes the time when it arrived, what it brings is doubted, and its user is
-- read again from Clerk's API. It comes after the other events of its batch. Without that read, an event that is as new as
-- what was known before (trusted_version) replaces it. Any event replaces a stored version that lies in the future.
-- Law 11, absent is not null: what the newest one does not carry comes from the next older one, else from what is here.
create or replace function clerk_sync.newest_changes(p_sources clerk_sync.change_source[], p_now timestamptz)
returns clerk_sync.user_change[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_latest  bigint := clerk_sync.latest_version(p_now);
  v_changes clerk_sync.user_change[];
begin
  v_changes := (
    select coalesce(array_agg(row(
      n.clerk_id, n.id, n.deletes, n.believed,
      p.email, coalesce(p.email_verified, false), p.phone, p.name, p.user_role, p.external_id,
      coalesce(p.banned, false), coalesce(p.locked, false), coalesce(p.deprovisioned, false),
      p.created_at, case when n.is_doubted or n.replaces_doubted then 'version_in_future' end,
      n.was_applied and not n.deletes, n.is_fresh, n.is_new, null, case when n.is_doubted and not n.deletes then n.trusted_version end,
      case -- empty: all is there, but it may be older than what is here; see clerk_sync.complete_change
        when n.deletes or n.was_applied then null
        else coalesce(clerk_sync.absent_fields(n.payload), case when n.is_late then '{}'::text[] end)
      end,
      case when n.replaces then 0 end, clerk_sync.ignored_role(p.user_role, p.ignored_role)
    )::clerk_sync.user_change), '{}')
    from (
      select distinct on (j.clerk_id)
        j.clerk_id, j.id, v.believed, j.payload, r.is_fresh,
        not r.is_fresh and v.believed <> j.version as is_doubted,
        case when s.version > v_latest then 0 else coalesce(s.trusted_version, s.version, 0) end as trusted_version,
        not r.is_fresh and coalesce(s.trusted_version is not null or s.version > v_latest, false) as replaces_doubted,
        j.job_type = 'USER_DELETED' as deletes,
        coalesce(j.result @> '{"applied": true}', false) as was_applied,
        coalesce(j.is_live, false) and s.clerk_id is null as is_new,
        s.deleted_at is null and s.absent_version is not null as is_late,
        v.believed < s.version and coalesce(
          case
            when r.is_fresh
              then clerk_sync.read_settles(v.believed, r.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
            else v.believed >= s.trusted_version or s.version > v_latest
          end,
          false
        ) as replaces
      from unnest(p_sources) as j
      cross join lateral (
        select
          coalesce(j.result ? 'read_at', false) as is_fresh,
          (j.result ->> 'read_at')::timestamptz as read_at,
          case when j.result ? 'read_at' then p_now else coalesce(j.created_at, p_now) end as arrived_at
      ) as r
      cross join lateral (
        select case
          when j.version <= v_latest + (extract(epoch from r.arrived_at - p_now) * 1000)::bigint then j.version
          else (extract(epoch from r.arrived_at) * 1000)::bigint
        end as believed
      ) as v
      left join lateral ( -- a lookup each, whatever the statistics say
        select k.clerk_id, k.version, k.deleted_at, k.trusted_version, k.last_synced_at, k.absent_version
        from clerk_sync.user_state as k
        where k.clerk_id = j.clerk_id
        offset 0
      ) as s on true
      where case
          -- One that was applied before comes for the mirror alone; a read may have revived its user since.
          when j.job_type = 'USER_DELETED' then s.deleted_at is not null or not coalesce(j.result @> '{"applied": true}', false)
          when j.payload ? 'erased' then false
          when s.deleted_at > p_now + interval '5 minutes' then r.is_fresh
          when s.deleted_at is not null then r.read_at > s.deleted_at
          when v.believed >= coalesce(s.absent_version, s.version, 0) then true
          when r.is_fresh
            then clerk_sync.read_settles(v.believed, r.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
          else v.believed >= s.trusted_version or s.version > v_latest
        end
      order by j.clerk_id, deletes desc, is_doubted, was_applied, v.believed desc, j.version desc, j.created_at desc, j.id
    ) as n
    cross join lateral jsonb_to_record(n.payload) as p(
      email text, email_verified boolean, phone text, name text, user_role text, external_id text,
      banned boolean, locked boolean, deprovisioned boolean, created_at timestamptz, ignored_role text
    )
  );
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].absent is not null then
      v_changes[v_place] := clerk_sync.complete_change(v_changes[v_place], p_sources, p_now);
    end if;
  end loop;
  return v_changes;
end
$$;

revoke execute on function clerk_sync.newest_changes from public, anon, authenticated;
grant execute on function clerk_sync.newest_changes to service_role;

-- The only function that sets columns of public.users from Clerk: to write other columns, too, restate
-- this one and delete_users. A row that would not change is not written, so updated_at stays true.
create or replace function clerk_sync.write_users(p_changes clerk_sync.user_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
declare
  v_labels text[] := enum_range(null::public."UserRole")::text[];
begin
  insert into public.users as u
    (clerk_id, email, name, role, "createdAt", "updatedAt", created_at, updated_at)
  select
    c.clerk_id, c.email, c.name,
    case when c.user_role = any (v_labels) then c.user_role else 'user' end::public."UserRole", -- as allowed_role, law 10
    coalesce(c.created_at, p_now) at time zone 'utc', p_now at time zone 'utc',
    coalesce(c.created_at, p_now), p_now
  from unnest(p_changes) as c
  where not c.deletes
    and not c.mirror_only
  order by c.clerk_id
  on conflict (clerk_id) do update
    set email = excluded.email,
        name = excluded.name,
        role = excluded.role,
        "updatedAt" = excluded."updatedAt",
        updated_at = excluded.updated_at,
        deleted_at = null
    where (u.email, u.name, u.role, u.deleted_at)
      is distinct from (excluded.email, excluded.name, excluded.role, null);
end
$$;

revoke execute on function clerk_sync.write_users from public, anon, authenticated;
grant execute on function clerk_sync.write_users to service_role;

-- Hard: the rows go. Soft: they stay with deleted_at, the data untouched.
create or replace function clerk_sync.delete_users(
  p_changes     clerk_sync.user_change[],
  p_delete_mode text,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
declare
  v_clerk_ids text[] := array(select c.clerk_id from unnest(p_changes) as c where c.deletes);
begin
  if cardinality(v_clerk_ids) = 0 then
    return;
  end if;
  if p_delete_mode = 'soft' then
    update public.users as u
    set deleted_at = p_now,
        "updatedAt" = p_now at time zone 'utc',
        updated_at = p_now
    where u.clerk_id = any (v_clerk_ids)
      and u.deleted_at is null;
    return;
  end if;
  delete from public.users as u
  where u.clerk_id = any (v_clerk_ids);
end
$$;

revoke execute on function clerk_sync.delete_users from public, anon, authenticated;
grant execute on function clerk_sync.delete_users to service_role;

-- Remembers what was applied. A tombstone keeps the mirror's Auth id until the mirror is gone too, the
-- external_id by which the deletion may come again, and nothing else of the person. Who did not get the
-- address claimed is to be read from Clerk's API: at once, and when that read says the same, five times more.
-- Before the rows are written: a user who has none is seen for the first time.
create or replace function clerk_sync.write_user_state(p_changes clerk_sync.user_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into clerk_sync.user_state as s
    (clerk_id, version, deleted_at, external_id, phone, email_verified, banned, locked, deprovisioned,
     refresh_reason, refresh_attempts, refresh_due_at, last_synced_at, first_seen_at,
     withheld_email, trusted_version, absent, absent_version, ignored_role)
  select
    c.clerk_id, c.version, case when c.deletes then p_now end,
    case when not c.deletes then c.external_id end, case when not c.deletes then c.phone end,
    not c.deletes and c.email_verified, not c.deletes and c.banned, not c.deletes and c.locked,
    not c.deletes and c.deprovisioned,
    c.refresh_reason, (c.fresh and c.refresh_reason is not null)::integer, case when c.refresh_reason is not null then p_now end,
    p_now,
    case when c.is_new and (select true from public.users as u where u.clerk_id = c.clerk_id) is null then p_now end,
    c.withheld_email, c.trusted_version, c.absent, case when c.absent is not null then c.absent_version end,
    case when not c.deletes then c.ignored_role end
  from unnest(p_changes) as c
  where not c.mirror_only
  on conflict (clerk_id) do update
    set version = case
          when excluded.deleted_at is null then excluded.version -- newest_changes let no older one through that is not settled
          else greatest(s.version, excluded.version)
        end,
        deleted_at = case when excluded.deleted_at is not null then coalesce(s.deleted_at, excluded.deleted_at) end,
        external_id = case when excluded.deleted_at is not null then s.external_id else excluded.external_id end,
        phone = excluded.phone,
        email_verified = excluded.email_verified,
        banned = excluded.banned,
        locked = excluded.locked,
        deprovisioned = excluded.deprovisioned,
        refresh_reason = excluded.refresh_reason,
        refresh_attempts = case when excluded.refresh_attempts > 0 then s.refresh_attempts + 1 else 0 end,
        refresh_due_at = case
          when excluded.refresh_attempts = 0 then excluded.refresh_due_at
          when s.refresh_attempts < 5 then p_now + 4 ^ s.refresh_attempts * interval '1 minute'
        end,
        last_synced_at = excluded.last_synced_at,
        withheld_email = excluded.withheld_email,
        trusted_version = excluded.trusted_version,
        absent = excluded.absent,
        absent_version = excluded.absent_version,
        ignored_role = excluded.ignored_role;
end
$$;

revoke execute on function clerk_sync.write_user_state from public, anon, authenticated;
grant execute on function clerk_sync.write_user_state to service_role;

-- The changes, without the email of these users, who are to be read again for it.
create or replace function clerk_sync.without_emails(p_changes clerk_sync.user_change[], p_clerk_ids text[])
returns clerk_sync.user_change[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_changes clerk_sync.user_change[] := p_changes;
begin
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].email is not null and v_changes[v_place].clerk_id = any (p_clerk_ids) then
      v_changes[v_place].withheld_email := v_changes[v_place].email;
      v_changes[v_place].email := null;
      v_changes[v_place].refresh_reason := 'email_held';
    end if;
  end loop;
  return v_changes;
end
$$;

revoke execute on function clerk_sync.without_emails from public, anon, authenticated;
grant execute on function clerk_sync.without_emails to service_role;
