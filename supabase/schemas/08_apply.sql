-- How events become rows. An event is plain when only its version decides; one statement of each kind (apply_users,
-- apply_memberships …) writes those of a whole call. What is disputed (a deletion, a time in the future, an event that was
-- trimmed, an address that two users claim, a member who left and joined again) is settled first: apply_disputed decides,
-- prepares the record, and hands the settled event to the statement of its kind.
--
--   apply_batch ─> apply_jobs (together, else apply_job one by one) ─> apply_plain: apply_users, apply_organizations …
--                                                                  └─> apply_disputed: newest_changes ─> complete_change
--                                                                       settle_emails, settle_memberships ─> apply_plain
--
-- "offset 0", scalar subqueries and "in" within a "case" stand where a row is to be looked up by its key whatever the
-- statistics say. A connection keeps its plans: one that was made while a table was empty would read all of it later.

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

-- What an event, or an answer of Clerk's API, should have said of its user and did not: it was trimmed on its way. Null when
-- it says all. mapUser of map-user.ts knows what Clerk's description requires, and writes the list.
create or replace function clerk_sync.absent_fields(p_payload jsonb)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select case when p_payload ? 'absent' then array(select jsonb_array_elements_text(p_payload -> 'absent')) end;
$$;

-- What an event may say of a record of this kind: what the mapping, the mirror and the sync itself use.
create or replace function clerk_sync.fields_of(p_kind text)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array(
    select f from unnest(m.fields) as f
    union
    select unnest('{email,phone,name,user_role,external_id,banned,locked,deprovisioned}'::text[]) where p_kind = 'user'
  )
  from clerk_sync.mappings as m
  where m.kind = p_kind;
$$;

