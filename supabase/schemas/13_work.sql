-- What a worker does: it claims due jobs, applies them, settles their attempts, and takes over from workers that died.

-- When a part of the system was last seen: worker (a Node server), processor (the Edge Function), webhook (the last
-- delivery it took).
create table if not exists clerk_sync.heartbeats (
  name     text        not null,
  at       timestamptz not null,
  can_read boolean     null,
  constraint heartbeats_pkey primary key (name)
);

comment on column clerk_sync.heartbeats.can_read is 'whether it has CLERK_SECRET_KEY, as far as it said so';

alter table clerk_sync.heartbeats enable row level security;

drop policy if exists heartbeats_service_role on clerk_sync.heartbeats;
create policy heartbeats_service_role
  on clerk_sync.heartbeats
  for all
  to service_role
  using (true)
  with check (true);

-- Takes down that a part is alive, and whether it has CLERK_SECRET_KEY; writes nothing while its last word is younger
-- than ten seconds and was the same.
create or replace function public.clerk_sync_beat(
  p_name     text,
  p_now      timestamptz default clock_timestamp(),
  p_can_read boolean default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.heartbeats as h (name, at, can_read)
  values (p_name, p_now, p_can_read)
  on conflict (name) do update
    set at = greatest(h.at, excluded.at),
        can_read = coalesce(excluded.can_read, h.can_read)
    where h.at < excluded.at - interval '10 seconds'
       or h.can_read is distinct from coalesce(excluded.can_read, h.can_read);
end
$$;

-- False once the processor has said that it has no CLERK_SECRET_KEY.
create or replace function clerk_sync.processor_has_key()
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce((select h.can_read from clerk_sync.heartbeats as h where h.name = 'processor'), true);
$$;

-- Somebody who works through the queue has the key. The functions of a project share their secrets, and in a quiet
-- project only the webhook's is called: so the processor has it, too.
create or replace function clerk_sync.learn_key()
returns void
language sql
set search_path = ''
as $$
  update clerk_sync.heartbeats as h
  set can_read = true
  where h.name = 'processor'
    and not h.can_read;
$$;

-- Users who are told of without their Clerk id.

-- Whom a deletion without an id (Clerk's schema allows it) can mean, by its external_id: the living users who have it, else
-- one of the deleted. A user whose newest change is younger than the deletion (p_version; 0: no time is known) got the
-- external_id afterwards, and is somebody else.
create or replace function clerk_sync.users_with_external_id(p_external_id text, p_version bigint)
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_living text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.external_id = p_external_id
      and s.deleted_at is null
      and (s.version <= p_version or p_version = 0)
  );
begin
  if cardinality(v_living) > 0 then
    return v_living;
  end if;
  return array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.external_id = p_external_id
      and (s.version <= p_version or p_version = 0)
    order by s.version desc, s.clerk_id
    limit 1
  );
end
$$;

-- Finds the users of deletions without an id. One that several users are meant by gets none, and fails. While other jobs of
-- the batch tell who has the external_id, the deletion is left to the next batch. Returns the jobs with the users found.
create or replace function clerk_sync.find_users_by_external_id(p_due clerk_sync.due_job[])
returns clerk_sync.due_job[]
language plpgsql
set search_path = ''
as $$
declare
  v_ids      uuid[] := array(select d.id from unnest(p_due) as d);
  v_nameless uuid[] := array(select d.id from unnest(p_due) as d where d.clerk_id is null);
  v_early    uuid[];
begin
  if cardinality(v_nameless) = 0 then
    return p_due;
  end if;
  v_early := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_nameless)
      and exists (
        select 1
        from public.job_queue as o
        where o.id = any (v_ids)
          and o.job_type <> 'USER_DELETED'
          and (
            o.payload ->> 'external_id' = j.payload ->> 'external_id'
            or o.clerk_id = any (clerk_sync.users_with_external_id(j.payload ->> 'external_id', j.version))
          )
      )
  );
  update public.job_queue as j
  set clerk_id = m.clerk_ids[1]
  from (
    select n.id, clerk_sync.users_with_external_id(n.payload ->> 'external_id', n.version) as clerk_ids
    from public.job_queue as n
    where n.id = any (v_nameless)
      and n.id <> all (v_early)
  ) as m
  where j.id = m.id
    and cardinality(m.clerk_ids) = 1;
  return array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (v_ids)
      and j.id <> all (v_early)
  );
