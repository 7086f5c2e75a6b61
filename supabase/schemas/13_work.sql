-- What a worker does: it claims due jobs, applies them, settles their attempts, and takes over from workers that died.
--
--   clerk_sync_run_jobs      one batch: claim_jobs ─> route_jobs ─> apply_batch (08) ─> complete_jobs, move_jobs (04)
--                            reads and mirrors that are pending come back under a lease
--   clerk_sync_apply_reads   what was read of users (12) ─> apply_batch
--   clerk_sync_settle_jobs   what became of the calls ─> settle_outcomes ─> complete_jobs, move_jobs
--   clerk_sync_rescue_jobs   leases that ran out are failed attempts
--   clerk_sync_lease_alone, try_alone, apply_alone   one job that was cut off with others, in calls of its own

-- When a part of the system was last seen: worker (a Node server), processor (the Edge Function), webhook (the last
-- delivery it took).
create table if not exists clerk_sync.heartbeats (
  name     text        not null,
  at       timestamptz not null,
  can_read boolean     null,
  constraint heartbeats_pkey primary key (name)
);

comment on column clerk_sync.heartbeats.can_read is 'whether it has CLERK_SECRET_KEY, as far as it said so';

-- The mapping that each program of the sync runs with: an Edge Function by its name, a Node server as server. A program
-- tells it with what it writes anyway: its heartbeat, or the deliveries that it took.
create table if not exists clerk_sync.programs (
  name         text        not null,
  mapping_hash text        not null,
  since        timestamptz not null,
  seen_at      timestamptz not null,
  constraint programs_pkey primary key (name, mapping_hash)
);

comment on column clerk_sync.programs.since is
  'when it was first seen with this mapping';
comment on column clerk_sync.programs.seen_at is
  'when it was last seen with it, give or take ten seconds';

-- p_program: {name, mapping_hash}; null: the caller says nothing of itself.
create or replace function clerk_sync.note_program(p_program jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.programs as p (name, mapping_hash, since, seen_at)
  select i.name, i.mapping_hash, p_now, p_now
  from jsonb_to_record(p_program) as i(name text, mapping_hash text)
  where i.name is not null
    and i.mapping_hash is not null
  on conflict (name, mapping_hash) do update
    set seen_at = excluded.seen_at
    where p.seen_at < excluded.seen_at - interval '10 seconds';
end
$$;

-- The programs that run with another mapping than the database was migrated with, each with the time since when: its last
-- word of this day counts, and whatever it said within two minutes, for several servers are one program. p_program: as
-- note_program takes it, the program that asks.
create or replace function clerk_sync.differing_programs(p_program jsonb, p_now timestamptz)
returns table (name text, since timestamptz)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  with seen (name, mapping_hash, since, seen_at) as (
    select p.name, p.mapping_hash, p.since, p.seen_at
    from clerk_sync.programs as p
    where p.seen_at > p_now - interval '1 day'
    union all
    select i.name, i.mapping_hash, null, p_now
    from jsonb_to_record(p_program) as i(name text, mapping_hash text)
  )
  select s.name, min(greatest(s.since, m.changed_at))
  from seen as s
  join clerk_sync.mappings as m on m.kind = 'user' and m.hash <> s.mapping_hash
  where s.seen_at > p_now - interval '2 minutes'
     or s.seen_at >= all (select o.seen_at from seen as o where o.name = s.name)
  group by s.name;
end
$$;

-- The names of those programs, for clerk-sync doctor.
create or replace function public.clerk_sync_differing_programs(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(d.name order by d.name), '[]') from clerk_sync.differing_programs(null, p_now) as d;
$$;

-- Records that a part is alive, whether it has CLERK_SECRET_KEY, and the mapping that the program runs with (p_program, as
-- note_program takes it); writes nothing while the last record is younger than ten seconds and says the same.
create or replace function public.clerk_sync_beat(
  p_name     text,
  p_now      timestamptz default clock_timestamp(),
  p_can_read boolean default null,
  p_program  jsonb default null
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
  perform clerk_sync.note_program(p_program, p_now);
end
$$;

-- Deletions without a Clerk id, which Clerk's schema allows.

-- The users that such a deletion can mean, by its external_id: the living users who have it, else one of the deleted. A
-- user whose newest change is younger than the deletion (p_version; 0: no time is known) got the external_id afterwards:
-- the deletion means another user.
create or replace function clerk_sync.users_with_external_id(p_external_id text, p_version bigint)
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_living text[] := array(
    select s.clerk_id
    from clerk_sync.known_users as s
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
    from clerk_sync.known_users as s
    where s.external_id = p_external_id
      and (s.version <= p_version or p_version = 0)
    order by s.version desc, s.clerk_id
    limit 1
  );
end
$$;

-- Finds the users of deletions without an id. A deletion that can mean several users gets none, and fails. While other jobs
-- of the batch bring a user with its external_id, the deletion is left to the next batch. Returns the jobs without those.
create or replace function clerk_sync.name_users(p_ids uuid[])
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_nameless uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.clerk_id is null);
  v_early    uuid[];
begin
  if cardinality(v_nameless) = 0 then
    return p_ids;
  end if;
  v_early := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_nameless)
      and exists (
        select 1
        from public.job_queue as o
        where o.id = any (p_ids)
          and o.kind = 'user'
          and o.job_type not like '%DELETED'
          and (
            o.payload ->> 'external_id' = j.payload ->> 'external_id'
            or o.clerk_id = any (clerk_sync.users_with_external_id(j.payload ->> 'external_id', j.version))
          )
      )
  );
  perform set_config('clerk_sync.actor', 'sync', true);
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
  perform set_config('clerk_sync.actor', '', true);
  return array(select i from unnest(p_ids) as i where i <> all (v_early));
