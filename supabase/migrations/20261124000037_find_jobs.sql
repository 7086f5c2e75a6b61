-- Looking for jobs: what lists, counts and bulk actions find them by. A look is bounded, however long the queue and its
-- history are: it goes through an index, newest first, and says where it stopped.

-- Every job by status and age. In this form, which no other condition implies: no query of the hot path is to be planned
-- with it, it would read all jobs of a status for one user's.
create index if not exists job_queue_list_idx
  on public.job_queue (status, created_at, id)
  where case when id is not null then true end;

-- The ids of the newest p_most jobs in p_statuses that come after p_place ({at, id}) and were received after p_since.
create or replace function clerk_sync.newest_jobs(
  p_statuses text[],
  p_since    timestamptz,
  p_place    jsonb,
  p_most     integer
)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_at timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
begin
  return array(
    select n.id
    from unnest(p_statuses) as s(status)
    cross join lateral (
      select j.id, j.created_at
      from public.job_queue as j
      where case when j.id is not null then true end
        and j.status = s.status
        and j.created_at > p_since
        and (j.created_at, j.id) < (v_at, v_id)
      order by j.created_at desc, j.id desc
      limit p_most
    ) as n
    order by n.created_at desc, n.id desc
    limit p_most
  );
end
$$;

revoke execute on function clerk_sync.newest_jobs from public, anon, authenticated;
grant execute on function clerk_sync.newest_jobs to service_role;

-- The same, only of p_ids and of the jobs of these users, unless both are null.
create or replace function clerk_sync.look_at_jobs(
  p_statuses  text[],
  p_ids       uuid[],
  p_clerk_ids text[],
  p_since     timestamptz,
  p_place     jsonb,
  p_most      integer
)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_at timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
begin
  if p_ids is null and p_clerk_ids is null then
    return clerk_sync.newest_jobs(p_statuses, p_since, p_place, p_most);
  end if;
  return array(
    select l.id
    from (
      select n.id, n.created_at
      from unnest(p_clerk_ids) as u(clerk_id)
      cross join unnest(p_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where j.clerk_id = u.clerk_id
          and j.status = s.status
          and j.created_at > p_since
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit p_most
      ) as n
      union
      select j.id, j.created_at
      from public.job_queue as j
      where j.id = any (p_ids)
        and j.status = any (p_statuses)
        and j.created_at > p_since
        and (j.created_at, j.id) < (v_at, v_id)
    ) as l
    order by l.created_at desc, l.id desc
    limit p_most
  );
end
$$;

revoke execute on function clerk_sync.look_at_jobs from public, anon, authenticated;
grant execute on function clerk_sync.look_at_jobs to service_role;

-- Of p_ids, in their order, the jobs that match what clerk_sync.look_at_jobs does not look at.
create or replace function clerk_sync.check_jobs(p_ids uuid[], p_filter jsonb)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_hashjoin = 'off' -- one lookup by key a job, whatever the statistics say
set enable_mergejoin = 'off'
as $$
declare
  v_job_type text        := p_filter ->> 'job_type';
  v_source   text        := p_filter ->> 'source';
  v_clerk_id text        := p_filter ->> 'clerk_id';
  v_event_id text        := p_filter ->> 'event_id';
  v_code     text        := p_filter ->> 'code';
  v_before   timestamptz := (p_filter ->> 'updated_before')::timestamptz;
begin
  return array(
    select i.id
    from unnest(p_ids) with ordinality as i(id, place)
    join public.job_queue as j on j.id = i.id
    where (v_job_type is null or j.job_type = v_job_type)
      and (v_source is null or j.source = v_source)
      and (v_clerk_id is null or j.clerk_id = v_clerk_id)
      and (v_event_id is null or j.event_id = v_event_id)
      and (v_code is null or split_part(j.error, ':', 1) = v_code)
      and (v_before is null or j.updated_at < v_before)
    order by i.place
  );
end
$$;

revoke execute on function clerk_sync.check_jobs from public, anon, authenticated;
grant execute on function clerk_sync.check_jobs to service_role;

-- The newest p_limit jobs in p_statuses that come after p_place and match every condition of p_filter: {status, job_type,
-- source, clerk_id, event_id, code, created_after, created_before, updated_before, q}; code is what stands before the
-- colon of the error, q as clerk_sync.search_jobs. For what no index knows (job_type, source, code, updated_before) the
-- newest p_look of them are looked at. next is where the look ended, null when nothing comes after.
create or replace function clerk_sync.find_jobs(
  p_filter   jsonb,
  p_statuses text[],
  p_place    jsonb,
  p_limit    integer,
  p_look     integer,
  out ids    uuid[],
  out next   jsonb
)
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_checks    boolean := p_filter ?| '{job_type,source,code,updated_before,event_id,clerk_id}';
  v_most      integer := case when v_checks then greatest(p_look, p_limit + 1) else p_limit + 1 end;
  v_place     jsonb   := p_place;
  v_ids       uuid[];
  v_clerk_ids text[];
  v_seen      uuid[];
begin
  perform clerk_sync.check_filter_keys(
    p_filter, '{status,job_type,source,clerk_id,event_id,code,created_after,created_before,updated_before,q}'
  );
  if p_filter ->> 'q' is not null then
    select s.ids, s.clerk_ids into v_ids, v_clerk_ids from clerk_sync.search_jobs(p_filter ->> 'q') as s;
  elsif p_filter ->> 'event_id' is not null then
    v_ids := array(select j.id from public.job_queue as j where j.event_id = p_filter ->> 'event_id');
  elsif p_filter ->> 'clerk_id' is not null then
    v_clerk_ids := array[p_filter ->> 'clerk_id'];
  end if;
  if (p_filter ->> 'created_before')::timestamptz <= coalesce(p_place ->> 'at', 'infinity')::timestamptz then
    v_place := jsonb_build_object('at', p_filter ->> 'created_before');
  end if;
  v_seen := clerk_sync.look_at_jobs(
    p_statuses, v_ids, v_clerk_ids, coalesce(p_filter ->> 'created_after', '-infinity')::timestamptz, v_place, v_most
  );
  ids := case when v_checks then clerk_sync.check_jobs(v_seen, p_filter) else v_seen end;
  next := (
    select jsonb_build_object('at', j.created_at, 'id', j.id)
    from public.job_queue as j
    where j.id = case when cardinality(ids) > p_limit then ids[p_limit] else v_seen[v_most] end
  );
  ids := ids[1:p_limit];
end
$$;

revoke execute on function clerk_sync.find_jobs from public, anon, authenticated;
grant execute on function clerk_sync.find_jobs to service_role;
