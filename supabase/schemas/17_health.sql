-- How healthy the sync is: what is known of its parts, which reasons that gives, and the judgement.

-- A delivery was taken: a silence that began before is over. One too short to be suspected leaves no trace. Called by
-- clerk_sync_record_deliveries before it notes the delivery.
create or replace function clerk_sync.end_silence(p_accepted_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last      timestamptz;
  v_suspected timestamptz := p_accepted_at
    - make_interval(mins => (clerk_sync.health_thresholds() ->> 'silence_suspected_minutes')::integer);
begin
  perform 1 from clerk_sync.silence as s for update; -- a run may be about to note a change
  v_last := clerk_sync.last_delivery();
  update clerk_sync.silence as s
  set changed_at = null,
      ended_since = case when s.changed_at < v_suspected then coalesce(v_last, s.changed_at) else s.ended_since end,
      ended_at = case when s.changed_at < v_suspected then p_accepted_at else s.ended_at end
  where coalesce(v_last, s.changed_at) < p_accepted_at
    and s.changed_at is not null;
end
$$;

-- What clerk_sync_health says of it: {installed_at, since, changed_at, checked_at, error, users_at_clerk, users_here,
-- ended_since, ended_at}. since is null while nothing is missing; checked_at is when a run last looked; error is why the
-- open run does not get on.
create or replace function clerk_sync.silence_facts()
returns jsonb
language sql
stable
set search_path = ''
as $$
  with newest as (
    select k.kind, r.*
    from unnest('{sweep,compare}'::text[]) as k(kind)
    cross join lateral (
      select c.status, c.updated_at, c.users_at_clerk, c.counts
      from clerk_sync.sync_runs as c
      where c.kind = k.kind
        and c.applies
        and c.steps > 0
      order by c.started_at desc
      limit 2 -- the last that completed stands before the open one
    ) as r
  )
  select jsonb_build_object(
    'installed_at', s.installed_at,
    'since', case when s.changed_at is not null then coalesce(clerk_sync.last_delivery(), s.changed_at) end,
    'changed_at', s.changed_at,
    'checked_at', (select max(n.updated_at) from newest as n),
    'error', (select split_part(o.error, ':', 1) from clerk_sync.sync_runs as o where o.status = 'RUNNING'),
    'users_at_clerk', c.users_at_clerk,
    'users_here', (c.counts ->> 'users_here')::bigint,
    'ended_since', s.ended_since,
    'ended_at', s.ended_at
  )
  from clerk_sync.silence as s
  left join lateral (
    select n.users_at_clerk, n.counts from newest as n where n.status = 'COMPLETED' order by n.updated_at desc limit 1
  ) as c on true;
$$;

-- What the webhook saw since its last word: when it last took a delivery (p_accepted_at, null if it took none),
-- p_entries for the audit: [{kind, at, source, subject?, code?, count}], of which the first 200 are kept, and what it
-- answered, p_counts: [{name: answers | signature_failures, value: status | code, count}].
create or replace function public.clerk_sync_record_deliveries(
  p_accepted_at timestamptz,
  p_entries     jsonb default '[]',
  p_counts      jsonb default '[]',
  p_now         timestamptz default clock_timestamp()
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_accepted_at is not null then
    perform clerk_sync.end_silence(p_accepted_at);
    insert into clerk_sync.heartbeats as h (name, at)
    values ('webhook', p_accepted_at)
    on conflict (name) do update
      set at = greatest(h.at, excluded.at);
  end if;
  perform clerk_sync.add_audit(e.kind, e.source, e.subject, e.code, e.count, null, e.at)
  from (
    select i.*
    from jsonb_to_recordset(p_entries) as i(
      kind text, at timestamptz, source text, subject text, code text, count integer
    )
    order by i.kind, i.at, i.source, i.subject, i.code -- two writers take the rows in one order
    limit 200
  ) as e;
  insert into clerk_sync.metric_events (at, name, labels, count)
  select
    p_now, c.name,
    case c.name
      when 'answers' then jsonb_build_object('status', substring(c.value from '^[0-9]{3}$'))
      else jsonb_build_object('code', c.value)
    end,
    c.count
  from jsonb_to_recordset(p_counts) as c(name text, value text, count bigint)
  where c.name in ('answers', 'signature_failures')
  limit 100;
end
$$;

-- Whether the database takes writes. A host makes a database read-only when its disk is full; reading goes on, and every
-- event is refused.

-- One row, written anew by each test. An empty table needs a new page for it, which a full disk cannot give.
create table if not exists clerk_sync.write_test (
  tested_at timestamptz not null
);

alter table clerk_sync.write_test enable row level security;

drop policy if exists write_test_service_role on clerk_sync.write_test;
create policy write_test_service_role
  on clerk_sync.write_test
  for all
  to service_role
  using (true)
  with check (true);

-- Why nothing can be written, with its SQLSTATE; null when a write of the last ten seconds succeeded, or one made now.
-- A caller whose own transaction only reads learns nothing, and neither does one while another caller tests.
create or replace function public.clerk_sync_write_failure()
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_now     timestamptz := clock_timestamp();
  v_message text;
begin
  if current_setting('transaction_read_only')::boolean
    and not current_setting('default_transaction_read_only')::boolean
    and not pg_is_in_recovery() then
    return null;
  end if;
  if not pg_try_advisory_xact_lock(7461204) then
    return null;
  end if;
  if exists (select 1 from clerk_sync.write_test as t where t.tested_at > v_now - interval '10 seconds')
    and not current_setting('transaction_read_only')::boolean then
    return null;
  end if;
  truncate clerk_sync.write_test;
  insert into clerk_sync.write_test (tested_at) values (v_now);
  return null;
exception
  when others then -- the answer says it
    get stacked diagnostics v_message = message_text;
    return format('%s: %s', sqlstate, v_message);
end
$$;

-- The calls of the last hour: net._http_response holds the answers to everybody's requests and says of none whose it is.
create table if not exists clerk_sync.processor_call (
  request_id bigint      not null,
  called_at  timestamptz not null,
  constraint processor_call_pkey primary key (request_id)
);

alter table clerk_sync.processor_call enable row level security;

drop policy if exists processor_call_service_role on clerk_sync.processor_call;
create policy processor_call_service_role
  on clerk_sync.processor_call
  for all
  to service_role
  using (true)
  with check (true);

-- How the schedule of pg_cron does: what is set up, what its last run and the processor said, and what is left undone.

-- How pg_cron does with the entry that calls the processor: {schedule, active, at, status, message}, the last three of
-- its last run, null while there was none. Null where there is no such entry. pg_cron keeps the runs of all entries in
-- one table and prunes it never: no more than its newest 5,000 are looked through.
create or replace function clerk_sync.last_cron_run()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  return (
    select jsonb_build_object(
      'schedule', j.schedule,
      'active', j.active,
      'at', coalesce(d.start_time, d.end_time),
      'status', d.status,
      'message', d.return_message
    )
    from cron.job as j
    left join lateral (
      select n.*
      from (select r.* from cron.job_run_details as r order by r.runid desc limit 5000) as n
      where n.jobid = j.jobid
      order by n.runid desc
      limit 1
    ) as d on true
    where j.jobname = 'clerk-sync-process'
    limit 1
  );
end
$$;

-- What the processor answered to the newest calls of the schedule, at most five: [{called_at, status, timed_out, error}],
-- newest first. Calls without an answer yet are left out.
create or replace function clerk_sync.processor_answers()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if to_regclass('net._http_response') is null then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(to_jsonb(a) order by a.called_at desc), '[]')
    from (
      select c.called_at, r.status_code as status, coalesce(r.timed_out, false) as timed_out, r.error_msg as error
      from clerk_sync.processor_call as c
      join net._http_response as r
        on r.id = c.request_id
       and r.created >= c.called_at
      order by c.called_at desc
      limit 5
    ) as a
  );
