-- What the admin API answers of users, jobs, runs and the audit, in the shapes of admin/contract/; values are unmasked, the
-- handler masks.

-- A cursor is the place of the last line of a page, as a text that only the database can read; null after the last
-- page. p_list is the list that it belongs to.
create or replace function clerk_sync.write_cursor(p_list text, p_place jsonb)
returns text
language sql
stable
set search_path = ''
as $$
  select encode(convert_to((p_place || jsonb_build_object('list', p_list))::text, 'UTF8'), 'hex');
$$;

-- The place a cursor stands for, null for none. Raises SY002 for anything that this list has not written.
create or replace function clerk_sync.read_cursor(p_list text, p_cursor text)
returns jsonb
language plpgsql
stable
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

-- The columns that the sync writes in the table of users, in the order of the table: each with what Clerk says that goes there,
-- and why it may hold something else (null: it may not).
create or replace function clerk_sync.mapped_columns()
returns table (name text, source text, rule jsonb)
language sql
stable
set search_path = ''
as $$
  select a.attname::text, m.columns ->> a.attname::text, m.rules -> a.attname::text
  from clerk_sync.mappings as m
  join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(m.table_name)
  where m.kind = 'user'
    and a.attnum > 0
    and not a.attisdropped
    and m.columns ? a.attname::text
  order by a.attnum;
$$;

-- Users as JSON, one for each id, in their order: one shape for the page and the command line, parsed by
-- admin/contract/users.ts. table is the mapped table, columns what the sync writes there ([{name, source, value, rule}]), row what the
-- verdicts need of it, state what the sync remembers of the user, values what Supabase Auth is given beside the row. row, state
-- and values are null where there is none. What is personal stands in row, columns and values. Jobs are counted as far as
-- 1,000. Times of a column without time zone are UTC, as the sync writes them. A placeholder is no address.
create or replace function public.clerk_sync_users(p_clerk_ids text[])
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_table   text := (select m.table_name from clerk_sync.mappings as m where m.kind = 'user');
  v_names   text[];
  v_sources text[];
  v_rules   jsonb[];
begin
  select array_agg(c.name), array_agg(c.source), array_agg(c.rule)
  into v_names, v_sources, v_rules
  from clerk_sync.mapped_columns() as c;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', i.clerk_id,
      'table', v_table,
      'columns', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'name', c.name,
          'source', c.source,
          'value', case when c.source = 'email' then to_jsonb(u.email) else u.mapped -> c.name end,
          'rule', c.rule
        ) order by c.place), '[]')
        from unnest(v_names, v_sources, v_rules) with ordinality as c(name, source, rule, place)
      ),
      'row', case when u.clerk_id is not null then jsonb_build_object(
        'id', u.row_id,
        'email', u.email,
        'name', u.name,
        'role', u.role,
        'deleted_at', u.deleted_at
      ) end,
      'state', case when s.clerk_id is not null then jsonb_build_object(
        'version', nullif(s.version, 0),
        'deleted_at', s.deleted_at,
        'synced_at', s.last_synced_at,
        'mirrored_version', s.mirrored_version,
        'auth_user_id', s.auth_user_id,
        'auth_finding', s.auth_finding,
        'refresh_due_at', s.refresh_due_at,
        'refresh_reason', s.refresh_reason,
        'ignored', s.ignored,
        'unlinked_row', s.unlinked_row
      ) end,
      'values', case when s.clerk_id is not null then jsonb_build_object(
        'email', s.email, 'name', s.name, 'role', s.role, 'phone', s.phone, 'banned', s.banned
      ) end,
      'open_jobs', (
        select count(*)
        from (
          select 1
          from public.job_queue as j
          where j.clerk_id = i.clerk_id
            and j.status in ('PENDING', 'PROCESSING', 'FAILED')
          limit 1000
        ) as counted
      ),
      'dead_jobs', (
        select count(*)
        from (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.status = 'DEAD' limit 1000) as counted
      )
    ) order by i.place), '[]')
    from unnest(p_clerk_ids) with ordinality as i(clerk_id, place)
    -- offset 0: a lookup each, whatever the statistics say
    left join lateral (select * from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0) as u on true
    left join lateral (select * from clerk_sync.known_users as r where r.clerk_id = i.clerk_id offset 0) as s on true
  );
