-- Events of kinds that are not stored: how many came, by kind and day.

-- kind is the first word of the event's type: organizationMembership of organizationMembership.created. Days are UTC.
create table if not exists clerk_sync.skipped_events (
  kind    text        not null,
  day     date        not null,
  count   bigint      not null,
  last_at timestamptz not null,
  constraint skipped_events_pkey primary key (kind, day)
);

-- Adds what the webhook passed over, of p_counts: [{name: skipped, value: kind, count}]. A day has 50 kinds at most; the rest
-- is counted as "(other)".
create or replace function clerk_sync.count_skipped(p_counts jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
begin
  insert into clerk_sync.skipped_events as s (kind, day, count, last_at)
  select n.kind, v_day, sum(n.count), p_now
  from (
    select
      case
        when d.kind is not null then d.kind
        when row_number() over (partition by d.kind is null order by c.value) + d.kinds <= 50 then left(c.value, 100)
        else '(other)'
      end as kind,
      c.count
    from jsonb_to_recordset(p_counts) as c(name text, value text, count bigint)
    cross join lateral (
      select
        max(k.kind) filter (where k.kind = left(c.value, 100)) as kind,
        count(*) as kinds
      from clerk_sync.skipped_events as k
      where k.day = v_day
    ) as d
    where c.name = 'skipped'
  ) as n
  group by n.kind
  order by n.kind -- two writers take the rows in one order
  on conflict (kind, day) do update
    set count = s.count + excluded.count,
        last_at = greatest(s.last_at, excluded.last_at);
end
$$;

-- The kinds of which events came within seven days and are not stored, the most frequent first: [{kind, events, last_at,
-- setting}], where setting is the section of the configuration that would store them; null when none does.
create or replace function public.clerk_sync_skipped_kinds(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  with settings (kind, setting, mapped) as (
    values
      ('organization', 'organizations', 'organization'),
      ('organizationMembership', 'memberships', 'membership'),
      ('role', 'roles', 'role'),
      ('permission', 'roles', 'role'),
      ('organizationInvitation', 'invitations', 'invitation')
  )
  select coalesce(jsonb_agg(to_jsonb(k) order by k.events desc, k.kind), '[]')
  from (
    select s.kind, sum(s.count) as events, max(s.last_at) as last_at, t.setting
    from clerk_sync.skipped_events as s
    left join settings as t on t.kind = s.kind
    where s.day > (p_now at time zone 'UTC')::date - 7
      and not exists (select 1 from clerk_sync.mappings as m where m.kind = t.mapped)
    group by s.kind, t.setting
  ) as k;
$$;