end
$$;

-- Which jobs a batch consists of, and the locks it works under.

-- Locks up to p_limit due jobs and their users for this transaction; returns the job ids. Nothing is
-- waited for: a job or user that another worker holds is left for the next round. Refreshes are left to
-- workers that can read from Clerk's API. Where a user has several jobs, the others of these users come along.
create or replace function clerk_sync.claim_jobs(p_limit integer, p_can_read boolean, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_due clerk_sync.due_job[];
begin
  -- Here as everywhere in what runs often: = any(array(...)), subqueries and offset 0, not joins. They are looked up by
  -- key whatever the statistics say; a plan made while the tables were small is kept until the next analyze.
  v_due := array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source <> 'refresh')
      and (
        select true from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING'
      ) is null
    order by j.priority desc, j.run_at, j.id
    limit p_limit
    for update of j skip locked
  );
  if cardinality(v_due) = 0 then
    return '{}'::uuid[];
  end if;
  v_due := clerk_sync.claim_users(clerk_sync.find_users_by_external_id(v_due));
  return array(select d.id from unnest(v_due) as d) || clerk_sync.claim_rest(v_due, p_limit, p_can_read, p_now);
end
$$;

-- Locks further due jobs of users who have several in a batch, up to three times p_limit: the newest carries the state,
-- the others are only marked. Left behind they would be passed over by every other worker while their users are locked.
create or replace function clerk_sync.claim_rest(
  p_due      clerk_sync.due_job[],
  p_limit    integer,
  p_can_read boolean,
  p_now      timestamptz
)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_users text[] := array(
    select d.clerk_id
    from unnest(p_due) as d
    where d.clerk_id is not null
    group by d.clerk_id
    having count(*) > 1
  );
  v_more  uuid[];
begin
  if cardinality(v_users) = 0 then
    return '{}'::uuid[];
  end if;
  v_more := array(
    select j.id
    from public.job_queue as j
    where j.clerk_id = any (v_users)
      and j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source <> 'refresh')
    limit p_limit * 4
    for update skip locked
  );
  return array(select i from unnest(v_more) as i except select d.id from unnest(p_due) as d limit p_limit * 3);
end
$$;

-- Fails the jobs that name no user and returns the others. With an external_id that no user has, the user may still be
-- on its way through the queue, so they are tried again. Where several users have it a person has to say who is meant.
create or replace function clerk_sync.fail_jobs_without_user(p_ids uuid[], p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_nameless uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.clerk_id is null);
begin
  if cardinality(v_nameless) = 0 then
    return p_ids;
  end if;
  perform clerk_sync.fail_job(
    j.id,
    j.attempts + 1,
    case
      when j.payload ->> 'external_id' is null then 'user_unknown: the job names no user'
      when j.found = 0 then 'user_unknown: no user has this external_id'
      else format('user_ambiguous: %s users have this external_id, so none was deleted', j.found)
    end,
    j.payload ->> 'external_id' is null or j.found > 0,
    null,
    p_now
  )
  from (
    select
      k.id, k.attempts, k.payload,
      cardinality(clerk_sync.users_with_external_id(k.payload ->> 'external_id', k.version)) as found
    from public.job_queue as k
    where k.id = any (v_nameless)
    offset 0
  ) as j;
  return array(select i from unnest(p_ids) as i except select i from unnest(v_nameless) as i);
end
$$;

-- The processor's database half: claim a batch of due jobs, apply it and complete it, all in one
-- transaction (law 2). What the mirror still owes comes back as PROCESSING under a lease.

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

-- What happens to a job after its attempt: completed, tried again later, or given up.