end
$$;

-- The role by which a user may call sync-admin: what Clerk has in public_metadata.role and nothing else. Null for a user who is
-- deleted, and where a signed-in user may write a column that holds the role, for then it may not be Clerk's.
create or replace function public.clerk_sync_role(p_clerk_id text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_table   regclass := (select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user');
  v_columns text[]   := array(select c.name from clerk_sync.mapped_columns() as c where c.source = 'public_metadata.role');
begin
  if exists (
    select 1
    from unnest(v_columns) as c(name)
    cross join unnest(array['anon', 'authenticated']) as r(role)
    cross join unnest(array['insert', 'update']) as g(privilege)
    where has_column_privilege(r.role, v_table, c.name, g.privilege)
  ) then
    return null;
  end if;
  return (
    select case when v_columns = '{}' then s.role else u.role end
    from clerk_sync.known_users as s
    -- offset 0: a lookup, whatever the statistics say
    cross join lateral (select r.role, r.deleted_at from clerk_sync.user_rows as r where r.clerk_id = s.clerk_id offset 0) as u
    where s.clerk_id = p_clerk_id
      and s.deleted_at is null
      and u.deleted_at is null
  );
end
$$;

-- Two lists of all users that were ever seen, those that are there and those that are deleted, by id: a beginning of an id
-- is a range in C, and Clerk's ids begin with the time when they were made. The condition is that of job_queue_list_idx: no
-- record is to be looked up through this index.
create index if not exists records_list_idx
  on clerk_sync.records (kind, (case when deleted_at is null then 'present' else 'deleted' end), id collate "C")
  where case when id is not null then true end;

-- {users, next, search}: the newest users that are p_show, present or deleted. With p_q the first page begins with the users
-- whom it names (as clerk_sync.search_jobs), present or deleted; they need no row, there may be no more than their jobs, or the
-- tombstone. Then come those whose rows hold it (as clerk_sync.find_by_text), then those whose ids begin with it. search:
-- {searched, not_searched, is_cut} of find_by_text; null without p_q.
create or replace function public.clerk_sync_admin_users(
  p_q      text default null,
  p_show   text default 'present',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_before text   := clerk_sync.read_cursor('users', p_cursor) ->> 'clerk_id';
  v_texts  record;
  v_named  text[];
  v_found  text[] := array(
    select r.id
    from clerk_sync.records as r
    where case when r.id is not null then true end -- records_list_idx
      and r.kind = 'user'
      and case when r.deleted_at is null then 'present' else 'deleted' end = p_show
      and r.id collate "C" >= coalesce(p_q, '')
      and r.id collate "C" < coalesce(v_before, coalesce(p_q, '') || chr(1114111)) -- the last character there is
    order by r.id collate "C" desc
    limit p_limit + 1
  );
begin
  select t.* into v_texts from (values (p_q)) as q left join clerk_sync.find_by_text(p_q) as t on p_q is not null;
  v_named := array(
    select n.clerk_id
    from (
      select i.clerk_id, 1 as place
      from clerk_sync.search_jobs(p_q) as f
      cross join unnest(f.clerk_ids) as i(clerk_id)
      where exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = i.clerk_id offset 0)
         or exists (select 1 from clerk_sync.known_users as s where s.clerk_id = i.clerk_id offset 0)
         or exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id offset 0)
      union all
      select i.clerk_id, 2
      from unnest(v_texts.clerk_ids) as i(clerk_id)
    ) as n
    group by n.clerk_id
    order by min(n.place), n.clerk_id
    limit 100
  );
  return jsonb_build_object(
    'users', public.clerk_sync_users(case when v_before is null then v_named else '{}' end || array(
      select f.clerk_id
      from unnest(v_found[1:p_limit]) with ordinality as f(clerk_id, place)
      where f.clerk_id <> all (v_named)
      order by f.place
    )),
    'next', clerk_sync.write_cursor(
      'users', case when cardinality(v_found) > p_limit then jsonb_build_object('clerk_id', v_found[p_limit]) end
    ),
    'search', case when p_q is not null then jsonb_build_object(
      'searched', v_texts.searched, 'not_searched', v_texts.not_searched, 'is_cut', v_texts.is_cut
    ) end
  );
end
$$;

-- What the rows of users hold, for doctor: {table, looked_at, unlinked, refused}. No table is read as a whole: the rows of the
-- newest p_most users are looked at, and p_most of what an index finds. is_all: there are no more.
--   looked_at  {rows, is_all, empty}; empty has the mapped columns that hold nothing in any of these rows, each as
--              {name, source, is_written}; a placeholder is nothing
--   unlinked   {rows, is_all, examples}: rows without a Clerk id
--   refused    {is_all, values}: values that columns did not take, each as {name, kind, users, example}
create or replace function public.clerk_sync_table_content(p_most integer default 10000)
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_ids      text[] := array(
    select r.id
    from clerk_sync.records as r
    where case when r.id is not null then true end -- records_list_idx
      and r.kind = 'user'
      and case when r.deleted_at is null then 'present' else 'deleted' end = 'present'
    order by r.id collate "C" desc
    limit p_most + 1
  );
  v_unlinked text[] := array(select u.row_id from clerk_sync.rows_without_id(p_most + 1) as u);
  v_refusing text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.ignored is not null
    order by s.clerk_id
    limit p_most + 1
  );
