-- How jobs become rows: the newest change of each user goes into public.users and clerk_sync.user_state, and its jobs are
-- moved on.

-- All functions here run under the locks taken by clerk_sync.claim_jobs, in the transaction of clerk_sync_run_jobs, and work
-- on whole batches.

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
set search_path = ''
as $$
  select (extract(epoch from p_at) * 1000)::bigint + 300000;
$$;

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
set search_path = ''
as $$
  select coalesce(
    p_version > clerk_sync.latest_version(p_now)
      or (p_read_version >= p_trusted_version and p_read_at >= p_synced_at)
      or p_read_at > p_synced_at + interval '5 minutes',
    false
  );
$$;

-- What a payload should say of its user (Clerk's description requires it) and does not: the event, or the answer, was
-- trimmed on its way. Null when it says all. Named as absentFields of map-user.ts does; with an email comes whether it is
-- verified, with a role whether one was ignored.
create or replace function clerk_sync.absent_fields(p_payload jsonb)
returns text[]
language sql
immutable
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

-- Of what kind the role at Clerk is when it is no role here; null when it is one. p_kind: of what is no text.
create or replace function clerk_sync.ignored_role(p_role text, p_kind text)
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(p_kind, case when p_role <> all (enum_range(null::public."UserRole")::text[]) then 'text' end);
$$;

-- The version that a field is of: not that of the newest event when that one did not carry it.
create or replace function clerk_sync.version_of(p_field text, p_version bigint, p_absent text[], p_absent_version bigint)
returns bigint
language sql
immutable
set search_path = ''
as $$
  select case when p_field = any (p_absent) then p_absent_version else p_version end;
$$;

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

-- The changes, without the email of these users, who are to be read again for it.
create or replace function clerk_sync.without_emails(p_changes clerk_sync.user_change[], p_clerk_ids text[])
returns clerk_sync.user_change[]
language plpgsql
immutable
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

-- Events that do not carry all that they should (law 11, absent is not null).

-- A change with these fields as a source has them; with an email comes whether it is verified, with a role whether one was
-- ignored.
create or replace function clerk_sync.take_fields(
  p_change clerk_sync.user_change,
  p_source clerk_sync.change_source,
  p_fields text[]
)
returns clerk_sync.user_change
language plpgsql
stable
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := p_change;
  v_said   record;
begin
  select *
  into v_said
  from jsonb_to_record(p_source.payload) as p(
    email text, email_verified boolean, phone text, name text, user_role text, external_id text,
    banned boolean, locked boolean, deprovisioned boolean, created_at timestamptz, ignored_role text
  );
  if 'email' = any (p_fields) then
    v_change.email := v_said.email;
    v_change.email_verified := coalesce(v_said.email_verified, false);
    v_change.withheld_email := null;
  end if;
  if 'user_role' = any (p_fields) then
    v_change.user_role := v_said.user_role;
    v_change.ignored_role := clerk_sync.ignored_role(v_said.user_role, v_said.ignored_role);
  end if;
  v_change.phone         := case when 'phone' = any (p_fields) then v_said.phone else p_change.phone end;
  v_change.name          := case when 'name' = any (p_fields) then v_said.name else p_change.name end;
  v_change.external_id   := case when 'external_id' = any (p_fields) then v_said.external_id else p_change.external_id end;
  v_change.created_at    := case when 'created_at' = any (p_fields) then v_said.created_at else p_change.created_at end;
  v_change.banned        := case when 'banned' = any (p_fields) then coalesce(v_said.banned, false) else p_change.banned end;
  v_change.locked        := case when 'locked' = any (p_fields) then coalesce(v_said.locked, false) else p_change.locked end;
  v_change.deprovisioned := case
    when 'deprovisioned' = any (p_fields) then coalesce(v_said.deprovisioned, false)
    else p_change.deprovisioned
  end;
  return v_change;
end
$$;

-- A change with the values that are here of its user, and how far they are known; everything is absent of a user of whom
-- nothing was applied, who is deleted, or whose state this change replaces although its version is lower (absent_version 0). The row is locked: its user may be editing the name.
create or replace function clerk_sync.take_stored(p_change clerk_sync.user_change)
returns clerk_sync.user_change
language plpgsql
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := p_change;
  v_state  clerk_sync.user_state;
begin
  select s.*
  into v_state
  from clerk_sync.user_state as s
  where s.clerk_id = p_change.clerk_id;
  select u.email, u.name, u.role::text
  into v_change.email, v_change.name, v_change.user_role
  from public.users as u
  where u.clerk_id = p_change.clerk_id
  for update;
  v_change.created_at     := null;
  v_change.email_verified := coalesce(v_state.email_verified, false);
  v_change.withheld_email := v_state.withheld_email;
  v_change.phone          := v_state.phone;
  v_change.external_id    := v_state.external_id;
  v_change.banned         := coalesce(v_state.banned, false);
  v_change.locked         := coalesce(v_state.locked, false);
  v_change.deprovisioned  := coalesce(v_state.deprovisioned, false);
  v_change.ignored_role   := v_state.ignored_role;
  v_change.refresh_reason := v_state.refresh_reason;
  if p_change.absent_version = 0 or v_state.deleted_at is not null or coalesce(v_state.version, 0) = 0 then
    v_change.version        := 0;
    v_change.absent         := clerk_sync.absent_fields('{}');
    v_change.absent_version := 0;
  else
    v_change.version        := v_state.version;
    v_change.absent         := coalesce(v_state.absent, '{}');
    v_change.absent_version := coalesce(v_state.absent_version, v_state.version);
  end if;
  return v_change;
end
$$;

-- A change whose newest event was trimmed, or is older than one that was: what is absent comes from the other events of the
-- batch, in the order of their versions, and else from what is here. An event that is older than what was applied brings
-- absent fields only, and only while nothing newer brought them. When Clerk's own event leaves fields absent, the user is
-- to be read again; a read that does so asks for nothing more. The caller has the user's lock.
create or replace function clerk_sync.complete_change(
  p_change  clerk_sync.user_change,
  p_sources clerk_sync.change_source[],
  p_now     timestamptz
)
returns clerk_sync.user_change
language plpgsql
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := clerk_sync.take_stored(p_change);
  v_deleted_at timestamptz := (select s.deleted_at from clerk_sync.user_state as s where s.clerk_id = p_change.clerk_id);
  v_source clerk_sync.change_source;
  v_said   text[];
  v_absent text[];
begin
  foreach v_source in array array(
    select j
    from unnest(p_sources) as j
    where j.clerk_id = p_change.clerk_id
      and j.job_type <> 'USER_DELETED'
      and not j.payload ? 'erased'
      and not coalesce(j.result @> '{"applied": true}', false)
      and (v_deleted_at is null or (j.result ->> 'read_at')::timestamptz > v_deleted_at)
      and (not p_change.fresh or p_change.absent_version is null or j.result ? 'read_at') -- a read that settles the state
      and (j.id = p_change.job_id or j.version <= clerk_sync.latest_version(coalesce(j.created_at, p_now)))
    order by case when j.id = p_change.job_id then p_change.version else j.version end, j.created_at, j.id
  ) loop
    if v_source.id = p_change.job_id then
      v_source.version := p_change.version; -- the one that is believed
    end if;
    v_said := array(
      select f from unnest(clerk_sync.absent_fields('{}')) as f where v_source.payload ? f
    );
    if v_source.version >= v_change.version then
      v_change := clerk_sync.take_fields(v_change, v_source, v_said || 'deprovisioned'::text);
      v_absent := array(
        select f
        from unnest(clerk_sync.absent_fields(v_source.payload)) as f
        where v_source.version > v_change.version
           or f = any (v_change.absent) -- what an event of the same version brought is known
      );
      v_change.absent_version := case when v_absent <@ v_change.absent then v_change.absent_version else v_change.version end;
      v_change.absent := v_absent;
      v_change.version := v_source.version;
      v_change.refresh_reason := case when v_source.is_live and cardinality(v_absent) > 0 then 'event_trimmed' end;
    elsif v_source.version >= v_change.absent_version and v_change.absent && v_said then
      v_change := clerk_sync.take_fields(
        v_change, v_source, array(select f from unnest(v_said) as f where f = any (v_change.absent))
      );
      v_change.absent_version := v_source.version;
    end if;
  end loop;
  v_change.refresh_reason := coalesce(p_change.refresh_reason, v_change.refresh_reason);
  if v_change.absent = '{}' then
    v_change.absent := null;
    v_change.absent_version := null;
  end if;
  return v_change;
end
$$;

-- users.email is unique, and Clerk lets an address move from one account to another while its
-- events arrive in any order. A claim whose address Clerk has verified comes before one that is not, then the newest by
-- (version, clerk_id): it holds the address. Every other user has none, and is read again from Clerk's API, also when
-- the holder gives the address up later.

-- True when some address a batch wants is wanted twice or held by a row of somebody else.
create or replace function clerk_sync.has_email_conflict(p_changes clerk_sync.user_change[])
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select 1
    from unnest(p_changes) as c
    where not c.deletes
      -- a lookup each, whatever the statistics say
      and exists (
        select 1 from public.users as u where u.email = c.email and u.clerk_id is distinct from c.clerk_id offset 0
      )
  ) or (
    select count(distinct c.email) < count(c.email)
    from unnest(p_changes) as c
    where not c.deletes
  );