-- Ends the attempts of a leased batch. Outcomes of jobs whose lease was lost are counted as stale and
-- settle nothing: another worker has them (the token is the fence). Their users are mirrored again.
-- p_outcomes: [{job_id, outcome: completed|retry|dead|released|waiting|locked, error?, retry_after?, circuit?,
-- auth_user_id?, auth_holder_id?, auth_locked_at?, mirror?}]. released, waiting and locked give the attempt back, as a
-- retry does whose circuit is open. p_calls: see record_calls.
-- Answers {jobs: [{job_id, job_type, status, error}], stale: n, circuits: [those that opened or closed]}.
create or replace function public.clerk_sync_settle_jobs(
  p_token    uuid,
  p_outcomes jsonb,
  p_now      timestamptz default clock_timestamp(),
  p_calls    jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_ids      uuid[];
  v_circuits jsonb;
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (o.value ->> 'job_id')::uuid from jsonb_array_elements(p_outcomes) as o))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
    order by j.id
    for update
  );
  v_circuits := clerk_sync.record_calls(p_token, p_calls, p_now);
  begin
    perform clerk_sync.settle_outcomes(v_ids, p_outcomes, p_now);
  exception
    when others or assert_failure then -- some outcome of the batch is at fault: find out which, let the others pass
      perform clerk_sync.settle_one_by_one(v_ids, p_outcomes, p_now);
  end;
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_ids),
    'stale', clerk_sync.repair_stale(p_outcomes, v_ids, p_now),
    'circuits', v_circuits
  );
end
$$;

-- Writes the outcomes of jobs that are locked and still leased.
create or replace function clerk_sync.settle_outcomes(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  set constraints all deferred; -- as apply_jobs
  perform clerk_sync.complete_mirrored(p_ids, p_outcomes, p_now);
  if not p_outcomes @? '$[*] ? (@.outcome != "completed")' then
    set constraints all immediate;
    return;
  end if;
  v_waiting := clerk_sync.wait_for_circuits(p_ids, p_outcomes, p_now);

  update public.job_queue as j
  set status = case when j.cancel_requested_at is null then 'PENDING' else 'CANCELLED' end,
      attempts = j.attempts - 1,
      updated_at = p_now
  where j.id = any (array(
    select o.job_id
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text)
    where o.outcome = 'released'
      and o.job_id = any (p_ids)
  ));

  perform clerk_sync.wait_for_tokens(p_ids, p_outcomes, p_now);

  perform clerk_sync.fail_job(
    j.id, j.attempts, o.error, o.outcome = 'dead', make_interval(secs => o.retry_after), p_now
  )
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, error text, retry_after double precision)
  cross join lateral (select k.id, k.attempts from public.job_queue as k where k.id = o.job_id offset 0) as j
  where o.job_id = any (p_ids)
    and o.job_id <> all (v_waiting)
    and o.outcome in ('retry', 'dead');
  set constraints all immediate;
end
$$;

