-- Why the sync is not healthy. The thresholds and the judgement are here, and of attempts in the next file: SQL, the
-- sync-health endpoint and the command line ask this one place. docs/health.md explains every reason.

create or replace function clerk_sync.health_thresholds()
returns jsonb
language sql
immutable
security invoker
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
    'unchecked_degraded_hours', 3,
    'users_differ', 10,
    'users_differ_percent', 1,
    'drift_degraded', 10,
    'drift_degraded_percent', 1
  );
$$;

revoke execute on function clerk_sync.health_thresholds from public, anon, authenticated;
grant execute on function clerk_sync.health_thresholds to service_role;

-- What is wrong with the queue: [{code, status, what, since, remedy}], p_t are the thresholds.
create or replace function clerk_sync.queue_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
security invoker
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

revoke execute on function clerk_sync.queue_reasons from public, anon, authenticated;
grant execute on function clerk_sync.queue_reasons to service_role;

-- What is wrong around it, in the same form.
create or replace function clerk_sync.sync_reasons(p_facts jsonb)
returns jsonb
language sql
stable
security invoker
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

revoke execute on function clerk_sync.sync_reasons from public, anon, authenticated;
grant execute on function clerk_sync.sync_reasons to service_role;

-- What is wrong with the services it calls, and with what the runs found there, in the same form. While a circuit is
-- open rows are still written, so that it never compromises.
create or replace function clerk_sync.service_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
security invoker
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

revoke execute on function clerk_sync.service_reasons from public, anon, authenticated;
grant execute on function clerk_sync.service_reasons to service_role;

-- What is wrong with what Clerk delivers, in the same form; see clerk_sync.silence.
create or replace function clerk_sync.delivery_reasons(p_facts jsonb, p_t jsonb)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  with s as (
    select
      p_facts #>> '{silence,state}' as state,
      (p_facts #>> '{silence,since}')::timestamptz as since,
      (p_facts #>> '{silence,checked_at}')::timestamptz as checked_at,
      (p_facts #>> '{silence,users_at_clerk}')::bigint as at_clerk,
      (p_facts #>> '{silence,users_here}')::bigint as here
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
              < (p_facts ->> 'now')::timestamptz - make_interval(hours => (p_t ->> 'unchecked_degraded_hours')::integer)
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

revoke execute on function clerk_sync.delivery_reasons from public, anon, authenticated;
grant execute on function clerk_sync.delivery_reasons to service_role;