end
$$;

-- Fails jobs that name no user. When no user has the external_id, the user may still be on its way through the queue, and
-- the job is tried again. When several users have it, a person has to say which one is meant.
create or replace function clerk_sync.fail_nameless(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.fail_job(
    j.id,
    case
      when j.external_id is null then 'user_unknown: the job names no user'
      when j.found = 0 then 'user_unknown: no user has this external_id'
      else format('user_ambiguous: %s users have this external_id, so none was deleted', j.found)
    end,
    p_now,
    p_is_final => j.external_id is null or j.found > 0
  )
  from (
    select
      k.id, k.payload ->> 'external_id' as external_id,
      cardinality(clerk_sync.users_with_external_id(k.payload ->> 'external_id', k.version)) as found
    from public.job_queue as k
    where k.id = any (p_ids)
    offset 0
  ) as j;
end
$$;

-- Which jobs a batch consists of, and where each goes.

-- Locks up to p_limit due jobs and their users for this transaction; returns the job ids. The function waits for nothing: a
-- job or user that another worker holds is left for the next round. Refreshes are left to workers that can read from
-- Clerk's API. Where a user has several jobs, the others come along, up to three times p_limit: the newest carries the
-- change, and left behind they would be passed over by every other worker while their users are locked.
-- are_plain: each of the jobs goes to apply, without a question to route_jobs.
create or replace function clerk_sync.claim_jobs(
  p_limit    integer,
  p_can_read boolean,
  p_now      timestamptz,
  out ids       uuid[],
  out are_plain boolean
)
language plpgsql
set search_path = ''
as $$
declare
  v_due     uuid[];
  v_users   text[];
  v_claimed text[];
  v_more    text[];
begin
  -- Here as everywhere in what runs often: = any(array(...)), subqueries and offset 0, not joins. They are looked up by
  -- key whatever the statistics say; a plan made while the tables were small is kept until the next analyze.
  select array_agg(d.id), array_agg(d.clerk_id), bool_and(d.is_plain)
  into v_due, v_users, are_plain
  from (
    select j.id, j.clerk_id, j.source not in ('refresh', 'members') and j.kind <> 'permission' and j.job_type not like '%DELETED' as is_plain
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source not in ('refresh', 'members'))
      and (
        select true from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING'
      ) is null
    order by j.priority desc, j.run_at, j.id
    limit p_limit
    for update of j skip locked
  ) as d;
  if v_due is null then
    ids := array[]::uuid[];
    return;
  end if;
  if array_position(v_users, null) is not null then
    are_plain := false;
    v_due := clerk_sync.name_users(v_due);
    v_users := array(
      select (select j.clerk_id from public.job_queue as j where j.id = d.id)
      from unnest(v_due) with ordinality as d(id, place)
      order by d.place
    );
  end if;
  v_claimed := clerk_sync.claim_records(array(select distinct u from unnest(v_users) as u where u is not null));

  -- Another look at PROCESSING, now that no other worker can lease a job of these users.
  select coalesce(array_agg(c.id), '{}'), array_agg(distinct c.clerk_id) filter (where c.jobs > 1)
  into ids, v_more
  from (
    select d.id, d.clerk_id, count(*) over (partition by d.clerk_id) as jobs
    from unnest(v_due, v_users) as d(id, clerk_id)
    where d.clerk_id is null
       or (
         d.clerk_id in (select k from unnest(v_claimed) as k)
         and (select true from public.job_queue as r where r.clerk_id = d.clerk_id and r.status = 'PROCESSING') is null
       )
  ) as c;
  if v_more is null then
    return;
  end if;
  are_plain := false;
  ids := ids || array(
    select j.id
    from public.job_queue as j
    where j.clerk_id = any (v_more)
      and j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source not in ('refresh', 'members'))
      and case when j.id not in (select i from unnest(ids) as i) then true end
    limit p_limit * 3
    for update of j skip locked
  );
