-- Events that do not carry all that they should (law 11, absent is not null).

-- A change with these fields as a source has them; with an email comes whether it is verified, with a role whether one was
-- ignored.
create or replace function clerk_sync.take_fields(
  p_change clerk_sync.user_change,
  p_source clerk_sync.change_source,
  p_fields text[]
)
returns clerk_sync.user_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := p_change;
  v_said   record;
begin
  select *
  into v_said
  from jsonb_to_record(p_source.payload) as p(
    email text, email_verified boolean, phone text, name text, user_role text, external_id text,
    banned boolean, locked boolean, deprovisioned boolean, created_at timestamptz, ignored_role text
  );
  if 'email' = any (p_fields) then
    v_change.email := v_said.email;
    v_change.email_verified := coalesce(v_said.email_verified, false);
    v_change.withheld_email := null;
  end if;
  if 'user_role' = any (p_fields) then
    v_change.user_role := v_said.user_role;
    v_change.ignored_role := clerk_sync.ignored_role(v_said.user_role, v_said.ignored_role);
  end if;
  v_change.phone         := case when 'phone' = any (p_fields) then v_said.phone else p_change.phone end;
  v_change.name          := case when 'name' = any (p_fields) then v_said.name else p_change.name end;
  v_change.external_id   := case when 'external_id' = any (p_fields) then v_said.external_id else p_change.external_id end;
  v_change.created_at    := case when 'created_at' = any (p_fields) then v_said.created_at else p_change.created_at end;
  v_change.banned        := case when 'banned' = any (p_fields) then coalesce(v_said.banned, false) else p_change.banned end;
  v_change.locked        := case when 'locked' = any (p_fields) then coalesce(v_said.locked, false) else p_change.locked end;
  v_change.deprovisioned := case
    when 'deprovisioned' = any (p_fields) then coalesce(v_said.deprovisioned, false)
    else p_change.deprovisioned
  end;
  return v_change;
end
$$;

revoke execute on function clerk_sync.take_fields from public, anon, authenticated;
grant execute on function clerk_sync.take_fields to service_role;

-- A change with the values that are here of its user, and how far they are known; everything is absent of a user of whom
-- nothing was applied, who is deleted, or whose state this change replaces although its version is lower (absent_version 0). The row is locked: its user may be editing the name.
create or replace function clerk_sync.take_stored(p_change clerk_sync.user_change)
returns clerk_sync.user_change
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := p_change;
  v_state  clerk_sync.user_state;
begin
  select s.*
  into v_state
  from clerk_sync.user_state as s
  where s.clerk_id = p_change.clerk_id;
  select u.email, u.name, u.role::text
  into v_change.email, v_change.name, v_change.user_role
  from public.users as u
  where u.clerk_id = p_change.clerk_id
  for update;
  v_change.created_at     := null;
  v_change.email_verified := coalesce(v_state.email_verified, false);
  v_change.withheld_email := v_state.withheld_email;
  v_change.phone          := v_state.phone;
  v_change.external_id    := v_state.external_id;
  v_change.banned         := coalesce(v_state.banned, false);
  v_change.locked         := coalesce(v_state.locked, false);
  v_change.deprovisioned  := coalesce(v_state.deprovisioned, false);
  v_change.ignored_role   := v_state.ignored_role;
  v_change.refresh_reason := v_state.refresh_reason;
  if p_change.absent_version = 0 or v_state.deleted_at is not null or coalesce(v_state.version, 0) = 0 then
    v_change.version        := 0;
    v_change.absent         := clerk_sync.absent_fields('{}');
    v_change.absent_version := 0;
  else
    v_change.version        := v_state.version;
    v_change.absent         := coalesce(v_state.absent, '{}');
    v_change.absent_version := coalesce(v_state.absent_version, v_state.version);
  end if;
  return v_change;
end
$$;

revoke execute on function clerk_sync.take_stored from public, anon, authenticated;
grant execute on function clerk_sync.take_stored to service_role;

-- A change whose newest event was trimmed, or is older than one that was: what is absent comes from the other events of the
-- batch, in the order of their versions, and else from what is here. An event that is older than what was applied brings
-- absent fields only, and only while nothing newer brought them. When Clerk's own event leaves fields absent, the user is
-- to be read again; a read that does so asks for nothing more. The caller has the user's lock.
create or replace function clerk_sync.complete_change(
  p_change  clerk_sync.user_change,
  p_sources clerk_sync.change_source[],
  p_now     timestamptz
)
returns clerk_sync.user_change
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change clerk_sync.user_change := clerk_sync.take_stored(p_change);
  v_deleted_at timestamptz := (select s.deleted_at from clerk_sync.user_state as s where s.clerk_id = p_change.clerk_id);
  v_source clerk_sync.change_source;
  v_said   text[];
  v_absent text[];
begin
  foreach v_source in array array(
    select j
    from unnest(p_sources) as j
    where j.clerk_id = p_change.clerk_id
      and j.job_type <> 'USER_DELETED'
      and not j.payload ? 'erased'
      and not coalesce(j.result @> '{"applied": true}', false)
      and (v_deleted_at is null or (j.result ->> 'read_at')::timestamptz > v_deleted_at)
      and (not p_change.fresh or p_change.absent_version is null or j.result ? 'read_at') -- a read that settles the state
      and (j.id = p_change.job_id or j.version <= clerk_sync.latest_version(coalesce(j.created_at, p_now)))
    order by case when j.id = p_change.job_id then p_change.version else j.version end, j.created_at, j.id
  ) loop
    if v_source.id = p_change.job_id then
      v_source.version := p_change.version; -- the one that is believed
    end if;
    v_said := array(
      select f from unnest(clerk_sync.absent_fields('{}')) as f where v_source.payload ? f
    );
    if v_source.version >= v_change.version then
      v_change := clerk_sync.take_fields(v_change, v_source, v_said || 'deprovisioned'::text);
      v_absent := array(
        select f
        from unnest(clerk_sync.absent_fields(v_source.payload)) as f
        where v_source.version > v_change.version
           or f = any (v_change.absent) -- what an event of the same version brought is known
      );
      v_change.absent_version := case when v_absent <@ v_change.absent then v_change.absent_version else v_change.version end;
      v_change.absent := v_absent;
      v_change.version := v_source.version;
      v_change.refresh_reason := case when v_source.is_live and cardinality(v_absent) > 0 then 'event_trimmed' end;
    elsif v_source.version >= v_change.absent_version and v_change.absent && v_said then
      v_change := clerk_sync.take_fields(
        v_change, v_source, array(select f from unnest(v_said) as f where f = any (v_change.absent))
      );
      v_change.absent_version := v_source.version;
    end if;
  end loop;
  v_change.refresh_reason := coalesce(p_change.refresh_reason, v_change.refresh_reason);
  if v_change.absent = '{}' then
    v_change.absent := null;
    v_change.absent_version := null;
  end if;
  return v_change;
end
$$;

revoke execute on function clerk_sync.complete_change from public, anon, authenticated;
grant execute on function clerk_sync.complete_change to service_role;
