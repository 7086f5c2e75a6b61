-- The history of a job: [{at, status, attempt, error?}], one entry per change of state or attempt.
-- It is written by this trigger only, so that a change made by hand in the SQL editor is on record
-- like any other, and what hangs on the status (lease, processed_at) stays true.
create or replace function clerk_sync.record_transition()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
declare
  v_changed boolean := true;
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
  else
    v_changed := new.status <> old.status or new.attempts <> old.attempts;
    new.history := old.history;
    if new.updated_at is null or new.updated_at = old.updated_at then
      new.updated_at := clock_timestamp();
    end if;
    if old.status in ('DEAD', 'CANCELLED') and new.status = 'PENDING' and new.attempts = old.attempts then
      new.attempts := 0; -- tried again by hand: from the start
      new.run_at := least(new.run_at, new.updated_at);
    end if;
    if greatest(new.attempts - 1, 0) <> greatest(old.attempts - 1, 0) then
      new.payload := new.payload || jsonb_build_object('retry_count', greatest(new.attempts - 1, 0));
    end if;
  end if;

  if new.status = 'PROCESSING' then
    new.lease_token := coalesce(new.lease_token, gen_random_uuid());
    new.lease_until := coalesce(new.lease_until, new.updated_at + interval '1 minute');
  else
    new.lease_token := null;
    new.lease_until := null;
  end if;

  if new.status in ('COMPLETED', 'DEAD', 'CANCELLED') then
    new.processed_at := coalesce(new.processed_at, new.updated_at);
  else
    new.processed_at := null;
  end if;

  if v_changed then
    new.history := new.history || jsonb_strip_nulls(jsonb_build_object(
      'at', clock_timestamp(),
      'status', new.status,
      'attempt', new.attempts,
      'error', new.error
    ));
  end if;
  return new;
end
$$;

revoke execute on function clerk_sync.record_transition from public, anon, authenticated;
grant execute on function clerk_sync.record_transition to service_role;

drop trigger if exists record_transition on public.job_queue;
create trigger record_transition
  before insert or update on public.job_queue
  for each row
  execute function clerk_sync.record_transition();
