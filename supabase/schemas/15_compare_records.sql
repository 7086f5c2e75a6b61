-- How organizations, memberships, roles and invitations here are compared with those at Clerk.

-- The rows of a kind that have these ids of Clerk, with all of their columns.
create or replace function clerk_sync.record_rows(p_kind text, p_ids text[])
returns table (id text, deleted_at timestamptz, columns jsonb)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_mapping clerk_sync.mappings;
  v_rows    jsonb;
begin
  select m.* into v_mapping from clerk_sync.mappings as m where m.kind = p_kind;
  if not found then
    return;
  end if;
  execute format(
    'select jsonb_agg(jsonb_build_object(''id'', t.%1$I::text, ''deleted_at'', v.deleted_at, ''columns'', to_jsonb(t)))'
      ' from %2$s as t join clerk_sync.%3$I as v on v.id = t.%1$I::text'
      ' where t.%1$I = any ($1)',
    v_mapping.key, v_mapping.table_name, p_kind || '_rows'
  )
  into v_rows
  using p_ids;
  return query
  select r.id, r.deleted_at, r.columns
  from jsonb_to_recordset(v_rows) as r(id text, deleted_at timestamptz, columns jsonb);
end
$$;

-- The columns in which the row of a record (p_row) is not as Clerk has it. p_payload is what Clerk says, as an event has
-- it: only what it says counts. A key of metadata that Clerk never gave (p_given) does not count, nor does a column that has
-- its default for want of a value that it takes. The values pass through the table's type, so that both look alike.
create or replace function clerk_sync.differing_record_columns(p_kind text, p_payload jsonb, p_row jsonb, p_given text[])
returns table (name text, clerk jsonb, here jsonb)
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_mapping clerk_sync.mappings;
  v_said    jsonb;
  v_clerk   jsonb;
begin
  select m.* into v_mapping from clerk_sync.mappings as m where m.kind = p_kind;
  v_said := (
    select jsonb_object_agg(c.key, p_payload -> c.value)
    from jsonb_each_text(v_mapping.columns) as c
    where c.key = any (v_mapping.written)
      and c.value not in ('organization', 'user') -- a membership does not change them
      and p_payload ? case c.value when 'inviter' then 'inviter_id' else c.value end
      and (c.value not like '%.%' or p_payload -> 'given' ? c.value or c.value = any (p_given))
      and not (
        v_mapping.rules -> c.key ?| '{default,own_default}' and jsonb_typeof(p_payload -> c.value) is not distinct from 'null'
      )
      and not coalesce(
        v_mapping.rules -> c.key ? 'allowed' and not v_mapping.rules #> array[c.key, 'allowed'] @> (p_payload -> c.value), false
      )
  );
  if v_said is null then
    return;
  end if;
  execute format('select to_jsonb(r) from jsonb_populate_record(null::%s, $1) as r', v_mapping.table_name)
  into v_clerk
  using v_said;
  return query
  select k, v_clerk -> k, p_row -> k
  from jsonb_object_keys(v_said) as k
  where v_clerk -> k is distinct from p_row -> k;
exception
  when data_exception then -- a column does not take what Clerk has: its job says why
    return;
end
$$;

-- Those of p_records ([{clerk_id, version, payload}] as read from Clerk's API) that the open run has not seen yet and that are
-- not as they are there. Answers {seen: how many it had seen before, found: [{clerk_id, kind, fields}]}; with p_with_values
-- fields are {field: {clerk, here}} instead of their names. The kinds are those of clerk_sync_compare_users: pending,
-- missing, stale, ahead and differs.
create or replace function public.clerk_sync_compare_records(
  p_kind        text,
  p_records     jsonb,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC' -- times look as in differing_record_columns
set jit = 'off'
as $$
declare
  v_seen text[] := array(
    select m.clerk_id
    from clerk_sync.run_marks as m
    where m.clerk_id = any (array(select i ->> 'clerk_id' from jsonb_array_elements(p_records) as i))
  );
begin
  return (
    select jsonb_build_object('seen', cardinality(v_seen), 'found', coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', d.clerk_id,
      'kind', d.kind,
      'fields', case when p_with_values then d.fields else to_jsonb(array(select jsonb_object_keys(d.fields))) end
    )) filter (where d.kind is not null), '[]'))
    from (
      select
        i.clerk_id, c.fields,
        case
          when exists (
            select 1 from public.job_queue as j
            where j.clerk_id = i.clerk_id
              and (j.version >= i.version or j.job_type like '%DELETED' or j.source = 'refresh')
              and (
                j.status in ('PENDING', 'PROCESSING', 'FAILED')
                or (j.status = 'DEAD' and j.source in ('backfill', 'reconcile')) -- waits for a person; not one a night
              )
          ) then 'pending'
          when w.id is null or w.deleted_at is not null then 'missing'
          when r.id is null or r.version < i.version then 'stale'
          when r.version > i.version -- as clerk_sync_compare_users
            and (r.version > clerk_sync.latest_version(p_now) or r.last_synced_at < p_now - interval '10 minutes')
          then 'ahead'
          when r.version > i.version then null -- changed since it was read
          when c.fields <> '{}' then 'differs'
        end as kind
      from jsonb_to_recordset(p_records) as i(clerk_id text, version bigint, payload jsonb)
      left join clerk_sync.record_rows(
        p_kind, array(select e ->> 'clerk_id' from jsonb_array_elements(p_records) as e)
      ) as w on w.id = i.clerk_id
      left join clerk_sync.records as r on r.id = i.clerk_id
      cross join lateral (
        select coalesce(jsonb_object_agg(f.name, jsonb_build_object('clerk', f.clerk, 'here', f.here)), '{}') as fields
        from clerk_sync.differing_record_columns(p_kind, i.payload, w.columns, r.given) as f
        where w.id is not null
      ) as c
      where i.clerk_id <> all (v_seen)
    ) as d
  );
