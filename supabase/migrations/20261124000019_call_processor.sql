-- How the database calls the processor: by pg_net, with address and key from the Vault, and only while something is due,
-- so that a quiet project costs no function calls.

-- True when a processor would find something to do; jobs that wait for a service count when it may be called again. A
-- refresh or a run that nobody has taken for ten minutes is waiting for a CLERK_SECRET_KEY: it must not have the processor
-- called for ever.
create or replace function clerk_sync.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select 1
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and (j.source <> 'refresh' or j.run_at > p_now - interval '10 minutes')
  ) or exists (
    select 1 from public.job_queue as j where j.status = 'PROCESSING' and j.lease_until <= p_now
  ) or exists (
    select 1
    from clerk_sync.circuits as c
    where (c.state = 'closed' or c.probe_at <= p_now)
      and exists (select 1 from public.job_queue as j where j.waits_for = c.name)
  ) or exists (
    select 1
    from clerk_sync.user_state as s
    where s.refresh_due_at <= p_now
      and s.refresh_due_at > p_now - interval '10 minutes'
  ) or exists (
    select 1
    from clerk_sync.sync_runs as r
    where r.status = 'RUNNING'
      and r.applies
      and r.lease_until <= p_now
      and r.lease_until > p_now - interval '10 minutes'
  );
end
$$;

revoke execute on function clerk_sync.has_work from public, anon, authenticated;
grant execute on function clerk_sync.has_work to service_role;

-- The calls of the last hour: net._http_response holds the answers to everybody's requests and says of none whose it is.
create table if not exists clerk_sync.processor_call (
  request_id bigint      not null,
  called_at  timestamptz not null,
  constraint processor_call_pkey primary key (request_id)
);

alter table clerk_sync.processor_call enable row level security;
revoke all on clerk_sync.processor_call from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.processor_call to service_role;

drop policy if exists processor_call_service_role on clerk_sync.processor_call;
create policy processor_call_service_role
  on clerk_sync.processor_call
  for all
  to service_role
  using (true)
  with check (true);

-- Calls the processor with this body. Answers the id of pg_net's request; null when the Vault does not hold both
-- secrets. The answer of the processor is in net._http_response for six hours.
create or replace function clerk_sync.post_to_processor(p_body jsonb)
returns bigint
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_url     text;
  v_secret  text;
  v_request bigint;
begin
  select max(s.decrypted_secret) filter (where s.name = 'clerk_sync_project_url'),
         max(s.decrypted_secret) filter (where s.name = 'clerk_sync_processor_secret')
  into v_url, v_secret
  from vault.decrypted_secrets as s;
  if v_url is null or v_secret is null then
    return null;
  end if;
  select net.http_post(
    url := rtrim(v_url, '/') || '/functions/v1/user-job-processor',
    body := p_body,
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_secret),
    timeout_milliseconds := 60000
  )
  into v_request;
  insert into clerk_sync.processor_call (request_id, called_at)
  values (v_request, now())
  on conflict (request_id) do update -- pg_net counts from 1 again after a crash
    set called_at = excluded.called_at;
  delete from clerk_sync.processor_call as c where c.called_at < now() - interval '1 hour';
  return v_request;
end
$$;

revoke execute on function clerk_sync.post_to_processor from public, anon, authenticated;
grant execute on function clerk_sync.post_to_processor to service_role;

drop function if exists clerk_sync.call_processor(); -- before it had a parameter

-- Calls the processor when there is work, when somebody is to be told of an incident, or to start a run (p_work: sweep,
-- compare); null when there is nothing to do. The incidents are looked at whatever else there is. The hourly sweep asks
-- for the check of silence as well: one call for both. Without CLERK_SECRET_KEY the processor could do neither, and is
-- not called for them.
create or replace function clerk_sync.call_processor(p_work text default null)
returns bigint
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_alerts boolean := clerk_sync.alerts_due();
begin
  if (p_work is null and not v_alerts and not clerk_sync.has_work())
    or (p_work is not null and not clerk_sync.processor_has_key())
  then
    return null;
  end if;
  return clerk_sync.post_to_processor(jsonb_strip_nulls(jsonb_build_object(
    'source', 'schedule',
    'work', p_work,
    'check', case when p_work = 'sweep' then 'silence' end
  )));
end
$$;

revoke execute on function clerk_sync.call_processor from public, anon, authenticated;
grant execute on function clerk_sync.call_processor to service_role;
