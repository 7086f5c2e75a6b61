-- What the webhook calls: events go into the queue and, where nothing stands in the way, into their users' rows in the
-- same transaction, so that the row is there when the 202 leaves. Whatever hinders that leaves the job queued, as if
-- it had not been tried: another worker has the user in hand, the delete brake holds, or applying fails.
-- Answers what clerk_sync_enqueue does, and in each entry applied: no, row (the mirror is owed), or all.
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
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
as $$
declare
  v_answer  jsonb  := public.clerk_sync_enqueue(p_jobs, p_max_attempts, p_now);
  v_applied uuid[] := clerk_sync.apply_at_once(
    array(select (e.value ->> 'job_id')::uuid from jsonb_array_elements(v_answer) as e where e.value ->> 'outcome' = 'queued'),
    p_mirrors, p_delete_mode, p_delete_brake, p_now
  );
begin
  return (
    select coalesce(jsonb_agg(e.value || jsonb_build_object('applied', case
      when (e.value ->> 'job_id')::uuid <> all (v_applied) or e.value ->> 'outcome' <> 'queued' then 'no'
      when p_mirrors then 'row'
      else 'all'
    end) order by e.place), '[]'::jsonb)
    from jsonb_array_elements(v_answer) with ordinality as e(value, place)
  );
end
$$;

revoke execute on function public.clerk_sync_accept from public, anon, authenticated;
grant execute on function public.clerk_sync_accept to service_role;

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
  v_ids uuid[];
begin
  if cardinality(p_ids) = 0 then
    return p_ids;
  end if;
  v_ids := clerk_sync.claim_users(
    array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.clerk_id is not null), p_now
  );
  v_ids := clerk_sync.hold_deletes(v_ids, p_delete_brake, p_now);
  if cardinality(v_ids) > 0 then
    perform clerk_sync.apply_jobs(v_ids, null, null, p_delete_mode, p_now, true, p_mirrors);
  end if;
  return v_ids;
exception
  when others then -- the job is in the queue: a worker applies it, or finds out what is wrong with it
    return '{}'::uuid[];
end
$$;

revoke execute on function clerk_sync.apply_at_once from public, anon, authenticated;
grant execute on function clerk_sync.apply_at_once to service_role;
