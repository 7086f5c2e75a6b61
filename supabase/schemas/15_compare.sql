-- How our users are compared with the users at Clerk and in Supabase Auth.

-- Those of p_users ([{clerk_id, version, payload}] as read from Clerk's API) that are not as they are there:
-- [{clerk_id, kind, fields}] and, with p_with_values, fields as {field: {clerk, here}} instead of their names.
--   pending     work of this user is in the queue
--   missing     no row, or a deleted one
--   stale       what was applied is older, or we never applied anything
--   ahead       what was applied is newer than what Clerk has, and not because it came just now: it is not of Clerk
--   differs     the same version with other values
--   edited      only the name, by the user
--   unmirrored  Supabase Auth has not got it, and p_mirrors
create or replace function public.clerk_sync_compare_users(
  p_users       jsonb,
  p_mirrors     boolean default false,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language sql
stable
set search_path = ''
as $$
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
        when c.is_wrong then 'differs'
        when c.fields <> '{}' then 'edited'
        when p_mirrors and s.mirrored_version is distinct from s.version then 'unmirrored'
      end as kind
    from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
    left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
    left join clerk_sync.known_users as s on s.clerk_id = i.clerk_id
    cross join lateral (
      select
        coalesce(jsonb_object_agg(f.name, jsonb_build_object('clerk', f.clerk, 'here', f.here)), '{}') as fields,
        coalesce(bool_or(not f.is_own), false) as is_wrong
      from clerk_sync.differing_fields(i.clerk_id, i.payload, s) as f
      where u.clerk_id is not null
    ) as c
  ) as d
  where d.kind is not null;
$$;

-- What a backfill of some columns does with users that it read; p_users: [{clerk_id, version, payload}], payload with what
-- Clerk says for those columns. Answers [{clerk_id, does}]:
--   fill   only the columns: the row is as new as what was read, and they differ, or are times, which nothing compares
--   whole  all that Clerk says: there is no row, an event was lost, or what is here is in doubt
-- Other users are as they should be, or changed since they were read.
create or replace function public.clerk_sync_compare_columns(p_users jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(d)), '[]')
  from (
    select
      i.clerk_id,
      case
        when u.clerk_id is null or u.deleted_at is not null or r.id is null then 'whole'
        when r.version < i.version or r.absent_version is not null or r.trusted_version is not null then 'whole'
        when r.version = i.version and (
          i.payload ?| '{created_at,updated_at}'
          or exists (select 1 from clerk_sync.differing_columns(i.clerk_id, i.payload))
          or clerk_sync.refused_column('user', i.payload) is not null -- the job says which
        ) then 'fill'
      end as does
    from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
    left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
    left join clerk_sync.records as r on r.id = i.clerk_id
  ) as d
  where d.does is not null;
$$;

-- The Clerk instances whose events the newest finished jobs, at most p_limit, came from: [{instance_id, jobs,
-- newest_at}], newest first; canaries come from none. More than one: development and production write into one database.
create or replace function public.clerk_sync_instances(p_limit integer default 1000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(g) order by g.newest_at desc), '[]')
  from (
    select n.instance_id, count(*) as jobs, max(n.processed_at) as newest_at
    from (
      select j.clerk_id, j.payload #>> '{original_event,instance_id}' as instance_id, j.processed_at
      from public.job_queue as j
      where j.status in ('COMPLETED', 'CANCELLED')
      order by j.processed_at desc
      limit p_limit
    ) as n
    where n.instance_id is not null
      and not coalesce(clerk_sync.is_canary(n.clerk_id), false)
    group by n.instance_id
  ) as g;
$$;