end
$$;

-- Whether a deletion ends more memberships than a call with other jobs may take time for.
create or replace function clerk_sync.is_large(p_kind text, p_id text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_kind <> 'organization' then
    return false;
  end if;
  return 1000 < (
    select count(*)
    from (
      select 1 from clerk_sync.membership_state as m where m.organization_id = p_id and m.has_row limit 1001
    ) as counted
  );
end
$$;

-- Where each claimed job goes next:
--   fail   it names no user
--   wait   its user is to be read from Clerk's API, whose circuit is open
--   read   its user (or organization, or what a permission or a restored organization changed) is to be read from Clerk's
--          API; one of a user, and none of a user with other work in the batch
--   later  the other jobs whose user is to be read
--   alone  it deletes an organization of so many members that it needs a call of its own
--   brake  it deletes a record; the delete brake may hold it (pass_brake)
--   apply  everything else
create or replace function clerk_sync.route_jobs(p_ids uuid[], p_can_read boolean)
returns table (id uuid, route text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select
    j.id,
    case
      when j.clerk_id is null then 'fail'
      when not j.needs_read then case
        when j.job_type not like '%DELETED' then 'apply'
        when j.runs_alone or not clerk_sync.is_large(j.kind, j.clerk_id) then 'brake'
        else 'alone'
      end
      when clerk_sync.circuit_is_open('clerk') then 'wait'
      when j.reads < j.jobs or j.place > 1 then 'later'
      else 'read'
    end
  from (
    select
      k.id,
      k.clerk_id,
      k.kind,
      k.job_type,
      k.runs_alone,
      n.needs_read,
      count(*) over u as jobs,
      count(*) filter (where n.needs_read) over u as reads,
      row_number() over (partition by k.clerk_id order by n.needs_read desc, k.run_at, k.id) as place
    from public.job_queue as k
    cross join lateral (
      select (k.source in ('refresh', 'members') or (k.kind = 'permission' and p_can_read))
        and k.applied_at is null
        and k.status <> 'PROCESSING' as needs_read
    ) as n
    where k.id = any (p_ids)
    window u as (partition by k.clerk_id)
  ) as j;
end
$$;

-- The processor's database half: claim a batch of due jobs, apply it and complete it, all in one
-- transaction (law 2). A job whose mirror is pending comes back as PROCESSING under a lease.

-- Works through one batch. p_lease_seconds null: no mirror, every job completes here and now.
-- p_can_read: this worker can read users from Clerk's API, so it takes refreshes too; their reads are owed
-- under the same lease and come back by clerk_sync_apply_reads. p_delete_brake: {count, percent, minutes}.
-- While a circuit is open the jobs that need its service wait; when its time has come one of them is the probe.
-- A call may take 2 s, so that a job that hangs costs the others no more than that: PostgREST takes the limit from the
-- function and sets it for the transaction (docs.postgrest.org, "Transactions", db-hoisted-tx-settings; without that it is
-- the 8 s of its role), the Node server gives it with each call.
-- Answers {token, lease_until, jobs (as describe_jobs), reads: [{job_id, clerk_id}],
-- mirror: [what to mirror], alone: whether jobs are due that run alone}.
create or replace function public.clerk_sync_run_jobs(
  p_limit         integer default 250,
  p_lease_seconds integer default null,
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
  v_are_plain   boolean;
  v_apply       uuid[] := array[]::uuid[];
  v_reads       uuid[] := array[]::uuid[];
  v_waits       uuid[] := array[]::uuid[];
  v_nameless    uuid[] := array[]::uuid[];
  v_alone       uuid[] := array[]::uuid[];
  v_deletions   uuid[] := array[]::uuid[];
  v_probes      uuid[] := array[]::uuid[];
begin
  -- A crash may take the last batches back; their jobs are in the queue, then, and done again.
  perform set_config('synchronous_commit', 'off', true);
  perform clerk_sync.wake_jobs(p_limit, p_lease_seconds is not null, p_now);
  if p_can_read then
    -- The functions of a project share their secrets, and in a quiet project only the webhook's is called: so the
    -- processor has CLERK_SECRET_KEY, too.
    update clerk_sync.heartbeats as h
    set can_read = true
    where h.name = 'processor'
      and not h.can_read;
    perform clerk_sync.queue_refreshes(p_limit, p_now);
  end if;

  select c.ids, c.are_plain into v_claimed, v_are_plain from clerk_sync.claim_jobs(p_limit, p_can_read, p_now) as c;
  if v_are_plain then
    v_apply := v_claimed;
  elsif cardinality(v_claimed) > 0 then
    select
      coalesce(array_agg(r.id) filter (where r.route = 'apply'), '{}'),
      coalesce(array_agg(r.id) filter (where r.route = 'read'), '{}'),
      array_agg(r.id) filter (where r.route = 'brake'),
      array_agg(r.id) filter (where r.route = 'wait'),
      array_agg(r.id) filter (where r.route = 'fail'),
      array_agg(r.id) filter (where r.route = 'alone')
    into v_apply, v_reads, v_deletions, v_waits, v_nameless, v_alone
    from clerk_sync.route_jobs(v_claimed, p_can_read) as r;
    perform clerk_sync.fail_nameless(v_nameless, p_now);
    perform clerk_sync.move_jobs(v_waits, null, p_now, p_waits_for => 'clerk');
    perform clerk_sync.move_jobs(v_alone, null, p_now, p_runs_alone => true);
    perform clerk_sync.move_jobs(
      v_reads, 'PROCESSING', p_now, p_token => v_token, p_lease_until => v_lease_until, p_read_at => p_now
    );
    v_apply := v_apply || clerk_sync.pass_brake(v_deletions, p_delete_brake, p_now);
  end if;
  if p_can_read then
    v_reads := v_reads || clerk_sync.lease_probe('clerk', v_token, v_lease_until, p_now);
  end if;
  perform clerk_sync.apply_batch(
    v_apply,
    row(case when p_lease_seconds is not null then v_token end, v_lease_until)::clerk_sync.apply_rules,
    p_now
  );
  if p_lease_seconds is not null then
    v_probes := clerk_sync.lease_probe('auth', v_token, v_lease_until, p_now);
  end if;
  return jsonb_build_object(
    'token', v_token,
    'lease_until', v_lease_until,
    'jobs', clerk_sync.describe_jobs(v_claimed || v_reads || v_probes),
    'reads', clerk_sync.describe_reads(v_reads),
    'mirror', clerk_sync.describe_mirror(v_apply || v_probes),
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
        and (p_can_read or a.source not in ('refresh', 'members'))
    )
  );
end
$$;

-- What happens to a job after its attempt: completed, tried again later, or given up.

-- Writes outcomes of jobs that are locked and still leased.
--   completed     the user is mirrored; the id of the Auth user is remembered, in one commit with the job
--   waiting       the worker did not call the service any more: the job waits for its circuit
--   released      the job was not tried; another worker takes it
--   read          what was read are other records, and their events are in the queue
--   locked        the user is to take over an Auth user that is locked now, when its last access token has run out
--   retry, dead   the attempt failed. While the circuit of the service is open, a retry waits for it instead, and does not
--                 count; but it counts for a job that is a day old: when the job fails and not the service, the job must end
--                 as a dead letter
create or replace function clerk_sync.settle_outcomes(p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ids   uuid[];
  v_notes jsonb; -- by job
  v_job   record;
begin
  set constraints all deferred; -- as apply_jobs
  select array_agg(o.job_id), jsonb_object_agg(o.job_id, jsonb_build_object('mirror', o.mirror))
  into v_ids, v_notes
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, mirror jsonb)
  where o.outcome = 'completed';
  if v_ids is not null then
    insert into clerk_sync.user_state as s (clerk_id, auth_user_id, auth_finding, mirrored_version, mirrored_at)
    select r.id, o.auth_user_id, o.mirror ->> 'finding', r.version, p_now
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, auth_user_id uuid, mirror jsonb)
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select k.clerk_id from public.job_queue as k where k.id = o.job_id offset 0) as j
    cross join lateral (select k.id, k.version from clerk_sync.records as k where k.id = j.clerk_id offset 0) as r
    where o.outcome = 'completed'
    on conflict (clerk_id) do update
      set auth_user_id = excluded.auth_user_id,
          auth_finding = excluded.auth_finding,
          auth_holder_id = null,
          auth_locked_at = null,
          mirrored_version = excluded.mirrored_version,
          mirrored_at = excluded.mirrored_at;
    perform clerk_sync.complete_jobs(v_ids, p_now, p_notes => v_notes);
    perform clerk_sync.erase_deleted(v_ids, p_now);
  end if;

  for v_job in
    select o.*, j.clerk_id, j.created_at, make_interval(secs => o.retry_after) as pause
    from jsonb_to_recordset(p_outcomes) as o(
      job_id uuid, outcome text, error text, retry_after double precision, circuit text, auth_holder_id uuid,
      auth_locked_at timestamptz
    )
    cross join lateral (select k.clerk_id, k.created_at from public.job_queue as k where k.id = o.job_id offset 0) as j
    where o.outcome <> 'completed'
  loop
    if v_job.outcome = 'waiting' then
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_waits_for => v_job.circuit
      );
    elsif v_job.outcome = 'released' then
      perform clerk_sync.move_jobs(array[v_job.job_id], 'PENDING', p_now);
    elsif v_job.outcome = 'read' then
      perform clerk_sync.complete_jobs(array[v_job.job_id], p_now, p_applied => true);
    elsif v_job.outcome = 'locked' then
      insert into clerk_sync.user_state as s (clerk_id, auth_holder_id, auth_locked_at)
      values (v_job.clerk_id, v_job.auth_holder_id, v_job.auth_locked_at)
      on conflict (clerk_id) do update
        set auth_holder_id = excluded.auth_holder_id,
            auth_locked_at = excluded.auth_locked_at;
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_run_at => p_now + v_job.pause
      );
    elsif v_job.outcome = 'retry' and clerk_sync.circuit_is_open(v_job.circuit)
      and v_job.created_at > p_now - interval '1 day' then
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_waits_for => v_job.circuit,
        p_run_at => p_now -- so that another job is the next probe
      );
    else
      perform clerk_sync.fail_job(
        v_job.job_id, v_job.error, p_now, p_is_final => v_job.outcome = 'dead', p_retry_after => v_job.pause
      );
    end if;
  end loop;
  set constraints all immediate;