exception
  when insufficient_privilege then -- pg_net belongs to Supabase, which decides who may read its answers
    return '[]'::jsonb;
end
$$;

-- Whether work waits and whether anybody does it: {now, due_since, last_done_at}. A refresh that waits for a
-- CLERK_SECRET_KEY does not count, nor does what waits for a service that is down.
create or replace function clerk_sync.queue_pace(p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'now', p_now,
    'due_since', (
      select min(j.run_at)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.waits_for is null
        and j.run_at <= p_now
        and j.source <> 'refresh'
    ),
    'last_done_at', (
      select max(j.processed_at)
      from public.job_queue as j
      where j.status in ('COMPLETED', 'CANCELLED')
    )
  );
end
$$;

-- Whether the schedule can work here: {cron, net, vault, project_url, processor_secret, scheduled}, each true
-- or false; whether it does: {last_run, answers}; and what it leaves undone: {now, due_since, last_done_at}.
-- By the rights of its owner, for the API's service_role may not look into cron; it takes no argument.
create or replace function public.clerk_sync_schedule_state()
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_names text[] := '{}'::text[];
  v_jobs  integer := 0;
begin
  if to_regclass('vault.decrypted_secrets') is not null then
    execute 'select coalesce(array_agg(s.name), ''{}'') from vault.decrypted_secrets as s' into v_names;
  end if;
  if to_regclass('cron.job') is not null then
    execute 'select count(*) from cron.job as j where j.jobname like ''clerk-sync-%'' and j.active' into v_jobs;
  end if;
  return jsonb_build_object(
    'cron', to_regclass('cron.job') is not null,
    'net', exists (select 1 from pg_catalog.pg_namespace as n where n.nspname = 'net'),
    'vault', to_regclass('vault.decrypted_secrets') is not null,
    'project_url', 'clerk_sync_project_url' = any (v_names),
    'processor_secret', 'clerk_sync_processor_secret' = any (v_names),
    'scheduled', v_jobs >= 7,
    'last_run', clerk_sync.last_cron_run(),
    'answers', clerk_sync.processor_answers()
  ) || clerk_sync.queue_pace(clock_timestamp());