-- Users of ours that Clerk has not shown to the open compare, after p_after in the order of their ids, at most p_limit:
-- {clerk_ids, foreign, next}; next is null at the end. foreign are those of them that never came through the sync: seeded,
-- or of another instance. Where events of several instances came (p_several) all are foreign, for one key cannot know the
-- users of another. Looks at some thousand rows a call. A user who came within the last quarter of an hour is left to the
-- next compare: the walk had passed, or Clerk's list does not show the user yet.
create or replace function public.clerk_sync_unmarked_users(
  p_after   text default '',
  p_limit   integer default 100,
  p_several boolean default true,
  p_now     timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_scanned text[] := array(
    select u.clerk_id
    from clerk_sync.user_rows as u
    where u.clerk_id > p_after
      and u.deleted_at is null
      and not clerk_sync.is_canary(u.clerk_id)
      and u.clerk_id <> 'NULL' -- which some tables have instead of null
    order by u.clerk_id
    limit 5000
  );
  v_unmarked text[] := array(
    select i
    from unnest(v_scanned) as i
    where (select m.clerk_id from clerk_sync.run_marks as m where m.clerk_id = i) is null -- a lookup, whatever the statistics
      and coalesce(
        (select s.first_seen_at from clerk_sync.known_users as s where s.clerk_id = i) <= p_now - interval '15 minutes', true
      )
    order by i
    limit p_limit
  );
begin
  return jsonb_build_object(
    'clerk_ids', v_unmarked,
    'foreign', to_jsonb(array(
      select i
      from unnest(v_unmarked) as i
      where p_several
         or not exists (select 1 from clerk_sync.known_users as s where s.clerk_id = i and s.version > 0)
    )),
    'next', case
      when cardinality(v_unmarked) = p_limit then v_unmarked[p_limit]
      else v_scanned[5000]
    end
  );
end
$$;

-- Users of ours that tell whether Clerk is another instance: those that the sync has written. Rows that never came through
-- it tell nothing of the instance, unless they are all there is.
create or replace function clerk_sync.telling_users()
returns table (clerk_id text, first_seen_at timestamptz)
language sql
stable
set search_path = ''
as $$
  select u.clerk_id, s.first_seen_at
  from clerk_sync.user_rows as u
  left join clerk_sync.known_users as s on s.clerk_id = u.clerk_id
  where u.clerk_id is not null
    and u.deleted_at is null
    and not clerk_sync.is_canary(u.clerk_id)
    and (s.version > 0 or not exists (
      select 1
      from clerk_sync.known_users as k
      where k.version > 0
        and k.deleted_at is null
        and not clerk_sync.is_canary(k.clerk_id)
    ));
$$;

-- {users, unmarked, several}: how many of them we have, how many of these Clerk has not shown to the open compare, and
-- whether events of several Clerk instances came. A user who came within a quarter of an hour does not count.
create or replace function public.clerk_sync_count_unmarked(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'users', count(*),
    'unmarked', count(*) filter (where m.clerk_id is null),
    'several', jsonb_array_length(public.clerk_sync_instances()) > 1
  )
  from clerk_sync.telling_users() as t
  left join clerk_sync.run_marks as m on m.clerk_id = t.clerk_id
  where coalesce(t.first_seen_at <= p_now - interval '15 minutes', true);
$$;

-- At most p_limit of them, drawn at random: [clerk_id].
create or replace function public.clerk_sync_sample_users(p_limit integer default 100)
returns jsonb
language sql
set search_path = ''
as $$
  select coalesce(jsonb_agg(d.clerk_id), '[]')
  from (select t.clerk_id from clerk_sync.telling_users() as t order by random() limit p_limit) as d;
$$;

-- Compares Auth users, read after p_read_at, with the users of ours that owner names. p_users: [{id, owner, clerk_id,
-- email, role, banned, banned_until, deleted}], or {id, owner, missing: true} for one that Auth says it has not. Answers
-- {mirrors: [ids of those that are their owner's mirror], found: [{id, clerk_id, kind, fields, remembered, tombstone}]};
-- fields are names, or with p_with_values {field: {here, auth}}.
--   auth_missing  Auth has not got it
--   auth_differs  it was changed there
--   auth_deleted  it was soft-deleted there, which cannot be undone
--   auth_extra    its Clerk id is of a user who is deleted or unknown here and not shown by Clerk, and it is the mirror of no
--                 living user; remembered: we wrote down this id for that user, tombstone: we know of the deletion
-- Only mirrored users without work in the queue are compared, unless they were mirrored since. run_marks holds ids of Auth
-- users beside Clerk ids; the two have different forms.
create or replace function public.clerk_sync_compare_auth_users(
  p_users       jsonb,
  p_read_at     timestamptz,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language sql
stable
set search_path = ''
as $$
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
        when not coalesce(i.missing, false)
          and i.clerk_id = i.owner
          and not exists (
            select 1 from clerk_sync.known_users as k where k.clerk_id = i.owner and k.deleted_at is null
          )
          and not exists (select 1 from clerk_sync.user_rows as k where k.clerk_id = i.owner and k.deleted_at is null)
          and not exists (select 1 from clerk_sync.run_marks as m where m.clerk_id = i.owner)
          and not exists (
            select 1 from clerk_sync.known_users as k where k.auth_user_id = i.id and k.deleted_at is null
          )
        then 'auth_extra'
      end as kind
    from jsonb_array_elements(p_users) as e
    cross join lateral jsonb_to_record(e.value)
      as i(id uuid, owner text, clerk_id text, missing boolean, deleted boolean)
    left join clerk_sync.user_rows as u on u.clerk_id = i.owner
    left join clerk_sync.known_users as s on s.clerk_id = i.owner
    cross join lateral (
      select
        coalesce(s.auth_user_id = i.id, false) as is_remembered,
        coalesce(s.auth_user_id = i.id and s.deleted_at is null, false) and u.clerk_id is not null as is_mirror
    ) as c
    cross join lateral (
      select coalesce(jsonb_object_agg(v.name, jsonb_build_object('here', v.here, 'auth', v.auth)), '{}') as fields
      from (
        values
          ('clerk_id', s.clerk_id, e.value ->> 'clerk_id'),
          ( -- a placeholder stands there for an address that is gone, not verified, or another Auth user's: mirror-contact.ts
            'email',
            case when s.email_verified and s.auth_finding is null then coalesce(lower(coalesce(u.email, s.email)), '') else '' end,
            case when e.value ->> 'email' like s.auth_user_id || '%@removed.invalid' then '' else e.value ->> 'email' end
          ),
          ('role', coalesce(u.role, s.role), e.value ->> 'role'),
          ('banned', (s.banned or s.deprovisioned)::text, coalesce(e.value ->> 'banned', 'false')),
          -- every mirror is locked by a ban in Auth; Clerk's own ban is in its metadata
          ('locked', 'true', coalesce((e.value ->> 'banned_until')::timestamptz > p_now, false)::text),
          ('deleted', 'false', e.value ->> 'deleted')
      ) as v(name, here, auth)
      where v.here is distinct from v.auth
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
  from compared as c;
$$;

-- How many users have a placeholder in Supabase Auth, where another user holds their address or number.
create or replace function public.clerk_sync_held_addresses()
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from clerk_sync.known_users as s
  where s.auth_finding is not null
    and s.deleted_at is null;
$$;

-- Rows that were not linked to the user who has their address, because rows of other tables may reference the user's own row:
-- [{clerk_id, table, row, unlinked_row}], both rows by the column that names one; at most p_limit.
create or replace function public.clerk_sync_unlinked_rows(p_limit integer default 20)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'clerk_id', s.clerk_id, 'table', m.table_name, 'row', u.row_id, 'unlinked_row', s.unlinked_row
  ) order by s.clerk_id), '[]')
  from (
    select k.clerk_id, k.unlinked_row
    from clerk_sync.known_users as k
    where k.unlinked_row is not null
      and k.deleted_at is null
    order by k.clerk_id
    limit p_limit
  ) as s
  cross join clerk_sync.mappings as m
  left join lateral (select r.row_id from clerk_sync.user_rows as r where r.clerk_id = s.clerk_id offset 0) as u on true
  where m.kind = 'user';
$$;

-- Users of ours that were mirrored and whose mirror the list of Supabase Auth has not shown to the open compare,
-- after p_after in the order of their ids, at most p_limit: {users: [{clerk_id, id}], held, next}; next is null at the end.
-- Looks at some thousand users a call. held: [{clerk_id, email}] of those whose address another Auth user held.
create or replace function public.clerk_sync_unlisted_auth_users(p_after text default '', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with scanned as materialized (
    select s.clerk_id, s.auth_user_id, s.auth_finding, s.deleted_at is null and s.mirrored_version = s.version as is_mirrored
    from clerk_sync.known_users as s
    where s.clerk_id = any (array(
      select k.clerk_id from clerk_sync.known_users as k where k.clerk_id > p_after order by k.clerk_id limit 5000
    ))
  ),
  unlisted as materialized (
    select s.clerk_id, s.auth_user_id
    from scanned as s
    where s.is_mirrored
      and s.auth_user_id is not null
      and (select m.clerk_id from clerk_sync.run_marks as m where m.clerk_id = s.auth_user_id::text) is null
    order by s.clerk_id
    limit p_limit
  ),
  page as (
    select coalesce(
      (select max(u.clerk_id) from unlisted as u having count(*) = p_limit),
      (select max(s.clerk_id) from scanned as s having count(*) = 5000)
    ) as next
  )
  select jsonb_build_object(
    'users', (
      select coalesce(jsonb_agg(jsonb_build_object('clerk_id', n.clerk_id, 'id', n.auth_user_id) order by n.clerk_id), '[]')
      from unlisted as n
    ),
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('clerk_id', s.clerk_id, 'email', u.email) order by s.clerk_id), '[]')
      from scanned as s
      left join clerk_sync.user_rows as u on u.clerk_id = s.clerk_id
      where s.is_mirrored
        and s.auth_finding = 'auth_address_held'
        and s.clerk_id <= coalesce(p.next, s.clerk_id)
    ),
    'next', p.next
  )
  from page as p;
$$;
