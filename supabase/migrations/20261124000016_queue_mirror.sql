-- Work for the mirror that no event brings.

-- Queues the mirror of users as they are now. The jobs count as applied: no row changes by them.
-- p_reason becomes the source of the job.
create or replace function clerk_sync.queue_mirror(p_clerk_ids text[], p_reason text, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.job_queue
    (event_id, job_type, clerk_id, version, source, created_at, updated_at, run_at, result, payload)
  select
    p_reason || '_' || gen_random_uuid(),
    case when s.deleted_at is null then 'USER_UPDATED' else 'USER_DELETED' end,
    s.clerk_id, s.version, p_reason, p_now, p_now, p_now, '{"applied": true}',
    jsonb_build_object('clerk_id', s.clerk_id, 'retry_count', 0)
  from clerk_sync.user_state as s
  where s.clerk_id = any (p_clerk_ids)
    and (
      s.deleted_at is not null
      -- offset 0: a lookup each, whatever the statistics say
      or exists (select 1 from public.users as u where u.clerk_id = s.clerk_id offset 0)
    );
end
$$;

revoke execute on function clerk_sync.queue_mirror from public, anon, authenticated;
grant execute on function clerk_sync.queue_mirror to service_role;

-- A worker that was frozen past its lease may have written an old state over the mirror of another worker,
-- and says so when it settles. The users of these jobs are mirrored once more. Answers how many jobs.
create or replace function clerk_sync.repair_stale(p_outcomes jsonb, p_settled uuid[], p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_stale uuid[] := array(
    select (o.value ->> 'job_id')::uuid
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid <> all (p_settled)
      and o.value ->> 'outcome' not in ('released', 'waiting')
  );
begin
  perform clerk_sync.queue_mirror(
    array(select distinct j.clerk_id from public.job_queue as j where j.id = any (v_stale)), 'lease_lost', p_now
  );
  return cardinality(v_stale);
end
$$;

revoke execute on function clerk_sync.repair_stale from public, anon, authenticated;
grant execute on function clerk_sync.repair_stale to service_role;