end
$$;

-- Records of ours that Clerk has not shown to the open compare, in the order of their organizations and ids, after p_after
-- ([organization, id]; null: from the first), at most p_limit: {records: [{id, organization_id, user_id, foreign}], next}. Of
-- memberships a call answers those of one organization. next is null at the end. foreign is one that never came through the
-- sync, as in clerk_sync_unmarked_users. A record that came within the last quarter of an hour is left to the next compare.
create or replace function public.clerk_sync_unmarked_records(
  p_kind  text,
  p_after jsonb default null,
  p_limit integer default 100,
  p_now   timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
as $$
declare
  v_several boolean := jsonb_array_length(public.clerk_sync_instances()) > 1;
begin
  return (
    with rows_here as (
      select o.id, '' as organization_id, null::text as user_id, o.deleted_at
      from clerk_sync.organization_rows as o
      where p_kind = 'organization'
      union all
      select m.id, coalesce(m.organization_id, ''), m.user_id, m.deleted_at
      from clerk_sync.membership_rows as m
      where p_kind = 'membership'
      union all
      select k.id, '', null::text, k.deleted_at
      from clerk_sync.role_rows as k
      where p_kind = 'role'
    ),
    unmarked as (
      select h.id, h.organization_id, h.user_id, coalesce(r.version, 0) = 0 or v_several as is_foreign
      from rows_here as h
      left join clerk_sync.run_marks as m on m.clerk_id = h.id
      left join clerk_sync.records as r on r.id = h.id
      where h.deleted_at is null
        and m.clerk_id is null
        and coalesce(r.first_seen_at <= p_now - interval '15 minutes', true)
        and (p_after is null or (h.organization_id, h.id) > (p_after ->> 0, p_after ->> 1))
      order by h.organization_id, h.id
      limit p_limit
    ),
    page as (
      select u.*
      from unmarked as u
      where u.organization_id = (select min(f.organization_id) from unmarked as f)
    )
    select jsonb_build_object(
      'records', coalesce(jsonb_agg(
        jsonb_build_object('id', p.id, 'organization_id', p.organization_id, 'user_id', p.user_id, 'foreign', p.is_foreign)
        order by p.id
      ), '[]'),
      'next', case
        when (select count(*) from unmarked) = p_limit or count(*) < (select count(*) from unmarked)
        then jsonb_build_array(min(p.organization_id), max(p.id))
      end
    )
    from page as p
  );
end
$$;

-- What there is of some organizations or memberships: [{id, row, open_jobs}], where row has what the sync reads of it, and is
-- null where there is none; open_jobs is how much work of it is in the queue.
create or replace function public.clerk_sync_records(p_kind text, p_ids text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', i.id,
    'row', coalesce(
      (
        select jsonb_build_object('name', o.name, 'slug', o.slug)
        from clerk_sync.organization_rows as o
        where p_kind = 'organization' and o.id = i.id and o.deleted_at is null
      ),
      (
        select jsonb_build_object('organization_id', m.organization_id, 'user_id', m.user_id, 'role', m.role)
        from clerk_sync.membership_rows as m
        where p_kind = 'membership' and m.id = i.id and m.deleted_at is null
      )
    ),
    'open_jobs', (
      select count(*) from public.job_queue as j where j.clerk_id = i.id and j.status in ('PENDING', 'PROCESSING', 'FAILED')
    )
  )), '[]')
  from unnest(p_ids) as i(id);
$$;
