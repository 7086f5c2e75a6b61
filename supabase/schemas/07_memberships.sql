-- What only memberships dispute: a member who left and joined again, and an organization or a user who is deleted.

-- Locks the organizations and users of memberships, so that none is deleted while a membership of it is written, and the
-- pairs, so that two memberships of one pair are written one after the other. Waits for nothing: returns the changes whose
-- locks this transaction did not get. A record that was never seen gets its row: it is the lock.
create or replace function clerk_sync.lock_parents(p_changes clerk_sync.record_change[])
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_organizations text[] := array(select c.payload ->> 'organization_id' from unnest(p_changes) as c where not c.deletes);
  v_parents       text[] := array(
    select distinct i
    from unnest(v_organizations || array(select c.payload ->> 'user_id' from unnest(p_changes) as c where not c.deletes)) as i
  );
  v_unseen        text[] := array(
    select i
    from unnest(v_parents) as i
    where (select true from clerk_sync.records as r where r.id = i) is null -- a lookup each, whatever the statistics say
      and pg_try_advisory_xact_lock(hashtextextended(i, 7461203)) -- as claim_records
  );
  v_locked        text[];
begin
  insert into clerk_sync.records as r (id, kind)
  select i, case when i = any (v_organizations) then 'organization' else 'user' end
  from unnest(v_unseen) as i
  on conflict (id) do nothing;
  v_locked := array(select r.id from clerk_sync.records as r where r.id = any (v_parents) for share skip locked);
  return array(
    select c.clerk_id
    from unnest(p_changes) as c
    where not c.deletes
      and not (
        c.payload ->> 'organization_id' = any (v_locked)
        and c.payload ->> 'user_id' = any (v_locked)
        and pg_try_advisory_xact_lock(
          hashtextextended((c.payload ->> 'organization_id') || ' ' || (c.payload ->> 'user_id'), 7461204)
        )
      )
  );
end
$$;

-- Settles which memberships have a row. One of a deleted organization or user stays out. Of two of one pair the later one
-- has the row: by created_at, then the version, then the id; also where the later one has ended since. Returns the changes
-- that are left, the jobs that have to wait (for the row of an organization or a user, or for a lock that another
-- transaction holds), and the jobs of what stays out, each with its reason. The records of the memberships are locked.
create or replace function clerk_sync.settle_memberships(
  p_changes clerk_sync.record_change[],
  p_now     timestamptz,
  out changes   clerk_sync.record_change[],
  out waiting   jsonb,
  out stays_out jsonb
)
language plpgsql
set search_path = ''
as $$
declare
  v_held     text[] := clerk_sync.lock_parents(p_changes);
  v_changes  clerk_sync.record_change[] := p_changes;
  v_replaced text[];
begin
  if cardinality(v_held) > 0 then
    v_changes := array(select c from unnest(p_changes) as c where c.clerk_id <> all (v_held));
  end if;
  stays_out := (
    select jsonb_object_agg(c.job_id, jsonb_build_object('reason', k.reason))
    from unnest(v_changes) as c
    cross join lateral (
      select case
        when (select r.deleted_at is not null from clerk_sync.records as r where r.id = c.payload ->> 'organization_id')
          then 'organization_deleted'
        when (select r.deleted_at is not null from clerk_sync.records as r where r.id = c.payload ->> 'user_id')
          then 'user_deleted'
        when exists (
          select 1
          from clerk_sync.membership_state as o
          where o.organization_id = c.payload ->> 'organization_id'
            and o.user_id = c.payload ->> 'user_id'
            and o.id <> c.clerk_id
            and (o.created_at, coalesce((select r.version from clerk_sync.records as r where r.id = o.id), 0), o.id)
              > ((c.payload ->> 'created_at')::timestamptz, c.version, c.clerk_id)
        ) or exists (
          select 1
          from unnest(v_changes) as o
          where o.payload ->> 'organization_id' = c.payload ->> 'organization_id'
            and o.payload ->> 'user_id' = c.payload ->> 'user_id'
            and o.clerk_id <> c.clerk_id
            and ((o.payload ->> 'created_at')::timestamptz, o.version, o.clerk_id)
              > ((c.payload ->> 'created_at')::timestamptz, c.version, c.clerk_id)
        ) then 'replaced'
      end as reason
    ) as k
    where not c.deletes
      and k.reason is not null
  );
  changes := array(select c from unnest(v_changes) as c where not coalesce(stays_out, '{}') ? c.job_id::text);

  -- Those that are seen for the first time are remembered, also where they stay out: the pair and the time decide later.
  insert into clerk_sync.membership_state as s (id, organization_id, user_id, created_at, has_row)
  select
    c.clerk_id, c.payload ->> 'organization_id', c.payload ->> 'user_id', (c.payload ->> 'created_at')::timestamptz, false
  from unnest(v_changes) as c
  where c.payload ->> 'organization_id' is not null
    and c.payload ->> 'user_id' is not null
    and c.payload ->> 'created_at' is not null
  on conflict (id) do nothing;

  v_replaced := array(
    select distinct s.id
    from unnest(v_changes) as c
    cross join lateral ( -- a lookup each, whatever the statistics say
      select k.id
      from clerk_sync.membership_state as k
      where k.organization_id = c.payload ->> 'organization_id'
        and k.user_id = c.payload ->> 'user_id'
        and k.has_row
      offset 0
    ) as s
    where case
      when stays_out ? c.job_id::text then s.id = c.clerk_id
      else not c.deletes and s.id <> c.clerk_id
    end
  );
  perform clerk_sync.remove_memberships(v_replaced, p_now);

  waiting := (
    select jsonb_object_agg(c.job_id, p.reason)
    from unnest(p_changes) as c
    cross join lateral (
      select case when c.clerk_id = any (v_held) then 'lock' else clerk_sync.missing_parent(c.payload) end as reason
    ) as p
    where not c.deletes
      and p.reason is not null
      and not coalesce(stays_out, '{}') ? c.job_id::text
  );
  changes := case
    when waiting is null then changes
    else array(select c from unnest(changes) as c where not waiting ? c.job_id::text)
  end;
