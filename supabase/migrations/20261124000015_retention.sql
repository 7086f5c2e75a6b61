-- What is kept of a job, and how long. A job keeps what is applied, and of its event kind, ids and times; of a
-- deleted user nothing is kept but ids and times; in the end the job goes.

-- Erases what jobs hold of the deleted users whose deletion is complete, given some jobs of theirs. Called when
-- a deletion completes, here and in Auth, and when a late event of a deleted user was put aside. A job that
-- another worker holds is skipped: it comes here itself.
create or replace function clerk_sync.erase_deleted(p_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.job_queue as j
  set payload = jsonb_strip_nulls(jsonb_build_object(
        'clerk_id', j.clerk_id,
        'retry_count', j.payload -> 'retry_count',
        'original_event', clerk_sync.audit_payload(j.payload) -> 'original_event',
        'erased', true
      ))
  where j.id = any (array(
    select o.id
    from public.job_queue as o
    where o.clerk_id = any (array(
        select d.clerk_id
        from (
          select distinct q.clerk_id
          from public.job_queue as q
          where q.id = any (p_ids)
            -- By case and subquery: as conditions to plan with they would lead to all finished jobs.
            and case when q.status = 'COMPLETED' then true end
        ) as d
        where (select s.deleted_at is not null from clerk_sync.user_state as s where s.clerk_id = d.clerk_id)
      ))
      and o.status <> 'PROCESSING'
      and not o.payload ? 'erased'
      and o.payload - '{clerk_id,retry_count,reason}'::text[] <> '{}'
    for update skip locked
  ));
end
$$;

revoke execute on function clerk_sync.erase_deleted from public, anon, authenticated;
grant execute on function clerk_sync.erase_deleted to service_role;

-- Deletes entries of the audit that are older than p_days, and of the others all but the newest 100,000.
create or replace function clerk_sync.purge_audit(p_days integer, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  delete from clerk_sync.audit as a
  where a.at < greatest(
    p_now - make_interval(days => p_days),
    (select o.at from clerk_sync.audit as o order by o.at desc offset 100000 limit 1)
  );
end
$$;

revoke execute on function clerk_sync.purge_audit from public, anon, authenticated;
grant execute on function clerk_sync.purge_audit to service_role;

-- Deletes finished jobs older than p_days, at most p_limit of them; answers how many. Dead letters
-- stay until a person has seen them. The audit and the metrics are purged with them; no job goes that is not counted.
create or replace function public.clerk_sync_purge_jobs(
  p_days  integer,
  p_limit integer default 5000,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count   integer;
  v_counted timestamptz := clerk_sync.roll_up_for(interval '500 milliseconds', p_now);
begin
  delete from public.job_queue as j
  where j.id = any (array(
    select d.id
    from public.job_queue as d
    where d.status in ('COMPLETED', 'CANCELLED')
      and d.processed_at < least(p_now - make_interval(days => p_days), v_counted)
    order by d.processed_at
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_count = row_count;
  perform clerk_sync.purge_audit(p_days, p_now);
  perform clerk_sync.purge_metrics(p_days, p_now);
  return v_count;
end
$$;

revoke execute on function public.clerk_sync_purge_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_purge_jobs to service_role;