end
$$;

-- What the single parts of the sync are known by: schedule, runs, circuits, the delete brake.

-- The state of the schedule; null where there is no pg_cron, or where the caller may not look at it.
create or replace function clerk_sync.schedule_facts()
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  return public.clerk_sync_schedule_state();
exception
  when insufficient_privilege then
    return null;
end
$$;

-- What clerk_sync_health looks at: {compare, failed}. compare is the newest that completed, with the users it found out
-- of step, whether it repaired them or not; failed the newest run that failed, unless a later one has made up for it.
create or replace function clerk_sync.run_facts()
returns jsonb
language sql
stable
set search_path = ''
as $$
  with newest as (
    select r.*
    from (values ('compare'), ('sweep'), ('backfill')) as k(kind)
    cross join lateral (
      select s.kind, s.status, s.error, s.started_at, s.finished_at
      from clerk_sync.sync_runs as s
      where s.kind = k.kind
        and s.applies
        and s.status in ('COMPLETED', 'FAILED')
      order by s.started_at desc
      limit 1
    ) as r
  )
  select jsonb_build_object(
    'compare', (
      select jsonb_build_object(
        'finished_at', s.finished_at,
        'repairs', s.applies,
        'read', coalesce((s.counts ->> 'read')::bigint, 0),
        'drift', (
          select coalesce(sum(c.value::bigint), 0)
          from jsonb_each_text(s.counts) as c
          where c.key in (
            'missing', 'stale', 'ahead', 'differs', 'extra', 'unmirrored', 'auth_missing', 'auth_differs', 'auth_extra', 'auth_deleted'
          )
        )
      )
      from clerk_sync.sync_runs as s
      where s.kind = 'compare'
        and s.status = 'COMPLETED'
      order by s.started_at desc
      limit 1
    ),
    'failed', (
      select jsonb_build_object('kind', n.kind, 'finished_at', n.finished_at, 'code', split_part(n.error, ':', 1))
      from newest as n
      where n.status = 'FAILED'
        and not exists (
          select 1
          from newest as c
          where c.kind = 'compare'
            and c.status = 'COMPLETED'
            and c.started_at > n.started_at
        )
      order by n.started_at desc
      limit 1
    )
  );