end
$$;

-- Ends the attempts of a leased batch. Outcomes of jobs whose lease was lost are counted as stale and
-- settle nothing: another worker has them (the token is the fence). Their users are mirrored again.
-- p_outcomes: [{job_id, outcome: completed|read|retry|dead|released|waiting|locked, error?, retry_after?, circuit?,
-- auth_user_id?, auth_holder_id?, auth_locked_at?, mirror?}]. released, waiting and locked give the attempt back.
-- p_calls: see record_calls.
-- Answers {jobs (as describe_jobs), stale: n, circuits: [those that opened or closed]}.
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
  v_ids        uuid[];
  v_circuits   jsonb;
  v_outcomes   jsonb; -- of jobs that are still leased
  v_stale      uuid[];
  v_outcome    jsonb;
  v_message    text;
  v_constraint text;
  v_deadline   timestamptz;
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
  v_outcomes := (
    select coalesce(jsonb_agg(o.value), '[]')
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid = any (v_ids)
  );
  begin
    perform clerk_sync.settle_outcomes(v_outcomes, p_now);
  exception
    when others or assert_failure then -- one savepoint each. A job that is not reached in time waits for the end of its lease
      raise log 'clerk_sync: % outcomes are settled one by one, because of SQLSTATE %', cardinality(v_ids), sqlstate;
      v_deadline := clock_timestamp() + interval '1.5 seconds';
      for v_outcome in select o.value from jsonb_array_elements(v_outcomes) as o loop
        exit when clock_timestamp() > v_deadline;
        begin
          perform clerk_sync.settle_outcomes(jsonb_build_array(v_outcome), p_now);
        exception
          when others or assert_failure then -- recorded on the job it belongs to
            get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
            perform clerk_sync.fail_job(
              (v_outcome ->> 'job_id')::uuid,
              concat(concat_ws(' ', 'database_rejected', sqlstate, nullif(v_constraint, '')), ': ', v_message),
              p_now
            );
        end;
      end loop;
  end;
  -- A worker that was frozen past its lease may have written an old state over the mirror of another worker: the users of
  -- these jobs are mirrored once more.
  v_stale := array(
    select (o.value ->> 'job_id')::uuid
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid <> all (v_ids)
      and o.value ->> 'outcome' not in ('released', 'waiting')
  );
  perform clerk_sync.queue_mirror(
    array(select distinct j.clerk_id from public.job_queue as j where j.id = any (v_stale)), 'lease_lost', p_now
  );
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_ids),
    'stale', cardinality(v_stale),
    'circuits', v_circuits
  );
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
  perform clerk_sync.fail_job(i, 'lease_expired: the worker did not finish in time', p_now)
  from unnest(v_ids) as i;
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
  v_ids uuid[] := (select c.ids from clerk_sync.claim_jobs(p_limit, p_can_read, p_now) as c);
