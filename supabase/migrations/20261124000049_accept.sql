-- What the webhook calls: events go into the queue and, where nothing stands in the way, into their users' rows in the
-- same transaction, so that the row is there when the 202 leaves. Whatever hinders that leaves the job queued, as if
-- it had not been tried: another worker has the user in hand, the delete brake holds, or applying fails. When applying
-- takes longer than the call may (2 s, see clerk_sync_run_jobs), its jobs are stored without it, to run alone.
-- Answers what clerk_sync_enqueue does; applied may be row (the mirror is owed), or all.
create or replace function public.clerk_sync_accept(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_mirrors      boolean default false,
  p_delete_mode  text default 'hard',
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set lock_timeout = '4s' -- for a call that stores the same event just now
set statement_timeout = '2s'
as $$
declare
  v_jobs       clerk_sync.new_job[] := clerk_sync.read_jobs(p_jobs);
  v_is_cut     boolean := false; -- the limit comes once a call: what follows has none, and only stores
  v_is_refused boolean := false;
  v_answer     jsonb;
  v_left       uuid[];
  v_written    uuid[];
begin
  begin
    v_jobs := clerk_sync.write_new_jobs(v_jobs, p_mirrors, p_now);
  exception
    when query_canceled then
      v_is_cut := true;
    when others or assert_failure then -- they are stored as they came: a worker applies them, or finds out what is wrong
      v_is_refused := true;
  end;
  v_answer := clerk_sync.store_jobs(v_jobs, p_max_attempts, p_now, v_is_cut);
  if v_is_cut or v_is_refused or not v_answer @> '[{"outcome": "queued", "applied": "no"}]' then
    return v_answer;
  end if;
  v_left := array(
    select (e.value ->> 'job_id')::uuid
    from jsonb_array_elements(v_answer) as e
    where e.value @> '{"outcome": "queued", "applied": "no"}'
  );
  begin
    v_written := clerk_sync.apply_at_once(v_left, p_mirrors, p_delete_mode, p_delete_brake, p_now);
  exception
    when query_canceled then
      perform clerk_sync.cut_jobs(v_left, p_now);
      return v_answer;
    when others or assert_failure then -- the jobs are in the queue: a worker applies them, or finds out what is wrong
      return v_answer;
  end;
  return (
    select jsonb_agg(
      case
        when (e.value ->> 'job_id')::uuid <> all (v_written) then e.value
        else e.value || jsonb_build_object('applied', case when p_mirrors then 'row' else 'all' end)
      end
      order by e.place
    )
    from jsonb_array_elements(v_answer) with ordinality as e(value, place)
  );
end
$$;

revoke execute on function public.clerk_sync_accept from public, anon, authenticated;
grant execute on function public.clerk_sync_accept to service_role;

-- Writes what new snapshots bring before they are stored, so that each job is stored once, as it then stands; returns the
-- jobs, those written with the result applied. Deletions, events that are known, and users whom another worker has in
-- hand or whose jobs run alone are left to what follows. Nothing is waited for longer than a sender notices.
create or replace function clerk_sync.write_new_jobs(p_jobs clerk_sync.new_job[], p_mirrors boolean, p_now timestamptz)
returns clerk_sync.new_job[]
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_users   text[];
  v_changes clerk_sync.user_change[];
  v_known   clerk_sync.new_job[] := clerk_sync.find_existing(p_jobs);
  v_jobs    clerk_sync.new_job[] := array(
    select i
    from unnest(v_known) as i
    where i.status = 'PENDING'
      and i.job_type <> 'USER_DELETED'
      and i.clerk_id is not null
      and i.existing is null
      and not exists (select 1 from public.job_queue as j where j.event_id = i.event_id)
      and not exists ( -- as runs_alone
        select 1 from public.job_queue as a where a.clerk_id = i.clerk_id and a.runs_alone and a.status <> 'COMPLETED'
      )
  );
begin
  if cardinality(v_jobs) = 0 then
    return v_known;
  end if;
  v_users := clerk_sync.lock_free_users(array(select distinct i.clerk_id from unnest(v_jobs) as i));
  v_changes := clerk_sync.newest_changes(array(
    select row(i.id, i.job_type, i.clerk_id, i.version, i.payload, i.result, p_now, i.source = 'webhook')::clerk_sync.change_source
    from unnest(v_jobs) as i
    where i.clerk_id = any (v_users)
  ), p_now);
  -- As write_changes, which knows more kinds of changes.
  perform clerk_sync.offer_emails(v_changes, p_now);
  v_changes := clerk_sync.resolve_emails(v_changes, p_now);
  perform clerk_sync.write_user_state(v_changes, p_now);
  perform clerk_sync.write_users(v_changes, p_now);
  set constraints all immediate; -- as apply_jobs
  return clerk_sync.mark_written(v_known, v_changes, p_mirrors);
end
$$;

revoke execute on function clerk_sync.write_new_jobs from public, anon, authenticated;
grant execute on function clerk_sync.write_new_jobs to service_role;

-- The jobs, those of them whose changes are written done, or, where the mirror is owed, waiting for it.
create or replace function clerk_sync.mark_written(
  p_jobs    clerk_sync.new_job[],
  p_changes clerk_sync.user_change[],
  p_mirrors boolean
)
returns clerk_sync.new_job[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_status    text    := case when p_mirrors then 'PENDING' else 'COMPLETED' end;
  v_attempts  integer := case when p_mirrors then 0 else 1 end;
  v_waits_for text    := case when p_mirrors and clerk_sync.circuit_is_open('auth') then 'auth' end;
begin
  return array(
    select case
      when c.job_id is null then i.job
      else row(
        (i.job).event_id, (i.job).job_type, (i.job).clerk_id, (i.job).version, (i.job).payload, (i.job).source,
        (i.job).read_at, null, (i.job).id, v_status, v_attempts, v_waits_for,
        jsonb_build_object('applied', true) || clerk_sync.note_change(c)
          || jsonb_strip_nulls(jsonb_build_object('ignored_email', (i.job).payload -> 'ignored_email')),
        null
      )::clerk_sync.new_job
    end
    from (select e as job, e.id, row_number() over () as place from unnest(p_jobs) as e) as i
    left join unnest(p_changes) as c on c.job_id = i.id
    order by i.place
  );
end
$$;

revoke execute on function clerk_sync.mark_written from public, anon, authenticated;
grant execute on function clerk_sync.mark_written to service_role;

-- Applies jobs of this transaction and returns which. Nothing is waited for longer than a sender notices.
create or replace function clerk_sync.apply_at_once(
  p_ids          uuid[],
  p_mirrors      boolean,
  p_delete_mode  text,
  p_delete_brake jsonb,
  p_now          timestamptz
)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_due clerk_sync.due_job[];
  v_ids uuid[];
begin
  v_due := clerk_sync.claim_users(array(
    select row(j.id, j.clerk_id)::clerk_sync.due_job
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.clerk_id is not null
      and not j.runs_alone
  ));
  v_ids := clerk_sync.hold_deletes(array(select d.id from unnest(v_due) as d), p_delete_brake, p_now);
  if cardinality(v_ids) > 0 then
    perform clerk_sync.apply_jobs(v_ids, null, null, p_delete_mode, p_now, true, p_mirrors);
  end if;
  return v_ids;
end
$$;

revoke execute on function clerk_sync.apply_at_once from public, anon, authenticated;
grant execute on function clerk_sync.apply_at_once to service_role;
