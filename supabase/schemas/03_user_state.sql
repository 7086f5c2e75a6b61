-- clerk_sync.user_state: what the sync knows of each Clerk user and no app needs to see, and the locks of users.

-- Its row is the lock of the user: whoever writes users or state for a Clerk id holds it.
-- A row outlives its user: as tombstone it keeps a late event from reviving a deleted user.
create table if not exists clerk_sync.user_state (
  clerk_id             text        not null,
  version              bigint      not null default 0,
  deleted_at           timestamptz null,
  external_id          text        null,
  phone                text        null,
  email_verified       boolean     not null default false,
  banned               boolean     not null default false,
  locked               boolean     not null default false,
  deprovisioned        boolean     not null default false,
  auth_user_id         uuid        null,
  auth_finding         text        null,
  auth_holder_id       uuid        null,
  auth_locked_at       timestamptz null,
  mirrored_version     bigint      null,
  mirrored_at          timestamptz null,
  refresh_reason       text        null,
  refresh_due_at       timestamptz null,
  refresh_attempts     integer     not null default 0,
  last_synced_at       timestamptz null,
  first_seen_at        timestamptz null,
  delete_counted_at    timestamptz null,
  withheld_email       text        null,
  trusted_version      bigint      null,
  absent               text[]      null,
  absent_version       bigint      null,
  ignored_role         text        null,
  constraint user_state_pkey primary key (clerk_id),
  constraint lock_has_holder check ((auth_holder_id is null) = (auth_locked_at is null)),
  constraint due_refresh_has_reason check (refresh_due_at is null or refresh_reason is not null)
);

comment on column clerk_sync.user_state.version is
  'Clerk''s updated_at in ms of the newest applied snapshot; 0 until one was applied';
comment on column clerk_sync.user_state.deleted_at is
  'tombstone: only a fresh read of the user from Clerk''s API may clear it';
comment on column clerk_sync.user_state.auth_finding is
  'auth_address_held: another Auth user holds the address or number, and the mirror has a placeholder';
comment on column clerk_sync.user_state.auth_holder_id is
  'the Auth user that holds the address and becomes the mirror (AUTH_ADOPT) when its last token has run out';
comment on column clerk_sync.user_state.auth_locked_at is
  'since when that Auth user is locked';
comment on column clerk_sync.user_state.refresh_reason is
  'why what we know of the user may be wrong; null again when a snapshot settled it';
comment on column clerk_sync.user_state.refresh_due_at is
  'when the fresh read is to be queued; null once it was';
comment on column clerk_sync.user_state.first_seen_at is
  'when a webhook (or the sign-up that ensure-user found) brought a user nobody knew; null for who was there before';
comment on column clerk_sync.user_state.delete_counted_at is
  'when the deletion was counted by the delete brake';

comment on column clerk_sync.user_state.trusted_version is
  'set while the newest applied event said a time in the future: the version before it; an event or a read of at least this version replaces the state';
comment on column clerk_sync.user_state.absent is
  'fields that the event of this version did not carry: what is here of them is older; null when nothing is';
comment on column clerk_sync.user_state.absent_version is
  'the version up to which the absent fields are known; an event between it and version brings no other fields than those';
comment on column clerk_sync.user_state.ignored_role is
  'of what kind public_metadata.role is, when it is no role here: array, object, number, boolean or text';
comment on column clerk_sync.user_state.withheld_email is
  'the address the user claims at Clerk and does not get, because another claim to it is better';

create index if not exists user_state_withheld_email_idx
  on clerk_sync.user_state (withheld_email)
  where withheld_email is not null;
create index if not exists user_state_external_id_idx
  on clerk_sync.user_state (external_id)
  where external_id is not null;
create index if not exists user_state_auth_user_id_idx
  on clerk_sync.user_state (auth_user_id)
  where auth_user_id is not null;
create index if not exists user_state_auth_finding_idx
  on clerk_sync.user_state (clerk_id)
  where auth_finding is not null;
create index if not exists user_state_refresh_idx
  on clerk_sync.user_state (refresh_due_at)
  where refresh_due_at is not null;
create index if not exists user_state_delete_counted_idx
  on clerk_sync.user_state (delete_counted_at)
  where delete_counted_at is not null;

alter table clerk_sync.user_state enable row level security;

