-- What the admin API answers of users, in the shapes of admin-users-contract.ts; values are unmasked, the handler masks.

-- The newest users first; an address in any case; a beginning of a name. Of a name the first hundred characters are
-- looked at: users may set their own, and a long one must not be refused for our sake. Those with a clerk_id have the
-- condition of job_queue_list_idx, so that nobody's row is looked up through them.
create index if not exists clerk_sync_users_newest_idx
  on public.users ("createdAt", clerk_id)
  where case when id is not null then true end;
create index if not exists clerk_sync_users_email_idx
  on public.users (lower(email));
create index if not exists clerk_sync_users_name_idx
  on public.users (lower(left(name, 100)) collate "C", clerk_id collate "C")
  where case when id is not null then true end;

-- Users as a list shows them, in the order of p_clerk_ids; of one without a row email and name are what the newest job
-- brought. Jobs are counted as far as 1,000. Times of a column without time zone are UTC, as the sync writes them.
create or replace function clerk_sync.summarize_users(p_clerk_ids text[])
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', i.clerk_id,
      'email', case when u.clerk_id is null then n.email else u.email end,
      'name', case when u.clerk_id is null then n.name else u.name end,
      'role', u.role,
      'has_row', u.clerk_id is not null,
      'deleted_at', coalesce(u.deleted_at::timestamptz, s.deleted_at),
      'synced_at', s.last_synced_at,
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
    left join lateral (select * from public.users as r where r.clerk_id = i.clerk_id) as u on true
    left join lateral (select * from clerk_sync.user_state as r where r.clerk_id = i.clerk_id) as s on true
    left join lateral (
      select j.payload ->> 'email' as email, j.payload ->> 'name' as name
      from public.job_queue as j
      where j.id = any (case when u.clerk_id is null then clerk_sync.look_at_jobs(
        clerk_sync.filter_statuses('{}'), null, array[i.clerk_id], '-infinity', null, 1
      ) end)
    ) as n on true
  );
end
$$;

revoke execute on function clerk_sync.summarize_users from public, anon, authenticated;
grant execute on function clerk_sync.summarize_users to service_role;

-- The next p_limit rows after p_place ({at, clerk_id}), the newest first; who has no time of creation comes last.
create or replace function clerk_sync.newest_users(p_place jsonb, p_limit integer)
returns table (clerk_id text, place jsonb)
language plpgsql
stable
security invoker
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- as clerk_sync.look_at_jobs
as $$
declare
  v_at timestamp := coalesce(p_place ->> 'at', 'infinity')::timestamp;
  v_id text      := coalesce(p_place ->> 'clerk_id', '');
begin
  return query
    select n.clerk_id::text, jsonb_build_object('at', n.at, 'clerk_id', n.clerk_id)
    from (
      (
        select u.clerk_id, u."createdAt"::timestamp as at
        from public.users as u
        where case when u.id is not null then true end -- clerk_sync_users_newest_idx
          and u.clerk_id is not null
          and (u."createdAt", u.clerk_id) < (v_at, v_id)
        order by u."createdAt" desc, u.clerk_id desc
        limit p_limit
      )
      union all
      (
        select u.clerk_id, '-infinity'::timestamp
        from public.users as u
        where case when u.id is not null then true end
          and u.clerk_id is not null
          and u."createdAt" is null
          and ('-infinity'::timestamp, u.clerk_id) < (v_at, v_id)
        order by u.clerk_id desc
        limit p_limit
      )
    ) as n
    order by n.at desc, n.clerk_id desc
    limit p_limit;
end
$$;

revoke execute on function clerk_sync.newest_users from public, anon, authenticated;
grant execute on function clerk_sync.newest_users to service_role;

-- The next p_limit rows after p_place ({name, clerk_id}) whose name begins with p_q, in any case, in the order of names.
create or replace function clerk_sync.users_by_name(p_q text, p_place jsonb, p_limit integer)
returns table (clerk_id text, place jsonb)
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- as clerk_sync.look_at_jobs
as $$
declare
  v_q    text := lower(left(p_q, 100));
  v_name text := coalesce(p_place ->> 'name', v_q);
  v_id   text := coalesce(p_place ->> 'clerk_id', '');
begin
  return query
    select n.clerk_id, jsonb_build_object('name', n.name, 'clerk_id', n.clerk_id)
    from (
      select u.clerk_id::text, lower(left(u.name, 100)) as name
      from public.users as u
      where case when u.id is not null then true end -- clerk_sync_users_name_idx
        and u.clerk_id is not null
        and (lower(left(u.name, 100)) collate "C", u.clerk_id collate "C") > (v_name, v_id)
        and lower(left(u.name, 100)) collate "C" < v_q || chr(1114111) -- the last character there is
      order by lower(left(u.name, 100)) collate "C", u.clerk_id collate "C"
      limit p_limit
    ) as n;
end
$$;

revoke execute on function clerk_sync.users_by_name from public, anon, authenticated;
grant execute on function clerk_sync.users_by_name to service_role;

-- Users whom p_q names: by Clerk id, or by an address in any case, of their row or of a job of theirs that is not
-- completed. They need no row; there may be no more than their jobs, or the tombstone.
create or replace function clerk_sync.named_users(p_q text)
returns text[]
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return array(
    select distinct i.clerk_id
    from clerk_sync.search_jobs(p_q) as f
    cross join unnest(f.clerk_ids) as i(clerk_id)
    where exists (select 1 from public.users as u where u.clerk_id = i.clerk_id offset 0)
       or exists (select 1 from clerk_sync.user_state as s where s.clerk_id = i.clerk_id offset 0)
       or exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id offset 0)
    order by i.clerk_id
    limit 100
  );
end
$$;

revoke execute on function clerk_sync.named_users from public, anon, authenticated;
grant execute on function clerk_sync.named_users to service_role;

-- {users, next}: without p_q those with a row, the newest first; else whom p_q names, on the first page, and then those
-- whose name begins with it.
create or replace function public.clerk_sync_admin_users(
  p_q      text default null,
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_list  text   := case when p_q is null then 'users' else 'users by name' end;
  v_place jsonb  := clerk_sync.read_cursor(v_list, p_cursor);
  v_named text[] := case when p_q is null then '{}'::text[] else clerk_sync.named_users(p_q) end;
  v_page  text[];
  v_next  jsonb;
begin
  with listed as materialized (
    select l.clerk_id, l.place, row_number() over () as line
    from (
      select n.clerk_id, n.place from clerk_sync.newest_users(v_place, p_limit + 1) as n where p_q is null
      union all
      select n.clerk_id, n.place from clerk_sync.users_by_name(p_q, v_place, p_limit + 1) as n where p_q is not null
    ) as l
  )
  select
    array(select l.clerk_id from listed as l where l.line <= p_limit and l.clerk_id <> all (v_named) order by l.line),
    (select l.place from listed as l where l.line = p_limit and exists (select 1 from listed as m where m.line > p_limit))
  into v_page, v_next;
  return jsonb_build_object(
    'users', clerk_sync.summarize_users(case when v_place is null then v_named || v_page else v_page end),
    'next', clerk_sync.write_cursor(v_list, v_next)
  );
end
$$;

revoke execute on function public.clerk_sync_admin_users from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_users to service_role;
