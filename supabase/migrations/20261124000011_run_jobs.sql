-- The processor's database half: claim a batch of due jobs, apply it and complete it, all in one
-- transaction (law 2). What the mirror still owes comes back as PROCESSING under a lease.

-- What becomes of jobs whose call was cut off while it applied them. A job that had company may not be the one that took
-- the time: it runs alone from then on. For a job that runs alone it was a failed attempt.
create or replace function clerk_sync.cut_jobs(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform clerk_sync.fail_job(
    j.id, case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end,
    'database_timeout: applying the job took too long; look for a slow trigger on public.users', false, null, p_now
  )
  from public.job_queue as j
  where j.id = any (p_ids)
    and j.runs_alone;
  update public.job_queue as j
  set runs_alone = true,
      status = case when j.status = 'PROCESSING' then 'PENDING' else j.status end,
      attempts = case when j.status = 'PROCESSING' then j.attempts - 1 else j.attempts end,
      updated_at = p_now
  where j.id = any (p_ids)
    and not j.runs_alone;
end
$$;

revoke execute on function clerk_sync.cut_jobs from public, anon, authenticated;
grant execute on function clerk_sync.cut_jobs to service_role;

-- Fails a job that the database refused. What will not fit at any later time (class 22: a value) is given up. So is, the
-- second time, a deletion that a foreign key stops: rows of other tables rarely go by themselves.
create or replace function clerk_sync.reject_job(
  p_id         uuid,
  p_attempt    integer,
  p_state      text,
  p_constraint text,
  p_message    text,
  p_now        timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_is_blocked boolean := p_state in ('23503', '23001')
    and exists (select 1 from public.job_queue as j where j.id = p_id and j.job_type = 'USER_DELETED');
  v_code       text    := concat_ws(
    ' ', case when v_is_blocked then 'delete_blocked' else 'database_rejected' end, p_state, nullif(p_constraint, '')
  );
  v_remedy     text    := case
    when v_is_blocked then '. Give the foreign key on delete cascade or set null, or set DELETE_MODE=soft; then retry the job.'
  end;
begin
  perform clerk_sync.fail_job(
    p_id, p_attempt, concat(v_code, ': ', p_message, v_remedy), p_state like '22%' or (v_is_blocked and p_attempt >= 2), null, p_now
  );
end
$$;

revoke execute on function clerk_sync.reject_job from public, anon, authenticated;
grant execute on function clerk_sync.reject_job to service_role;

-- Applies one job in a savepoint of its own; whatever it raises is its outcome, recorded on it. When the table's
-- owner made addresses unique in another way than we compare them (by lower(), say), the user gets a row without.
-- Answers false when the call was cut off (statement_timeout, which comes once a call): there is no time for another job.
-- "when others" catches neither query_canceled nor assert_failure, so both are named, here as everywhere.
create or replace function clerk_sync.apply_job(
  p_id          uuid,
  p_attempt     integer,
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz,
  p_with_email  boolean default true
)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_message    text;
  v_constraint text;
begin
  perform clerk_sync.apply_jobs(array[p_id], p_token, p_lease_until, p_delete_mode, p_now, p_with_email);
  return true;
exception
  when query_canceled then
    perform clerk_sync.cut_jobs(array[p_id], p_now);
    return false;
  when others or assert_failure then
    get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
    if sqlstate = '23505' and p_with_email then
      return clerk_sync.apply_job(p_id, p_attempt, p_token, p_lease_until, p_delete_mode, p_now, false);
    end if;
    perform clerk_sync.reject_job(p_id, p_attempt, sqlstate, v_constraint, v_message, p_now);
    return true;
end
$$;

revoke execute on function clerk_sync.apply_job from public, anon, authenticated;
grant execute on function clerk_sync.apply_job to service_role;

-- The fallback: one savepoint per job, so that the job that cannot be applied fails alone (law 7).
-- Newest first per user, so that the first one is the one that carries the state. Stops after 1.5 s
-- to keep the call short; the jobs not reached are untouched and still due.
create or replace function clerk_sync.apply_jobs_one_by_one(
  p_ids         uuid[],
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_job      record;
  v_deadline timestamptz := clock_timestamp() + interval '1.5 seconds';
begin
  for v_job in
    select j.id, j.clerk_id, case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end as attempt
    from public.job_queue as j
    where j.id = any (p_ids)
    order by j.clerk_id, (j.job_type = 'USER_DELETED') desc, j.version desc, j.created_at desc, j.id
  loop
    exit when clock_timestamp() > v_deadline;
    continue when exists (
      select 1
      from public.job_queue as r
      where r.clerk_id = v_job.clerk_id
        and r.status = 'PROCESSING'
        and r.id <> v_job.id
    );
    exit when not clerk_sync.apply_job(v_job.id, v_job.attempt, p_token, p_lease_until, p_delete_mode, p_now);
  end loop;
end
$$;

revoke execute on function clerk_sync.apply_jobs_one_by_one from public, anon, authenticated;
grant execute on function clerk_sync.apply_jobs_one_by_one to service_role;

-- Applies a batch whose users are locked, together or else one by one.
create or replace function clerk_sync.apply_batch(
  p_ids         uuid[],
  p_token       uuid,
  p_lease_until timestamptz,
  p_delete_mode text,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_delete_mode is null or p_delete_mode not in ('hard', 'soft') then
    raise exception 'p_delete_mode is %, it must be hard or soft', p_delete_mode using errcode = 'SY002';
  end if;
  if cardinality(p_ids) = 0 then
    return;
  end if;
  begin
    perform clerk_sync.apply_jobs(p_ids, p_token, p_lease_until, p_delete_mode, p_now);
  exception
    when query_canceled then -- there is no time left to find out which job hangs
      perform clerk_sync.cut_jobs(p_ids, p_now);
    when others or assert_failure then -- some job of the batch is at fault: find out which, let the others pass
      perform clerk_sync.apply_jobs_one_by_one(p_ids, p_token, p_lease_until, p_delete_mode, p_now);
  end;
end
$$;

revoke execute on function clerk_sync.apply_batch from public, anon, authenticated;
grant execute on function clerk_sync.apply_batch to service_role;

-- Works through one batch. p_lease_seconds null: no mirror, every job completes here and now.
-- p_can_read: this worker can read users from Clerk's API, so it takes refreshes too; their reads are owed
-- under the same lease and come back by clerk_sync_apply_reads. p_delete_brake: {count, percent, minutes}.
-- While a circuit is open the jobs that need its service wait; when its time has come one of them is the probe.
-- A call may take 2 s, so that a job that hangs costs the others no more than that: PostgREST takes the limit from the
-- function and sets it for the transaction (docs.postgrest.org, "Transactions", db-hoisted-tx-settings; without that it is
-- the 8 s of its role), the Node server gives it with each call.
-- Answers {token, lease_until, jobs: [{job_id, job_type, status, error}], reads: [{job_id, clerk_id}],
-- mirror: [what to mirror], alone: whether jobs are due that run alone}.
create or replace function public.clerk_sync_run_jobs(
  p_limit         integer default 250,
  p_lease_seconds integer default null,
  p_delete_mode   text default 'hard',
  p_can_read      boolean default false,
  p_delete_brake  jsonb default null,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off' -- what is off still counts as cost, so much that PostgreSQL would compile each call
set statement_timeout = '2s'
set enable_seqscan = 'off' -- while statistics lag behind a backfill, plans would read whole tables,
set enable_bitmapscan = 'off' -- or the partial index of all finished jobs
set plan_cache_mode = 'force_generic_plan' -- there is one good plan then; to look for it each time takes longer than to run it
as $$
declare
  v_token       uuid := gen_random_uuid();
  v_lease_until timestamptz := p_now + make_interval(secs => coalesce(p_lease_seconds, 60));
  v_claimed     uuid[];
  v_reads       uuid[] := '{}'::uuid[];
  v_ids         uuid[] := '{}'::uuid[];
  v_probes      uuid[] := array[]::uuid[];
begin
  -- A crash may take the last batches back; their jobs are in the queue, then, and done again.
  perform set_config('synchronous_commit', 'off', true);
  perform clerk_sync.wake_jobs(p_limit, p_lease_seconds is not null, p_now);
  if p_can_read then
    perform clerk_sync.learn_key();
    perform clerk_sync.queue_refreshes(p_limit, p_now);
  end if;
  v_claimed := clerk_sync.claim_jobs(p_limit, p_can_read, p_now);
  if cardinality(v_claimed) > 0 then
    v_ids := clerk_sync.fail_jobs_without_user(v_claimed, p_now);
    if p_can_read then
      v_ids := clerk_sync.hold_reads(v_ids);
      v_reads := clerk_sync.lease_reads(v_ids, v_token, v_lease_until, p_now);
      v_ids := clerk_sync.without_unread(v_ids);
    end if;
    v_ids := clerk_sync.hold_deletes(v_ids, p_delete_brake, p_now);
  end if;
  if p_can_read then
    v_reads := v_reads || clerk_sync.lease_probe('clerk', v_token, v_lease_until, p_now);
  end if;
  perform clerk_sync.apply_batch(
    v_ids, case when p_lease_seconds is not null then v_token end, v_lease_until, p_delete_mode, p_now
  );
  if p_lease_seconds is not null then
    v_probes := clerk_sync.lease_probe('auth', v_token, v_lease_until, p_now);
  end if;
  return jsonb_build_object(
    'token', v_token,
    'lease_until', v_lease_until,
    'jobs', clerk_sync.describe_jobs(v_claimed || v_reads || v_probes),
    'reads', clerk_sync.describe_reads(v_reads),
    'mirror', clerk_sync.describe_mirror(v_ids || v_probes),
    'alone', exists (
      select 1
      from ( -- usually empty. Without waits_for no plan can read all due jobs for it
        select j.waits_for, j.run_at, j.source
        from public.job_queue as j
        where j.runs_alone
          and j.status in ('PENDING', 'FAILED')
        order by j.attempts, j.run_at, j.id
        offset 0
      ) as a
      where a.waits_for is null
        and a.run_at <= p_now
        and (p_can_read or a.source <> 'refresh')
    )
  );
end
$$;

revoke execute on function public.clerk_sync_run_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_run_jobs to service_role;
