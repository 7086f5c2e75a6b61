-- Canaries: users that `clerk-sync verify` sends through an installation and takes out again. They are known by
-- their id, and what began is written down, so that the next run finds what one that died has left.

-- True for the id of a canary. Nothing here touches any other user.
create or replace function clerk_sync.is_canary(p_clerk_id text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select starts_with(p_clerk_id, 'user_clerksync_canary_');
$$;

create table if not exists clerk_sync.canary (
  clerk_id   text        not null,
  started_at timestamptz not null,
  constraint canary_pkey primary key (clerk_id),
  constraint id_is_a_canarys check (starts_with(clerk_id, 'user_clerksync_canary_'))
);

-- Raises SY002 for the id of any other user.
create or replace function clerk_sync.check_canary(p_clerk_id text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if not coalesce(clerk_sync.is_canary(p_clerk_id), false) then
    raise exception 'this is not the id of a canary'
      using errcode = 'SY002', hint = 'Canaries are called user_clerksync_canary_…; nobody else is touched.';
  end if;
end
$$;

-- Records that a canary is about to be sent; answers {leftovers: [clerk_id]}, those that began more than an hour
-- ago and are still here, the oldest 20.
create or replace function public.clerk_sync_start_canary(
  p_clerk_id text,
  p_now      timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.check_canary(p_clerk_id);
  insert into clerk_sync.canary (clerk_id, started_at)
  values (p_clerk_id, p_now)
  on conflict (clerk_id) do nothing;
  return jsonb_build_object('leftovers', to_jsonb(array(
    select c.clerk_id
    from clerk_sync.canary as c
    where c.started_at < p_now - interval '1 hour'
    order by c.started_at
    limit 20
  )));
end
$$;

-- True when nothing can be left of a canary in Supabase Auth: no worker ever leased one of its jobs, or its deletion is
-- complete and nothing else is open.
create or replace function clerk_sync.can_remove_canary(p_clerk_id text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select (
    coalesce(max(j.attempts), 0) = 0
    and not exists (select 1 from clerk_sync.records as r where r.id = p_clerk_id)
    and not exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = p_clerk_id)
  ) or (
    count(*) filter (where j.job_type = 'USER_DELETED' and j.status = 'COMPLETED') > 0
    and count(*) filter (where j.status in ('PENDING', 'PROCESSING', 'FAILED')) = 0
  )
  from public.job_queue as j
  where j.clerk_id = p_clerk_id;
$$;

-- Removes all there is of a canary: row, state, jobs. While its mirror could still be in Supabase Auth it removes nothing:
-- the jobs that delete the mirror must stay. Answers {removed, rows, states, jobs, waiting}, the last being what
-- clerk_sync.describe_jobs says of the jobs that are not completed. Raises SY002 for the id of any other user.
create or replace function public.clerk_sync_remove_canary(p_clerk_id text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_ids    uuid[];
  v_locked uuid[] := array[]::uuid[];
  v_rows   integer;
  v_states integer;
begin
  perform clerk_sync.check_canary(p_clerk_id);
  v_ids := array(select j.id from public.job_queue as j where j.clerk_id = p_clerk_id);
  -- No job is locked before the canary may go, or a worker would pass over the one that takes it away. The jobs come first
  -- and the user last, and no lock is waited for, as in the claim. A worker may have held a job until now: look again.
  if clerk_sync.can_remove_canary(p_clerk_id) then
    v_locked := array(select j.id from public.job_queue as j where j.clerk_id = p_clerk_id for update skip locked);
  end if;
  if not (v_ids <@ v_locked and clerk_sync.can_remove_canary(p_clerk_id)) then
    return jsonb_build_object('removed', false, 'rows', 0, 'states', 0, 'jobs', 0, 'waiting', clerk_sync.describe_jobs(
      array(select j.id from public.job_queue as j where j.id = any (v_ids) and j.status <> 'COMPLETED')
    ));
  end if;
  v_rows := clerk_sync.remove_users(array[p_clerk_id]);
  delete from clerk_sync.user_state as s where s.clerk_id = p_clerk_id;
  delete from clerk_sync.records as r where r.id = p_clerk_id;
  get diagnostics v_states = row_count;
  perform set_config('clerk_sync.actor', 'sync', true);
  delete from public.job_queue as j where j.id = any (v_locked);
  perform set_config('clerk_sync.actor', '', true);
  delete from clerk_sync.canary as c where c.clerk_id = p_clerk_id;
  return jsonb_build_object(
    'removed', true, 'rows', v_rows, 'states', v_states, 'jobs', cardinality(v_locked), 'waiting', '[]'::jsonb
  );
end
$$;