$$;

-- Facts of parts that have tables of their own.
create or replace function clerk_sync.part_facts()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'delete_brake', (
      select jsonb_build_object('engaged_at', b.engaged_at, 'reason', b.reason)
      from clerk_sync.delete_brake as b
    ),
    'circuits', (
      select jsonb_object_agg(c.name, jsonb_build_object('state', c.state, 'since', c.since, 'code', c.last_error))
      from clerk_sync.circuits as c
    ),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, h.at), '{}') from clerk_sync.heartbeats as h)
  );
$$;

-- What is known of the sync at this moment; what it means is judged below. Every read is bounded, however long the queue
-- and its history are.

-- Dead letters in the order they died. In this form, which `status = 'DEAD'` does not imply: no other query is to be
-- planned with it, it would read all dead letters for one user's.
create index if not exists job_queue_dead_idx
  on public.job_queue (updated_at)
  where case when status = 'DEAD' then true end;

-- Since when the oldest due job waits; null when nothing is due. The due index is ordered by priority first: the heads
-- of the priorities there are, one lookup each. A refresh may be waiting for a CLERK_SECRET_KEY and does not count;
-- nor does what waits for a service that is down. Of each priority the first thousand jobs are looked at.
create or replace function clerk_sync.oldest_due(p_now timestamptz)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  with recursive priorities(priority) as (
    select max(j.priority) from public.job_queue as j where j.status in ('PENDING', 'FAILED') and j.waits_for is null
    union all
    select (
      select max(j.priority)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.waits_for is null
        and j.priority < p.priority
    )
    from priorities as p
    where p.priority is not null
  )
  select min(h.run_at)
  from priorities as p
  cross join lateral (
    select j.run_at, j.source
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.priority = p.priority
      and j.run_at <= p_now
    order by j.run_at
    limit 1000
  ) as h
  where h.source <> 'refresh';
$$;

-- How many jobs are in a status, counted as far as p_most.
create or replace function clerk_sync.count_jobs_in(p_status text, p_most integer)
returns integer
language sql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
as $$
  select count(*)::integer
  from (
    select 1
    from public.job_queue as j
    where case when j.id is not null then true end -- job_queue_list_idx
      and j.status = p_status
    limit p_most
  ) as counted;
$$;

-- What is in the queue, counted as far as p_most: {open: {PENDING, FAILED, PROCESSING}, dead: {count, newest_at}}.
create or replace function clerk_sync.count_queue(p_most integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'open', (
      select coalesce(jsonb_object_agg(g.status, g.jobs) filter (where g.jobs > 0), '{}')
      from (
        select s.status, clerk_sync.count_jobs_in(s.status, p_most) as jobs
        from unnest('{PENDING,FAILED,PROCESSING}'::text[]) as s(status)
        offset 0 -- counts once, not wherever jobs is named
      ) as g
    ),
    'dead', (
      select jsonb_build_object('count', count(*), 'newest_at', max(d.updated_at))
      from (
        select j.updated_at
        from public.job_queue as j
        where case when j.status = 'DEAD' then true end
        order by j.updated_at desc
        limit p_most
      ) as d
    )
  );
$$;

-- How many users there are: counted up to 10,000, beyond that as autovacuum last estimated.
create or replace function clerk_sync.estimate_users()
returns bigint
language sql
stable
set search_path = ''
as $$
  select case
    when n.users < 10000 then n.users
    else greatest(n.users, (select c.reltuples from pg_catalog.pg_class as c where c.oid = 'public.users'::regclass))
  end::bigint
  from (select clerk_sync.count_users(10000) as users offset 0) as n; -- counts once, not wherever users is named
