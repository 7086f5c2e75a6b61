-- How healthy the sync is: what is known of its parts, and the judgement with its reasons.

-- The thresholds that the owner chose instead of those of the views health_thresholds and incident_thresholds, in one row;
-- null: that of the view. No migration of the sync writes it.
create table if not exists clerk_sync.own_thresholds (
  is_only_row               boolean not null default true,
  due_degraded_minutes      integer null,
  due_compromised_minutes   integer null,
  dead_compromised          integer null,
  dead_compromised_percent  numeric null,
  failed_degraded           integer null,
  failed_degraded_percent   numeric null,
  refresh_degraded_minutes  integer null,
  silence_suspected_minutes integer null,
  silence_confirmed_minutes integer null,
  unchecked_degraded_hours  integer null,
  users_differ              integer null,
  users_differ_percent      numeric null,
  drift_degraded            integer null,
  drift_degraded_percent    numeric null,
  mapping_degraded_minutes  integer null,
  hold_seconds              integer null,
  quiet_seconds             integer null,
  kept_days                 integer null,
  constraint own_thresholds_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.own_thresholds (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- The thresholds of the judgement; docs/health.md explains every one, and every reason. A decimal point lets a percentage
-- count in fractions.
create or replace view clerk_sync.health_thresholds
with (security_invoker = true)
as
select
  coalesce(o.due_degraded_minutes, 2) as due_degraded_minutes,
  coalesce(o.due_compromised_minutes, 15) as due_compromised_minutes,
  coalesce(o.dead_compromised, 100) as dead_compromised,
  coalesce(o.dead_compromised_percent, 1.0) as dead_compromised_percent,
  coalesce(o.failed_degraded, 10) as failed_degraded,
  coalesce(o.failed_degraded_percent, 20.0) as failed_degraded_percent,
  coalesce(o.refresh_degraded_minutes, 15) as refresh_degraded_minutes,
  coalesce(o.silence_suspected_minutes, 10) as silence_suspected_minutes,
  coalesce(o.silence_confirmed_minutes, 45) as silence_confirmed_minutes,
  coalesce(o.unchecked_degraded_hours, 3) as unchecked_degraded_hours,
  coalesce(o.users_differ, 10) as users_differ,
  coalesce(o.users_differ_percent, 1.0) as users_differ_percent,
  coalesce(o.drift_degraded, 10) as drift_degraded,
  coalesce(o.drift_degraded_percent, 1.0) as drift_degraded_percent,
  coalesce(o.mapping_degraded_minutes, 10) as mapping_degraded_minutes
from (select true) as one_row
left join clerk_sync.own_thresholds as o on true;

-- What the webhook saw since its last word: when it last took a delivery (p_accepted_at, null if it took none),
-- p_entries for the audit: [{kind, at, source, subject?, code?, count}], of which the first 200 are kept, and what it
-- answered, p_counts: [{name: answers | signature_failures | skipped, value: status | code | kind, count}]. p_program: as
-- note_program takes it.
create or replace function public.clerk_sync_record_deliveries(
  p_accepted_at timestamptz,
  p_entries     jsonb default '[]',
  p_counts      jsonb default '[]',
  p_now         timestamptz default clock_timestamp(),
  p_program     jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last      timestamptz;
  v_suspected timestamptz := p_accepted_at
    - make_interval(mins => (select t.silence_suspected_minutes from clerk_sync.health_thresholds as t));
begin
  if p_accepted_at is not null then
    -- A silence that began before this delivery is over. One too short to be suspected leaves no trace.
    perform 1 from clerk_sync.silence as s for update; -- a run may be about to note a change
    v_last := clerk_sync.last_delivery();
    update clerk_sync.silence as s
    set changed_at = null,
        ended_since = case when s.changed_at < v_suspected then coalesce(v_last, s.changed_at) else s.ended_since end,
        ended_at = case when s.changed_at < v_suspected then p_accepted_at else s.ended_at end
    where coalesce(v_last, s.changed_at) < p_accepted_at
      and s.changed_at is not null;
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
  perform clerk_sync.count_skipped(p_counts, p_now);
  perform clerk_sync.note_program(p_program, p_now);
end
$$;

-- Whether the database takes writes. A host makes a database read-only when its disk is full. Reads still work, but every
-- event is refused. Each test writes the one row again: an empty table needs a new page, which a full disk cannot give.
create table if not exists clerk_sync.write_test (
  tested_at timestamptz not null
);

-- Why nothing can be written, with its SQLSTATE; null when a write of the last ten seconds succeeded, or one made now.
-- A caller whose own transaction only reads learns nothing, and neither does one while another caller tests.
create or replace function public.clerk_sync_write_failure()
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_now        timestamptz := clock_timestamp();
  v_only_reads boolean := current_setting('transaction_read_only')::boolean;
  v_message    text;
begin
  if (v_only_reads and not current_setting('default_transaction_read_only')::boolean and not pg_is_in_recovery())
    or not pg_try_advisory_xact_lock(7461204)
    or (
      not v_only_reads
      and exists (select 1 from clerk_sync.write_test as t where t.tested_at > v_now - interval '10 seconds')
    )
  then
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

-- The calls of the last hour. net._http_response holds the answers to the requests of the whole database, and does not say
-- which of them are ours.
create table if not exists clerk_sync.processor_call (
  request_id bigint      not null,
  called_at  timestamptz not null,
  constraint processor_call_pkey primary key (request_id)
);

-- Whether the schedule can work here: {cron, net, vault, project_url, processor_secret, scheduled}, each true or false;
-- whether it does: {last_run: {schedule, active, at, status, message}, answers: [{called_at, status, timed_out, error}]},
-- the last run of the entry that calls the processor and the newest five answers of the processor; and what is left
-- undone: {now, due_since, last_done_at}. It runs with the rights of its owner, for the API's service_role may not read
-- schema cron; it takes no argument.
create or replace function public.clerk_sync_schedule_state()
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_now      timestamptz := clock_timestamp();
  v_names    text[] := array[]::text[];
  v_jobs     integer := 0;
  v_last_run jsonb;
  v_answers  jsonb := '[]'::jsonb;
begin
  if to_regclass('vault.decrypted_secrets') is not null then
    v_names := array(select s.name from vault.decrypted_secrets as s);
  end if;
  if to_regclass('cron.job') is not null then
    v_jobs := (select count(*) from cron.job as j where j.jobname like 'clerk-sync-%' and j.active);
    v_last_run := (
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
        from (select r.* from cron.job_run_details as r order by r.runid desc limit 5000) as n -- pg_cron never prunes it
        where n.jobid = j.jobid
        order by n.runid desc
        limit 1
      ) as d on true
      where j.jobname = 'clerk-sync-process'
      limit 1
    );
  end if;
  begin
    if to_regclass('net._http_response') is not null then
      select coalesce(jsonb_agg(to_jsonb(a) order by a.called_at desc), '[]')
      into v_answers
      from (
        select c.called_at, r.status_code as status, coalesce(r.timed_out, false) as timed_out, r.error_msg as error
        from clerk_sync.processor_call as c
        join net._http_response as r
          on r.id = c.request_id
         and r.created >= c.called_at
        order by c.called_at desc
        limit 5
      ) as a;
    end if;
  exception
    when insufficient_privilege then -- Supabase owns pg_net and decides who may read its answers
      null;
  end;
  return jsonb_build_object(
    'cron', to_regclass('cron.job') is not null,
    'net', exists (select 1 from pg_catalog.pg_namespace as n where n.nspname = 'net'),
    'vault', to_regclass('vault.decrypted_secrets') is not null,
    'project_url', 'clerk_sync_project_url' = any (v_names),
    'processor_secret', 'clerk_sync_processor_secret' = any (v_names),
    'scheduled', v_jobs >= 7,
    'last_run', v_last_run,
    'answers', v_answers,
    'now', v_now,
    'due_since', clerk_sync.oldest_due(v_now),
    'last_done_at', (select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED'))
  );
end
$$;

-- Dead letters in the order they died. In this form, which `status = 'DEAD'` does not imply: no other query is to be
-- planned with it, it would read all dead letters for one user's.
create index if not exists job_queue_dead_idx
  on public.job_queue (updated_at)
  where case when status = 'DEAD' then true end;

-- What is known of the sync; nothing of it is personal. Every read is bounded, however long the queue and its history
-- are: jobs and users are counted up to 10,000, more users are estimated as autovacuum did.
create or replace function clerk_sync.health_facts(p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- a bitmap is made of all that match, whatever the limit
as $$
declare
  v_schedule jsonb;
begin
  begin
    if to_regclass('cron.job') is not null then
      v_schedule := public.clerk_sync_schedule_state();
    end if;
  exception
    when insufficient_privilege then -- the caller may not look at pg_cron
      null;
  end;
  return jsonb_build_object(
    'now', p_now,
    'schema_version', public.clerk_sync_schema_version(),
    'write_failure', public.clerk_sync_write_failure(),
    'schedule', v_schedule,
    'oldest_due_at', clerk_sync.oldest_due(p_now),
    'oldest_refresh_at', (
      select min(s.refresh_due_at) from clerk_sync.known_users as s where s.refresh_due_at is not null
    ),
    'last_applied_at', (
      select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED')
    ),
    -- Of the jobs tried within 15 minutes: failed are those whose last attempt did. A job that is tried often counts once. Of
    -- each the newest 200 are looked at, over the same time: the last second where there are many.
    'attempts', (
      with done as materialized (
        select j.processed_at as at, j.status = 'COMPLETED' as counts
        from public.job_queue as j
        where j.status in ('COMPLETED', 'CANCELLED')
          and j.processed_at > p_now - interval '15 minutes'
        order by j.processed_at desc
        limit 200
      ),
      failed as materialized (
        select j.updated_at as at, j.status <> 'CANCELLED' and j.attempts > 0 as counts
        from public.job_queue as j
        where j.status in ('FAILED', 'DEAD', 'CANCELLED')
          and j.updated_at > p_now - interval '15 minutes'
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
      from span as s
    ),
    'open', (
      select coalesce(jsonb_object_agg(s.status, c.jobs), '{}')
      from unnest('{PENDING,FAILED,PROCESSING}'::text[]) as s(status)
      cross join clerk_sync.count_jobs_in(s.status, 10000) as c(jobs)
      where c.jobs > 0
    ),
    'dead', (
      select jsonb_build_object('count', count(*), 'newest_at', max(d.updated_at))
      from (
        select j.updated_at
        from public.job_queue as j
        where case when j.status = 'DEAD' then true end
        order by j.updated_at desc
        limit 10000
      ) as d
    ),
    'users', (
      select greatest(u.counted, case when u.counted >= 10000 then c.reltuples end)::bigint
      from clerk_sync.count_rows('user', 10000) as u(counted)
      join pg_catalog.pg_class as c on c.oid = (
        select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user'
      )
    ),
    'audit', (
      select coalesce(jsonb_object_agg(k.kind, jsonb_build_object('count', k.count, 'last_at', k.last_at)), '{}')
      from (
        select a.kind, sum(a.count) as count, max(a.last_at) as last_at
        from clerk_sync.audit as a
        where a.at >= p_now - interval '1 hour'
        group by a.kind
      ) as k
    ),
    'delete_brake', (
      select jsonb_build_object('engaged_at', min(b.engaged_at), 'reason', string_agg(b.reason, '; ' order by b.engaged_at))
      from clerk_sync.delete_brake as b
    ),
    'circuits', (
      select jsonb_object_agg(c.name, jsonb_build_object('state', c.state, 'since', c.since, 'code', c.last_error))
      from clerk_sync.circuits as c
    ),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, h.at), '{}') from clerk_sync.heartbeats as h),
    'runs', jsonb_build_object(
      'compare', ( -- the newest that completed, with the users who differed, whether it repaired them or not
        select jsonb_build_object(
          'finished_at', r.finished_at,
          'repairs', r.applies,
          'read', coalesce((r.counts ->> 'read')::bigint, 0),
          'drift', (
            select coalesce(sum(c.value::bigint), 0)
            from jsonb_each_text(r.counts) as c
            where c.key in (
              'missing', 'stale', 'ahead', 'differs', 'extra', 'unmirrored',
              'auth_missing', 'auth_differs', 'auth_extra', 'auth_deleted'
            )
          )
        )
        from clerk_sync.sync_runs as r
        where r.kind = 'compare'
          and r.status = 'COMPLETED'
        order by r.started_at desc
        limit 1
      ),
      'failed', ( -- the newest that failed, unless a later run of its kind ended well, or a later compare
        select jsonb_build_object('kind', r.kind, 'finished_at', r.finished_at, 'code', split_part(r.error, ':', 1))
        from unnest('{compare,sweep,backfill}'::text[]) as k(kind)
        cross join lateral (
          select n.*
          from clerk_sync.sync_runs as n
          where n.kind = k.kind
            and n.applies
            and n.status in ('COMPLETED', 'FAILED')
          order by n.started_at desc
          limit 1
        ) as r
        where r.status = 'FAILED'
          and not exists (
            select 1
            from clerk_sync.sync_runs as c
            where c.kind = 'compare'
              and c.applies
              and c.status = 'COMPLETED'
              and c.started_at > r.started_at
          )
        order by r.started_at desc
        limit 1
      )
    ),
    'silence', ( -- since is null while nothing is missing; error is why the open run makes no progress
      select jsonb_build_object(
        'installed_at', s.installed_at,
        'since', case when s.changed_at is not null then coalesce(clerk_sync.last_delivery(), s.changed_at) end,
        'changed_at', s.changed_at,
        'checked_at', n.checked_at,
        'error', (select split_part(r.error, ':', 1) from clerk_sync.sync_runs as r where r.status = 'RUNNING'),
        'users_at_clerk', n.completed[1] -> 'users_at_clerk',
        'users_here', (n.completed[1] #>> '{counts,users_here}')::bigint,
        'ended_since', s.ended_since,
        'ended_at', s.ended_at
      )
      from clerk_sync.silence as s
      cross join (
        select
          max(r.updated_at) as checked_at,
          array_agg(to_jsonb(r) order by r.updated_at desc) filter (where r.status = 'COMPLETED') as completed
        from unnest('{sweep,compare}'::text[]) as k(kind)
        cross join lateral (
          select n.*
          from clerk_sync.sync_runs as n
          where n.kind = k.kind
            and n.applies
            and n.steps > 0
          order by n.started_at desc
          limit 2 -- the last that completed stands before the open one
        ) as r
      ) as n
    )
  );
end
$$;

-- The judgement of what is known of the sync, in the form of clerk_sync_health.
--
-- While a circuit is open rows are still written, so that it never compromises. A change may be ten minutes late: Svix
-- tries immediately, after 5 seconds and after 5 minutes (Svix, "Retries"). After 45 minutes the fourth attempt has
-- passed as well, half an hour later and 20 % off at most.
--
-- p_program: as note_program takes it, the program that answers a caller with this; it is not noted.
create or replace function clerk_sync.judge_health(p_now timestamptz, p_program jsonb)
returns jsonb
language sql
set search_path = ''
as $$
  with h as materialized (
    select clerk_sync.health_facts(p_now) as facts
  ),
  r as (
    select
      r.code,
      case when r.compromised then 'compromised' when r.degraded then 'degraded' end as status,
      r.what,
      r.since,
      r.remedy,
      row_number() over () as place
    from h
    cross join clerk_sync.health_thresholds as t
    cross join jsonb_to_record(h.facts) as f(
      write_failure text, oldest_due_at timestamptz, oldest_refresh_at timestamptz, users bigint
    )
    cross join jsonb_to_record(h.facts -> 'dead') as dead(count integer, newest_at timestamptz)
    cross join jsonb_to_record(h.facts -> 'attempts') as tried(done bigint, failed bigint, since timestamptz)
    cross join jsonb_to_record(h.facts -> 'silence') as silence(
      installed_at timestamptz, since timestamptz, changed_at timestamptz, checked_at timestamptz, error text,
      users_at_clerk bigint, users_here bigint
    )
    cross join make_interval(mins => t.silence_confirmed_minutes) as confirmed_after
    cross join jsonb_to_record(h.facts -> 'runs') as runs(compare jsonb, failed jsonb)
    cross join lateral (
      select
        string_agg(
          format('%s (%s)', case c.key when 'auth' then 'Supabase Auth' else 'Clerk''s API' end, c.value ->> 'code'),
          ', ' order by c.key
        ) as names,
        min((c.value ->> 'since')::timestamptz) as since
      from jsonb_each(h.facts -> 'circuits') as c
      where c.value ->> 'state' <> 'closed'
    ) as paused
    cross join lateral (
      select string_agg(d.name, ', ' order by d.name) as names, min(d.since) as since
      from clerk_sync.differing_programs(p_program, p_now) as d
    ) as differing
    cross join lateral (
      values
        (
          'not_writable', f.write_failure is not null, false,
          null::timestamptz,
          'The database takes no writes, so every event is refused and Clerk delivers it again: ' || f.write_failure,
          'Is the disk full? Make room, or a larger disk; on Supabase: Settings, Compute and Disk. A database that the host '
            || 'made read-only has to be made writable again (default_transaction_read_only); a standby has to be promoted, '
            || 'or DATABASE_URL to name the primary.'
        ),
        (
          'queue_late',
          f.oldest_due_at < p_now - make_interval(mins => t.due_compromised_minutes),
          f.oldest_due_at < p_now - make_interval(mins => t.due_degraded_minutes),
          f.oldest_due_at,
          'Work that is due waits.',
          'Does anything work on the queue? clerk-sync status says what last did; on Supabase clerk-sync doctor checks the '
            || 'schedule.'
        ),
        (
          'dead_letters',
          dead.count > 0
            and dead.count >= least(10000, greatest(t.dead_compromised, f.users * t.dead_compromised_percent / 100)),
          dead.count > 0,
          dead.newest_at,
          dead.count || case dead.count when 1 then ' job gave up and waits' else ' jobs gave up and wait' end
            || ' for a person.',
          'Correct what each error names, then retry all of it: admin page, Dead letters; or clerk-sync jobs list --status '
            || 'dead, then clerk-sync jobs retry --all --status dead.'
        ),
        (
          'refreshes_wait', false,
          f.oldest_refresh_at < p_now - make_interval(mins => t.refresh_degraded_minutes)
            and coalesce(h.facts #>> '{circuits,clerk,state}' = 'closed', true), -- else circuit_open says why
          f.oldest_refresh_at,
          'Users wait to be read from Clerk''s API, and nobody does.',
          'Set CLERK_SECRET_KEY where the queue is worked on.'
        ),
        (
          'error_rate', false,
          tried.failed >= greatest(t.failed_degraded, (tried.failed + tried.done) * t.failed_degraded_percent / 100),
          tried.since,
          format('Of the last %s jobs that were tried %s failed.', tried.failed + tried.done, tried.failed),
          'See their errors: admin page, Jobs, failed; or clerk-sync jobs list --status failed,dead. docs/errors.md explains '
            || 'the codes.'
        ),
        (
          case when silence.changed_at < p_now - confirmed_after then 'silence_confirmed' else 'silence_suspected' end,
          silence.changed_at < p_now - confirmed_after,
          silence.changed_at < p_now - make_interval(mins => t.silence_suspected_minutes),
          silence.since,
          'Deliveries have stopped, the endpoint may be disabled: changes at Clerk have not arrived.',
          format(
            'In Clerk''s dashboard, Webhooks, the endpoint: enable it; then Replay, missing messages since %s. It ends with '
              || 'the next delivery.',
            to_char(silence.since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
          )
        ),
        (
          'silence_unchecked', false,
          silence.error is not null
            and coalesce(silence.checked_at, silence.installed_at)
              < p_now - make_interval(hours => t.unchecked_degraded_hours),
          silence.checked_at,
          'Whether deliveries still come cannot be checked: ' || silence.error,
          'The code is explained in docs/errors.md; look at CLERK_SECRET_KEY first.'
        ),
        (
          'users_differ', false,
          abs(silence.users_at_clerk - silence.users_here)
            > greatest(t.users_differ, silence.users_at_clerk * t.users_differ_percent / 100),
          silence.checked_at,
          format('Users at Clerk: %s, here: %s.', silence.users_at_clerk, silence.users_here),
          'Compare and mend: admin page, Reconcile; or clerk-sync reconcile. Users from before the installation need a backfill.'
        ),
        (
          'circuit_open', false,
          paused.names is not null,
          paused.since,
          'Calls are paused to ' || paused.names || '. Users are written all the same; what needs the service waits.',
          'It is tried again by itself. Was a key wrong? Correct it, then reset the circuit: admin page, Overview, Circuits. '
            || 'docs/errors.md explains the code.'
        ),
        (
          'drift', false,
          (runs.compare ->> 'drift')::bigint
            > greatest(t.drift_degraded, (runs.compare ->> 'read')::bigint * t.drift_degraded_percent / 100),
          (runs.compare ->> 'finished_at')::timestamptz,
          format('The last compare with Clerk found %s users out of step.', runs.compare ->> 'drift'),
          'Events were lost or late: see Clerk''s message log. Mend them: admin page, Reconcile, Run and mend; or '
            || 'clerk-sync reconcile --apply.'
        ),
        (
          'run_failed', false,
          runs.failed ->> 'kind' is not null,
          (runs.failed ->> 'finished_at')::timestamptz,
          format('The last %s failed: %s.', runs.failed ->> 'kind', runs.failed ->> 'code'),
          'docs/errors.md explains the code, the admin page, Reconcile, says more; the next one that completes ends it.'
        ),
        (
          'delete_brake', false,
          h.facts #>> '{delete_brake,engaged_at}' is not null,
          (h.facts #>> '{delete_brake,engaged_at}')::timestamptz,
          'Deletions wait: ' || (h.facts #>> '{delete_brake,reason}'),
          'Find out whether they are meant, then apply or cancel them: admin page, Overview, Delete brake. In SQL: '
            || 'clerk_sync_release_delete_brake(''apply'') or (''cancel'').'
        ),
        (
          'schedule_incomplete', false,
          h.facts -> 'schedule' <> 'null'
            and not h.facts -> 'schedule' @> '{"scheduled": true, "project_url": true, "processor_secret": true}'
            -- a server of ours that works on the queue needs no schedule
            and coalesce((h.facts #>> '{heartbeats,worker}')::timestamptz <= p_now - interval '2 minutes', true),
          null,
          'The schedule is not set up: nothing that has to be tried again will be.',
          'clerk-sync doctor says what is missing; README, Deploy to Supabase, step 5.'
        ),
        (
          'mapping_differs', false,
          differing.since < p_now - make_interval(mins => t.mapping_degraded_minutes),
          differing.since,
          'These run with another mapping than the database: ' || differing.names
            || '. A column that only one of the two maps is not written.',
          'Deploy the functions, and restart each server. Run: npx clerk-sync generate, then npx supabase db push --remote, '
            || 'then npx supabase functions deploy.'
        ),
        (
          'instance_unknown', false,
          h.facts #> '{audit,instance_unknown}' is not null,
          (h.facts #>> '{audit,instance_unknown,last_at}')::timestamptz,
          'Another Clerk instance sends its events here; they are not applied.',
          'clerk-sync audit --kind instance_unknown; then remove this endpoint there, or correct CLERK_INSTANCE_ID.'
        )
    ) as r(code, compromised, degraded, since, what, remedy)
  )
  select jsonb_build_object(
    'status', coalesce(min(r.status), 'healthy'),
    'reasons', coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(r) - 'place') order by r.status, r.place), '[]'),
    'facts', (select h.facts from h)
  )
  from r
  where r.status is not null;
$$;

-- {status: healthy | degraded | compromised, reasons: [{code, status, what, since?, remedy}], facts}: the worst of the
-- reasons, which comes first, is the status. SQL, the sync-health endpoint and the command line ask this one place. It asks
-- first what other tools did to the objects of the sync and to the mapped tables: where objects are missing the rest may not
-- be there to be judged, and its facts are the version and the time alone. p_program: as judge_health takes it.
create or replace function public.clerk_sync_health(
  p_now     timestamptz default clock_timestamp(),
  p_program jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_objects  jsonb := public.clerk_sync_object_findings();
  v_problems jsonb := '[]'::jsonb;
  v_version  text  := '';
  v_health   jsonb;
begin
  if to_regprocedure('public.clerk_sync_table_problems(boolean)') is not null then
    v_problems := public.clerk_sync_table_problems();
  end if;
  begin
    v_health := clerk_sync.judge_health(p_now, p_program);
  exception
    when others then
      if v_objects = '[]' and v_problems = '[]' then
        raise;
      end if;
      if to_regprocedure('public.clerk_sync_schema_version()') is not null then
        v_version := public.clerk_sync_schema_version();
      end if;
      v_health := jsonb_build_object('reasons', '[]'::jsonb, 'facts', jsonb_build_object('now', p_now, 'schema_version', v_version));
  end;
  return (
    with changes as (
      select
        case f.state when 'missing' then 'objects_missing' else 'objects_changed' end as code,
        min(f.status) as status,
        case f.state
          when 'missing' then 'Objects of the sync are missing in the database: '
          else 'Something else than a migration changed objects of the sync: '
        end as words,
        array_agg(f.object order by f.place) as names,
        'clerk-sync migrate --repair puts them back, and keeps the rows that are there; for a Supabase project it prints the '
          || 'commands. docs/other-tools.md says how to keep drizzle-kit and Prisma away from them.' as remedy
      from rows from (jsonb_to_recordset(v_objects) as (object text, state text, status text))
        with ordinality as f(object, state, status, place)
      group by f.state
      union all
      select
        'table_changed', 'compromised', format('The sync cannot write %s as it is now: ', p.value ->> 'table'),
        array_agg(p.value ->> 'problem' order by p.ordinality),
        'clerk-sync doctor prints the statement that solves it.'
      from jsonb_array_elements(v_problems) with ordinality as p
      group by p.value ->> 'table'
    ),
    reasons as (
      select
        c.status,
        0 as place,
        jsonb_build_object(
          'code', c.code,
          'status', c.status,
          'what', concat(
            c.words, array_to_string(c.names[1:6], ', '),
            case when cardinality(c.names) > 6 then format(' and %s more', cardinality(c.names) - 6) end, '.'
          ),
          'remedy', c.remedy
        ) as reason
      from changes as c
      union all
      select r.value ->> 'status', r.ordinality::integer, r.value
      from jsonb_array_elements(v_health -> 'reasons') with ordinality as r
    )
    select jsonb_build_object(
      'status', coalesce(min(r.status), 'healthy'),
      'reasons', coalesce(jsonb_agg(r.reason order by r.status, r.place, r.reason ->> 'code' desc), '[]'),
      'facts', v_health -> 'facts' || jsonb_build_object('objects', v_objects)
    )
    from reasons as r
  );
end
$$;

-- Whether an app may rely on its users being up to date: true while the sync is healthy or degraded.
create or replace function public.clerk_sync_is_healthy(p_now timestamptz default clock_timestamp())
returns boolean
language sql
set search_path = ''
as $$
  select public.clerk_sync_health(p_now) ->> 'status' <> 'compromised';
$$;
