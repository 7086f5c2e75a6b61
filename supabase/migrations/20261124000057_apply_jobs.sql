-- From the changes that jobs bring to rows, and the jobs moved on.

-- Writes the changes of users who are locked, and returns them with the emails that were settled.
create or replace function clerk_sync.write_changes(
  p_changes     clerk_sync.user_change[],
  p_delete_mode text,
  p_now         timestamptz
)
returns clerk_sync.user_change[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changes clerk_sync.user_change[];
begin
  perform clerk_sync.offer_emails(p_changes, p_now);
  perform clerk_sync.delete_users(p_changes, p_delete_mode, p_now);
  v_changes := clerk_sync.resolve_emails(array(select c from unnest(p_changes) as c where not c.mirror_only), p_now)
    || array(select c from unnest(p_changes) as c where c.mirror_only);
  perform clerk_sync.write_user_state(v_changes, p_now);
  perform clerk_sync.write_users(v_changes, p_now);
  return v_changes;
end
$$;

revoke execute on function clerk_sync.write_changes from public, anon, authenticated;
grant execute on function clerk_sync.write_changes to service_role;

-- Writes what the jobs bring and moves them on: COMPLETED, or PROCESSING under p_token where the
-- mirror is owed; while the circuit of Supabase Auth is open it waits for that instead, and the attempt does not
-- count. An older job of a user owes nothing: the newest carries the state to the mirror.
-- Jobs that are PROCESSING already (their user was read from Clerk's API) are in an attempt that counts.
-- p_mirror_later: what the mirror is owed stays PENDING, for a worker to carry there; that is no attempt yet.
-- Constraints that wait for the commit are checked here, within the caller's savepoint: at the commit their error would
-- take everything back, the record of the failed job as well. Before that they wait again, should another savepoint of
-- the transaction have ended their waiting.
create or replace function clerk_sync.apply_jobs(
  p_ids          uuid[],
  p_token        uuid,
  p_lease_until  timestamptz,
  p_delete_mode  text,
  p_now          timestamptz,
  p_with_email   boolean default true,
  p_mirror_later boolean default false
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changes clerk_sync.user_change[] := clerk_sync.newest_changes(array(
    select row(j.id, j.job_type, j.clerk_id, j.version, j.payload, j.result, j.created_at, j.source = 'webhook')::clerk_sync.change_source
    from public.job_queue as j
    where j.id = any (p_ids)
  ), p_now);
begin
  set constraints all deferred;
  if not p_with_email then
    v_changes := clerk_sync.without_emails(v_changes, array(select c.clerk_id from unnest(v_changes) as c));
  end if;
  v_changes := clerk_sync.write_changes(v_changes, p_delete_mode, p_now);
  perform clerk_sync.finish_jobs(p_ids, v_changes, p_token, p_lease_until, p_mirror_later, p_now);
  if cardinality(p_ids) > cardinality(v_changes) or exists (select 1 from unnest(v_changes) as c where c.deletes) then
    perform clerk_sync.erase_deleted(p_ids);
  end if;
  set constraints all immediate;
end
$$;

revoke execute on function clerk_sync.apply_jobs from public, anon, authenticated;
grant execute on function clerk_sync.apply_jobs to service_role;

-- What the result of a job says of its change: why the user is to be read again (refresh), what is not known of the user at
-- this version (absent), and of what kind a value was that is stored as the default (ignored).
create or replace function clerk_sync.note_change(p_change clerk_sync.user_change)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'refresh', p_change.refresh_reason,
    'absent', p_change.absent,
    'ignored', case when p_change.ignored_role is not null then jsonb_build_object('role', p_change.ignored_role) end
  ));
$$;

revoke execute on function clerk_sync.note_change from public, anon, authenticated;
grant execute on function clerk_sync.note_change to service_role;

-- Moves jobs on whose changes are written, as apply_jobs says: those that carry a change, and the others, which are done.
create or replace function clerk_sync.finish_jobs(
  p_ids          uuid[],
  p_changes      clerk_sync.user_change[],
  p_token        uuid,
  p_lease_until  timestamptz,
  p_mirror_later boolean,
  p_now          timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_mirrors boolean := p_token is not null or p_mirror_later;
  v_waits   boolean := v_mirrors and clerk_sync.circuit_is_open('auth');
  v_owed    text    := case when v_waits or p_mirror_later then 'PENDING' when v_mirrors then 'PROCESSING' else 'COMPLETED' end;
  v_changed uuid[];
  v_notes   jsonb; -- what the results of jobs say besides, by job
  v_others  uuid[];
begin
  select
    array_agg(c.job_id),
    jsonb_object_agg(c.job_id, clerk_sync.note_change(c))
      filter (where c.refresh_reason is not null or c.absent is not null or c.ignored_role is not null)
  into v_changed, v_notes
  from unnest(p_changes) as c;
  perform set_config('clerk_sync.recorded', 'update', true);
  perform clerk_sync.move_jobs(v_changed, v_owed, case when v_waits then 'auth' end, v_notes, p_token, p_lease_until, p_now);
  if cardinality(p_ids) > cardinality(p_changes) then
    v_others := array(select i from unnest(p_ids) as i except select i from unnest(v_changed) as i);
    perform clerk_sync.move_jobs(v_others, null, null, null, p_token, p_lease_until, p_now);
  end if;
  perform set_config('clerk_sync.recorded', '', true);
end
$$;

revoke execute on function clerk_sync.finish_jobs from public, anon, authenticated;
grant execute on function clerk_sync.finish_jobs to service_role;

-- Moves jobs to a status, with their history, which the trigger then need not write. p_status null: jobs that brought
-- nothing newer; they are done, and say why they were put aside, unless they were applied before. PENDING is no attempt.
create or replace function clerk_sync.move_jobs(
  p_ids         uuid[],
  p_status      text,
  p_waits_for   text,
  p_notes       jsonb,
  p_token       uuid,
  p_lease_until timestamptz,
  p_now         timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_status    text    := coalesce(p_status, 'COMPLETED');
  v_is_leased boolean := v_status = 'PROCESSING';
  v_counts    integer := (v_status <> 'PENDING')::integer;
begin
  update public.job_queue as j
  set status = v_status,
      attempts = j.attempts + v_counts - (j.status = 'PROCESSING')::integer,
      payload = case
        when j.attempts = 0 then j.payload
        else j.payload || jsonb_build_object('retry_count', greatest(j.attempts + v_counts - (j.status = 'PROCESSING')::integer - 1, 0))
      end,
      waits_for = p_waits_for,
      runs_alone = false, -- applied: whatever hindered it is over
      error = null,
      lease_token = case when v_is_leased then p_token end,
      lease_until = case when v_is_leased then p_lease_until end,
      cancel_requested_at = case when v_is_leased then j.cancel_requested_at end,
      processed_at = case when v_status = 'COMPLETED' then p_now end,
      updated_at = p_now,
      result = case
        when j.result @> '{"applied": true}' and (j.job_type <> 'USER_DELETED' or p_status is null) then j.result
        when p_status is not null then
          '{"applied": true}' || jsonb_strip_nulls(jsonb_build_object('ignored_email', j.payload -> 'ignored_email'))
        else (
          select case
            when s.deleted_at is not null then '{"applied": false, "reason": "user_deleted"}'
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', s.version)
          end
          from clerk_sync.user_state as s
          where s.clerk_id = j.clerk_id
        )
      end || coalesce(p_notes -> j.id::text, '{}'),
      history = case
        when v_status = j.status then j.history
        else j.history || jsonb_build_object( -- as history_entry
          'at', clock_timestamp(), 'status', v_status, 'attempt', j.attempts + v_counts - (j.status = 'PROCESSING')::integer
        )
      end
  where j.id = any (p_ids);
end
$$;

revoke execute on function clerk_sync.move_jobs from public, anon, authenticated;
grant execute on function clerk_sync.move_jobs to service_role;
