-- What the admin API answers of runs and of the audit, in the shapes of admin-overview-contract.ts.

-- A run as the admin API shows it: without what only its runner needs.
create or replace function public.clerk_sync_admin_run(p_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return clerk_sync.describe_run(p_id) - 'cursor' - 'lease_until';
end
$$;

revoke execute on function public.clerk_sync_admin_run from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_run to service_role;

-- {runs, next}: the newest first. They are kept for 90 days, some thousand.
create or replace function public.clerk_sync_admin_runs(p_cursor text default null, p_limit integer default 50)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_place jsonb := clerk_sync.read_cursor('runs', p_cursor);
begin
  return (
    with listed as materialized (
      select r.id, r.started_at, row_number() over (order by r.started_at desc, r.id desc) as line
      from clerk_sync.sync_runs as r
      where (r.started_at, r.id) < (
        coalesce(v_place ->> 'at', 'infinity')::timestamptz,
        coalesce(v_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid
      )
      order by r.started_at desc, r.id desc
      limit p_limit + 1
    )
    select jsonb_build_object(
      'runs', coalesce(
        jsonb_agg(public.clerk_sync_admin_run(l.id) order by l.line) filter (where l.line <= p_limit), '[]'
      ),
      'next', clerk_sync.write_cursor('runs', (
        select jsonb_build_object('at', e.started_at, 'id', e.id)
        from listed as e
        where e.line = p_limit
          and (select count(*) from listed) > p_limit
      ))
    )
    from listed as l
  );
end
$$;

revoke execute on function public.clerk_sync_admin_runs from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_runs to service_role;

-- Of the newest p_look entries of the audit after p_place, by the minute they began in, the first p_limit that match
-- p_filter; next is where the look ended, null when nothing comes after.
create or replace function clerk_sync.find_audit(
  p_filter    jsonb,
  p_place     jsonb,
  p_limit     integer,
  p_look      integer,
  out entries jsonb,
  out next    jsonb
)
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- as clerk_sync.look_at_jobs
as $$
begin
  with seen as materialized (
    select n.*, row_number() over (order by n.at desc, n.kind desc, n.source desc, n.subject desc, n.code desc) as line
    from (
      select a.*
      from clerk_sync.audit as a
      where (a.at, a.kind, a.source, a.subject, a.code) < (
        coalesce(p_place ->> 'at', 'infinity')::timestamptz, coalesce(p_place ->> 'kind', ''),
        coalesce(p_place ->> 'source', ''), coalesce(p_place ->> 'subject', ''), coalesce(p_place ->> 'code', '')
      )
        and a.at >= coalesce((p_filter ->> 'since')::timestamptz - interval '1 hour', '-infinity')
      order by a.at desc, a.kind desc, a.source desc, a.subject desc, a.code desc
      limit p_look
    ) as n
  ),
  found as materialized (
    select s.*, row_number() over (order by s.line) as rank
    from seen as s
    where s.kind = coalesce(p_filter ->> 'kind', s.kind)
      and s.source = coalesce(p_filter ->> 'source', s.source)
      and s.subject = coalesce(p_filter ->> 'subject', s.subject)
      and s.last_at >= coalesce((p_filter ->> 'since')::timestamptz, '-infinity')
    order by rank
    limit p_limit + 1
  )
  select
    (
      select coalesce(jsonb_agg(to_jsonb(f) - '{line,rank}'::text[] order by f.rank), '[]')
      from found as f
      where f.rank <= p_limit
    ),
    (
      select jsonb_build_object('at', s.at, 'kind', s.kind, 'source', s.source, 'subject', s.subject, 'code', s.code)
      from seen as s
      where s.line = coalesce((select f.line - 1 from found as f where f.rank = p_limit + 1), p_look)
    )
  into entries, next;
end
$$;

revoke execute on function clerk_sync.find_audit from public, anon, authenticated;
grant execute on function clerk_sync.find_audit to service_role;

-- {entries, next}: the newest entries of the audit that match p_filter ({kind, since, source, subject}) after p_cursor. A
-- page may be shorter than p_limit, or empty, and have a next one all the same: 10,000 entries are looked at for it.
create or replace function public.clerk_sync_admin_audit(
  p_filter jsonb default '{}',
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
  v_found record;
begin
  perform clerk_sync.check_filter_keys(p_filter, '{kind,since,source,subject}');
  select f.entries, f.next
  into v_found
  from clerk_sync.find_audit(
    p_filter, clerk_sync.read_cursor('audit', p_cursor), p_limit,
    case when p_filter = '{}' then p_limit + 1 else greatest(10000, p_limit + 1) end
  ) as f;
  return jsonb_build_object('entries', v_found.entries, 'next', clerk_sync.write_cursor('audit', v_found.next));
end
$$;

revoke execute on function public.clerk_sync_admin_audit from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_audit to service_role;
