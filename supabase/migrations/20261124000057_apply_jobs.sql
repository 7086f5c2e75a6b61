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
  perform clerk_sync.delete_users(p_changes, p_delete_mode, p_now);
  v_changes := clerk_sync.resolve_emails(array(select c from unnest(p_changes) as c where not c.mirror_only), p_now)
    || array(select c from unnest(p_changes) as c where c.mirror_only);
  perform clerk_sync.write_users(v_changes, p_now);
  perform clerk_sync.write_user_state(v_changes, p_now);
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
    select row(j.id, j.job_type, j.clerk_id, j.version, j.payload, j.result, j.created_at)::clerk_sync.change_source
    from public.job_queue as j
    where j.id = any (p_ids)
  ));
begin
  if not p_with_email then
    v_changes := clerk_sync.without_emails(v_changes, array(select c.clerk_id from unnest(v_changes) as c));
  end if;
  v_changes := clerk_sync.write_changes(v_changes, p_delete_mode, p_now);
  perform clerk_sync.finish_jobs(p_ids, v_changes, p_token, p_lease_until, p_mirror_later, p_now);
  if cardinality(p_ids) > cardinality(v_changes) or exists (select 1 from unnest(v_changes) as c where c.deletes) then
    perform clerk_sync.erase_deleted(p_ids);
  end if;
end
$$;

revoke execute on function clerk_sync.apply_jobs from public, anon, authenticated;
grant execute on function clerk_sync.apply_jobs to service_role;

-- Moves jobs on whose changes are written, as apply_jobs says; with their history, which the trigger then need not write.
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
  v_others  uuid[]  := array(select i from unnest(p_ids) as i except select c.job_id from unnest(p_changes) as c);
begin
  perform set_config('clerk_sync.recorded', 'update', true);
  update public.job_queue as j
  set status = n.status,
      attempts = j.attempts + (j.status <> 'PROCESSING')::integer - n.uncounted,
      payload = case
        when j.attempts = 0 then j.payload
        else j.payload || jsonb_build_object(
          'retry_count', greatest(j.attempts + (j.status <> 'PROCESSING')::integer - n.uncounted - 1, 0)
        )
      end,
      waits_for = case when v_waits and n.status = 'PENDING' then 'auth' end,
      error = null,
      lease_token = case when n.status = 'PROCESSING' then p_token end,
      lease_until = case when n.status = 'PROCESSING' then p_lease_until end,
      cancel_requested_at = case when n.status = 'PROCESSING' then j.cancel_requested_at end,
      processed_at = case when n.status = 'COMPLETED' then p_now end,
      updated_at = p_now,
      result = case
        when n.mirror_only then j.result
        when n.is_change then '{"applied": true}'
        when j.result @> '{"applied": true}' then j.result
        else clerk_sync.describe_unapplied(j.clerk_id)
      end || case when n.refresh_reason is not null then jsonb_build_object('refresh', n.refresh_reason) else '{}' end,
      history = case
        when n.status = j.status then j.history
        else j.history || clerk_sync.history_entry(
          n.status, j.attempts + (j.status <> 'PROCESSING')::integer - n.uncounted, null, null
        )
      end
  from (
    select c.job_id, v_owed as status, (v_owed = 'PENDING')::integer as uncounted, c.mirror_only, c.refresh_reason, true as is_change
    from unnest(p_changes) as c
    union all
    select i, 'COMPLETED', 0, false, null, false
    from unnest(v_others) as i
  ) as n
  where j.id = n.job_id;
  perform set_config('clerk_sync.recorded', '', true);
end
$$;

revoke execute on function clerk_sync.finish_jobs from public, anon, authenticated;
grant execute on function clerk_sync.finish_jobs to service_role;
