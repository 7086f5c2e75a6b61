-- Generated from clerk-sync.config.json.

insert into clerk_sync.mappings as m (kind, table_name, key, columns, written, rules, fields, access, editable, hash)
values (
  'user',
  'public.users',
  'clerk_id',
  '{"email":"email","name":"name","role":"public_metadata.role","createdAt":"created_at","updatedAt":"now","created_at":"created_at","updated_at":"now"}'::jsonb,
  array['email', 'name', 'role']::text[],
  '{"role":{"allowed":["user","admin"],"default":"user"},"createdAt":{"own_default":true,"once":true},"created_at":{"once":true}}'::jsonb,
  array['email', 'name', 'user_role', 'created_at']::text[],
  'own_row',
  array['name', 'preferences', 'medical_profile']::text[],
  'dfd2a232727f28b38b53238288419f3f17c8170a01f42d7d4922a60b5a7ff08c'
)
on conflict (kind) do update
  set table_name = excluded.table_name,
      key = excluded.key,
      columns = excluded.columns,
      written = excluded.written,
      rules = excluded.rules,
      fields = excluded.fields,
      access = excluded.access,
      editable = excluded.editable,
      hash = excluded.hash,
      changed_at = case when m.hash = excluded.hash then m.changed_at else now() end;

-- The rows of public.users, as the functions of the sync read them in a table of any shape. email is null for a
-- placeholder; mapped holds the columns that the sync writes.
create or replace view clerk_sync.user_rows
with (security_invoker = true)
as
select
  u.clerk_id as clerk_id,
  u.id::text as row_id,
  u.email as email,
  u.name as name,
  u.role::text as role,
  null::timestamptz as deleted_at,
  (select to_jsonb(m) from (select u.email, u.name, u.role, u."createdAt", u."updatedAt", u.created_at, u.updated_at) as m) as mapped
from public.users as u;

