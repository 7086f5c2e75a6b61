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

-- The history of a job: [{at, status, attempt, error?, by?}], one entry per change of state or attempt, or by hand.
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
  v_editor  text    := clerk_sync.editor();
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
    new.created_at := coalesce(new.created_at, new.updated_at);
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
    new.history := new.history || jsonb_strip_nulls(jsonb_build_object(
      'at', clock_timestamp(), 'status', new.status, 'attempt', new.attempts, 'error', new.error, 'by', v_editor
    ));
  end if;
  if v_editor is not null then
    perform clerk_sync.note_edit(new.id);
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

-- What a statement edits by hand is collected in a setting of its transaction, and goes into the audit as one entry
-- when the statement ends: {jobs}, the first ten ids.
create or replace function clerk_sync.note_edit(p_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ids   text    := coalesce(current_setting('clerk_sync.edited_ids', true), '');
  v_count integer := coalesce(nullif(current_setting('clerk_sync.edited_count', true), ''), '0')::integer;
begin
  perform set_config('clerk_sync.edited_count', (v_count + 1)::text, true);
  if v_count < 10 then
    perform set_config('clerk_sync.edited_ids', concat_ws(',', nullif(v_ids, ''), p_id), true);
  end if;
end
$$;

revoke execute on function clerk_sync.note_edit from public, anon, authenticated;
grant execute on function clerk_sync.note_edit to service_role;

-- Writes the entry of what was collected, if anything was.
create or replace function clerk_sync.write_edit(p_operation text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer := coalesce(nullif(current_setting('clerk_sync.edited_count', true), ''), '0')::integer;
begin
  if v_count = 0 then
    return;
  end if;
  perform clerk_sync.add_audit(
    'job_edited', concat_ws(' as ', session_user, nullif(current_user, session_user)), '', p_operation, v_count,
    jsonb_build_object('jobs', string_to_array(current_setting('clerk_sync.edited_ids'), ',')), clock_timestamp()
  );
  perform set_config('clerk_sync.edited_count', '', true), set_config('clerk_sync.edited_ids', '', true);
end
$$;

revoke execute on function clerk_sync.write_edit from public, anon, authenticated;
grant execute on function clerk_sync.write_edit to service_role;

create or replace function clerk_sync.record_edit()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' and clerk_sync.editor() is not null then
    perform clerk_sync.note_edit(g.id) from gone as g;
  end if;
  perform clerk_sync.write_edit(lower(tg_op));
  return null;
end
$$;

revoke execute on function clerk_sync.record_edit from public, anon, authenticated;
grant execute on function clerk_sync.record_edit to service_role;

drop trigger if exists record_edit on public.job_queue;
create trigger record_edit
  after insert or update on public.job_queue
  for each statement
  execute function clerk_sync.record_edit();

drop trigger if exists record_deletion on public.job_queue;
create trigger record_deletion
  after delete on public.job_queue
  referencing old table as gone
  for each statement
  execute function clerk_sync.record_edit();