drop policy if exists user_state_service_role on clerk_sync.user_state;
create policy user_state_service_role
  on clerk_sync.user_state
  for all
  to service_role
  using (true)
  with check (true);

-- Remembers what was applied. A tombstone keeps the mirror's Auth id until the mirror is gone too, the
-- external_id by which the deletion may come again, and nothing else of the person. Who did not get the
-- address claimed is to be read from Clerk's API: at once, and when that read says the same, five times more.
-- Before the rows are written: a user who has none is seen for the first time.
create or replace function clerk_sync.write_user_state(p_changes clerk_sync.user_change[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.user_state as s
    (clerk_id, version, deleted_at, external_id, phone, email_verified, banned, locked, deprovisioned,
     refresh_reason, refresh_attempts, refresh_due_at, last_synced_at, first_seen_at,
     withheld_email, trusted_version, absent, absent_version, ignored_role)
  select
    c.clerk_id, c.version, case when c.deletes then p_now end,
    case when not c.deletes then c.external_id end, case when not c.deletes then c.phone end,
    not c.deletes and c.email_verified, not c.deletes and c.banned, not c.deletes and c.locked,
    not c.deletes and c.deprovisioned,
    c.refresh_reason, (c.fresh and c.refresh_reason is not null)::integer, case when c.refresh_reason is not null then p_now end,
    p_now,
    case when c.is_new and (select true from public.users as u where u.clerk_id = c.clerk_id) is null then p_now end,
    c.withheld_email, c.trusted_version, c.absent, case when c.absent is not null then c.absent_version end,
    case when not c.deletes then c.ignored_role end
  from unnest(p_changes) as c
  where not c.mirror_only
  on conflict (clerk_id) do update
    set version = case
          when excluded.deleted_at is null then excluded.version -- newest_changes let no older one through that is not settled
          else greatest(s.version, excluded.version)
        end,
        deleted_at = case when excluded.deleted_at is not null then coalesce(s.deleted_at, excluded.deleted_at) end,
        external_id = case when excluded.deleted_at is not null then s.external_id else excluded.external_id end,
        phone = excluded.phone,
        email_verified = excluded.email_verified,
        banned = excluded.banned,
        locked = excluded.locked,
        deprovisioned = excluded.deprovisioned,
        refresh_reason = excluded.refresh_reason,
        refresh_attempts = case when excluded.refresh_attempts > 0 then s.refresh_attempts + 1 else 0 end,
        refresh_due_at = case
          when excluded.refresh_attempts = 0 then excluded.refresh_due_at
          when s.refresh_attempts < 5 then p_now + 4 ^ s.refresh_attempts * interval '1 minute'
        end,
        last_synced_at = excluded.last_synced_at,
        withheld_email = excluded.withheld_email,
        trusted_version = excluded.trusted_version,
        absent = excluded.absent,
        absent_version = excluded.absent_version,
        ignored_role = excluded.ignored_role;
end
$$;

-- Locks users by their state without waiting; answers how many of them have one.
create or replace function clerk_sync.lock_users(p_clerk_ids text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = any (p_clerk_ids)
  order by s.clerk_id
  for update nowait;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- Locks those of these users who were never seen, and waits for whoever has them in hand: before a row of their state is
-- made by anybody but a worker. In one order for all.
create or replace function clerk_sync.lock_new_users(p_clerk_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(n.clerk_id, 7461203))
  from (
    select distinct i.clerk_id
    from unnest(p_clerk_ids) as i(clerk_id)
    where (select true from clerk_sync.user_state as k where k.clerk_id = i.clerk_id) is null
    order by i.clerk_id
  ) as n;
end
$$;

-- Locks one user, known or not, and waits for whoever has the lock: a worker is about to make the row then.
-- p_signed_up_at: who is new counts as one whom a webhook brought (first_seen_at).
create or replace function clerk_sync.lock_user(p_clerk_id text, p_signed_up_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.lock_new_users(array[p_clerk_id]);
  insert into clerk_sync.user_state as s (clerk_id, first_seen_at)
  values (p_clerk_id, p_signed_up_at)
  on conflict (clerk_id) do nothing;
  perform 1
  from clerk_sync.user_state as s
  where s.clerk_id = p_clerk_id
  for update;
end
$$;
