-- What the single parts of the sync are known by: heartbeats, schedule, runs, circuits, the delete brake. Silence and
-- audit have their own files.

-- When a part of the system was last seen: worker (a Node server), processor (the Edge Function), webhook (the last
-- delivery it took).
create table if not exists clerk_sync.heartbeats (
  name     text        not null,
  at       timestamptz not null,
  can_read boolean     null,
  constraint heartbeats_pkey primary key (name)
);

alter table clerk_sync.heartbeats
  add column if not exists can_read boolean null;

comment on column clerk_sync.heartbeats.can_read is 'whether it has CLERK_SECRET_KEY, as far as it said so';

alter table clerk_sync.heartbeats enable row level security;
revoke all on clerk_sync.heartbeats from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.heartbeats to service_role;

drop policy if exists heartbeats_service_role on clerk_sync.heartbeats;
create policy heartbeats_service_role
  on clerk_sync.heartbeats
  for all
  to service_role
  using (true)
  with check (true);

drop function if exists public.clerk_sync_beat(text, timestamptz); -- before it told of the key

-- Takes down that a part is alive, and whether it has CLERK_SECRET_KEY; writes nothing while its last word is younger
-- than ten seconds and was the same.
create or replace function public.clerk_sync_beat(
  p_name     text,
  p_now      timestamptz default clock_timestamp(),
  p_can_read boolean default null
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into clerk_sync.heartbeats as h (name, at, can_read)
  values (p_name, p_now, p_can_read)
  on conflict (name) do update
    set at = greatest(h.at, excluded.at),
        can_read = coalesce(excluded.can_read, h.can_read)
    where h.at < excluded.at - interval '10 seconds'
       or h.can_read is distinct from coalesce(excluded.can_read, h.can_read);
end
$$;

revoke execute on function public.clerk_sync_beat from public, anon, authenticated;
grant execute on function public.clerk_sync_beat to service_role;

-- False once the processor has said that it has no CLERK_SECRET_KEY.
create or replace function clerk_sync.processor_has_key()
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce((select h.can_read from clerk_sync.heartbeats as h where h.name = 'processor'), true);
$$;

revoke execute on function clerk_sync.processor_has_key from public, anon, authenticated;
grant execute on function clerk_sync.processor_has_key to service_role;

-- Somebody who works through the queue has the key. The functions of a project share their secrets, and in a quiet
-- project only the webhook's is called: so the processor has it, too.
create or replace function clerk_sync.learn_key()
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
  update clerk_sync.heartbeats as h
  set can_read = true
  where h.name = 'processor'
    and not h.can_read;
$$;

revoke execute on function clerk_sync.learn_key from public, anon, authenticated;
grant execute on function clerk_sync.learn_key to service_role;

-- The state of the schedule; null where there is no pg_cron, or where the caller may not look at it.
create or replace function clerk_sync.schedule_facts()
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return null;
  end if;
  return public.clerk_sync_schedule_state();
exception
  when insufficient_privilege then
    return null;
end
$$;

revoke execute on function clerk_sync.schedule_facts from public, anon, authenticated;
grant execute on function clerk_sync.schedule_facts to service_role;

-- What clerk_sync_health looks at: {compare, failed}. compare is the newest that completed, with the users it found out
-- of step, whether it repaired them or not; failed the newest run that failed, unless a later one has made up for it.
create or replace function clerk_sync.run_facts()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  with newest as (
    select r.*
    from (values ('compare'), ('sweep'), ('backfill')) as k(kind)
    cross join lateral (
      select s.kind, s.status, s.error, s.started_at, s.finished_at
      from clerk_sync.sync_runs as s
      where s.kind = k.kind
        and s.applies
        and s.status in ('COMPLETED', 'FAILED')
      order by s.started_at desc
      limit 1
    ) as r
  )
  select jsonb_build_object(
    'compare', (
      select jsonb_build_object(
        'finished_at', s.finished_at,
        'repairs', s.applies,
        'read', coalesce((s.counts ->> 'read')::bigint, 0),
        'drift', (
          select coalesce(sum(c.value::bigint), 0)
          from jsonb_each_text(s.counts) as c
          where c.key in (
            'missing', 'stale', 'ahead', 'differs', 'extra', 'unmirrored', 'auth_missing', 'auth_differs', 'auth_extra', 'auth_deleted'
          )
        )
      )
      from clerk_sync.sync_runs as s
      where s.kind = 'compare'
        and s.status = 'COMPLETED'
      order by s.started_at desc
      limit 1
    ),
    'failed', (
      select jsonb_build_object('kind', n.kind, 'finished_at', n.finished_at, 'code', split_part(n.error, ':', 1))
      from newest as n
      where n.status = 'FAILED'
        and not exists (
          select 1
          from newest as c
          where c.kind = 'compare'
            and c.status = 'COMPLETED'
            and c.started_at > n.started_at
        )
      order by n.started_at desc
      limit 1
    )
  );
$$;

revoke execute on function clerk_sync.run_facts from public, anon, authenticated;
grant execute on function clerk_sync.run_facts to service_role;

-- Facts of parts that have tables of their own.
create or replace function clerk_sync.part_facts()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select jsonb_build_object(
    'delete_brake', (
      select jsonb_build_object('engaged_at', b.engaged_at, 'reason', b.reason)
      from clerk_sync.delete_brake as b
    ),
    'circuits', (
      select jsonb_object_agg(c.name, jsonb_build_object('state', c.state, 'since', c.since, 'code', c.last_error))
      from clerk_sync.circuits as c
    ),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, h.at), '{}') from clerk_sync.heartbeats as h)
  );
$$;

revoke execute on function clerk_sync.part_facts from public, anon, authenticated;
grant execute on function clerk_sync.part_facts to service_role;
