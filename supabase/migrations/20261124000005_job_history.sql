-- A payload whose original_event is cut down to kind, ids and times, as the webhook stores it (core/summarise-event.ts);
-- for jobs that came in another way.
create or replace function clerk_sync.audit_payload(p_payload jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_event jsonb := p_payload -> 'original_event';
  v_data  jsonb := v_event -> 'data';
begin
  if jsonb_typeof(v_event) is distinct from 'object' then
    return p_payload;
  end if;
  return p_payload || jsonb_build_object('original_event', jsonb_strip_nulls(jsonb_build_object(
    'type', v_event -> 'type',
    'object', v_event -> 'object',
    'timestamp', v_event -> 'timestamp',
    'instance_id', v_event -> 'instance_id',
    'data', jsonb_build_object(
      'id', v_data -> 'id',
      'object', v_data -> 'object',
      'deleted', v_data -> 'deleted',
      'created_at', v_data -> 'created_at',
      'updated_at', v_data -> 'updated_at'
    )
  )));
end
$$;

revoke execute on function clerk_sync.audit_payload from public, anon, authenticated;
grant execute on function clerk_sync.audit_payload to service_role;

-- A history whose errors are their codes only: what follows the colon may quote a value.
create or replace function clerk_sync.history_without_messages(p_history jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_agg(
      case
        when h.entry ? 'error' then h.entry || jsonb_build_object('error', split_part(h.entry ->> 'error', ':', 1))
        else h.entry
      end
      order by h.place
    ), '[]')
    from jsonb_array_elements(p_history) with ordinality as h(entry, place)
  );
end
$$;

revoke execute on function clerk_sync.history_without_messages from public, anon, authenticated;
grant execute on function clerk_sync.history_without_messages to service_role;

-- Who changes a job by hand: the database user and, where it differs, the role; null when one of our functions does.
-- The stack of calls tells, so that no function has to say who it is, and none can forget to. The hot path is known
-- sooner: its functions run with enable_seqscan off, which nobody's session does.
create or replace function clerk_sync.editor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_calls text;
begin
  if current_setting('enable_seqscan') = 'off' then
    return null;
  end if;
  get diagnostics v_calls = pg_context;
  if v_calls ~ 'function ("clerk_sync_|public[.]clerk_sync_|clerk_sync[.](?!editor|record_))' then
    return null;
  end if;
  return concat_ws(' as ', session_user, nullif(current_user, session_user));
end
$$;

revoke execute on function clerk_sync.editor from public, anon, authenticated;
grant execute on function clerk_sync.editor to service_role;

-- One entry of the history of a job: {at, status, attempt, error?, by?}.
create or replace function clerk_sync.history_entry(p_status text, p_attempt integer, p_error text, p_by text)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'at', clock_timestamp(), 'status', p_status, 'attempt', p_attempt, 'error', p_error, 'by', p_by
  ));
end
$$;

revoke execute on function clerk_sync.history_entry from public, anon, authenticated;
grant execute on function clerk_sync.history_entry to service_role;

-- True while a job of this user, open or dead, runs alone.
create or replace function clerk_sync.runs_alone(p_clerk_id text)
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
    where j.clerk_id = p_clerk_id
      and j.runs_alone
      and j.status <> 'COMPLETED'
  );
end
$$;

revoke execute on function clerk_sync.runs_alone from public, anon, authenticated;
grant execute on function clerk_sync.runs_alone to service_role;

-- The history of a job has one entry per change of state or attempt, or by hand; operator in it did it through the admin
-- API, see clerk_sync.change_jobs. It is written by this trigger, so that a change made by hand in the SQL editor is on
-- record like any other, and what hangs on the status (lease, processed_at) stays true. Two statements, which most jobs
-- go through, write all that themselves at a third of the cost: the insert of store_jobs and the update of move_jobs.
-- They say so by the setting clerk_sync.recorded.
create or replace function clerk_sync.record_transition()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
declare
  v_changed boolean := true;
  v_editor  text    := clerk_sync.editor();
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
    new.created_at := coalesce(new.created_at, new.updated_at);
    new.runs_alone := new.runs_alone or clerk_sync.runs_alone(new.clerk_id);
  else
    v_changed := new.status <> old.status or new.attempts <> old.attempts or v_editor is not null;
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
    if new.payload ? 'erased' and not old.payload ? 'erased' then
      new.error := split_part(new.error, ':', 1);
      new.history := clerk_sync.history_without_messages(new.history);
    end if;
  end if;

  new.waits_for := case when new.status in ('PENDING', 'FAILED') then new.waits_for end;
  if new.status = 'PROCESSING' then
    new.lease_token := coalesce(new.lease_token, gen_random_uuid());
    new.lease_until := coalesce(new.lease_until, new.updated_at + interval '1 minute');
  else
    new.lease_token := null;
    new.lease_until := null;
    new.cancel_requested_at := null;
  end if;

  new.processed_at := case
    when new.status in ('COMPLETED', 'DEAD', 'CANCELLED') then coalesce(new.processed_at, new.updated_at)
  end;

  if v_changed then
    new.history := new.history || (
      clerk_sync.history_entry(new.status, new.attempts, new.error, v_editor)
      || jsonb_strip_nulls(jsonb_build_object('operator', nullif(current_setting('clerk_sync.operator', true), '')))
    );
  end if;
  if v_editor is not null then
    perform clerk_sync.note_edit(new.id);
  end if;
  return new;
end
$$;

revoke execute on function clerk_sync.record_transition from public, anon, authenticated;
grant execute on function clerk_sync.record_transition to service_role;

drop trigger if exists record_insertion on public.job_queue;
create trigger record_insertion
  before insert on public.job_queue
  for each row
  when (current_setting('clerk_sync.recorded', true) is distinct from 'insert')
  execute function clerk_sync.record_transition();

drop trigger if exists record_transition on public.job_queue;
create trigger record_transition
  before update on public.job_queue
  for each row
  when (current_setting('clerk_sync.recorded', true) is distinct from 'update')
  execute function clerk_sync.record_transition();
