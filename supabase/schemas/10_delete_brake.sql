-- The delete brake: when too many users, organizations or memberships are deleted within a window, deletions wait for an
-- operator. Each kind is counted, and held, apart.

-- Clerk has no bulk delete, so a burst of deletions is an accident: a script gone wrong, another instance's key. A burst
-- engages the brake: from then on deletions of the kind wait in the queue, with the reason, until an operator calls
-- clerk_sync_release_delete_brake. No other job waits. Memberships that end with their organization or user are not
-- counted: that was one deletion.
create table if not exists clerk_sync.delete_brake (
  kind        text        not null,
  engaged_at  timestamptz null,
  reason      text        null,
  released_at timestamptz null,
  constraint delete_brake_pkey primary key (kind),
  constraint kind_is_known check (kind in ('user', 'organization', 'membership')),
  constraint engaged_with_reason check ((engaged_at is null) = (reason is null))
);

insert into clerk_sync.delete_brake (kind)
values ('user'), ('organization'), ('membership')
on conflict (kind) do nothing;

-- How many rows of this kind there are, counted as far as p_most.
create or replace function clerk_sync.count_rows(p_kind text, p_most integer)
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from (
    (select 1 from clerk_sync.user_rows as u where p_kind = 'user' and u.deleted_at is null limit p_most)
    union all
    (select 1 from clerk_sync.organization_rows as o where p_kind = 'organization' and o.deleted_at is null limit p_most)
    union all
    (select 1 from clerk_sync.membership_state as m where p_kind = 'membership' and m.has_row limit p_most)
  ) as counted;
$$;

-- Whether a record of this kind has a row that a deletion would take; null when it has none.
create or replace function clerk_sync.has_row(p_kind text, p_id text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return case p_kind
    when 'user' then (select u.deleted_at is null from clerk_sync.user_rows as u where u.clerk_id = p_id)
    when 'organization' then (select o.deleted_at is null from clerk_sync.organization_rows as o where o.id = p_id)
    when 'membership' then (select m.has_row from clerk_sync.membership_state as m where m.id = p_id)
  end;
end
$$;

-- The reason why these deletions have to wait. Null when they may be applied; they are counted then. A user that came by
-- a webhook within the window is not counted: test users and waves of bots are deleted soon after they came. A canary is
-- never counted. Up to ten deletions the share of all users does not count: in a small project every deletion is a large
-- share. The lock makes workers count one by one. p_brake: {count, percent, minutes}
create or replace function clerk_sync.brake_reason(p_kind text, p_deletes uuid[], p_brake jsonb, p_now timestamptz)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_most     integer     := (p_brake ->> 'count')::integer;
  v_percent  numeric     := (p_brake ->> 'percent')::numeric;
  v_minutes  integer     := (p_brake ->> 'minutes')::integer;
  v_since    timestamptz := p_now - make_interval(mins => v_minutes);
  v_reason   text        := (select b.reason from clerk_sync.delete_brake as b where b.kind = p_kind for update);
  v_counting text[];
  v_counted  integer; -- deletions within the window, as far as it matters
  v_total    integer;
  v_rows     integer;
begin
  if v_reason is not null then
    return v_reason;
  end if;
  v_counting := array(
    select distinct j.clerk_id
    from public.job_queue as j
    where j.id = any (p_deletes)
      and j.clerk_id is not null
      and coalesce((select r.first_seen_at from clerk_sync.records as r where r.id = j.clerk_id) <= v_since, true)
      and not clerk_sync.is_canary(j.clerk_id)
  );
  v_counted := (
    select count(*)
    from (
      select 1 from clerk_sync.records as r where r.delete_counted_at > v_since and r.kind = p_kind limit v_most + 1
    ) as counted
  );
  v_total := v_counted + cardinality(v_counting);
  if v_total > v_most then
    v_reason := format('more than %s deletions of %ss within %s minutes', v_most, p_kind, v_minutes);
  elsif v_total > 10 then
    v_rows := v_counted + clerk_sync.count_rows(p_kind, ceil(v_total * 100 / v_percent)::integer + 1);
    if v_total > v_rows * v_percent / 100 then
      v_reason := format('%s deletions within %s minutes, more than %s %% of %s %ss', v_total, v_minutes, v_percent, v_rows, p_kind);
    end if;
  end if;

  if v_reason is not null and cardinality(v_counting) > 0 then
    update clerk_sync.delete_brake as b
    set engaged_at = p_now,
        reason = v_reason
    where b.kind = p_kind;
    return v_reason;
  end if;
  insert into clerk_sync.records as r (id, kind, delete_counted_at)
  select i, p_kind, p_now
  from unnest(v_counting) as i
  on conflict (id) do update
    set delete_counted_at = excluded.delete_counted_at;
  return null;
end
$$;

-- Holds the deletions among these jobs that the brake does not let pass, and returns the other jobs. The brake asks about
-- a deletion that no operator has confirmed, of a user that has a row, or of an Auth user alone. p_brake null: no brake.
create or replace function clerk_sync.pass_brake(p_ids uuid[], p_brake jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_ids    uuid[] := p_ids;
  v_brake  record;
  v_reason text;
begin
  if p_brake is null then
    return p_ids;
  end if;
  for v_brake in
    select j.kind, array_agg(j.id) as deletes
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.kind in ('user', 'organization', 'membership')
      and j.job_type like '%DELETED'
      and not j.is_confirmed
      and (
        j.for_auth_only
        -- subqueries: they stay index lookups, whatever the statistics say
        or (
          coalesce((select r.deleted_at is null from clerk_sync.records as r where r.id = j.clerk_id), true)
          and clerk_sync.has_row(j.kind, j.clerk_id)
        )
      )
    group by j.kind
    order by j.kind
  loop
    v_reason := clerk_sync.brake_reason(v_brake.kind, v_brake.deletes, p_brake, p_now);
    continue when v_reason is null;
    perform clerk_sync.move_jobs(
      v_brake.deletes, 'PENDING', p_now,
      p_error => 'delete_brake: ' || v_reason,
      p_run_at => p_now + interval '1 hour',
      p_is_held => true
    );
    v_ids := array(select i from unnest(v_ids) as i where i <> all (v_brake.deletes));
  end loop;
  return v_ids;
end
$$;

-- Deletions that wait for the brake: few, and found among however many jobs wait.
create index if not exists job_queue_held_idx
  on public.job_queue (id)
  where is_held;

-- {engaged_at, reason, released_at, waiting}: whether deletions wait, why, and how many, counted as far as 10,000.
create or replace function public.clerk_sync_delete_brake()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'engaged_at', min(b.engaged_at),
    'reason', string_agg(b.reason, '; ' order by b.engaged_at),
    'released_at', max(b.released_at),
    'waiting', (
      select count(*)
      from (
        select 1
        from public.job_queue as j
        where j.is_held
        limit 10000
      ) as w
    )
  )
  from clerk_sync.delete_brake as b;
$$;
