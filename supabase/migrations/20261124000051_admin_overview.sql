-- What the admin API counts, in the shapes of the admin contracts; bounded like every look of clerk_sync.find_jobs.

-- How many jobs match p_filter in each status: {most, statuses, at_least}. Each status is looked at as far as its newest
-- p_most jobs, or 3,000 where no index helps; at_least names those that have more to look at.
create or replace function public.clerk_sync_admin_job_counts(p_filter jsonb default '{}', p_most integer default 10000)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most  integer := case when p_filter ?| '{job_type,source,code}' then least(p_most, 3000) else p_most end;
  v_found record;
begin
  if not p_filter ?| '{q,event_id,clerk_id}' then
    return (
      select jsonb_build_object(
        'most', v_most,
        'statuses', jsonb_object_agg(s.status, cardinality(f.ids)),
        'at_least', coalesce(jsonb_agg(s.status) filter (where f.next is not null), '[]')
      )
      from unnest(clerk_sync.filter_statuses('{}')) as s(status)
      cross join lateral clerk_sync.find_jobs(
        p_filter, clerk_sync.filter_statuses(p_filter, array[s.status]), null, v_most, v_most
      ) as f
    );
  end if;
  select f.ids, f.next into v_found
  from clerk_sync.find_jobs(p_filter, clerk_sync.filter_statuses(p_filter), null, p_most, p_most) as f;
  return (
    select jsonb_build_object(
      'most', p_most,
      'statuses', jsonb_object_agg(s.status, n.jobs),
      'at_least', coalesce(jsonb_agg(s.status) filter (where n.jobs > 0 and v_found.next is not null), '[]')
    )
    from unnest(clerk_sync.filter_statuses('{}')) as s(status)
    cross join lateral (
      select count(*) as jobs from public.job_queue as j where j.id = any (v_found.ids) and j.status = s.status
    ) as n
  );
end
$$;

revoke execute on function public.clerk_sync_admin_job_counts from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_job_counts to service_role;

-- {count, is_exact}: how many jobs p_action (retry or cancel) would change. is_exact is false when more than p_most jobs
-- would have to be looked at.
create or replace function public.clerk_sync_admin_count(
  p_filter jsonb,
  p_action text,
  p_most   integer default 10000
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object('count', cardinality(f.ids), 'is_exact', f.next is null)
    from clerk_sync.find_jobs(p_filter, clerk_sync.changeable_statuses(p_action, p_filter), null, p_most, p_most) as f
  );
end
$$;

revoke execute on function public.clerk_sync_admin_count from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_count to service_role;

-- {groups, is_complete}: the dead letters by error code, most first; of more than p_most the newest are looked at.
create or replace function public.clerk_sync_admin_dead_letters(p_most integer default 10000)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_health
set enable_bitmapscan = 'off'
as $$
begin
  return (
    with newest as materialized (
      select j.id, j.job_type, coalesce(j.error, '') as error, j.updated_at
      from public.job_queue as j
      where case when j.status = 'DEAD' then true end
      order by j.updated_at desc
      limit p_most + 1
    ),
    kinds as (
      select
        split_part(d.error, ':', 1) as code, d.job_type, count(*) as jobs,
        min(d.updated_at) as oldest_at, max(d.updated_at) as newest_at,
        (array_agg(d.id order by d.updated_at desc, d.id))[1] as sample_id
      from (select * from newest as n order by n.updated_at desc limit p_most) as d
      group by 1, 2
    ),
    groups as (
      select
        k.code, sum(k.jobs) as count, min(k.oldest_at) as oldest_at, max(k.newest_at) as newest_at,
        jsonb_object_agg(k.job_type, k.jobs) as job_types,
        (array_agg(k.sample_id order by k.newest_at desc))[1] as sample_job_id
      from kinds as k
      group by k.code
    )
    select jsonb_build_object(
      'groups', coalesce(jsonb_agg(
        to_jsonb(g) || jsonb_build_object('sample_error', n.error) order by g.count desc, g.code
      ), '[]'),
      'is_complete', (select count(*) <= p_most from newest)
    )
    from groups as g
    join newest as n on n.id = g.sample_job_id
  );
end
$$;

revoke execute on function public.clerk_sync_admin_dead_letters from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_dead_letters to service_role;

-- Jobs of each status in the form of clerk_sync_admin_job_counts, from what health has counted already.
create or replace function clerk_sync.overview_jobs(p_facts jsonb)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'most', 10000,
    'statuses', jsonb_object_agg(s.status, s.jobs),
    'at_least', coalesce(jsonb_agg(s.status) filter (where s.jobs >= 10000), '[]')
  )
  from (
    select o.status, coalesce((p_facts -> 'open' ->> o.status)::integer, 0) as jobs
    from unnest('{PENDING,PROCESSING,FAILED}'::text[]) as o(status)
    union all
    select 'DEAD', (p_facts #>> '{dead,count}')::integer
    union all
    select f.status, clerk_sync.count_jobs_in(f.status, 10000)
    from unnest('{COMPLETED,CANCELLED}'::text[]) as f(status)
  ) as s;
$$;

revoke execute on function clerk_sync.overview_jobs from public, anon, authenticated;
grant execute on function clerk_sync.overview_jobs to service_role;

-- What the first page needs, but for the version of the code.
create or replace function public.clerk_sync_admin_overview(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_health  jsonb := public.clerk_sync_health(p_now);
  v_facts   jsonb := v_health -> 'facts';
  v_compare jsonb := nullif(v_facts #> '{runs,compare}', 'null');
begin
  return jsonb_build_object(
    'now', v_facts -> 'now',
    'health', v_health - 'facts',
    'jobs', clerk_sync.overview_jobs(v_facts),
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

revoke execute on function public.clerk_sync_admin_overview from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_overview to service_role;
