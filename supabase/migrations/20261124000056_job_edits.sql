-- Changes of jobs made by hand, as entries of the audit.

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
  when (current_setting('clerk_sync.edited_count', true) <> '')
  execute function clerk_sync.record_edit();

drop trigger if exists record_deletion on public.job_queue;
create trigger record_deletion
  after delete on public.job_queue
  referencing old table as gone
  for each statement
  execute function clerk_sync.record_edit();