-- Applies the newest event of each user where only the version decides (laws 3 and 11), in one statement of named steps.
-- It is the only statement that writes rows of public.users from Clerk. What it does not return is left to apply_disputed.
-- Rows of tables are looked up by scalar subqueries, each by its key whatever the statistics say; a join could read a table.
-- p_is_settled: apply_disputed has settled these events; nothing but the version is asked.
--   carries     events that are written, and events that were written before whose mirror alone is pending
--   superseded  other events of the same users: they bring nothing newer
--   notes       what the results of jobs say besides, by job id
create or replace function clerk_sync.apply_users(
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
declare
  v_latest bigint := clerk_sync.latest_version(p_now);
begin
  with event as materialized ( -- the events; the newest of a user has place 1
    select
      e.*,
      row_number() over (
        partition by e.clerk_id
        order by e.deletes desc, e.version desc, e.applied_at is not null, e.created_at desc, e.id
      ) as place,
      bool_and(e.applied_at is not null) over (partition by e.clerk_id) as are_all_applied
    from unnest(p_events) as e
    where e.clerk_id is not null
  ),
  said as materialized ( -- what the newest snapshots say of their users, and how many users of this call claim the address
    select
      e.id, e.clerk_id, e.version, e.source, e.payload, e.payload ->> 'email' as email,
      count(*) over (partition by e.payload ->> 'email') as claims
    from event as e
    where e.place = 1
      and not e.deletes
      and e.applied_at is null
      and e.erased_at is null
      and not ( -- no news, but perhaps a reason to answer that the user exists
        e.job_type = 'USER_CREATED'
        and coalesce((select r.version >= e.version from clerk_sync.records as r where r.id = e.clerk_id), false)
      )
      and (
        p_is_settled
        or (
          not e.payload ? 'absent' -- as absent_fields
          and e.version <= v_latest + case
            when e.read_at is null and e.created_at < p_now then extract(epoch from e.created_at - p_now) * 1000
            else 0
          end
        )
      )
  ),
  free as materialized ( -- known records that no other transaction holds
    select r.id
    from clerk_sync.records as r
    where r.id = any (array(select s.clerk_id from said as s))
    for update skip locked
  ),
  fit as materialized ( -- those that dispute no address, and give none up that somebody waits for
    select s.*
    from said as s
    where case -- in a case, which makes it a lookup by hash whatever the statistics say
        when s.clerk_id in (select f.id from free as f) then true
        when (select true from clerk_sync.records as r where r.id = s.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(s.clerk_id, 7461203)) -- as claim_records
      end
      and (
        p_is_settled
        or (
          (
            s.email is null
            or (
              s.claims = 1
              and coalesce((select coalesce(u.clerk_id, '') from public.users as u where u.email = s.email), s.clerk_id) = s.clerk_id
            )
          )
          and case -- usually no user waits for an address at all
              when exists (select 1 from clerk_sync.user_state as w where w.withheld_email is not null) then ( -- and for this one?
                select (u.email is not distinct from s.email and (s.payload ->> 'email_verified')::boolean)
                  or (select true from clerk_sync.user_state as w where w.withheld_email = u.email limit 1) is null
                from public.users as u
                where u.clerk_id = s.clerk_id
              ) is not false
              else true
            end
          and case -- usually each row has its Clerk id
            when exists (select 1 from public.users as u where u.clerk_id is null) then (
              select true
              from public.users as u
              where lower(u.email) = lower(s.payload ->> 'email')
                and u.clerk_id is null
              limit 1
            ) is null
            else true
          end
        )
      )
    order by s.clerk_id -- one order for all: two calls that share users do not wait for each other in a circle
  ),
  record as ( -- the guard and the tombstone: only what it returns is written
    insert into clerk_sync.records as r (id, version, last_synced_at, first_seen_at, row_made_at, given)
    select
      f.clerk_id, f.version, p_now,
      case when coalesce(f.source, 'webhook') = 'webhook' and n.makes_row then p_now end,
      case when n.makes_row then p_now end,
      array(select jsonb_array_elements_text(f.payload -> 'given'))
    from fit as f
    cross join lateral (
      select (select true from public.users as u where u.clerk_id = f.clerk_id) is null as makes_row
      offset 0 -- one lookup each
    ) as n
    on conflict (id) do update
      set version = excluded.version,
          last_synced_at = excluded.last_synced_at,
          first_seen_at = case when r.version = 0 then coalesce(r.first_seen_at, excluded.first_seen_at) else r.first_seen_at end,
          row_made_at = coalesce(excluded.row_made_at, r.row_made_at),
          given = case
            when excluded.given <@ r.given then r.given
            else array(select distinct g from unnest(r.given || excluded.given) as g order by g)
          end,
          refresh_reason = null,
          refresh_due_at = null,
          refresh_attempts = case when p_is_settled then r.refresh_attempts else 0 end
      where r.version <= excluded.version
        and r.deleted_at is null
        and r.trusted_version is null
        and r.absent_version is null
    returning r.id, r.given
  ),
  written as materialized (
    select f.*
    from fit as f
    where case when f.clerk_id in (select r.id from record as r) then true end
  ),
  user_row as ( -- n is what the event gives, k the row as it is. A row that would not change is not written, so now stays true
    insert into public.users as u
      (clerk_id, email, name, role, "createdAt", "updatedAt", created_at, updated_at)
    select
      w.clerk_id,
      case when k.is_there is null or w.payload ? 'email' then n.email else k.email end,
      case when k.is_there is null or w.payload ? 'name' then n.name else k.name end,
      case
        when k.is_there is null then n.role
        when w.payload ? 'user_role' and w.clerk_id in (select r.id from record as r where 'public_metadata.role' = any (r.given)) then n.role
        else k.role
      end,
      n."createdAt",
      n."updatedAt",
      n.created_at,
      n.updated_at
    from written as w
    cross join lateral (
      select
        w.payload ->> 'email' as email,
        w.payload ->> 'name' as name,
        case
          when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' = any (enum_range(null::public."UserRole")::text[]) then (w.payload ->> 'user_role')::public."UserRole"
          else 'user'::public."UserRole"
        end as role,
        coalesce((w.payload ->> 'created_at')::timestamptz, p_now) at time zone 'utc' as "createdAt",
        p_now at time zone 'utc' as "updatedAt",
        coalesce((w.payload ->> 'created_at')::timestamptz, p_now) as created_at,
        p_now as updated_at
    ) as n
    left join lateral (
      select true as is_there, o.email, o.name, o.role
      from public.users as o
      where o.clerk_id = w.clerk_id
      offset 0
      for no key update
    ) as k on true
    on conflict (clerk_id) do update
      set email = excluded.email,
          name = excluded.name,
          role = excluded.role,
          "updatedAt" = excluded."updatedAt",
          updated_at = excluded.updated_at
      where (u.email, u.name, u.role)
        is distinct from (excluded.email, excluded.name, excluded.role)
  ),
  state as ( -- what only users have; most have none of it, and no row for it
    insert into clerk_sync.user_state as s
      (clerk_id, external_id, phone, email_verified, banned, locked, deprovisioned, ignored)
    select w.clerk_id, n.external_id, n.phone, n.email_verified, n.banned, n.locked, n.deprovisioned, n.ignored
    from written as w
    left join lateral (select o.* from clerk_sync.user_state as o where o.clerk_id = w.clerk_id offset 0) as k on true
    cross join lateral (
      select
        case when w.payload ? 'external_id' then w.payload ->> 'external_id' else k.external_id end as external_id,
        case when not w.payload ? 'phone' then k.phone when (w.payload ->> 'phone_verified')::boolean then w.payload ->> 'phone' end as phone,
        coalesce(case when w.payload ? 'email_verified' then (w.payload ->> 'email_verified')::boolean else k.email_verified end, false) as email_verified,
        coalesce(case when w.payload ? 'banned' then (w.payload ->> 'banned')::boolean else k.banned end, false) as banned,
        coalesce(case when w.payload ? 'locked' then (w.payload ->> 'locked')::boolean else k.locked end, false) as locked,
        coalesce(case when w.payload ? 'deprovisioned' then (w.payload ->> 'deprovisioned')::boolean else k.deprovisioned end, false) as deprovisioned,
        nullif(jsonb_strip_nulls(jsonb_build_object(
          'role', case
            when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' <> all (enum_range(null::public."UserRole")::text[])
              then clerk_sync.kind_of(w.payload -> 'user_role')
            when not w.payload ? 'user_role' then k.ignored ->> 'role'
          end
        )), '{}') as ignored
    ) as n
    where k.clerk_id is not null
       or not n.email_verified
       or n.external_id is not null
       or n.phone is not null
       or n.banned
       or n.locked
       or n.deprovisioned
       or n.ignored is not null
    on conflict (clerk_id) do update
      set external_id = excluded.external_id,
          phone = excluded.phone,
          email_verified = excluded.email_verified,
          banned = excluded.banned,
          locked = excluded.locked,
          deprovisioned = excluded.deprovisioned,
          ignored = excluded.ignored,
          withheld_email = null
      where (s.external_id, s.phone, s.email_verified, s.banned, s.locked, s.deprovisioned, s.ignored, s.withheld_email)
        is distinct from (excluded.external_id, excluded.phone, excluded.email_verified, excluded.banned, excluded.locked, excluded.deprovisioned, excluded.ignored, null)
  ),
  verdict as (
    select
      e.id,
      e.place,
      e.clerk_id in (select w.clerk_id from written as w) or case -- all were written before: the mirror of the newest is pending
        when e.are_all_applied then (
          select case
            when e.place > 1 then true
            when e.deletes then r.deleted_at is not null
            else r.deleted_at is null and r.version = e.version and r.absent_version is null
          end
          from clerk_sync.records as r
          where r.id = e.clerk_id
        )
        else false
      end as is_done
    from event as e
  )
  select
    coalesce(array_agg(v.id) filter (where v.is_done and v.place = 1), '{}'),
    coalesce(array_agg(v.id) filter (where v.is_done and v.place > 1), '{}'),
    (
      select jsonb_object_agg(w.id, jsonb_build_object('ignored', n.ignored))
      from written as w
      cross join lateral (
        select nullif(jsonb_strip_nulls(jsonb_build_object(
          'role', case
            when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' <> all (enum_range(null::public."UserRole")::text[])
              then clerk_sync.kind_of(w.payload -> 'user_role')
          end
        )), '{}') as ignored
      ) as n
      where n.ignored is not null
    )
  into carries, superseded, notes
  from verdict as v;
end
$$;

-- Gives the columns of a metadata key their default. Called when an event that was passed over is the first to have the
-- key: the newest event, which was written before, has metadata without it, unless the key is among what was absent there.
create or replace function clerk_sync.default_user_columns(p_clerk_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  if p_source = 'public_metadata.role' and 'user_role' <> all (p_absent) then
    update public.users as u
    set role = 'user'::public."UserRole",
        "updatedAt" = p_now at time zone 'utc',
        updated_at = p_now
    where u.clerk_id = p_clerk_id
      and u.role is distinct from 'user'::public."UserRole";
  end if;
end
$$;

-- Removes rows, whatever becomes of the rows of deleted users.
create or replace function clerk_sync.remove_users(p_clerk_ids text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  delete from public.users as u
  where u.clerk_id = any (p_clerk_ids);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- What becomes of the rows of deleted users: they go.
create or replace function clerk_sync.delete_users(p_clerk_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  select clerk_sync.remove_users(p_clerk_ids);
$$;

-- Whether two rows may not have one address.
create or replace function clerk_sync.emails_are_unique()
returns boolean
language sql
immutable
set search_path = ''
as $$
  select true;
$$;

-- The rows that hold these addresses; clerk_id is null where the row has none.
create or replace function clerk_sync.email_holders(p_emails text[])
returns table (email text, clerk_id text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select i.email, u.clerk_id
  from (select distinct e.email from unnest(p_emails) as e(email) where e.email is not null) as i
  -- offset 0: a lookup each, whatever the statistics say
  cross join lateral (
    select r.clerk_id::text as clerk_id from public.users as r where r.email = i.email offset 0
  ) as u;
end
$$;

-- Takes their addresses from users.
create or replace function clerk_sync.take_emails(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  update public.users as u
  set email = null,
      "updatedAt" = p_now at time zone 'utc',
      updated_at = p_now
  where u.clerk_id = any (p_clerk_ids);
end
$$;

-- The users whose rows hold a text in a mapped column of texts: as it is written, or in any case where the index is on
-- lower(column); an email also in lower case. A column without an index is not read: not_searched has [{name, remedy}]. At most
-- 50 users of a column and 100 of all; is_cut when more rows hold the text.
create or replace function clerk_sync.find_by_text(
  p_q text,
  out clerk_ids    text[],
  out searched     text[],
  out not_searched jsonb,
  out is_cut       boolean
)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- it collects all that an index finds before the limit
set plan_cache_mode = 'force_custom_plan' -- of a table that was empty any index looks as good as the column's own
as $$
begin
  with looked as materialized (
    select c.place, c.name, c.remedy, c.ids
    from (values
      (
        1, 'email', 'create index on public.users (lower(email));',
        case clerk_sync.text_index('public.users', 'email')
          when 'lower' then array(select u.clerk_id from public.users as u where lower(u.email) = lower(p_q) limit 51)
          when 'plain' then array(select u.clerk_id from public.users as u where u.email = p_q limit 51)
            || array(select u.clerk_id from public.users as u where u.email = nullif(lower(p_q), p_q) limit 51)
        end
      ),
      (
        2, 'name', 'create index on public.users (lower(name));',
        case clerk_sync.text_index('public.users', 'name')
          when 'lower' then array(select u.clerk_id from public.users as u where lower(u.name) = lower(p_q) limit 51)
          when 'plain' then array(select u.clerk_id from public.users as u where u.name = p_q limit 51)
        end
      )
    ) as c(place, name, remedy, ids)
  ),
  holders as (
    select distinct i.id
    from looked as l
    cross join unnest(l.ids[1:50]) as i(id)
    where i.id is not null
  )
  select
    array(select h.id from holders as h order by h.id limit 100),
    coalesce(array_agg(l.name order by l.place) filter (where l.ids is not null), '{}'),
    coalesce(
      jsonb_agg(jsonb_build_object('name', l.name, 'remedy', l.remedy) order by l.place) filter (where l.ids is null), '[]'
    ),
    coalesce(bool_or(cardinality(l.ids) > 50), false) or (select count(*) > 100 from holders)
  into clerk_ids, searched, not_searched, is_cut
  from looked as l;
exception
  when undefined_column then -- a search by id must work all the same
    clerk_ids := '{}';
    searched := '{}';
    not_searched := '[{"name":"email","remedy":"-- The table has changed. Run: clerk-sync doctor"},{"name":"name","remedy":"-- The table has changed. Run: clerk-sync doctor"}]';
    is_cut := false;
end
$$;

-- Rows without a Clerk id, through the unique index of the key.
create or replace function clerk_sync.rows_without_id(p_most integer)
returns table (row_id text)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- as clerk_sync.find_by_text
as $$
begin
  return query
  (select u.id::text from public.users as u where u.clerk_id is null limit p_most);
end
$$;

-- Whether rows of other tables may refer to the row of a user: a foreign key on the table has been made since this function.
create or replace function clerk_sync.row_is_referenced(p_clerk_id text)
returns boolean
language sql
set search_path = ''
as $$
  select exists (
    select 1 from pg_catalog.pg_constraint as c where c.confrelid = 'public.users'::regclass and c.conparentid = 0
  );
$$;

-- Finds rows without a Clerk id by their address. Usually the index is empty. An earlier mapping may have had another column.
drop index if exists public.clerk_sync_unlinked_email_idx;
create index clerk_sync_unlinked_email_idx
  on public.users (lower(email))
  where clerk_id is null;

-- Links rows without a Clerk id (the app made them before the sync, or by its own sign-up) to the Clerk users who have proved
-- the address. The case of an address does not count. A user who has a row by then keeps the older one, when the sync made
-- the newer one and no row of another table references it. Else nothing is deleted or moved, and the user's state names the row.
create or replace function clerk_sync.link_users(p_emails text[], p_clerk_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_link record;
  v_row  record;
begin
  for v_link in
    select i.email, i.clerk_id
    from unnest(p_emails, p_clerk_ids) as i(email, clerk_id)
  loop
    select r.ctid as place, r.id::text as row_id
    into v_row
    from public.users as r
    where lower(r.email) = lower(v_link.email)
      and r.clerk_id is null
    order by (r.email = v_link.email) desc, r.id
    limit 1
    for update;
    continue when not found;
    if exists (select 1 from public.users as u where u.clerk_id = v_link.clerk_id)
      and (
        (select r.row_made_at from clerk_sync.records as r where r.id = v_link.clerk_id) is null
        or clerk_sync.row_is_referenced(v_link.clerk_id)
      )
    then
      insert into clerk_sync.user_state as s (clerk_id, unlinked_row)
      values (v_link.clerk_id, v_row.row_id)
      on conflict (clerk_id) do update
        set unlinked_row = excluded.unlinked_row;
      continue;
    end if;
    delete from public.users as u
    where u.clerk_id = v_link.clerk_id;
    update public.users as u
    set clerk_id = v_link.clerk_id
    where u.ctid = v_row.place;
    update clerk_sync.records as r
    set ungiven = null,
        row_made_at = null
    where r.id = v_link.clerk_id;
    update clerk_sync.user_state as s
    set unlinked_row = null
    where s.clerk_id = v_link.clerk_id;
  end loop;
end
$$;

-- Names the column that does not take what an event brings, and of what kind the value is; null when each takes it.
create or replace function clerk_sync.refused_user_column(p_payload jsonb)
returns text
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
begin
  begin
    perform (p_payload ->> 'created_at')::timestamptz at time zone 'utc';
  exception
    when data_exception then
      return format('column %s does not take what Clerk has, %s', 'createdAt', clerk_sync.describe_value(p_payload -> 'created_at'));
  end;
  begin
    perform (p_payload ->> 'created_at')::timestamptz;
  exception
    when data_exception then
      return format('column %s does not take what Clerk has, %s', 'created_at', clerk_sync.describe_value(p_payload -> 'created_at'));
  end;
  return null;
end
$$;

-- The columns in which the row of a user is not as Clerk has it; p_payload is what Clerk says, as an event has it. A column of
-- metadata that Clerk never gave does not count. is_editable: the user may have changed it here.
create or replace function clerk_sync.differing_columns(p_clerk_id text, p_payload jsonb)
returns table (name text, key text, clerk text, here text, is_editable boolean)
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set plan_cache_mode = 'force_generic_plan' -- a plan for this payload would evaluate the casts while it is made, also those that a case guards
as $$
declare
  v_given text[] := (select r.given from clerk_sync.records as r where r.id = p_clerk_id);
begin
  return query
  select c.name, c.key, c.clerk, c.here, c.is_editable
  from public.users as u
  cross join lateral (
    select
      p_payload ->> 'email' as email,
      p_payload ->> 'name' as name,
      case
        when p_payload -> 'given' ? 'public_metadata.role' and p_payload ->> 'user_role' = any (enum_range(null::public."UserRole")::text[]) then (p_payload ->> 'user_role')::public."UserRole"
        else 'user'::public."UserRole"
      end as role
  ) as n
  cross join lateral (
    values
      ('email', 'email', n.email, u.email, false, p_payload ? 'email'),
      ('name', 'name', n.name, u.name, true, p_payload ? 'name'),
      ('role', 'user_role', n.role::text, u.role::text, false, p_payload ? 'user_role' and (p_payload -> 'given' ? 'public_metadata.role' or 'public_metadata.role' = any (v_given)))
  ) as c(name, key, clerk, here, is_editable, is_said)
  where u.clerk_id = p_clerk_id
    and c.is_said
    and c.clerk is distinct from c.here;
end
$$;

-- The columns of a row that its user may read through the API.
create or replace function clerk_sync.readable_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_object_agg(c.key, c.value), '{}')
    from public.users as u
    cross join lateral jsonb_each(to_jsonb(u)) as c
    where u.clerk_id = p_clerk_id
      and has_column_privilege('authenticated', 'public.users', c.key, 'select')
  );
end
$$;

-- What the sync needs to write the table, and nothing for anybody else.
grant usage on schema public to service_role;
grant select, insert, update, delete on public.users to service_role;
do $$
declare
  v_sequence regclass;
begin
  for v_sequence in
    select d.objid::regclass
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
    where d.refobjid = 'public.users'::regclass
      and d.deptype in ('a', 'i')
  loop
    execute format('grant usage on sequence %s to service_role', v_sequence);
  end loop;
end
$$;

-- A signed-in user reads the own row, and edits only what the configuration lets users edit: column grants keep the rest out
-- of reach, which row level security cannot do.
revoke all on public.users from public, anon, authenticated;
grant select on public.users to authenticated;
grant update (name, preferences, medical_profile) on public.users to authenticated;

alter table public.users enable row level security;
drop policy if exists users_select_own on public.users;
drop policy if exists users_update_at_most_64_kb on public.users;
drop policy if exists users_update_own on public.users;

-- In exactly this form: auth.uid() raises on a Clerk id, and Supabase's linter flags the others.
create policy users_select_own
  on public.users
  for select
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'));
comment on policy users_select_own on public.users is 'Made by clerk-sync.';

-- What a user may edit stays small: 64 kB together. The sync and the owner are not bounded. Restrictive, so that PostgreSQL
-- names this policy when it refuses. By key, because the owner may drop a column that users edit.
create policy users_update_at_most_64_kb
  on public.users
  as restrictive
  for update
  to authenticated
  using (true)
  with check (
    coalesce(octet_length(to_jsonb(users) ->> 'name'), 0)
      + coalesce(octet_length(to_jsonb(users) ->> 'preferences'), 0)
      + coalesce(octet_length(to_jsonb(users) ->> 'medical_profile'), 0) <= 65536
  );

create policy users_update_own
  on public.users
  for update
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'))
  with check (clerk_id = ((select auth.jwt()) ->> 'sub'));
comment on policy users_update_at_most_64_kb on public.users is 'Made by clerk-sync.';
comment on policy users_update_own on public.users is 'Made by clerk-sync.';

do $$
begin
  perform clerk_sync.note_objects();
end
$$;