-- The fallback: one savepoint per outcome. A job whose outcome cannot be written is tried again; so is
-- one that is not reached within 1.5 s, when its lease has run out.
create or replace function clerk_sync.settle_one_by_one(p_ids uuid[], p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_outcome    jsonb;
  v_message    text;
  v_constraint text;
  v_deadline   timestamptz := clock_timestamp() + interval '1.5 seconds';
begin
  for v_outcome in
    select o.value from jsonb_array_elements(p_outcomes) as o
  loop
    exit when clock_timestamp() > v_deadline;
    begin
      perform clerk_sync.settle_outcomes(p_ids, jsonb_build_array(v_outcome), p_now);
    exception
      when others or assert_failure then -- recorded on the job it belongs to
        get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
        perform clerk_sync.fail_job(
          j.id, j.attempts, concat(concat_ws(' ', 'database_rejected', sqlstate, nullif(v_constraint, '')), ': ', v_message),
          false, null, p_now
        )
        from public.job_queue as j
        where j.id = (v_outcome ->> 'job_id')::uuid
          and j.id = any (p_ids);
    end;
  end loop;
end
$$;

-- What keeps the queue moving when workers die, jobs hang, or a service is down.

-- Frees the jobs of workers that died: a lease that ran out is a failed attempt. Answers how many.
create or replace function public.clerk_sync_rescue_jobs(
  p_limit integer default 500,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.status = 'PROCESSING'
      and j.lease_until <= p_now
    order by j.lease_until
    limit p_limit
    for update skip locked
  );
  perform clerk_sync.fail_job(
    j.id, j.attempts, 'lease_expired: the worker did not finish in time', false, null, p_now
  )
  from public.job_queue as j
  where j.id = any (v_ids);
  return cardinality(v_ids);
end
$$;

-- Sets the first due jobs apart, to run alone. For a worker whose call with these jobs never came back (the connection was
-- lost in it, or PostgreSQL refused it as a whole): one of them may be why, and would come first for ever. Answers how many.
create or replace function public.clerk_sync_set_apart(
  p_limit    integer default 250,
  p_can_read boolean default false,
  p_now      timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_ids uuid[] := clerk_sync.claim_jobs(p_limit, p_can_read, p_now);
begin
  perform clerk_sync.cut_jobs(v_ids, p_now);
  return cardinality(v_ids);
end
$$;

-- Leases one due job that runs alone. The lease, and with it the attempt, is committed before the job is applied: it counts
-- even if the call that applies it never comes back, and no other job waits for the locks of that call.
-- Answers {token, jobs: [{job_id, job_type, status, error}], leased: [job_id], reads: [{job_id, clerk_id}]}; reads: the user
-- is to be read from Clerk's API first.
create or replace function public.clerk_sync_lease_alone(
  p_lease_seconds integer default 60,
  p_can_read      boolean default false,
  p_delete_brake  jsonb default null,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_token   uuid := gen_random_uuid();
  v_due     clerk_sync.due_job[];
  v_claimed uuid[];
  v_ids     uuid[];
  v_unread  uuid[] := array[]::uuid[];
begin
  v_due := clerk_sync.claim_users(clerk_sync.find_users_by_external_id(array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (array( -- as in clerk_sync_run_jobs
        select a.id from public.job_queue as a where a.runs_alone and a.status in ('PENDING', 'FAILED')
      ))
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source <> 'refresh')
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id -- who was only in bad company goes first
    limit 10 -- the first of them may be another worker's user
    for update of j skip locked
  )));
  v_claimed := array(select d.id from unnest(v_due) as d limit 1);
  v_ids := clerk_sync.fail_jobs_without_user(v_claimed, p_now);
  if p_can_read then
    v_ids := clerk_sync.hold_reads(v_ids);
    v_unread := array(select i from unnest(v_ids) as i except select i from unnest(clerk_sync.without_unread(v_ids)) as i);
  end if;
  v_ids := clerk_sync.hold_deletes(v_ids, p_delete_brake, p_now);
  perform clerk_sync.lease_calls(
    v_ids, cardinality(v_unread) > 0, v_token, p_now + make_interval(secs => p_lease_seconds), p_now
  );
  return jsonb_build_object(
    'token', v_token,
    'jobs', clerk_sync.describe_jobs(v_claimed),
    'leased', to_jsonb(v_ids),
    'reads', clerk_sync.describe_reads(v_unread)
  );
end
$$;

-- Applies the job that is leased under p_token; nothing when the lease was lost, or its cancel was asked for. This call may
-- take as long as any (8 s): a slow trigger is no error yet, and no other job waits for it. p_read: what was read of its user,
-- {job_id, deleted, version?, payload?}. p_mirror: the mirror is owed then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '8s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_leased uuid[];
  v_ids    uuid[];
begin
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = p_job_id
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.cancel_requested_at is null
    for update
  );
  v_ids := v_leased;
  perform clerk_sync.lock_new_users(array(select j.clerk_id from public.job_queue as j where j.id = any (v_leased)));
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = any (array(select j.clerk_id from public.job_queue as j where j.id = any (v_leased)))
  for update;
  if p_read is not null then
    v_ids := clerk_sync.hold_deletes(
      clerk_sync.store_reads(v_ids, jsonb_build_array(p_read), p_now), p_delete_brake, p_now
    );
  end if;
  perform clerk_sync.apply_job(j.id, j.attempts, case when p_mirror then p_token end, j.lease_until, p_delete_mode, p_now)
  from public.job_queue as j
  where j.id = any (v_ids);
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

-- As clerk_sync_apply_alone, but in half a second: for a job's first attempt. Most jobs of a batch that was cut are quick, and
-- must not wait for those that hang. A function of its own, because PostgREST takes the limit from the function it calls.
create or replace function public.clerk_sync_try_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set statement_timeout = '500ms'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_mode, p_delete_brake, p_now);
end
$$;