begin
  perform clerk_sync.cut_jobs(v_ids, p_now);
  return cardinality(v_ids);
end
$$;

-- Leases one due job that runs alone. The lease, and with it the attempt, is committed before the job is applied: it counts
-- even if the call that applies it never comes back, and no other job waits for the locks of that call.
-- Answers {token, jobs (as describe_jobs), leased: [job_id], is_large, reads (as describe_reads)}; is_large: the job is for
-- clerk_sync_apply_large.
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
  v_due     uuid[];
  v_users   text[];
  v_claimed uuid[];
  v_route   text;
  v_ids     uuid[] := array[]::uuid[];
begin
  v_due := clerk_sync.name_users(array(
    select j.id
    from public.job_queue as j
    where j.id = any (array( -- as in clerk_sync_run_jobs
        select a.id from public.job_queue as a where a.runs_alone and a.status in ('PENDING', 'FAILED')
      ))
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source not in ('refresh', 'members'))
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id -- first the job that perhaps only others kept from being applied
    limit 10 -- the first of them may be another worker's user
    for update of j skip locked
  ));
  v_users := clerk_sync.claim_records(array(
    select distinct j.clerk_id from public.job_queue as j where j.id = any (v_due) and j.clerk_id is not null
  ));
  v_claimed := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_due)
      and (j.clerk_id is null or j.clerk_id = any (v_users))
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id
    limit 1
  );
  v_route := (select r.route from clerk_sync.route_jobs(v_claimed, p_can_read) as r);
  if v_route = 'fail' then
    perform clerk_sync.fail_nameless(v_claimed, p_now);
  elsif v_route = 'wait' then
    perform clerk_sync.move_jobs(v_claimed, null, p_now, p_waits_for => 'clerk');
  else
    v_ids := clerk_sync.pass_brake(v_claimed, p_delete_brake, p_now);
    perform clerk_sync.move_jobs(
      v_ids, 'PROCESSING', p_now,
      p_token => v_token,
      p_lease_until => p_now + make_interval(secs => p_lease_seconds),
      p_read_at => case when v_route = 'read' then p_now end
    );
  end if;
  return jsonb_build_object(
    'token', v_token,
    'jobs', clerk_sync.describe_jobs(v_claimed),
    'leased', to_jsonb(v_ids),
    'is_large', coalesce((
      select clerk_sync.is_large(j.kind, j.clerk_id) from public.job_queue as j where j.id = v_ids[1] and j.job_type like '%DELETED'
    ), false),
    'reads', clerk_sync.describe_reads(case when v_route = 'read' then v_ids else '{}' end)
  );
end
$$;

-- Applies the job that is leased under p_token; nothing when the lease was lost, or its cancel was asked for. This call may
-- take as long as any (8 s): a slow trigger is no error yet, and no other job waits for it. p_read: what was read of its user,
-- {job_id, deleted, version?, payload?}. p_mirror: the mirror is pending then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
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
  perform clerk_sync.lock_records(array_agg(j.clerk_id), j.kind)
  from public.job_queue as j
  where j.id = any (v_leased)
  group by j.kind;
  if p_read is not null then
    v_ids := clerk_sync.pass_brake(
      clerk_sync.store_reads(v_ids, jsonb_build_array(p_read), p_now), p_delete_brake, p_now
    );
  end if;
  perform clerk_sync.apply_job(
    j.id, row(case when p_mirror then p_token end, j.lease_until)::clerk_sync.apply_rules, p_now
  )
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
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set statement_timeout = '500ms'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_brake, p_now);
end
$$;

-- As clerk_sync_apply_alone, but in a minute: for the deletion of an organization with very many members, which is one
-- transaction.
create or replace function public.clerk_sync_apply_large(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set statement_timeout = '60s'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_brake, p_now);
end
$$;