begin
  return (
    with looked as materialized (
      select u.email, u.mapped
      from unnest(v_ids[1:p_most]) as i(clerk_id)
      -- offset 0: a lookup each, whatever the statistics say
      cross join lateral (select r.email, r.mapped from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0) as u
    ),
    held as materialized (
      select distinct v.key as name
      from looked as l
      cross join lateral jsonb_each(l.mapped) as v
      where v.value not in ('null', '""')
    ),
    refused as (
      select v.key as name, v.value as kind, count(*) as users, min(s.clerk_id) as example
      from unnest(v_refusing[1:p_most]) as i(clerk_id)
      cross join lateral (select o.* from clerk_sync.user_state as o where o.clerk_id = i.clerk_id offset 0) as s
      cross join lateral jsonb_each_text(s.ignored) as v
      group by v.key, v.value
    )
    select jsonb_build_object(
      'table', m.table_name,
      'looked_at', jsonb_build_object(
        'rows', (select count(*) from looked),
        'is_all', cardinality(v_ids) <= p_most,
        'empty', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'name', c.name, 'source', c.source, 'is_written', c.name = any (m.written)
          ) order by c.place), '[]')
          from clerk_sync.mapped_columns() with ordinality as c(name, source, rule, place)
          where exists (select 1 from looked)
            and case
              when c.source = 'email' then not exists (select 1 from looked as l where l.email is not null)
              else c.name not in (select h.name from held as h)
            end
        )
      ),
      'unlinked', jsonb_build_object(
        'rows', cardinality(v_unlinked[1:p_most]), 'is_all', cardinality(v_unlinked) <= p_most, 'examples', v_unlinked[1:3]
      ),
      'refused', jsonb_build_object(
        'is_all', cardinality(v_refusing) <= p_most,
        'values', (
          select coalesce(jsonb_agg(to_jsonb(r) order by r.name, r.kind), '[]')
          from refused as r
          where m.columns ? r.name -- an earlier mapping may have had others
        )
      )
    )
    from clerk_sync.mappings as m
    where m.kind = 'user'
  );
end
$$;

-- {jobs, next}: the newest jobs that match p_filter (clerk_sync.find_jobs) after p_cursor. A page may be shorter than
-- p_limit, or empty, and have a next one all the same: 5,000 jobs are looked at for it where no index helps.
create or replace function public.clerk_sync_admin_jobs(
  p_filter jsonb default '{}',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'jobs', (
      select coalesce(jsonb_agg(clerk_sync.describe_job(j) order by j.created_at desc, j.id desc), '[]')
      from public.job_queue as j
      where j.id = any (f.ids)
    ),
    'next', clerk_sync.write_cursor('jobs', f.next)
  )
  from clerk_sync.find_jobs(p_filter, 'find', clerk_sync.read_cursor('jobs', p_cursor), p_limit, 5000) as f;
$$;

-- One user as clerk_sync_users, with jobs: the newest hundred.
create or replace function public.clerk_sync_admin_user(p_clerk_id text)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select public.clerk_sync_users(array[p_clerk_id]) -> 0
    || jsonb_build_object(
      'jobs', public.clerk_sync_admin_jobs(jsonb_build_object('clerk_id', p_clerk_id), null, 100) -> 'jobs'
    );
