-- What a person sees of the delete brake, and decides.

-- {engaged_at, reason, released_at, waiting}: whether deletions wait, why, and how many.
create or replace function public.clerk_sync_delete_brake()
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'engaged_at', b.engaged_at,
      'reason', b.reason,
      'released_at', b.released_at,
      'waiting', (
        select count(*)
        from public.job_queue as j
        where j.status = 'PENDING'
          and j.job_type = 'USER_DELETED'
          and j.error like 'delete_brake:%'
      )
    )
    from clerk_sync.delete_brake as b
  );
end
$$;

revoke execute on function public.clerk_sync_delete_brake from public, anon, authenticated;
grant execute on function public.clerk_sync_delete_brake to service_role;

-- What an operator decides about the deletions that wait: 'apply' lets these pass, and only these; 'cancel'
-- takes them out of the queue. The brake is off again when none waits. Answers {changed, left}; call it
-- until nothing is left, each call takes at most p_limit.
create or replace function public.clerk_sync_release_delete_brake(
  p_decision text,
  p_limit    integer default 1000,
  p_now      timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed integer;
  v_left    integer;
begin
  if p_decision is null or p_decision not in ('apply', 'cancel') then
    raise exception 'p_decision is %, it must be apply or cancel', p_decision using errcode = 'SY002';
  end if;
  perform 1 from clerk_sync.delete_brake as b for update;
  update public.job_queue as j
  set status = case when p_decision = 'apply' then 'PENDING' else 'CANCELLED' end,
      result = case
        when p_decision = 'apply' then coalesce(j.result, '{}') || jsonb_build_object('delete_confirmed', p_now)
        else j.result
      end,
      error = case when p_decision = 'apply' then null else j.error end,
      run_at = p_now,
      updated_at = p_now
  where j.id = any (array(
    select w.id
    from public.job_queue as w
    where w.status = 'PENDING'
      and w.job_type = 'USER_DELETED'
      and w.error like 'delete_brake:%'
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_changed = row_count;
  v_left := (public.clerk_sync_delete_brake() ->> 'waiting')::integer;
  update clerk_sync.delete_brake as b
  set engaged_at = null,
      reason = null,
      released_at = p_now
  where v_left = 0;
  return jsonb_build_object('changed', v_changed, 'left', v_left);
end
$$;

revoke execute on function public.clerk_sync_release_delete_brake from public, anon, authenticated;
grant execute on function public.clerk_sync_release_delete_brake to service_role;
