-- Silence: Clerk has changes that no delivery brought. An endpoint that Svix has disabled, or whose route is gone,
-- says nothing; only Clerk's API does (detect-silence.ts asks it). Here is what was found, and what it is compared with.
create table if not exists clerk_sync.silence (
  is_only_row    boolean     not null default true,
  installed_at   timestamptz not null default now(),
  attempted_at   timestamptz null,
  checked_at     timestamptz null,
  error          text        null,
  state          text        null,
  since          timestamptz null,
  missing        integer     not null default 0,
  users_at_clerk bigint      null,
  users_here     bigint      null,
  ended_since    timestamptz null,
  ended_at       timestamptz null,
  constraint silence_pkey primary key (is_only_row),
  constraint one_row check (is_only_row),
  constraint silence_is_known check (state in ('suspected', 'confirmed')),
  constraint silent_since check ((state is null) = (since is null))
);

comment on column clerk_sync.silence.checked_at is 'the last check that got its answers from Clerk';
comment on column clerk_sync.silence.error is 'why the last attempt got none; null when it did';
comment on column clerk_sync.silence.since is 'the last delivery that was taken, or else the oldest change that is missing';
comment on column clerk_sync.silence.ended_since is 'with ended_at: the last silence there was, whose missing messages can be replayed';

insert into clerk_sync.silence (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

alter table clerk_sync.silence enable row level security;
revoke all on clerk_sync.silence from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.silence to service_role;

drop policy if exists silence_service_role on clerk_sync.silence;
create policy silence_service_role
  on clerk_sync.silence
  for all
  to service_role
  using (true)
  with check (true);

-- What clerk_sync_health says of it.
create or replace function clerk_sync.silence_facts()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select to_jsonb(s) - 'is_only_row' from clerk_sync.silence as s;
$$;

revoke execute on function clerk_sync.silence_facts from public, anon, authenticated;
grant execute on function clerk_sync.silence_facts to service_role;

-- Begins a check unless one was begun within p_every_seconds, by whomever: null then, else {now, installed_at,
-- last_accepted_at}.
create or replace function public.clerk_sync_begin_silence_check(
  p_every_seconds integer,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_installed_at timestamptz;
begin
  update clerk_sync.silence as s
  set attempted_at = p_now
  where s.attempted_at is null
     or s.attempted_at <= p_now - make_interval(secs => p_every_seconds)
  returning s.installed_at into v_installed_at;
  if v_installed_at is null then
    return null;
  end if;
  return jsonb_build_object(
    'now', p_now,
    'installed_at', v_installed_at,
    'last_accepted_at', (select h.at from clerk_sync.heartbeats as h where h.name = 'webhook')
  );
end
$$;

revoke execute on function public.clerk_sync_begin_silence_check from public, anon, authenticated;
grant execute on function public.clerk_sync_begin_silence_check to service_role;

-- The fields in which a user at Clerk (p_payload, as map-user.ts makes it) is not as applied here. A name may be the
-- user's own edit: it differs when it is not the name that was applied last, as far as that job is still there.
create or replace function clerk_sync.fields_behind(p_payload jsonb, p_clerk_id text)
returns text[]
language sql
stable
security invoker
set search_path = ''
as $$
  select coalesce(array_agg(f.name order by f.name), '{}')
  from (select 1) as one
  left join public.users as u on u.clerk_id = p_clerk_id
  left join clerk_sync.user_state as s on s.clerk_id = p_clerk_id
  left join lateral (
    select j.payload ->> 'name' as name
    from public.job_queue as j
    where j.clerk_id = p_clerk_id
      and j.status = 'COMPLETED'
      and j.version = s.version
      and j.payload ? 'name'
    limit 1
  ) as a on true
  cross join lateral (
    values
      ('email', 'email', p_payload ->> 'email', case when s.refresh_reason is null then u.email else p_payload ->> 'email' end),
      ('name', 'name', p_payload ->> 'name', coalesce(a.name, p_payload ->> 'name')),
      ('role', 'user_role', clerk_sync.allowed_role(p_payload ->> 'user_role')::text, u.role::text),
      ('phone', 'phone', p_payload ->> 'phone', s.phone),
      ('external_id', 'external_id', p_payload ->> 'external_id', s.external_id),
      ('email_verified', 'email_verified', p_payload ->> 'email_verified', s.email_verified::text),
      ('banned', 'banned', p_payload ->> 'banned', s.banned::text),
      ('deprovisioned', 'deprovisioned', p_payload ->> 'deprovisioned', s.deprovisioned::text)
  ) as f(name, key, clerk, here)
  where p_payload ? f.key
    and f.clerk is distinct from f.here;
$$;

revoke execute on function clerk_sync.fields_behind from public, anon, authenticated;
grant execute on function clerk_sync.fields_behind to service_role;

-- Those of p_users ([{clerk_id, version, payload}] as read from Clerk's API) of whom Clerk has something newer that no
-- delivery brought: [{clerk_id, known, fields}]. A user with that version in the queue was delivered, whatever became
-- of it; one with a tombstone here is a reconcile's business.
create or replace function public.clerk_sync_users_behind(p_users jsonb)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', i.clerk_id,
      'known', k.known,
      'fields', case when k.known then to_jsonb(clerk_sync.fields_behind(i.payload, i.clerk_id)) else '[]' end
    )), '[]')
    from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
    cross join lateral (
      select exists (select 1 from public.users as u where u.clerk_id = i.clerk_id) as known
    ) as k
    where not exists (
        select 1
        from clerk_sync.user_state as s
        where s.clerk_id = i.clerk_id
          and (s.version >= i.version or s.deleted_at is not null)
      )
      and not exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.version >= i.version)
  );