$$;

-- How many jobs match p_filter in each status: {most, statuses, at_least}. Each status is looked at as far as its newest
-- p_most jobs, or 3,000 where no index helps; at_least names those that have more to look at.
create or replace function public.clerk_sync_admin_job_counts(p_filter jsonb default '{}', p_most integer default 10000)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_most integer := case when p_filter ?| '{job_type,source,code}' then least(p_most, 3000) else p_most end;
begin
  return (
    select jsonb_build_object(
      'most', v_most,
      'statuses', '{"PENDING": 0, "PROCESSING": 0, "COMPLETED": 0, "FAILED": 0, "DEAD": 0, "CANCELLED": 0}'
        || coalesce(jsonb_object_agg(s.status, cardinality(f.ids)), '{}'),
      'at_least', coalesce(jsonb_agg(s.status) filter (where f.next is not null), '[]')
    )
    from unnest(clerk_sync.filter_statuses(p_filter)) as s(status)
    cross join lateral clerk_sync.find_jobs(
      p_filter || jsonb_build_object('status', s.status), 'find', null, v_most, v_most
    ) as f
  );
end
$$;

-- {groups, is_complete}: the dead letters by error code, most first; of more than p_most the newest are looked at.
create or replace function public.clerk_sync_admin_dead_letters(p_most integer default 10000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with newest as materialized (
    select
      j.job_type, coalesce(j.error, '') as error, split_part(coalesce(j.error, ''), ':', 1) as code, j.updated_at, j.id,
      row_number() over (order by j.updated_at desc, j.id) as line
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
    order by j.updated_at desc, j.id
    limit p_most + 1
  ),
  kinds as (
    select n.code, n.job_type, count(*) as jobs, min(n.updated_at) as oldest_at, min(n.line) as first
    from newest as n
    where n.line <= p_most
    group by n.code, n.job_type
  ),
  groups as (
    select
      k.code, sum(k.jobs) as count, min(k.oldest_at) as oldest_at, jsonb_object_agg(k.job_type, k.jobs) as job_types,
      min(k.first) as first
    from kinds as k
    group by k.code
  )
  select jsonb_build_object(
    'groups', coalesce(jsonb_agg(jsonb_build_object(
      'code', g.code,
      'count', g.count,
      'oldest_at', g.oldest_at,
      'newest_at', n.updated_at,
      'job_types', g.job_types,
      'sample_job_id', n.id,
      'sample_error', n.error
    ) order by g.count desc, g.code), '[]'),
    'is_complete', (select count(*) <= p_most from newest)
  )
  from groups as g
  join newest as n on n.line = g.first;
$$;

-- A run as the admin API shows it: without what only its runner needs.
create or replace function public.clerk_sync_admin_run(p_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select clerk_sync.describe_run(p_id) - 'cursor' - 'lease_until';
$$;

-- {runs, next}: the newest first. They are kept for 90 days, some thousand.
create or replace function public.clerk_sync_admin_runs(p_cursor text default null, p_limit integer default 50)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_place jsonb  := clerk_sync.read_cursor('runs', p_cursor);
  v_ids   uuid[] := array(
    select r.id
    from clerk_sync.sync_runs as r
    where (r.started_at, r.id) < (
      coalesce(v_place ->> 'at', 'infinity')::timestamptz,
      coalesce(v_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid
    )
    order by r.started_at desc, r.id desc
    limit p_limit + 1
  );
begin
  return jsonb_build_object(
    'runs', (
      select coalesce(jsonb_agg(public.clerk_sync_admin_run(i.id) order by i.place), '[]')
      from unnest(v_ids[1:p_limit]) with ordinality as i(id, place)
    ),
    'next', clerk_sync.write_cursor('runs', (
      select jsonb_build_object('at', r.started_at, 'id', r.id)
      from clerk_sync.sync_runs as r
      where r.id = v_ids[p_limit]
        and cardinality(v_ids) > p_limit
    ))
  );
end
$$;

-- What the first page needs, but for the version of the code. jobs is as clerk_sync_admin_job_counts, mostly from what
-- health has counted.
create or replace function public.clerk_sync_admin_overview(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_health  jsonb := public.clerk_sync_health(p_now);
  v_facts   jsonb := v_health -> 'facts';
  v_compare jsonb := nullif(v_facts #> '{runs,compare}', 'null');
  v_jobs    jsonb := '{"PENDING": 0, "PROCESSING": 0, "FAILED": 0}' || (v_facts -> 'open') || jsonb_build_object(
    'COMPLETED', clerk_sync.count_jobs_in('COMPLETED', 10000),
    'DEAD', v_facts #> '{dead,count}',
    'CANCELLED', clerk_sync.count_jobs_in('CANCELLED', 10000)
  );
begin
  return jsonb_build_object(
    'now', v_facts -> 'now',
    'health', v_health - 'facts',
    'jobs', jsonb_build_object(
      'most', 10000,
      'statuses', v_jobs,
      'at_least', (
        select coalesce(jsonb_agg(s.key), '[]')
        from jsonb_each(v_jobs) as s
        where s.value >= '10000'
      )
    ),
    'oldest_due_at', v_facts -> 'oldest_due_at',
    'users', v_facts -> 'users',
    'last_event_at', v_facts #> '{heartbeats,webhook}',
    'last_applied_at', v_facts -> 'last_applied_at',
    'drift', case when v_compare is not null then jsonb_build_object(
      'users', v_compare -> 'drift', 'read', v_compare -> 'read', 'at', v_compare -> 'finished_at'
    ) end,
    'circuits', public.clerk_sync_circuits(),
    'brake', public.clerk_sync_delete_brake(),
    'open_run', (
      select public.clerk_sync_admin_run(r.id) from clerk_sync.sync_runs as r where r.status = 'RUNNING'
    )
  );
end
$$;

-- {entries, next}: the newest entries of the audit that match p_filter ({kind, since, source, subject}) after p_cursor, by
-- the minute they began in. A page may be shorter than p_limit, or empty, and have a next one all the same: 10,000 entries
-- are looked at for it.
create or replace function public.clerk_sync_admin_audit(
  p_filter jsonb default '{}',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_sort = 'off' -- as clerk_sync.find_jobs
as $$
declare
  v_place jsonb       := clerk_sync.read_cursor('audit', p_cursor);
  v_look  integer     := case when p_filter = '{}' then p_limit + 1 else greatest(10000, p_limit + 1) end;
  v_since timestamptz := coalesce(p_filter ->> 'since', '-infinity')::timestamptz;
begin
  perform clerk_sync.check_filter_keys(p_filter, '{kind,since,source,subject}');
  return (
    with seen as materialized (
      select a.*, row_number() over (order by a.at desc, a.kind desc, a.source desc, a.subject desc, a.code desc) as line
      from clerk_sync.audit as a
      where (a.at, a.kind, a.source, a.subject, a.code) < (
        coalesce(v_place ->> 'at', 'infinity')::timestamptz, coalesce(v_place ->> 'kind', ''),
        coalesce(v_place ->> 'source', ''), coalesce(v_place ->> 'subject', ''), coalesce(v_place ->> 'code', '')
      )
        and a.at >= v_since - interval '1 hour'
      order by a.at desc, a.kind desc, a.source desc, a.subject desc, a.code desc
      limit v_look
    ),
    found as materialized (
      select s.*, row_number() over (order by s.line) as rank
      from seen as s
      where s.kind = coalesce(p_filter ->> 'kind', s.kind)
        and s.source = coalesce(p_filter ->> 'source', s.source)
        and s.subject = coalesce(p_filter ->> 'subject', s.subject)
        and s.last_at >= v_since
      order by rank
      limit p_limit + 1
    )
    select jsonb_build_object(
      'entries', (
        select coalesce(jsonb_agg(to_jsonb(f) - '{line,rank}'::text[] order by f.rank), '[]')
        from found as f
        where f.rank <= p_limit
      ),
      'next', clerk_sync.write_cursor('audit', (
        select jsonb_build_object('at', s.at, 'kind', s.kind, 'source', s.source, 'subject', s.subject, 'code', s.code)
        from seen as s
        where s.line = coalesce((select f.line - 1 from found as f where f.rank = p_limit + 1), v_look)
      ))
    )
  );
end
$$;
