-- Jobs that wait for a service whose circuit is open.

-- True while jobs that need this service have to wait; also during a probe, for all others.
create or replace function clerk_sync.circuit_is_open(p_name text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (select 1 from clerk_sync.circuits as c where c.name = p_name and c.state <> 'closed');
end
$$;

revoke execute on function clerk_sync.circuit_is_open from public, anon, authenticated;
grant execute on function clerk_sync.circuit_is_open to service_role;

-- Lets jobs that waited be claimed again, at most p_limit of each service, so that nobody is overrun when it is back.
-- A worker without a mirror (p_mirrors false) completes them without Auth.
create or replace function clerk_sync.wake_jobs(p_limit integer, p_mirrors boolean, p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_name text;
begin
  if not exists (select 1 from public.job_queue as j where j.waits_for is not null) then
    return;
  end if;
  for v_name in
    select c.name
    from clerk_sync.circuits as c
    where c.state = 'closed'
       or (c.name = 'auth' and not p_mirrors)
  loop
    update public.job_queue as j
    set waits_for = null,
        updated_at = p_now
    where j.id = any (array(
      select w.id
      from public.job_queue as w
      where w.waits_for = v_name
      order by w.run_at, w.id
      limit p_limit
      for update skip locked
    ));
  end loop;
end
$$;

revoke execute on function clerk_sync.wake_jobs from public, anon, authenticated;
grant execute on function clerk_sync.wake_jobs to service_role;

-- Of the jobs of a batch, lets those refreshes wait whose read Clerk's API would not answer: all that are unread while
-- its circuit is open. Returns the others.
create or replace function clerk_sync.hold_reads(p_ids uuid[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ready uuid[];
begin
  if not clerk_sync.circuit_is_open('clerk') then
    return p_ids;
  end if;
  v_ready := clerk_sync.without_unread(p_ids);
  update public.job_queue as j
  set waits_for = 'clerk'
  where j.id = any (p_ids)
    and j.id <> all (v_ready);
  return v_ready;
end
$$;

revoke execute on function clerk_sync.hold_reads from public, anon, authenticated;
grant execute on function clerk_sync.hold_reads to service_role;
