-- clerk_sync.user_state: what the sync knows of each Clerk user and no app needs to see.
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
  constraint user_state_pkey primary key (clerk_id),
  constraint lock_has_holder check ((auth_holder_id is null) = (auth_locked_at is null)),
  constraint due_refresh_has_reason check (refresh_due_at is null or refresh_reason is not null)
);

alter table clerk_sync.user_state
  add column if not exists withheld_email  text,
  add column if not exists trusted_version bigint,
  add column if not exists absent          text[],
  add column if not exists absent_version  bigint,
  add column if not exists ignored_role    text;

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
revoke all on clerk_sync.user_state from public, anon, authenticated;
grant select, insert, update, delete on clerk_sync.user_state to service_role;

drop policy if exists user_state_service_role on clerk_sync.user_state;
create policy user_state_service_role
  on clerk_sync.user_state
  for all
  to service_role
  using (true)
  with check (true);