-- Takes down which metadata events gave (what Clerk never gave is not taken away). Where an event that was passed over is the
-- first to have a key, the newest one, which was written before, had metadata without it: its column takes the default, as it
-- would have in the order of the versions.
create or replace function clerk_sync.add_given(p_kind text, p_events clerk_sync.events[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_record record;
  v_role   text;
  v_users  text[] := array[]::text[]; -- whose mirror has the role that was withdrawn
begin
  for v_record in
    select r.id, r.version, r.deleted_at, coalesce(r.absent, '{}') as absent, n.given
    from (
      select e.clerk_id, array_agg(distinct g.value order by g.value) as given
      from unnest(p_events) as e
      cross join lateral jsonb_array_elements_text(e.payload -> 'given') as g
      where jsonb_typeof(e.payload -> 'given') = 'array'
      group by e.clerk_id
    ) as i
    cross join lateral (select * from clerk_sync.records as k where k.id = i.clerk_id offset 0) as r
    cross join lateral (select array(select g from unnest(i.given) as g where g <> all (r.given)) as given) as n
    where n.given <> '{}'
  loop
    update clerk_sync.records as r
    set given = array(select distinct g from unnest(r.given || v_record.given) as g order by g)
    where r.id = v_record.id;
    continue when v_record.deleted_at is not null or v_record.version = 0;
    v_role := (select u.role from clerk_sync.user_rows as u where u.clerk_id = v_record.id);
    perform clerk_sync.default_columns(p_kind, v_record.id, g, v_record.absent, p_now)
    from unnest(v_record.given) as g;
    if v_role is distinct from (select u.role from clerk_sync.user_rows as u where u.clerk_id = v_record.id) then
      v_users := v_users || v_record.id;
    end if;
  end loop;
  perform clerk_sync.queue_mirror(v_users, 'role_withdrawn', p_now);
end
$$;

-- What is disputed.

-- Completes a change whose newest event was trimmed, or is older than one that was (law 11, absent is not null). What is
-- absent comes from the other events of the batch, in the order of their versions, and else from what is stored. An event
-- that is older than what was applied brings absent fields only, and only while nothing newer brought them. When Clerk's own
-- event leaves fields absent, the user is read again; a read that does so asks for nothing more. The record is locked.
create or replace function clerk_sync.complete_change(
  p_kind   text,
  p_change clerk_sync.record_change,
  p_events clerk_sync.events[],
  p_now    timestamptz
)
returns clerk_sync.record_change
language plpgsql
set search_path = ''
as $$
declare
  v_change clerk_sync.record_change := p_change;
  v_fields text[] := clerk_sync.fields_of(p_kind);
  v_record clerk_sync.records;
  v_event  clerk_sync.events;
  v_said   text[];
  v_keys   text[];
  v_absent text[];
begin
  select r.* into v_record from clerk_sync.records as r where r.id = p_change.clerk_id;
  v_change.payload := '{}';
  if p_kind = 'user' then -- an address is settled with the others, also when it stays
    select
      jsonb_build_object('email', coalesce(u.email, k.email), 'email_verified', coalesce(k.email_verified, false)),
      k.withheld_email
    into v_change.payload, v_change.withheld_email
    from (values (p_change.clerk_id)) as i(id)
    left join clerk_sync.known_users as k on k.clerk_id = i.id
    left join clerk_sync.user_rows as u on u.clerk_id = i.id;
  end if;
  v_change.refresh_reason := v_record.refresh_reason;
  -- Everything is absent of a record of which nothing was applied, that is deleted, or that this change replaces although
  -- its version is lower (absent_version 0).
  if p_change.absent_version = 0 or v_record.deleted_at is not null or coalesce(v_record.version, 0) = 0 then
    v_change.version        := 0;
    v_change.absent         := v_fields;
    v_change.absent_version := 0;
  else
    v_change.version        := v_record.version;
    v_change.absent         := coalesce(v_record.absent, '{}');
    v_change.absent_version := coalesce(v_record.absent_version, v_record.version);
  end if;

  foreach v_event in array array(
    select e
    from unnest(p_events) as e
    where e.clerk_id = p_change.clerk_id
      and not e.deletes
      and e.erased_at is null
      and e.applied_at is null
      and (v_record.deleted_at is null or e.read_at > v_record.deleted_at)
      and (not p_change.fresh or p_change.absent_version is null or e.read_at is not null) -- a read that settles the record
      and (e.id = p_change.job_id or e.version <= clerk_sync.latest_version(coalesce(e.created_at, p_now)))
    order by case when e.id = p_change.job_id then p_change.version else e.version end, e.created_at, e.id
  ) loop
    if v_event.id = p_change.job_id then
      v_event.version := p_change.version; -- the one that is believed
    end if;
    v_said := array(select f from unnest(v_fields) as f where v_event.payload ? f);
    if v_event.version >= v_change.version then
      v_absent := array(
        select f
        from unnest(clerk_sync.absent_fields(v_event.payload)) as f
        where v_event.version > v_change.version
           or f = any (v_change.absent) -- what an event of the same version brought is known
      );
      v_change.absent_version := case when v_absent <@ v_change.absent then v_change.absent_version else v_change.version end;
      v_change.absent := v_absent;
      v_change.version := v_event.version;
      v_change.refresh_reason := case
        when coalesce(v_event.source, 'webhook') = 'webhook' and cardinality(v_absent) > 0 then 'event_trimmed'
        when v_event.source = 'backfill' and v_event.payload ? 'absent' then v_change.refresh_reason -- it says some columns only
      end;
    elsif v_event.version >= v_change.absent_version and v_change.absent && v_said then
      v_said := array(select f from unnest(v_said) as f where f = any (v_change.absent));
      v_change.absent_version := v_event.version;
    else
      continue;
    end if;
    v_keys := v_said -- with an address or a number comes whether it is verified
      || case when 'email' = any (v_said) then array['email_verified'] end
      || case when 'phone' = any (v_said) then array['phone_verified'] end;
    v_change.payload := (v_change.payload - v_keys) || (
      select coalesce(jsonb_object_agg(p.key, p.value), '{}')
      from jsonb_each(v_event.payload) as p
      where p.key = any (v_keys || array['given'] || case when p_kind = 'membership' then array['organization_id', 'user_id', 'created_at'] end)
    );
    if 'email' = any (v_said) then
      v_change.withheld_email := null;
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

-- Decides which change each record gets (law 3, newest wins and deletions are final): the deletion if there is one, else
-- the newest snapshot, and only where it is not older than what was applied and the record has no tombstone. A snapshot
-- that was read from Clerk's API after the tombstone was set revives the record. The events are of one kind.
-- A job that was applied before and comes again (its mirror failed) is mirror_only: a row may have changed since at the same
-- version, or been edited by its user, and must not be set back.
-- The version of an event from the future becomes the time when it arrived, what it brings is doubted, and its user is
-- read again from Clerk's API. It comes after the other events of its batch. Without that read, an event that is as new as
-- what was known before (trusted_version) replaces it. Any event replaces a stored version that lies in the future.
-- Law 11, absent is not null: what the newest one does not carry comes from the next older one, else from what is here.
create or replace function clerk_sync.newest_changes(p_kind text, p_events clerk_sync.events[], p_now timestamptz)
returns clerk_sync.record_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_latest  bigint := clerk_sync.latest_version(p_now);
  v_changes clerk_sync.record_change[];
begin
  v_changes := (
    select coalesce(array_agg(jsonb_populate_record(null::clerk_sync.record_change, jsonb_build_object(
      'clerk_id', n.clerk_id,
      'job_id', n.id,
      'source', n.source,
      'deletes', n.deletes,
      'mirror_only', n.was_applied and not n.deletes,
      'fresh', n.is_fresh,
      'version', n.believed,
      'payload', n.payload,
      'refresh_reason', case when n.is_doubted or n.replaces_doubted then 'version_in_future' end,
      'trusted_version', case when n.is_doubted and not n.deletes then n.trusted_version end,
      'absent', case -- empty: all is there, but it may be older than what is here; see clerk_sync.complete_change
        when n.deletes or n.was_applied then null
        else coalesce(clerk_sync.absent_fields(n.payload), case when n.is_late then '{}'::text[] end)
      end,
      'absent_version', case when n.replaces then 0 end
    ))), '{}')
    from (
      select distinct on (e.clerk_id)
        e.clerk_id, e.id, coalesce(e.source, 'webhook') as source, v.believed, e.payload, r.is_fresh,
        not r.is_fresh and v.believed <> e.version as is_doubted,
        case when s.version > v_latest then 0 else coalesce(s.trusted_version, s.version, 0) end as trusted_version,
        not r.is_fresh and coalesce(s.trusted_version is not null or s.version > v_latest, false) as replaces_doubted,
        e.deletes,
        e.applied_at is not null as was_applied,
        s.deleted_at is null and s.absent_version is not null as is_late,
        v.believed < s.version and coalesce(
          case
            when r.is_fresh
              then clerk_sync.read_settles(v.believed, e.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
            else v.believed >= s.trusted_version or s.version > v_latest
          end,
          false
        ) as replaces
      from unnest(p_events) as e
      cross join lateral (
        select
          e.read_at is not null as is_fresh,
          case when e.read_at is not null then p_now else coalesce(e.created_at, p_now) end as arrived_at
      ) as r
      cross join lateral (
        select case
          when e.version <= v_latest + (extract(epoch from r.arrived_at - p_now) * 1000)::bigint then e.version
          else (extract(epoch from r.arrived_at) * 1000)::bigint
        end as believed
      ) as v
      left join lateral ( -- a lookup each, whatever the statistics say
        select k.version, k.deleted_at, k.trusted_version, k.last_synced_at, k.absent_version
        from clerk_sync.records as k
        where k.id = e.clerk_id
        offset 0
      ) as s on true
      where case
          -- One that was applied before comes for the mirror alone; a read may have revived its user since.
          when e.deletes then s.deleted_at is not null or e.applied_at is null
          when e.erased_at is not null then false
          when s.deleted_at > p_now + interval '5 minutes' then r.is_fresh
          when s.deleted_at is not null then e.read_at > s.deleted_at
          when v.believed >= coalesce(s.absent_version, s.version, 0) then true
          when r.is_fresh
            then clerk_sync.read_settles(v.believed, e.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
          else v.believed >= s.trusted_version or s.version > v_latest
        end
      order by e.clerk_id, deletes desc, is_doubted, was_applied, v.believed desc, e.version desc, e.created_at desc, e.id
    ) as n
  );
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].absent is not null then
      v_changes[v_place] := clerk_sync.complete_change(p_kind, v_changes[v_place], p_events, p_now);
    end if;
  end loop;
  return v_changes;
end
$$;

-- The changes, without the email of these users, who are read again for it.
create or replace function clerk_sync.without_emails(p_changes clerk_sync.record_change[], p_clerk_ids text[])
returns clerk_sync.record_change[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[] := p_changes;
begin
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].payload ->> 'email' is not null and v_changes[v_place].clerk_id = any (p_clerk_ids) then
      v_changes[v_place].withheld_email := v_changes[v_place].payload ->> 'email';
      v_changes[v_place].payload := v_changes[v_place].payload || '{"email": null}';
      v_changes[v_place].refresh_reason := 'email_held';
    end if;
  end loop;
  return v_changes;
end
$$;

-- Settles who holds which address, before rows are written. Where the column is unique, Clerk lets an address move from one
-- account to another while its events arrive in any order. A claim whose address Clerk has verified comes before one that
-- is not, then the newest by (version, clerk_id): it holds the address. Every other user has none, and is read again from
-- Clerk's API, also when the holder gives the address up later. Users whose records are not of this batch are locked
-- without waiting. Returns the changes, the email of every loser null.
create or replace function clerk_sync.settle_emails(p_changes clerk_sync.record_change[], p_now timestamptz)
returns clerk_sync.record_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[] := p_changes;
  v_given   text[]; -- addresses that these changes give up
  v_users   text[];
  v_losers  text[];
begin
  -- Users who wait for an address that is given up are read again: its holder has another one now, is deleted, or is no
  -- longer verified.
  v_given := array(
    select u.email
    from unnest(p_changes) as c
    -- offset 0, here and below: a lookup each, whatever the statistics say
    cross join lateral (select r.email from clerk_sync.user_rows as r where r.clerk_id = c.clerk_id offset 0) as u
    cross join lateral (select r.email_verified from clerk_sync.known_users as r where r.clerk_id = c.clerk_id offset 0) as k
    where u.email is not null
      and (
        c.deletes
        or c.payload ->> 'email' is distinct from u.email
        or (k.email_verified and not coalesce((c.payload ->> 'email_verified')::boolean, false))
      )
  );
  v_users := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.withheld_email = any (v_given)
      and s.clerk_id <> all (array(select c.clerk_id from unnest(p_changes) as c))
  );
  perform clerk_sync.lock_more_records(v_users);
  update clerk_sync.records as r
  set refresh_reason = 'email_free',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (v_users);

  -- The holders are locked before they are ranked: one of them may be getting a newer claim right now.
  v_users := array(
    select distinct h.clerk_id
    from unnest(p_changes) as c
    cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
    where not c.deletes
      and h.clerk_id <> c.clerk_id
  );
  perform clerk_sync.lock_more_records(v_users);

  -- Without the proof of the address a row is left alone.
  perform clerk_sync.link_users(array_agg(c.email), array_agg(c.clerk_id))
  from (
    select distinct on (lower(i.payload ->> 'email')) i.clerk_id, i.payload ->> 'email' as email
    from unnest(p_changes) as i
    where not i.deletes
      and i.payload ->> 'email' is not null
      and (i.payload ->> 'email_verified')::boolean
    order by lower(i.payload ->> 'email'), i.version desc, i.clerk_id desc
  ) as c;
  if not clerk_sync.emails_are_unique() then
    return v_changes;
  end if;

  -- Holders outside the batch claim with the verification and the version of their last snapshot, rows without a Clerk id
  -- keep their address, deleted users claim nothing.
  v_losers := array(
    select r.clerk_id
    from (
      select
        q.clerk_id,
        row_number() over (
          partition by q.email
          order by q.is_unlinked desc, q.email_verified desc, q.version desc, q.clerk_id desc
        ) as place
      from (
        select
          c.payload ->> 'email' as email, c.clerk_id, coalesce((c.payload ->> 'email_verified')::boolean, false) as email_verified,
          case when 'email' = any (c.absent) then c.absent_version else c.version end as version, false as is_unlinked
        from unnest(p_changes) as c
        where not c.deletes
              and c.payload ->> 'email' is not null
        union all
        select
          h.email, h.clerk_id, coalesce(k.email_verified, false),
          coalesce(case when 'email' = any (k.absent) then k.absent_version else k.version end, 0),
          h.clerk_id is null
        from clerk_sync.email_holders(array(select c.payload ->> 'email' from unnest(p_changes) as c where not c.deletes)) as h
        left join lateral (select * from clerk_sync.known_users as r where r.clerk_id = h.clerk_id offset 0) as k on true
        where k.deleted_at is null
          and not exists (select 1 from unnest(p_changes) as own where own.clerk_id = h.clerk_id)
      ) as q
    ) as r
    where r.place > 1
  );

  -- A user who was read afresh lost the address to a holder of whom we know less: the holder is read afresh, too.
  update clerk_sync.records as r
  set refresh_reason = 'email_doubted',
      refresh_due_at = p_now,
      refresh_attempts = 0
  from unnest(p_changes) as c
  cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
  where c.fresh
    and c.clerk_id = any (v_losers)
    and h.clerk_id <> c.clerk_id
    and r.id = h.clerk_id
    and r.refresh_reason is null;
  v_changes := clerk_sync.without_emails(p_changes, v_losers);

  -- The address is taken from holders who lost it, and they are read again.
  v_users := array(
    select distinct h.clerk_id
    from unnest(v_changes) as c
    cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
    where h.clerk_id <> c.clerk_id
      and not c.deletes
  );
  perform clerk_sync.lock_more_records(v_users);
  update clerk_sync.records as r
  set refresh_reason = 'email_taken',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (v_users)
    and r.deleted_at is null;
  insert into clerk_sync.user_state as s (clerk_id, withheld_email, email_verified)
  select k.clerk_id, u.email, k.email_verified
  from clerk_sync.user_rows as u
  cross join lateral (select * from clerk_sync.known_users as r where r.clerk_id = u.clerk_id offset 0) as k
  where u.clerk_id = any (v_users)
    and k.deleted_at is null
  on conflict (clerk_id) do update
    set withheld_email = excluded.withheld_email;
  perform clerk_sync.take_emails(v_users, p_now);
  perform clerk_sync.queue_mirror(
    array(select i from unnest(v_users) as i except select c.clerk_id from unnest(v_changes) as c), 'email_taken', p_now
  );
  return v_changes;
end
$$;

-- Applies the events of jobs that are not plain, all of one kind: it decides what is disputed, prepares the records, and
-- hands the settled events to apply_plain. p_with_email false: no user gets an address. Returns as apply_plain does, and in
-- waiting the jobs that need something first: the row of an organization or a user, or a lock.
create or replace function clerk_sync.apply_disputed(
  p_kind       text,
  p_events     clerk_sync.events[],
  p_with_email boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out waiting    jsonb,
  out notes      jsonb
)
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[];
  v_deleted text[];
  v_revived text[];
  v_plain   record;
  v_stays   jsonb; -- what stays out, and why, by job
begin
  if p_kind = 'permission' then -- it has no row of its own; created and updated ones say nothing without a read of the roles
    perform clerk_sync.withdraw_permission(e.payload ->> 'key', p_now) from unnest(p_events) as e where e.deletes;
    carries := array(select e.id from unnest(p_events) as e);
    superseded := array[]::uuid[];
    return;
  end if;
  perform clerk_sync.lock_records(array(select e.clerk_id from unnest(p_events) as e), p_kind);
  v_changes := clerk_sync.newest_changes(p_kind, p_events, p_now);
  if p_kind = 'membership' then
    select m.changes, m.waiting, m.stays_out
    into v_changes, waiting, v_stays
    from clerk_sync.settle_memberships(v_changes, p_now) as m;
  end if;
  carries := array(select c.job_id from unnest(v_changes) as c);
  superseded := array(
    select e.id from unnest(p_events) as e where not coalesce(waiting, '{}') ? e.id::text except select i from unnest(carries) as i
  );

  v_changes := array(select c from unnest(v_changes) as c where not c.mirror_only);
  if p_kind = 'user' then
    if not p_with_email then
      v_changes := clerk_sync.without_emails(v_changes, array(select c.clerk_id from unnest(v_changes) as c));
    end if;
    v_changes := clerk_sync.settle_emails(v_changes, p_now);
  end if;

  v_deleted := array(select c.clerk_id from unnest(v_changes) as c where c.deletes);
  if cardinality(v_deleted) > 0 then
    perform clerk_sync.delete_rows(p_kind, v_deleted, p_now);
    perform clerk_sync.end_memberships(p_kind, v_deleted, p_now);
    -- A tombstone keeps the external_id by which the deletion may come again and, until the mirror is gone too, the Auth id.
    update clerk_sync.records as r
    set version = greatest(r.version, c.version),
        deleted_at = coalesce(r.deleted_at, p_now),
        trusted_version = null,
        absent = null,
        absent_version = null,
        refresh_reason = c.refresh_reason,
        refresh_due_at = case when c.refresh_reason is not null then p_now end,
        refresh_attempts = 0,
        last_synced_at = p_now
    from unnest(v_changes) as c
    where r.id = c.clerk_id
      and c.deletes;
    update clerk_sync.user_state as s
    set phone = null,
        email_verified = false,
        banned = false,
        locked = false,
        deprovisioned = false,
        withheld_email = null,
        ignored = null,
        email = null,
        name = null,
        role = null
    where s.clerk_id = any (v_deleted);
  end if;

  if p_kind in ('organization', 'user') then
    v_revived := array(
      select r.id
      from clerk_sync.records as r
      where r.id = any (array(select c.clerk_id from unnest(v_changes) as c where not c.deletes))
        and r.deleted_at is not null
    );
    perform clerk_sync.queue_members(p_kind, v_revived, p_now);
  end if;

  -- Settled is settled: the version, the tombstone and the doubt of the record do not stand in the way any more.
  update clerk_sync.records as r
  set version = least(r.version, c.version),
      deleted_at = null,
      trusted_version = null,
      absent = null,
      absent_version = null
  from unnest(v_changes) as c
  where r.id = c.clerk_id
    and not c.deletes;

  v_plain := clerk_sync.apply_plain(p_kind, array(
    select jsonb_populate_record(null::clerk_sync.events, jsonb_build_object(
      'id', c.job_id,
      'job_type', upper(p_kind) || '_UPDATED',
      'kind', p_kind,
      'deletes', false,
      'clerk_id', c.clerk_id,
      'version', c.version,
      'source', c.source,
      'payload', c.payload
    ))
    from unnest(v_changes) as c
    where not c.deletes
  ), true, p_now);

  -- A user who did not get the address is read again from Clerk's API: immediately, and when that read says the same,
  -- five times more with growing pauses.
  update clerk_sync.records as r
  set trusted_version = c.trusted_version,
      absent = c.absent,
      absent_version = case when c.absent is not null then c.absent_version end,
      refresh_reason = c.refresh_reason,
      refresh_attempts = case when c.fresh and c.refresh_reason is not null then r.refresh_attempts + 1 else 0 end,
      refresh_due_at = case
        when c.refresh_reason is null then null
        when not c.fresh then p_now
        when r.refresh_attempts < 5 then p_now + 4 ^ r.refresh_attempts * interval '1 minute'
      end
  from unnest(v_changes) as c
  where r.id = c.clerk_id
    and not c.deletes;
  insert into clerk_sync.user_state as s (clerk_id, withheld_email, email_verified)
  select c.clerk_id, c.withheld_email, coalesce((c.payload ->> 'email_verified')::boolean, false)
  from unnest(v_changes) as c
  where c.withheld_email is not null
    and not c.deletes
  on conflict (clerk_id) do update
    set withheld_email = excluded.withheld_email;

  notes := (
    select jsonb_object_agg(
      c.job_id,
      jsonb_strip_nulls(jsonb_build_object('refresh', c.refresh_reason, 'absent', c.absent))
        || coalesce(v_plain.notes -> c.job_id::text, '{}')
    )
    from unnest(v_changes) as c
  );
  notes := case when v_stays is null then notes else coalesce(notes, '{}') || v_stays end;
end
$$;

-- From events to rows, and their jobs moved.

-- The kinds of these events in the order in which they are applied: memberships come after organizations and users, so that
-- both are there.
create or replace function clerk_sync.kinds_of(p_events clerk_sync.events[])
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  return array(
    select e.kind
    from unnest(p_events) as e
    group by e.kind
    order by array_position('{organization,role,permission,user,membership,invitation}', e.kind)
  );
end
$$;

-- Those of a kind; all of them where there is only that kind.
create or replace function clerk_sync.events_of(p_kind text, p_kinds text[], p_events clerk_sync.events[])
returns clerk_sync.events[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  if cardinality(p_kinds) = 1 then
    return p_events;
  end if;
  return array(select e from unnest(p_events) as e where e.kind = p_kind);
end
$$;

-- Who mirrors what is written, and under which lease.
drop type if exists clerk_sync.apply_rules cascade;
create type clerk_sync.apply_rules as (
  mirror_token uuid,
  lease_until  timestamptz
);

-- Applies jobs whose records are locked, kind by kind: writes what they bring and moves them to COMPLETED, or, with a
-- mirror_token, the one of each user that carries the change to PROCESSING under that token. While the circuit of Supabase
-- Auth is open it waits for that instead, and the attempt does not count.
-- Constraints that wait for the commit are checked here, within the caller's savepoint: at the commit their error would
-- take everything back, the record of the failed job as well. Before that they wait again, should another savepoint of
-- the transaction have ended their waiting.
create or replace function clerk_sync.apply_jobs(
  p_ids        uuid[],
  p_rules      clerk_sync.apply_rules,
  p_now        timestamptz,
  p_with_email boolean default true
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_all        clerk_sync.events[] := array(select e from clerk_sync.events as e where e.id = any (p_ids));
  v_kinds      text[] := clerk_sync.kinds_of(v_all);
  v_kind       text;
  v_mirrors    boolean; -- the jobs of this kind wait for the mirror
  v_waits      boolean := p_rules.mirror_token is not null and clerk_sync.circuit_is_open('auth');
  v_events     clerk_sync.events[];
  v_is_disputed boolean;
  v_done       record;
  v_waiting    jsonb;
  v_carries    uuid[];
  v_superseded uuid[];
  v_ended      uuid[]; -- jobs of records that may be deleted, and that no call to the outside keeps open
  v_notes      jsonb;
begin
  set constraints all deferred;
  foreach v_kind in array v_kinds loop
    v_events := clerk_sync.events_of(v_kind, v_kinds, v_all);
    v_mirrors := v_kind = 'user' and p_rules.mirror_token is not null;
    v_carries := array[]::uuid[];
    v_superseded := array[]::uuid[];
    v_ended := array[]::uuid[];
    v_notes := null;
    v_waiting := null;
    v_is_disputed := false;
    if p_with_email then
      select * into v_carries, v_superseded, v_notes from clerk_sync.apply_plain(v_kind, v_events, false, p_now);
    end if;
    if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
      v_done := clerk_sync.apply_disputed(
        v_kind,
        array(
          select e
          from unnest(v_events) as e
          where case when e.id in (select i from unnest(v_carries || v_superseded) as i) then false else true end
        ),
        p_with_email, p_now
      );
      v_is_disputed := true;
      v_waiting := v_done.waiting;
      v_ended := v_done.superseded || case when not v_mirrors then v_done.carries end;
      v_carries := v_carries || v_done.carries;
      v_superseded := v_superseded || v_done.superseded;
      v_notes := coalesce(v_notes, '{}') || coalesce(v_done.notes, '{}');
    end if;
    if not v_mirrors then
      perform clerk_sync.complete_jobs(v_carries, p_now, p_applied => true, p_notes => v_notes);
    else
      perform clerk_sync.move_jobs(
        v_carries,
        case when v_waits then 'PENDING' else 'PROCESSING' end,
        p_now,
        p_applied => true,
        p_runs_alone => false, -- whatever hindered it is over
        p_notes => v_notes,
        p_waits_for => case when v_waits then 'auth' end,
        p_token => p_rules.mirror_token,
        p_lease_until => p_rules.lease_until
      );
    end if;
    perform clerk_sync.complete_jobs(v_superseded, p_now, p_applied => false, p_notes => v_notes);
    perform clerk_sync.move_jobs(
      array[w.key::uuid], null, p_now,
      p_waits_for => nullif(w.value, 'lock'),
      p_run_at => case w.value when 'lock' then p_now + interval '1 second' end
    )
    from jsonb_each_text(v_waiting) as w;
    if v_kind in ('organization', 'user') then
      perform clerk_sync.wake_members(v_kind, array(select e.clerk_id from unnest(v_events) as e), p_now);
    end if;
    perform clerk_sync.erase_deleted(v_ended, p_now);
    if v_is_disputed or cardinality(v_superseded) > 0 then
      perform clerk_sync.add_given(v_kind, v_events, p_now);
    end if;
  end loop;
  set constraints all immediate;
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

-- Ends an attempt that failed. The job is due again after the backoff, and never before p_retry_after. It is a dead letter
-- when the attempts are used up, or when trying again cannot help (p_is_final).
create or replace function clerk_sync.fail_job(
  p_id          uuid,
  p_error       text,
  p_now         timestamptz,
  p_is_final    boolean default false,
  p_retry_after interval default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_attempt integer := (
    select case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end from public.job_queue as j where j.id = p_id
  );
begin
  perform clerk_sync.move_jobs(
    array[p_id], case when p_is_final then 'DEAD' else 'FAILED' end, p_now,
    p_error => p_error,
    p_run_at => p_now + greatest(clerk_sync.backoff(v_attempt), p_retry_after)
  );
  insert into clerk_sync.metric_events (at, name, labels)
  select p_now, m.name, jsonb_build_object('code', split_part(p_error, ':', 1))
  from unnest(array['failed_attempts', 'dead']) as m(name)
  where m.name = 'failed_attempts'
     or (select j.status = 'DEAD' from public.job_queue as j where j.id = p_id);
end
$$;

-- What becomes of jobs whose call was cut off while it applied them. A job that had company may not be the one that took
-- the time: it runs alone from then on. For a job that runs alone it was a failed attempt.
create or replace function clerk_sync.cut_jobs(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_alone uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.runs_alone);
begin
  perform clerk_sync.fail_job(
    i, 'database_timeout: applying the job took too long; look for a slow trigger on the table of users', p_now
  )
  from unnest(v_alone) as i;
  perform clerk_sync.move_jobs(
    array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.id <> all (v_alone) and j.status = k.status),
    case when k.status = 'PROCESSING' then 'PENDING' end, p_now,
    p_runs_alone => true
  )
  from unnest(array['PENDING', 'FAILED', 'PROCESSING']) as k(status);
end
$$;

-- Applies one job in a savepoint of its own; whatever it raises is its outcome, recorded on it. A value that no later time
-- makes fit (class 22) is given up. So is a deletion that a foreign key stops for the second time: rows of other tables
-- rarely go by themselves. When the table's owner made addresses unique in another way than we compare them (by lower(),
-- say), the user gets a row without.
-- Returns false when the call was cut off (statement_timeout, which comes once a call): there is no time for another job.
-- "when others" catches neither query_canceled nor assert_failure, so both are named, here as everywhere.
create or replace function clerk_sync.apply_job(
  p_id         uuid,
  p_rules      clerk_sync.apply_rules,
  p_now        timestamptz,
  p_with_email boolean default true
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_message    text;
  v_constraint text;
  v_is_blocked boolean; -- by a foreign key
  v_is_again   boolean; -- not the first attempt
begin
  perform clerk_sync.apply_jobs(array[p_id], p_rules, p_now, p_with_email);
  return true;
exception
  when query_canceled then
    perform clerk_sync.cut_jobs(array[p_id], p_now);
    return false;
  when others or assert_failure then
    get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
    if sqlstate = '23505' and p_with_email then
      return clerk_sync.apply_job(p_id, p_rules, p_now, false);
    end if;
    if sqlstate like '22%' then -- the message of PostgreSQL may quote the value
      select coalesce(clerk_sync.refused_column(j.kind, j.payload), v_message)
      into v_message
      from public.job_queue as j
      where j.id = p_id;
    end if;
    select
      j.job_type like '%DELETED' and sqlstate in ('23503', '23001'),
      j.attempts >= case j.status when 'PROCESSING' then 2 else 1 end
    into v_is_blocked, v_is_again
    from public.job_queue as j
    where j.id = p_id;
    perform clerk_sync.fail_job(
      p_id,
      concat(
        concat_ws(' ', case when v_is_blocked then 'delete_blocked' else 'database_rejected' end, sqlstate, nullif(v_constraint, '')),
        ': ',
        v_message,
        case
          when v_is_blocked then '. Give the foreign key on delete cascade or set null, or delete softly ("delete" in clerk-sync.config.json); then retry the job.'
        end
      ),
      p_now,
      p_is_final => sqlstate like '22%' or (v_is_blocked and v_is_again)
    );
    return true;
end
$$;

-- Applies jobs whose users are locked: together, or else one by one in a savepoint each, so that the job that cannot be
-- applied fails alone (law 7). One by one the newest of a user comes first, because it carries the change. After 1.5 s the
-- call ends; the jobs that it did not reach are untouched and still due.
create or replace function clerk_sync.apply_batch(p_ids uuid[], p_rules clerk_sync.apply_rules, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_job      record;
  v_deadline timestamptz;
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  begin
    perform clerk_sync.apply_jobs(p_ids, p_rules, p_now);
    return;
  exception
    when query_canceled then -- there is no time left to find out which job hangs
      perform clerk_sync.cut_jobs(p_ids, p_now);
      return;
    when others or assert_failure then
      raise log 'clerk_sync: a batch of % jobs is applied one by one, because of SQLSTATE %', cardinality(p_ids), sqlstate;
  end;
  v_deadline := clock_timestamp() + interval '1.5 seconds';
  for v_job in
    select j.id, j.clerk_id
    from public.job_queue as j
    where j.id = any (p_ids)
    order by j.clerk_id, (j.job_type like '%DELETED') desc, j.version desc, j.created_at desc, j.id
  loop
    exit when clock_timestamp() > v_deadline;
    continue when exists ( -- a newer job of the user carries the change to the mirror
      select 1
      from public.job_queue as r
      where r.clerk_id = v_job.clerk_id
        and r.status = 'PROCESSING'
        and r.id <> v_job.id
    );
    exit when not clerk_sync.apply_job(v_job.id, p_rules, p_now);
  end loop;
end
$$;