end
$$;

revoke execute on function public.clerk_sync_users_behind from public, anon, authenticated;
grant execute on function public.clerk_sync_users_behind to service_role;

-- What holds after a check that found p_found of a silence that was p_before, when the last delivery came at p_heard_at;
-- null: none. Only a delivery ends one: that nothing is missing any more may be a reconcile's work, while the endpoint is
-- as dead as before.
create or replace function clerk_sync.silence_after(p_before clerk_sync.silence, p_found jsonb, p_heard_at timestamptz)
returns text
language sql
stable
security invoker
set search_path = ''
as $$
  select case
    when date_trunc('milliseconds', p_heard_at) -- since is a caller's, who has no more of it
      > coalesce(p_before.since, (p_found ->> 'since')::timestamptz) then null
    when 'confirmed' in (p_before.state, p_found ->> 'state') then 'confirmed'
    else coalesce(p_found ->> 'state', p_before.state)
  end;
$$;

revoke execute on function clerk_sync.silence_after from public, anon, authenticated;
grant execute on function clerk_sync.silence_after to service_role;

-- Takes down what a check found: {error} when Clerk did not answer, which changes nothing else; or
-- {state: null | suspected | confirmed, since, missing, users_at_clerk}. Answers {state, since, changed}.
create or replace function public.clerk_sync_end_silence_check(
  p_found jsonb,
  p_now   timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_before clerk_sync.silence;
  v_state  text;
  v_here   bigint;
begin
  select * into v_before from clerk_sync.silence as s for update;
  if p_found ? 'error' then
    update clerk_sync.silence as s set error = p_found ->> 'error';
    return jsonb_build_object('state', v_before.state, 'since', v_before.since, 'changed', false);
  end if;
  v_state := clerk_sync.silence_after(
    v_before, p_found, (select h.at from clerk_sync.heartbeats as h where h.name = 'webhook')
  );
  v_here := (
    select count(*)
    from (select 1 from public.users as u where u.clerk_id is not null and u.deleted_at is null limit 100001) as n
  );
  update clerk_sync.silence as s
  set checked_at = p_now,
      error = null,
      state = v_state,
      since = case when v_state is not null then coalesce(s.since, (p_found ->> 'since')::timestamptz) end,
      missing = (p_found ->> 'missing')::integer,
      users_at_clerk = (p_found ->> 'users_at_clerk')::bigint,
      users_here = case when v_here <= 100000 then v_here end;
  return (select jsonb_build_object('state', s.state, 'since', s.since, 'changed', s.state is distinct from v_before.state)
    from clerk_sync.silence as s);
end
$$;

revoke execute on function public.clerk_sync_end_silence_check from public, anon, authenticated;
grant execute on function public.clerk_sync_end_silence_check to service_role;

-- A delivery was taken: a silence that began before is over. Called by clerk_sync_record_deliveries.
create or replace function clerk_sync.end_silence(p_accepted_at timestamptz)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
  update clerk_sync.silence as s
  set state = null,
      since = null,
      missing = 0,
      ended_since = s.since,
      ended_at = p_accepted_at
  where s.since < p_accepted_at;
$$;

revoke execute on function clerk_sync.end_silence from public, anon, authenticated;
grant execute on function clerk_sync.end_silence to service_role;