end
$$;

-- Removes the rows of memberships that ended without an event of their own.
create or replace function clerk_sync.remove_memberships(p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  perform clerk_sync.delete_rows('membership', p_ids, p_now);
  update clerk_sync.membership_state as s
  set has_row = false
  where s.id = any (p_ids);
end
$$;

-- Ends the memberships of what was deleted: of organizations or users, or themselves. The deleted records are locked, and
-- each transaction that writes a membership holds them too, so that none is missed. Memberships that end with their
-- organization or user get no tombstone: while that is deleted they stay out, and a read brings them back when it returns.
create or replace function clerk_sync.end_memberships(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_kind = 'membership' then
    update clerk_sync.membership_state as s
    set has_row = false
    where s.id = any (p_ids);
  elsif p_kind = 'user' then
    perform clerk_sync.remove_memberships(
      array(select s.id from clerk_sync.membership_state as s where s.user_id = any (p_ids) and s.has_row), p_now
    );
  elsif p_kind = 'organization' then
    perform clerk_sync.remove_memberships(
      array(select s.id from clerk_sync.membership_state as s where s.organization_id = any (p_ids) and s.has_row), p_now
    );
    perform clerk_sync.delete_rows(
      'invitation', array(select i.id from clerk_sync.invitation_rows as i where i.organization_id = any (p_ids)), p_now
    );
  end if;
end
$$;

-- Asks for a read of the memberships of organizations or users who are there again: their memberships ended with them.
create or replace function clerk_sync.queue_members(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 or not exists (select 1 from clerk_sync.mappings as m where m.kind = 'membership') then
    return;
  end if;
  perform clerk_sync.insert_jobs(clerk_sync.new_events((
    select jsonb_agg(jsonb_build_object(
      'event_id', 'members_' || gen_random_uuid(),
      'job_type', upper(p_kind) || '_UPDATED',
      'clerk_id', i,
      'source', 'members',
      'payload', jsonb_build_object('clerk_id', i, 'retry_count', 0)
    ))
    from unnest(p_ids) as i
  )), p_now);
end
$$;

-- Writes the organizations that come with events of memberships, where they are newer than what is known. An organization
-- that the database refuses keeps no membership out: its own event says why.
create or replace function clerk_sync.apply_embedded(p_events clerk_sync.events[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_events clerk_sync.events[] := array(
    select jsonb_populate_record(e, jsonb_build_object(
      'job_type', 'ORGANIZATION_UPDATED',
      'kind', 'organization',
      'deletes', false,
      'clerk_id', o.value #>> '{payload,clerk_id}',
      'version', o.value -> 'version',
      'payload', o.value -> 'payload'
    ))
    from unnest(p_events) as e
    cross join lateral (select e.payload -> 'organization' as value) as o
    where e.applied_at is null
      and e.erased_at is null
      and o.value #>> '{payload,clerk_id}' is not null
      -- a lookup each, whatever the statistics say
      and coalesce((
        select r.version < (o.value ->> 'version')::bigint from clerk_sync.records as r where r.id = o.value #>> '{payload,clerk_id}'
      ), true)
  );
begin
  if cardinality(v_events) > 0 then
    perform clerk_sync.apply_plain('organization', v_events, false, p_now);
  end if;
exception
  when others or assert_failure then
    raise log 'clerk_sync: % organizations that came with memberships are left to their own events, because of SQLSTATE %',
      cardinality(v_events), sqlstate;
end
$$;
