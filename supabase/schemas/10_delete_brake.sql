-- The delete brake: when too many users are deleted within a window, deletions wait for an operator.

-- Clerk has no bulk delete, so a burst of deletions is an accident: a script gone wrong,
-- another instance's key. More than so many of them within a window engage the brake: from then on
-- deletions wait in the queue, the reason stands on each of them and below, until an operator decides by
-- clerk_sync_release_delete_brake. Everything else goes on.
create table if not exists clerk_sync.delete_brake (
  is_only_row boolean     not null default true,
  engaged_at  timestamptz null,
  reason      text        null,
  released_at timestamptz null,
  constraint delete_brake_pkey primary key (is_only_row),
  constraint one_row check (is_only_row),
  constraint engaged_with_reason check ((engaged_at is null) = (reason is null))
);

insert into clerk_sync.delete_brake (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

alter table clerk_sync.delete_brake enable row level security;

drop policy if exists delete_brake_service_role on clerk_sync.delete_brake;
create policy delete_brake_service_role
  on clerk_sync.delete_brake
  for all
  to service_role
  using (true)
  with check (true);

-- How many deletions were counted in the window, and how many users there are: both only as far as p_most,
-- because more makes no difference and counting costs.
create or replace function clerk_sync.count_deletions(p_since timestamptz, p_most integer)
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from (
    select 1
    from clerk_sync.user_state as s
    where s.delete_counted_at > p_since
    limit p_most
  ) as counted;
$$;

create or replace function clerk_sync.count_users(p_most integer)
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from (
    select 1
    from public.users as u
    where u.deleted_at is null
    limit p_most
  ) as counted;
$$;

-- Why so many deletions within the window are too many; null when they are not. The share of all users
-- counts only for more than ten deletions: in a small project every deletion is a large share.
-- p_brake: {count, percent, minutes}
create or replace function clerk_sync.too_many_deletions(p_more integer, p_brake jsonb, p_now timestamptz)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_count   integer := (p_brake ->> 'count')::integer;
  v_percent numeric := (p_brake ->> 'percent')::numeric;
  v_minutes integer := (p_brake ->> 'minutes')::integer;
  v_total   integer := p_more
    + clerk_sync.count_deletions(p_now - make_interval(mins => v_minutes), v_count + 1);
  v_users   integer;
begin
  if v_total > v_count then
    return format('more than %s deletions within %s minutes', v_count, v_minutes);
  end if;
  if v_total <= 10 then
    return null;
  end if;
  v_users := v_total - p_more + clerk_sync.count_users(ceil(v_total * 100 / v_percent)::integer + 1);
  if v_total > v_users * v_percent / 100 then
    return format('%s deletions within %s minutes, more than %s %% of %s users', v_total, v_minutes, v_percent, v_users);
  end if;
  return null;
end
$$;

-- The reason why these deletions have to wait, null when they may be applied; they are counted then. Users
-- who came by a webhook within the window are not counted: what is lost with them is that old at most, and
-- test users and waves of bots are deleted soon after they came; nor is a canary, however old. The lock makes
-- workers count one by one.
create or replace function clerk_sync.check_delete_brake(p_deletes uuid[], p_brake jsonb, p_now timestamptz)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_reason   text;
  v_counting text[];
begin
  select b.reason
  into v_reason
  from clerk_sync.delete_brake as b
  for update;
  if v_reason is not null then
    return v_reason;
  end if;
  v_counting := array(
    select distinct j.clerk_id
    from public.job_queue as j
    where j.id = any (p_deletes)
      and j.clerk_id is not null
      and coalesce(
        (select s.first_seen_at from clerk_sync.user_state as s where s.clerk_id = j.clerk_id)
          <= p_now - make_interval(mins => (p_brake ->> 'minutes')::integer),
        true
      )
      and not clerk_sync.is_canary(j.clerk_id)
  );
  v_reason := clerk_sync.too_many_deletions(cardinality(v_counting), p_brake, p_now);
  if v_reason is null or cardinality(v_counting) = 0 then
    insert into clerk_sync.user_state (clerk_id, delete_counted_at)
    select i, p_now
    from unnest(v_counting) as i
    on conflict (clerk_id) do update
      set delete_counted_at = excluded.delete_counted_at;
    return null;
  end if;
  update clerk_sync.delete_brake as b
  set engaged_at = p_now,
      reason = v_reason;
  return v_reason;
end
$$;

-- Puts off the deletions of a batch that the brake does not let pass, and returns the other jobs. A deletion
-- an operator has confirmed passes, and so does one that finds nobody to delete here, unless it was made for the sake of
-- Supabase Auth alone (auth_only). p_brake null: no brake.
create or replace function clerk_sync.hold_deletes(p_ids uuid[], p_brake jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_reason  text;
  v_deletes uuid[] := array(
    select j.id
    from public.job_queue as j
    where p_brake is not null
      and j.id = any (p_ids)
      and j.job_type = 'USER_DELETED'
      and not coalesce(j.result ? 'delete_confirmed', false)
      and (
        j.payload ? 'auth_only'
        -- Subqueries and not joins: they stay index lookups, whatever the statistics say.
        or (
          coalesce((select s.deleted_at is null from clerk_sync.user_state as s where s.clerk_id = j.clerk_id), true)
          and (select u.deleted_at is null from public.users as u where u.clerk_id = j.clerk_id)
        )
      )
  );
begin
  if cardinality(v_deletes) = 0 then
    return p_ids;
  end if;
  v_reason := clerk_sync.check_delete_brake(v_deletes, p_brake, p_now);
  if v_reason is null then
    return p_ids;
  end if;
  update public.job_queue as j
  set status = 'PENDING',
      attempts = case when j.status = 'PROCESSING' then j.attempts - 1 else j.attempts end,
      error = 'delete_brake: ' || v_reason,
      run_at = p_now + interval '1 hour',
      updated_at = p_now
  where j.id = any (v_deletes);
  return array(select i from unnest(p_ids) as i where i <> all (v_deletes));
end
$$;

-- Deletions that wait for the brake: few, and found among however many jobs wait.
create index if not exists job_queue_held_idx
  on public.job_queue (id)
  where status = 'PENDING' and job_type = 'USER_DELETED' and error like 'delete_brake:%';

-- {engaged_at, reason, released_at, waiting}: whether deletions wait, why, and how many, counted as far as 10,000.
create or replace function public.clerk_sync_delete_brake()
returns jsonb
language plpgsql
stable
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
        from (
          select 1
          from public.job_queue as j
          where j.status = 'PENDING'
            and j.job_type = 'USER_DELETED'
            and j.error like 'delete_brake:%'
          limit 10000
        ) as w
      )
    )
    from clerk_sync.delete_brake as b
  );
end
$$;

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
