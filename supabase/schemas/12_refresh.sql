-- Refreshes: a user is read again from Clerk's API when what we know of the user may be wrong.

-- A refresh is a job like any other (source refresh), with lease, retries and dead letter; what it applies is read when it
-- runs.
--   refresh_due_at ─ queue_refreshes ─> job ─ route_jobs: read ─> GET /v1/users/{id} ─ clerk_sync_apply_reads ─> users

-- Asks for a refresh of users, known or not; also of deleted ones, whom only a fresh read revives. It is queued
-- by the next worker that can read from Clerk's API. Answers how many were asked for.
create or replace function public.clerk_sync_request_refresh(
  p_clerk_ids text[],
  p_reason    text default 'requested',
  p_now       timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform clerk_sync.lock_records(p_clerk_ids);
  update clerk_sync.records as r
  set refresh_reason = coalesce(r.refresh_reason, p_reason),
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (p_clerk_ids);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- Makes the jobs of refreshes that are due. A user whose refresh is in the queue, or dead, gets no second one. A refresh
-- that is asked for during a read stays due, for its reason may be younger than the read.
create or replace function clerk_sync.queue_refreshes(p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_due text[] := array(
    select r.id
    from clerk_sync.records as r
    where r.refresh_due_at <= p_now
      and (
        select j.source
        from public.job_queue as j
        where j.clerk_id = r.id
          and j.status = 'PROCESSING'
      ) is distinct from 'refresh'
    order by r.refresh_due_at
    limit p_limit
    for update skip locked
  );
begin
  if cardinality(v_due) = 0 then
    return;
  end if;
  perform clerk_sync.insert_jobs(clerk_sync.new_events((
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', 'refresh_' || gen_random_uuid(),
      'job_type', upper(r.kind) || '_UPDATED',
      'clerk_id', r.id,
      'version', r.version,
      'source', 'refresh',
      'payload', jsonb_build_object('clerk_id', r.id, 'reason', r.refresh_reason, 'retry_count', 0)
    )), '[]')
    from clerk_sync.records as r
    where r.id = any (v_due)
      and not exists (
        select 1
        from public.job_queue as j
        where j.clerk_id = r.id
          and j.status in ('PENDING', 'FAILED', 'DEAD')
          and j.source = 'refresh'
          and j.applied_at is null
        offset 0
      )
  )), p_now);
  update clerk_sync.records as r
  set refresh_due_at = null
  where r.id = any (v_due);
end
$$;

-- Puts what was read of their users into jobs, and fails those whose read is older than what is known (Clerk's API may lag
-- behind its webhooks) and settles nothing (read_settles). A user whom users relink has just read at Clerk is not deleted
-- because the worker's read finds nobody: that read asks another instance. Returns the others.
-- p_reads: [{job_id, deleted, version?, payload?}]
create or replace function clerk_sync.store_reads(p_ids uuid[], p_reads jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_elsewhere uuid[] := array(
    select j.id
    from jsonb_array_elements(p_reads) as r
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select k.id, k.clerk_id from public.job_queue as k where k.id = (r.value ->> 'job_id')::uuid offset 0) as j
    where (r.value ->> 'deleted')::boolean
      and j.id = any (p_ids)
      and (
        select k.deleted_at is null and k.refresh_reason = 'relinked'
        from clerk_sync.records as k
        where k.id = j.clerk_id
      )
  );
  v_ids       uuid[] := array(select i from unnest(p_ids) as i where i <> all (v_elsewhere));
  v_stale     uuid[];
begin
  perform clerk_sync.fail_job(
    i, 'clerk_other_instance: Clerk''s API does not know a user whom users relink read there', p_now, p_is_final => true
  )
  from unnest(v_elsewhere) as i;
  perform clerk_sync.put_reads(
    (select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(p_reads) as r where (r.value ->> 'job_id')::uuid = any (v_ids)),
    p_now
  );
  v_stale := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_ids)
      and j.job_type not like '%DELETED'
      and (
        select r.deleted_at is null
          and j.version < r.version
          and not clerk_sync.read_settles(j.version, j.read_at, r.version, r.trusted_version, r.last_synced_at, p_now)
        from clerk_sync.records as r
        where r.id = j.clerk_id
      )
  );
  perform clerk_sync.fail_job(i, 'clerk_stale: Clerk''s API answered an older state than is known', p_now)
  from unnest(v_stale) as i;
  return array(select i from unnest(v_ids) as i where i <> all (v_stale));
end
$$;

-- Applies what was read of users whose refresh is leased under p_token; reads of a lost lease are dropped.
-- p_reads: [{job_id, deleted, version?, payload?}], version and payload as a webhook job has them.
-- p_mirror: the mirror is pending then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_reads(
  p_token        uuid,
  p_reads        jsonb,
  p_mirror       boolean,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set statement_timeout = '2s' -- as clerk_sync_run_jobs
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_lease_until timestamptz;
  v_leased      uuid[];
  v_ids         uuid[];
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (r.value ->> 'job_id')::uuid from jsonb_array_elements(p_reads) as r))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.source = 'refresh'
      and j.cancel_requested_at is null
    order by j.id
    for update
  );
  perform clerk_sync.lock_records(array_agg(j.clerk_id), j.kind)
  from public.job_queue as j
  where j.id = any (v_leased)
  group by j.kind;
  v_ids := clerk_sync.pass_brake(clerk_sync.store_reads(v_leased, p_reads, p_now), p_delete_brake, p_now);
  v_lease_until := (select max(j.lease_until) from public.job_queue as j where j.id = any (v_ids));
  perform clerk_sync.apply_batch(
    v_ids, row(case when p_mirror then p_token end, v_lease_until)::clerk_sync.apply_rules, p_now
  );
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

-- What a worker reads from Clerk's API for the jobs that it has leased: [{job_id, clerk_id, kind, members, organization_id,
-- user_id, read_at}]. members: not the record is to be read, but the memberships of the organization or user. The last two name
-- where Clerk lists a membership, as far as they are known.
create or replace function clerk_sync.describe_reads(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'job_id', j.id, 'clerk_id', j.clerk_id, 'kind', j.kind, 'members', j.source = 'members',
      'organization_id', s.organization_id, 'user_id', s.user_id, 'read_at', j.read_at
    )), '[]')
    from public.job_queue as j
    left join lateral ( -- a lookup each, whatever the statistics say
      select m.organization_id, m.user_id from clerk_sync.membership_state as m where m.id = j.clerk_id offset 0
    ) as s on true
    where j.id = any (p_ids)
  );
end
$$;