$$;

-- Of the jobs tried within p_minutes: {done, failed, since}, failed are those whose last attempt did, since the oldest of
-- them. A job that is tried often counts once. Of each the newest 200 are looked at, over the same time: the last second
-- where there are many.
create or replace function clerk_sync.attempt_facts(p_now timestamptz, p_minutes integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with done as materialized (
    select j.processed_at as at, j.status = 'COMPLETED' as counts
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at > p_now - make_interval(mins => p_minutes)
    order by j.processed_at desc
    limit 200
  ),
  failed as materialized (
    select j.updated_at as at, j.status <> 'CANCELLED' and j.attempts > 0 as counts
    from public.job_queue as j
    where j.status in ('FAILED', 'DEAD', 'CANCELLED')
      and j.updated_at > p_now - make_interval(mins => p_minutes)
    order by j.updated_at desc
    limit 200
  ),
  span as (
    select greatest(
      (select min(d.at) from done as d having count(*) = 200),
      (select min(f.at) from failed as f having count(*) = 200)
    ) as start
  )
  select jsonb_build_object(
    'done', (select count(*) from done as d where d.counts and coalesce(d.at >= s.start, true)),
    'failed', (select count(*) from failed as f where f.counts and coalesce(f.at >= s.start, true)),
    'since', (select min(f.at) from failed as f where f.counts)
  )
  from span as s;
$$;

-- What is known: {now, schema_version, write_failure, oldest_due_at, oldest_refresh_at, open, dead, users, attempts, last_applied_at,
-- schedule, runs, silence, audit, …}. Nothing of it is personal.
create or replace function clerk_sync.health_facts(p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- a bitmap is made of all that match, whatever the limit
as $$
begin
  return jsonb_build_object(
    'now', p_now,
    'schema_version', public.clerk_sync_schema_version(),
    'write_failure', public.clerk_sync_write_failure(),
    'oldest_due_at', clerk_sync.oldest_due(p_now),
    'oldest_refresh_at', (
      select min(s.refresh_due_at) from clerk_sync.known_users as s where s.refresh_due_at is not null
    ),
    'users', clerk_sync.estimate_users(),
    'last_applied_at', (
      select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED')
    ),
    'attempts', clerk_sync.attempt_facts(p_now, 15),
    'schedule', clerk_sync.schedule_facts(),
    'runs', clerk_sync.run_facts(),
    'silence', clerk_sync.silence_facts(),
    'audit', clerk_sync.audit_facts(p_now - interval '1 hour')
  ) || clerk_sync.count_queue(10000) || clerk_sync.part_facts();
end
$$;

-- Why the sync is not healthy. The thresholds and the judgement are here: SQL, the sync-health endpoint and the command
-- line ask this one place. docs/health.md explains every reason.

create or replace function clerk_sync.health_thresholds()
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'due_degraded_minutes', 2,
    'due_compromised_minutes', 15,
    'dead_compromised', 100,
    'dead_compromised_percent', 1,
    'failed_degraded', 10,
    'failed_degraded_percent', 20,
    'refresh_degraded_minutes', 15,
    'silence_suspected_minutes', 10,
    'silence_confirmed_minutes', 45,
    'unchecked_degraded_hours', 3,
    'users_differ', 10,
    'users_differ_percent', 1,
    'drift_degraded', 10,
    'drift_degraded_percent', 1
  );
$$;

-- What is wrong with the queue: [{code, status, what, since, remedy}], p_t are the thresholds.
create or replace function clerk_sync.queue_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with f as (
    select
      (p_facts ->> 'now')::timestamptz as now,
      (p_facts ->> 'oldest_due_at')::timestamptz as due_at,
      (p_facts ->> 'oldest_refresh_at')::timestamptz as refresh_at,
      (p_facts #>> '{dead,count}')::integer as dead,
      least(10000, greatest(
        (p_t ->> 'dead_compromised')::integer,
        (p_facts ->> 'users')::bigint * (p_t ->> 'dead_compromised_percent')::numeric / 100
      )) as most_dead
  )
  select coalesce(jsonb_agg(to_jsonb(r)) filter (where r.status is not null), '[]')
  from f
  cross join lateral (
    values
      (
        'queue_late',
        case
          when f.due_at < f.now - make_interval(mins => (p_t ->> 'due_compromised_minutes')::integer) then 'compromised'
          when f.due_at < f.now - make_interval(mins => (p_t ->> 'due_degraded_minutes')::integer) then 'degraded'
        end,
        'Work that is due waits.',
        f.due_at,
        'Does anything work on the queue? clerk-sync status says what last did; on Supabase clerk-sync doctor checks the schedule.'
      ),
      (
        'dead_letters',
        case when f.dead >= f.most_dead and f.dead > 0 then 'compromised' when f.dead > 0 then 'degraded' end,
        format(case f.dead when 1 then '1 job gave up and waits for a person.' else '%s jobs gave up and wait for a person.' end, f.dead),
        (p_facts #>> '{dead,newest_at}')::timestamptz,
        'Correct what each error names, then retry all of it: admin page, Dead letters; or clerk-sync jobs list --status '
          || 'dead, then clerk-sync jobs retry --all --status dead.'
      ),
      (
        'refreshes_wait',
        case
          when p_facts #>> '{circuits,clerk,state}' <> 'closed' then null -- circuit_open says why
          when f.refresh_at < f.now - make_interval(mins => (p_t ->> 'refresh_degraded_minutes')::integer) then 'degraded'
        end,
        'Users wait to be read from Clerk''s API, and nobody does.',
        f.refresh_at,
        'Set CLERK_SECRET_KEY where the queue is worked on.'
      )
  ) as r(code, status, what, since, remedy);
$$;

-- What is wrong around it, in the same form.
create or replace function clerk_sync.sync_reasons(p_facts jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(r)) filter (where r.status is not null), '[]')
  from (
    values
      (
        'delete_brake',
        case when p_facts #> '{delete_brake,engaged_at}' <> 'null' then 'degraded' end,
        'Deletions wait: ' || (p_facts #>> '{delete_brake,reason}'),
        (p_facts #>> '{delete_brake,engaged_at}')::timestamptz,
        'Find out whether they are meant, then apply or cancel them: admin page, Overview, Delete brake. In SQL: '
          || 'clerk_sync_release_delete_brake(''apply'') or (''cancel'').'
      ),
      (
        'schedule_incomplete',
        case
          when p_facts -> 'schedule' @> '{"scheduled": true, "project_url": true, "processor_secret": true}' then null
          when (p_facts #>> '{heartbeats,worker}')::timestamptz > (p_facts ->> 'now')::timestamptz - interval '2 minutes'
            then null -- a server of ours works on the queue, no schedule is needed
          when p_facts -> 'schedule' <> 'null' then 'degraded'
        end,
        'The schedule is not set up: nothing that has to be tried again will be.',
        null,
        'clerk-sync doctor says what is missing; README, Deploy to Supabase, step 5.'
      ),
      (
        'instance_unknown',
        case when p_facts #> '{audit,instance_unknown}' is not null then 'degraded' end,
        'Another Clerk instance sends its events here; they are not applied.',
        (p_facts #>> '{audit,instance_unknown,last_at}')::timestamptz,
        'clerk-sync audit --kind instance_unknown; then remove this endpoint there, or correct CLERK_INSTANCE_ID.'
      )
  ) as r(code, status, what, since, remedy);
$$;

-- What is wrong with the services it calls, and with what the runs found there, in the same form. While a circuit is
-- open rows are still written, so that it never compromises.
create or replace function clerk_sync.service_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with f as (
    select
      string_agg(
        format('%s (%s)', case c.key when 'auth' then 'Supabase Auth' else 'Clerk''s API' end, c.value ->> 'code'),
        ', ' order by c.key
      ) as circuits,
      min((c.value ->> 'since')::timestamptz) as since,
      (p_facts #>> '{runs,compare,drift}')::bigint as drift,
      (p_facts #>> '{runs,compare,read}')::bigint as read
    from jsonb_each(p_facts -> 'circuits') as c
    where c.value ->> 'state' <> 'closed'
  )
  select coalesce(jsonb_agg(to_jsonb(r)) filter (where r.status is not null), '[]')
  from f
  cross join lateral (
    values
      (
        'circuit_open',
        case when f.circuits is not null then 'degraded' end,
        'Calls are paused to ' || f.circuits || '. Users are written all the same; what needs the service waits.',
        f.since,
        'It is tried again by itself. Was a key wrong? Correct it, then reset the circuit: admin page, Overview, Circuits. '
          || 'docs/errors.md explains the code.'
      ),
      (
        'drift',
        case
          when f.drift > greatest(
            (p_t ->> 'drift_degraded')::integer, f.read * (p_t ->> 'drift_degraded_percent')::numeric / 100
          ) then 'degraded'
        end,
        format('The last compare with Clerk found %s users out of step.', f.drift),
        (p_facts #>> '{runs,compare,finished_at}')::timestamptz,
        'Events were lost or late: see Clerk''s message log. Mend them: admin page, Reconcile, Run and mend; or '
          || 'clerk-sync reconcile --apply.'
      ),
      (
        'run_failed',
        case when p_facts #> '{runs,failed}' <> 'null' then 'degraded' end,
        format('The last %s failed: %s.', p_facts #>> '{runs,failed,kind}', p_facts #>> '{runs,failed,code}'),
        (p_facts #>> '{runs,failed,finished_at}')::timestamptz,
        'docs/errors.md explains the code, the admin page, Reconcile, says more; the next one that completes ends it.'
      )
  ) as r(code, status, what, since, remedy);
$$;

-- What is wrong with what Clerk delivers, in the same form; see clerk_sync.silence. A change may be ten minutes late: Svix
-- tries immediately, after 5 seconds and after 5 minutes (Svix, "Retries"). After 45 minutes the fourth attempt has
-- passed as well, half an hour later and 20 % off at most.
create or replace function clerk_sync.delivery_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with f as (
    select
      (p_facts ->> 'now')::timestamptz as now,
      (p_facts #>> '{silence,since}')::timestamptz as since,
      (p_facts #>> '{silence,changed_at}')::timestamptz as changed_at,
      (p_facts #>> '{silence,checked_at}')::timestamptz as checked_at,
      (p_facts #>> '{silence,users_at_clerk}')::bigint as at_clerk,
      (p_facts #>> '{silence,users_here}')::bigint as here
  ),
  s as (
    select
      f.*,
      case
        when f.changed_at < f.now - make_interval(mins => (p_t ->> 'silence_confirmed_minutes')::integer) then 'confirmed'
        when f.changed_at < f.now - make_interval(mins => (p_t ->> 'silence_suspected_minutes')::integer) then 'suspected'
      end as state
    from f
  )
  select coalesce(jsonb_agg(to_jsonb(r)) filter (where r.status is not null), '[]')
  from s
  cross join lateral (
    values
      (
        'silence_' || coalesce(s.state, 'none'),
        case s.state when 'confirmed' then 'compromised' when 'suspected' then 'degraded' end,
        'Deliveries have stopped, the endpoint may be disabled: changes at Clerk have not arrived.',
        s.since,
        format(
          'In Clerk''s dashboard, Webhooks, the endpoint: enable it; then Replay, missing messages since %s. It ends with '
            || 'the next delivery.',
          to_char(s.since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        )
      ),
      (
        'silence_unchecked',
        case
          when p_facts #>> '{silence,error}' is not null
            and coalesce(s.checked_at, (p_facts #>> '{silence,installed_at}')::timestamptz)
              < s.now - make_interval(hours => (p_t ->> 'unchecked_degraded_hours')::integer)
            then 'degraded'
        end,
        'Whether deliveries still come cannot be checked: ' || (p_facts #>> '{silence,error}'),
        s.checked_at,
        'The code is explained in docs/errors.md; look at CLERK_SECRET_KEY first.'
      ),
      (
        'users_differ',
        case
          when abs(s.at_clerk - s.here) > greatest(
            (p_t ->> 'users_differ')::integer, s.at_clerk * (p_t ->> 'users_differ_percent')::numeric / 100
          ) then 'degraded'
        end,
        format('Users at Clerk: %s, here: %s.', s.at_clerk, s.here),
        s.checked_at,
        'Compare and mend: admin page, Reconcile; or clerk-sync reconcile. Users from before the installation need a backfill.'
      )
  ) as r(code, status, what, since, remedy);
$$;

-- What is wrong with what was tried lately, in the form of the reasons before; see clerk_sync.attempt_facts.
create or replace function clerk_sync.attempt_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with f as (
    select a.failed, a.failed + a.done as tried, a.since
    from jsonb_to_record(p_facts -> 'attempts') as a(failed bigint, done bigint, since timestamptz)
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'code', 'error_rate',
    'status', 'degraded',
    'what', format('Of the last %s jobs that were tried %s failed.', f.tried, f.failed),
    'since', f.since,
    'remedy', 'See their errors: admin page, Jobs, failed; or clerk-sync jobs list --status failed,dead.'
      || ' docs/errors.md explains the codes.'
  )), '[]')
  from f
  where f.failed >= greatest(
    (p_t ->> 'failed_degraded')::integer, f.tried * (p_t ->> 'failed_degraded_percent')::numeric / 100
  );
$$;

-- What clerk_sync_write_failure says, in the form of the reasons before.
create or replace function clerk_sync.write_reasons(p_facts jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'code', 'not_writable',
    'status', 'compromised',
    'what', format('The database takes no writes, so every event is refused and Clerk delivers it again: %s', f.failure),
    'remedy', 'Is the disk full? Make room, or a larger disk; on Supabase: Settings, Compute and Disk. A database that the host made'
      || ' read-only has to be made writable again (default_transaction_read_only); a standby has to be promoted, or DATABASE_URL to'
      || ' name the primary.'
  )), '[]')
  from (select p_facts ->> 'write_failure' as failure) as f
  where f.failure is not null;
$$;

-- {status, reasons}: compromised, degraded or healthy, by the worst of its reasons, which come first.
create or replace function clerk_sync.judge_health(
  p_facts      jsonb,
  p_thresholds jsonb default clerk_sync.health_thresholds()
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'status', coalesce(min(r.value ->> 'status'), 'healthy'),
    'reasons', coalesce(jsonb_agg(jsonb_strip_nulls(r.value) order by r.value ->> 'status', r.place), '[]')
  )
  from jsonb_array_elements(
    clerk_sync.write_reasons(p_facts)
      || clerk_sync.queue_reasons(p_facts, p_thresholds)
      || clerk_sync.attempt_reasons(p_facts, p_thresholds)
      || clerk_sync.delivery_reasons(p_facts, p_thresholds)
      || clerk_sync.service_reasons(p_facts, p_thresholds)
      || clerk_sync.sync_reasons(p_facts)
  ) with ordinality as r(value, place);
$$;

-- {status: healthy | degraded | compromised, reasons: [{code, status, what, since?, remedy}], facts}.
create or replace function public.clerk_sync_health(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_facts jsonb := clerk_sync.health_facts(p_now);
begin
  return clerk_sync.judge_health(v_facts) || jsonb_build_object('facts', v_facts);
end
$$;

-- Whether what depends on fresh user data may go on: true while the sync is healthy or degraded.
create or replace function public.clerk_sync_is_healthy(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return public.clerk_sync_health(p_now) ->> 'status' <> 'compromised';
end
$$;
