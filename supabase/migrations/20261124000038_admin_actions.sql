-- What an operator does through the admin API, and its entry in the audit: in one transaction, so that neither is
-- without the other.

-- Takes down that p_actor did p_code to p_subject (a job, a user, a run, an operation …). p_detail holds ids and
-- conditions, never a payload, email or name.
create or replace function public.clerk_sync_note_action(
  p_actor   text,
  p_code    text,
  p_subject text,
  p_count   integer default 1,
  p_detail  jsonb default '{}',
  p_now     timestamptz default clock_timestamp()
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform clerk_sync.add_audit('operator_action', p_actor, p_subject, p_code, p_count, p_detail, p_now);
end
$$;

revoke execute on function public.clerk_sync_note_action from public, anon, authenticated;
grant execute on function public.clerk_sync_note_action to service_role;

drop function if exists clerk_sync.change_jobs(text, jsonb, timestamptz); -- before it was told of the operator

-- Changes the jobs named or matched: {ids} or {filter, before, limit}, the filter as clerk_sync.find_jobs. before leaves
-- out what was changed since: a job that fails again after its retry does not match. The history of each bears the name
-- of p_actor. Answers how many changed.
create or replace function clerk_sync.change_jobs(p_action text, p_target jsonb, p_actor text, p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_statuses text[] := clerk_sync.changeable_statuses(p_action, coalesce(p_target -> 'filter', '{}'));
  v_ids      uuid[];
  v_changed  integer;
begin
  v_ids := case
    when p_target ? 'ids' then array(select i::uuid from jsonb_array_elements_text(p_target -> 'ids') as i)
    else clerk_sync.matching_jobs(
      (p_target -> 'filter') || jsonb_build_object('updated_before', p_target ->> 'before'),
      v_statuses, coalesce((p_target ->> 'limit')::integer, 500)
    )
  end;
  perform set_config('clerk_sync.operator', p_actor, true);
  v_changed := case p_action
    when 'retry' then public.clerk_sync_retry_jobs(v_ids, p_now)
    else public.clerk_sync_cancel_jobs(v_ids, p_now)
  end;
  perform set_config('clerk_sync.operator', '', true);
  return v_changed;
end
$$;

revoke execute on function clerk_sync.change_jobs from public, anon, authenticated;
grant execute on function clerk_sync.change_jobs to service_role;

-- {changed}: retries or cancels (p_action) what p_target says, a JobAction of admin-jobs-contract.ts, for p_actor. Call it
-- with the same operation and before until changed is 0. The entry's subject is the job when there is one, else the
-- operation (several ids make one of their own); its detail holds the ids, or the filter without q, which may be an
-- email. Nothing changed, nothing noted.
create or replace function public.clerk_sync_admin_change_jobs(
  p_action text,
  p_target jsonb,
  p_actor  text,
  p_now    timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed integer := clerk_sync.change_jobs(p_action, p_target, p_actor, p_now);
begin
  if v_changed > 0 then
    perform public.clerk_sync_note_action(
      p_actor, p_action || '_jobs',
      case
        when jsonb_array_length(p_target -> 'ids') = 1 then p_target #>> '{ids,0}'
        else coalesce(p_target ->> 'operation', gen_random_uuid()::text)
      end,
      v_changed,
      case
        when p_target ? 'ids' then jsonb_build_object('jobs', p_target -> 'ids')
        else jsonb_build_object('filter', (p_target -> 'filter') - 'q', 'before', p_target -> 'before')
      end,
      p_now
    );
  end if;
  return jsonb_build_object('changed', v_changed);
end
$$;

revoke execute on function public.clerk_sync_admin_change_jobs from public, anon, authenticated;
grant execute on function public.clerk_sync_admin_change_jobs to service_role;