end
$$;

-- Rows that nobody's Clerk id is on (made by the app before the sync, or by its own sign-up) are
-- linked to the Clerk user who has proved the address. Without that proof they are left alone.
create or replace function clerk_sync.adopt_rows(p_changes clerk_sync.user_change[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.users as u
  set clerk_id = c.clerk_id
  from unnest(p_changes) as c
  where u.email = c.email
    and coalesce(u.clerk_id, 'NULL') = 'NULL'
    and c.email_verified
    and not c.deletes
    and not exists (select 1 from public.users as own where own.clerk_id = c.clerk_id)
    and not exists (
      select 1
      from unnest(p_changes) as rival
      where rival.email = c.email
        and not rival.deletes
        and rival.email_verified
        and (rival.version, rival.clerk_id) > (c.version, c.clerk_id)
    );
end
$$;

-- Who may not have the address it claims: [clerk_id]. Holders outside the batch claim with the verification and
-- version of their last snapshot, rows without a Clerk id keep theirs, deleted users claim nothing.
create or replace function clerk_sync.email_losers(p_changes clerk_sync.user_change[])
returns text[]
language sql
stable
set search_path = ''
as $$
  with claims as (
    select
      c.email, c.clerk_id, c.email_verified, clerk_sync.version_of('email', c.version, c.absent, c.absent_version) as version,
      false as is_unlinked
    from unnest(p_changes) as c
    where not c.deletes
      and c.email is not null
    union all
    select distinct
      u.email, u.clerk_id, coalesce(s.email_verified, false),
      coalesce(clerk_sync.version_of('email', s.version, s.absent, s.absent_version), 0),
      coalesce(u.clerk_id, 'NULL') = 'NULL'
    from unnest(p_changes) as c
    join public.users as u on u.email = c.email
    left join clerk_sync.user_state as s on s.clerk_id = u.clerk_id
    where not c.deletes
      and s.deleted_at is null
      and not exists (select 1 from unnest(p_changes) as own where own.clerk_id = u.clerk_id)
  ),
  ranked as (
    select
      q.clerk_id,
      row_number() over (
        partition by q.email
        order by q.is_unlinked desc, q.email_verified desc, q.version desc, q.clerk_id desc
      ) as place
    from claims as q
  )
  select coalesce(array_agg(r.clerk_id), '{}')
  from ranked as r
  where r.place > 1;
$$;

-- Takes an address from the rows of p_clerk_ids and asks for a refresh of those users. Their state is
-- locked without waiting: two workers that want each other's users must fail and retry, not deadlock.
create or replace function clerk_sync.release_emails(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
begin
  insert into clerk_sync.user_state as s (clerk_id)
  select h.clerk_id
  from unnest(p_clerk_ids) as h(clerk_id)
  where pg_try_advisory_xact_lock(hashtextextended(h.clerk_id, 7461203))
  order by h.clerk_id
  on conflict (clerk_id) do nothing;

  if clerk_sync.lock_users(p_clerk_ids) < cardinality(p_clerk_ids) then
    raise exception 'another worker is making the holder of an address' using errcode = '55P03';
  end if;

  update clerk_sync.user_state as s
  set refresh_reason = 'email_taken',
      refresh_due_at = p_now,
      refresh_attempts = 0,
      withheld_email = (select u.email from public.users as u where u.clerk_id = s.clerk_id)
  where s.clerk_id = any (p_clerk_ids)
    and s.deleted_at is null;

  update public.users as u
  set email = null,
      "updatedAt" = p_now at time zone 'utc',
      updated_at = p_now
  where u.clerk_id = any (p_clerk_ids)
    and u.email is not null;
end
$$;

-- A user read afresh lost its address to a holder of whom we know less: that one is read afresh too.
create or replace function clerk_sync.doubt_holders(
  p_changes clerk_sync.user_change[],
  p_losers  text[],
  p_now     timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update clerk_sync.user_state as s
  set refresh_reason = 'email_doubted',
      refresh_due_at = p_now,
      refresh_attempts = 0
  from unnest(p_changes) as c
  join public.users as u on u.email = c.email
  where c.fresh
    and c.clerk_id = any (p_losers)
    and u.clerk_id <> c.clerk_id
    and s.clerk_id = u.clerk_id
    and s.refresh_reason is null;
end
$$;

-- Has the users read again whose claim to an address was withheld from them, when these changes give that address up:
-- its holder has another one now, is deleted, or is no longer verified. Before the rows are written.
create or replace function clerk_sync.offer_emails(p_changes clerk_sync.user_change[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_given_up  text[];
  v_claimants text[];
begin
  if not exists (select 1 from clerk_sync.user_state as s where s.withheld_email is not null) then
    return;
  end if;
  v_given_up := array(
    select h.email
    from unnest(p_changes) as c
    cross join lateral ( -- a lookup each, whatever the statistics say
      select u.email, (select s.email_verified from clerk_sync.user_state as s where s.clerk_id = u.clerk_id) as was_verified
      from public.users as u
      where u.clerk_id = c.clerk_id
        and u.email is not null
      offset 0
    ) as h
    where not c.mirror_only
      and (
        c.deletes
        or c.email is distinct from h.email
        or (h.was_verified and not c.email_verified)
      )
  );
  v_claimants := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.withheld_email = any (v_given_up)
      and s.clerk_id <> all (array(select c.clerk_id from unnest(p_changes) as c))
  );
  if cardinality(v_claimants) = 0 then
    return;
  end if;
  -- Without waiting, as everywhere: two workers that want each other's users must fail and retry, not deadlock.
  perform clerk_sync.lock_users(v_claimants);
  update clerk_sync.user_state as s
  set refresh_reason = 'email_free',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where s.clerk_id = any (v_claimants);
end
$$;

-- Settles who holds which address before the rows are written; returns the changes, the email of every loser null.
create or replace function clerk_sync.resolve_emails(p_changes clerk_sync.user_change[], p_now timestamptz)
returns clerk_sync.user_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_losers  text[];
  v_holders text[];
  v_changes clerk_sync.user_change[];
begin
  if not clerk_sync.has_email_conflict(p_changes) then
    return p_changes;
  end if;
  -- The holders are locked before they are ranked: one of them may be getting a newer claim just now.
  perform clerk_sync.lock_users(array(
    select distinct u.clerk_id
    from unnest(p_changes) as c
    join public.users as u on u.email = c.email
    where not c.deletes
      and u.clerk_id is distinct from c.clerk_id
  ));
  perform clerk_sync.adopt_rows(p_changes);
  v_losers := clerk_sync.email_losers(p_changes);
  perform clerk_sync.doubt_holders(p_changes, v_losers, p_now);

  v_changes := clerk_sync.without_emails(p_changes, v_losers);

  v_holders := array(
    select distinct u.clerk_id
    from unnest(v_changes) as c
    join public.users as u on u.email = c.email
    where u.clerk_id <> c.clerk_id
      and not c.deletes
  );
  perform clerk_sync.release_emails(v_holders, p_now);
  perform clerk_sync.queue_mirror(
    array(select h from unnest(v_holders) as h except select c.clerk_id from unnest(v_changes) as c),
    'email_taken',
    p_now
  );
  return v_changes;
end
$$;

-- From the changes that jobs bring to rows, and the jobs moved on.

-- Writes the changes of users who are locked, and returns them with the emails that were settled.
create or replace function clerk_sync.write_changes(
  p_changes     clerk_sync.user_change[],
  p_delete_mode text,
  p_now         timestamptz
)
returns clerk_sync.user_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.user_change[];
begin
  perform clerk_sync.offer_emails(p_changes, p_now);
  perform clerk_sync.delete_users(p_changes, p_delete_mode, p_now);
  v_changes := clerk_sync.resolve_emails(array(select c from unnest(p_changes) as c where not c.mirror_only), p_now)
    || array(select c from unnest(p_changes) as c where c.mirror_only);
  perform clerk_sync.write_user_state(v_changes, p_now);
  perform clerk_sync.write_users(v_changes, p_now);
  return v_changes;
end
$$;

-- Writes what the jobs bring and moves them on: COMPLETED, or PROCESSING under p_token where the
-- mirror is owed; while the circuit of Supabase Auth is open it waits for that instead, and the attempt does not
-- count. An older job of a user owes nothing: the newest carries the state to the mirror.
-- Jobs that are PROCESSING already (their user was read from Clerk's API) are in an attempt that counts.
-- p_mirror_later: what the mirror is owed stays PENDING, for a worker to carry there; that is no attempt yet.
-- Constraints that wait for the commit are checked here, within the caller's savepoint: at the commit their error would
-- take everything back, the record of the failed job as well. Before that they wait again, should another savepoint of
-- the transaction have ended their waiting.
create or replace function clerk_sync.apply_jobs(
  p_ids          uuid[],
  p_token        uuid,
  p_lease_until  timestamptz,
  p_delete_mode  text,
  p_now          timestamptz,
  p_with_email   boolean default true,
  p_mirror_later boolean default false
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.user_change[] := clerk_sync.newest_changes(array(
    select row(j.id, j.job_type, j.clerk_id, j.version, j.payload, j.result, j.created_at, j.source = 'webhook')::clerk_sync.change_source
    from public.job_queue as j
    where j.id = any (p_ids)
  ), p_now);
begin
  set constraints all deferred;
  if not p_with_email then
    v_changes := clerk_sync.without_emails(v_changes, array(select c.clerk_id from unnest(v_changes) as c));
  end if;
  v_changes := clerk_sync.write_changes(v_changes, p_delete_mode, p_now);
  perform clerk_sync.finish_jobs(p_ids, v_changes, p_token, p_lease_until, p_mirror_later, p_now);
  if cardinality(p_ids) > cardinality(v_changes) or exists (select 1 from unnest(v_changes) as c where c.deletes) then
    perform clerk_sync.erase_deleted(p_ids);
  end if;
  set constraints all immediate;
end
$$;

-- What the result of a job says of its change: why the user is to be read again (refresh), what is not known of the user at
-- this version (absent), and of what kind a value was that is stored as the default (ignored).
create or replace function clerk_sync.note_change(p_change clerk_sync.user_change)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'refresh', p_change.refresh_reason,
    'absent', p_change.absent,
    'ignored', case when p_change.ignored_role is not null then jsonb_build_object('role', p_change.ignored_role) end
  ));
$$;

-- Moves jobs on whose changes are written, as apply_jobs says: those that carry a change, and the others, which are done.
create or replace function clerk_sync.finish_jobs(
  p_ids          uuid[],
  p_changes      clerk_sync.user_change[],
  p_token        uuid,
  p_lease_until  timestamptz,
  p_mirror_later boolean,
  p_now          timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_mirrors boolean := p_token is not null or p_mirror_later;
  v_waits   boolean := v_mirrors and clerk_sync.circuit_is_open('auth');
  v_owed    text    := case when v_waits or p_mirror_later then 'PENDING' when v_mirrors then 'PROCESSING' else 'COMPLETED' end;
  v_changed uuid[];
  v_notes   jsonb; -- what the results of jobs say besides, by job
  v_others  uuid[];
begin
  select
    array_agg(c.job_id),
    jsonb_object_agg(c.job_id, clerk_sync.note_change(c))
      filter (where c.refresh_reason is not null or c.absent is not null or c.ignored_role is not null)
  into v_changed, v_notes
  from unnest(p_changes) as c;
  perform set_config('clerk_sync.recorded', 'update', true);
  perform clerk_sync.move_jobs(v_changed, v_owed, case when v_waits then 'auth' end, v_notes, p_token, p_lease_until, p_now);
  if cardinality(p_ids) > cardinality(p_changes) then
    v_others := array(select i from unnest(p_ids) as i except select i from unnest(v_changed) as i);
    perform clerk_sync.move_jobs(v_others, null, null, null, p_token, p_lease_until, p_now);
  end if;
  perform set_config('clerk_sync.recorded', '', true);
end
$$;

-- Exponential backoff with full jitter: anything from 0 to 2 s, 4 s, 8 s … at most 15 minutes.
-- p_random in [0, 1) is a parameter so that a test can pin it.
create or replace function clerk_sync.backoff(p_attempts integer, p_random double precision default random())
returns interval
language sql
set search_path = ''
as $$
  select make_interval(secs => p_random * least(900, 2 ^ least(greatest(p_attempts, 1), 30)));
$$;

-- A failed attempt: FAILED and due again after the backoff (never before p_retry_after), or DEAD when
-- the attempts are used up or trying again cannot help; CANCELLED when a person asked for that meanwhile.
create or replace function clerk_sync.fail_job(
  p_id          uuid,
  p_attempts    integer,
  p_error       text,
  p_permanent   boolean,
  p_retry_after interval,
  p_now         timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_status text;
begin
  update public.job_queue as j
  set status = case
        when j.cancel_requested_at is not null then 'CANCELLED'
        when p_permanent or p_attempts >= j.max_attempts then 'DEAD'
        else 'FAILED'
      end,
      attempts = p_attempts,
      error = p_error,
      run_at = p_now + greatest(clerk_sync.backoff(p_attempts), p_retry_after),
      updated_at = p_now
  where j.id = p_id
  returning j.status into v_status;
  insert into clerk_sync.metric_events (at, name, labels)
  values (p_now, 'failed_attempts', jsonb_build_object('code', split_part(p_error, ':', 1)));
  if v_status = 'DEAD' then
    insert into clerk_sync.metric_events (at, name, labels)
    values (p_now, 'dead', jsonb_build_object('code', split_part(p_error, ':', 1)));
  end if;
end
$$;

-- What becomes of jobs whose call was cut off while it applied them. A job that had company may not be the one that took
-- the time: it runs alone from then on. For a job that runs alone it was a failed attempt.
create or replace function clerk_sync.cut_jobs(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.fail_job(
    j.id, case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end,
    'database_timeout: applying the job took too long; look for a slow trigger on public.users', false, null, p_now
  )
  from public.job_queue as j
  where j.id = any (p_ids)
    and j.runs_alone;
  update public.job_queue as j
  set runs_alone = true,
      status = case when j.status = 'PROCESSING' then 'PENDING' else j.status end,
      attempts = case when j.status = 'PROCESSING' then j.attempts - 1 else j.attempts end,
      updated_at = p_now
  where j.id = any (p_ids)
    and not j.runs_alone;
end
$$;

-- Fails a job that the database refused. What will not fit at any later time (class 22: a value) is given up. So is, the
-- second time, a deletion that a foreign key stops: rows of other tables rarely go by themselves.
create or replace function clerk_sync.reject_job(
  p_id         uuid,
  p_attempt    integer,
  p_state      text,
  p_constraint text,
  p_message    text,
  p_now        timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_is_blocked boolean := p_state in ('23503', '23001')
    and exists (select 1 from public.job_queue as j where j.id = p_id and j.job_type = 'USER_DELETED');
  v_code       text    := concat_ws(
    ' ', case when v_is_blocked then 'delete_blocked' else 'database_rejected' end, p_state, nullif(p_constraint, '')
  );
  v_remedy     text    := case
    when v_is_blocked then '. Give the foreign key on delete cascade or set null, or set DELETE_MODE=soft; then retry the job.'
  end;
begin
  perform clerk_sync.fail_job(
    p_id, p_attempt, concat(v_code, ': ', p_message, v_remedy), p_state like '22%' or (v_is_blocked and p_attempt >= 2), null, p_now
  );
end
$$;

-- Applies one job in a savepoint of its own; whatever it raises is its outcome, recorded on it. When the table's
-- owner made addresses unique in another way than we compare them (by lower(), say), the user gets a row without.
-- Answers false when the call was cut off (statement_timeout, which comes once a call): there is no time for another job.
-- "when others" catches neither query_canceled nor assert_failure, so both are named, here as everywhere.
create or replace function clerk_sync.apply_job(
  p_id          uuid,
  p_attempt     integer,
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz,
  p_with_email  boolean default true
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_message    text;
  v_constraint text;
begin
  perform clerk_sync.apply_jobs(array[p_id], p_token, p_lease_until, p_delete_mode, p_now, p_with_email);
  return true;
exception
  when query_canceled then
    perform clerk_sync.cut_jobs(array[p_id], p_now);
    return false;
  when others or assert_failure then
    get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
    if sqlstate = '23505' and p_with_email then
      return clerk_sync.apply_job(p_id, p_attempt, p_token, p_lease_until, p_delete_mode, p_now, false);
    end if;
    perform clerk_sync.reject_job(p_id, p_attempt, sqlstate, v_constraint, v_message, p_now);
    return true;
end
$$;

-- The fallback: one savepoint per job, so that the job that cannot be applied fails alone (law 7).
-- Newest first per user, so that the first one is the one that carries the state. Stops after 1.5 s
-- to keep the call short; the jobs not reached are untouched and still due.
create or replace function clerk_sync.apply_jobs_one_by_one(
  p_ids         uuid[],
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_job      record;
  v_deadline timestamptz := clock_timestamp() + interval '1.5 seconds';
begin
  for v_job in
    select j.id, j.clerk_id, case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end as attempt
    from public.job_queue as j
    where j.id = any (p_ids)
    order by j.clerk_id, (j.job_type = 'USER_DELETED') desc, j.version desc, j.created_at desc, j.id
  loop
    exit when clock_timestamp() > v_deadline;
    continue when exists (
      select 1
      from public.job_queue as r
      where r.clerk_id = v_job.clerk_id
        and r.status = 'PROCESSING'
        and r.id <> v_job.id
    );
    exit when not clerk_sync.apply_job(v_job.id, v_job.attempt, p_token, p_lease_until, p_delete_mode, p_now);
  end loop;
end
$$;

-- Applies a batch whose users are locked, together or else one by one.
create or replace function clerk_sync.apply_batch(
  p_ids         uuid[],
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_delete_mode is null or p_delete_mode not in ('hard', 'soft') then
    raise exception 'p_delete_mode is %, it must be hard or soft', p_delete_mode using errcode = 'SY002';
  end if;
  if cardinality(p_ids) = 0 then
    return;
  end if;
  begin
    perform clerk_sync.apply_jobs(p_ids, p_token, p_lease_until, p_delete_mode, p_now);
  exception
    when query_canceled then -- there is no time left to find out which job hangs
      perform clerk_sync.cut_jobs(p_ids, p_now);
    when others or assert_failure then -- some job of the batch is at fault: find out which, let the others pass
      perform clerk_sync.apply_jobs_one_by_one(p_ids, p_token, p_lease_until, p_delete_mode, p_now);
  end;
end
$$;
