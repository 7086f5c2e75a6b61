-- clerk_sync.records: every record of Clerk that was ever seen, of any kind, and the locks of records.
-- clerk_sync.user_state: what only users have beside it.

-- The row of a record is its lock: a function that writes the record, or the row of its mapped table, holds it.
-- A record that was never seen has no row yet: a function that makes the row holds this advisory lock first,
-- hashtextextended(id, 7461203).
-- A row outlives its record. As a tombstone it keeps a late event from reviving what was deleted.
create table if not exists clerk_sync.records (
  id                text        not null,
  kind              text        not null default 'user',
  version           bigint      not null default 0,
  trusted_version   bigint      null,
  deleted_at        timestamptz null,
  given             text[]      not null default '{}',
  ungiven           text[]      null,
  absent            text[]      null,
  absent_version    bigint      null,
  refresh_reason    text        null,
  refresh_due_at    timestamptz null,
  refresh_attempts  integer     not null default 0,
  first_seen_at     timestamptz null,
  row_made_at       timestamptz null,
  last_synced_at    timestamptz null,
  delete_counted_at timestamptz null,
  constraint records_pkey primary key (id),
  constraint kind_is_known check (kind in ('user', 'organization', 'membership', 'role', 'permission', 'invitation')),
  constraint due_refresh_has_reason check (refresh_due_at is null or refresh_reason is not null),
  constraint absent_has_version check ((absent is null) = (absent_version is null))
);

comment on column clerk_sync.records.version is
  'Clerk''s updated_at in ms of the newest applied snapshot; 0 until one was applied';
comment on column clerk_sync.records.trusted_version is
  'set while the newest applied event said a time in the future: the version before it; an event or a read of at least this version replaces the record';
comment on column clerk_sync.records.deleted_at is
  'tombstone: only a read from Clerk''s API that began after it clears it';
comment on column clerk_sync.records.given is
  'the mapped keys of metadata that any event or read of the record ever had';
comment on column clerk_sync.records.ungiven is
  'columns that are written once, in a row which the sync made, and wait for a value of Clerk; null when there are none';
comment on column clerk_sync.records.absent is
  'fields that the event of this version did not carry; what is stored of them is older; null when there are none';
comment on column clerk_sync.records.absent_version is
  'the version up to which the absent fields are known; an event between it and version brings no other fields than those';
comment on column clerk_sync.records.refresh_reason is
  'why what we know of the record may be wrong; null again when a snapshot settled it';
comment on column clerk_sync.records.refresh_due_at is
  'when the fresh read is to be queued; null after that';
comment on column clerk_sync.records.first_seen_at is
  'when a webhook (or the sign-up that ensure-user found) brought a record that was unknown; null for records that were there before';
comment on column clerk_sync.records.row_made_at is
  'when the sync made the row; null where the row was there or was linked: it may hold what only the app knows';
comment on column clerk_sync.records.delete_counted_at is
  'when the delete brake counted the deletion';

create index if not exists records_refresh_idx
  on clerk_sync.records (refresh_due_at)
  where refresh_due_at is not null;
create index if not exists records_delete_counted_idx
  on clerk_sync.records (delete_counted_at)
  where delete_counted_at is not null;

-- The memberships that were ever seen, also those that ended: of two of one user in one organization the one that Clerk made
-- later has the row, and the other never comes back, in whatever order their events arrive.
create table if not exists clerk_sync.membership_state (
  id              text        not null,
  organization_id text        not null,
  user_id         text        not null,
  created_at      timestamptz not null,
  has_row         boolean     not null,
  constraint membership_state_pkey primary key (id)
);

comment on column clerk_sync.membership_state.created_at is
  'when Clerk made the membership';
comment on column clerk_sync.membership_state.has_row is
  'false: the membership was deleted, its organization or user was, or a later one of the two took its place';

create unique index if not exists membership_state_living_key
  on clerk_sync.membership_state (organization_id, user_id)
  where has_row;
create index if not exists membership_state_pair_idx
  on clerk_sync.membership_state (organization_id, user_id);
create index if not exists membership_state_user_idx
  on clerk_sync.membership_state (user_id);

-- Most users have no row here. A user without one has a verified address (if any), and none of the rest.
create table if not exists clerk_sync.user_state (
  clerk_id         text        not null,
  external_id      text        null,
  phone            text        null,
  email_verified   boolean     not null default true,
  banned           boolean     not null default false,
  locked           boolean     not null default false,
  deprovisioned    boolean     not null default false,
  withheld_email   text        null,
  unlinked_row     text        null,
  ignored          jsonb       null,
  email            text        null,
  name             text        null,
  role             text        null,
  auth_user_id     uuid        null,
  auth_finding     text        null,
  auth_holder_id   uuid        null,
  auth_locked_at   timestamptz null,
  mirrored_version bigint      null,
  mirrored_at      timestamptz null,
  relinked_to      text        null,
  constraint user_state_pkey primary key (clerk_id),
  constraint lock_has_holder check ((auth_holder_id is null) = (auth_locked_at is null))
);

comment on column clerk_sync.user_state.withheld_email is
  'the address the user claims at Clerk and does not get, because another claim to it is better';
comment on column clerk_sync.user_state.unlinked_row is
  'the row without a Clerk id that has the user''s address and was not linked, because rows reference the newer one';
comment on column clerk_sync.user_state.ignored is
  'columns that did not take what Clerk has, with the kind of the value: array, object, number, boolean or text';
comment on column clerk_sync.user_state.email is
  'email, name and role: for the mirror, where the mapped table has no column for them';
comment on column clerk_sync.user_state.auth_finding is
  'auth_address_held: another Auth user holds the address or number, and the mirror has a placeholder';
comment on column clerk_sync.user_state.auth_holder_id is
  'the Auth user that holds the address and becomes the mirror (AUTH_ADOPT) when its last token has run out';
comment on column clerk_sync.user_state.auth_locked_at is
  'since when that Auth user is locked';
comment on column clerk_sync.user_state.relinked_to is
  'the Clerk id that got the row and the mirror of this one, by users relink';

create index if not exists user_state_withheld_email_idx
  on clerk_sync.user_state (withheld_email)
  where withheld_email is not null;
create index if not exists user_state_external_id_idx
  on clerk_sync.user_state (external_id)
  where external_id is not null;
create index if not exists user_state_auth_user_id_idx
  on clerk_sync.user_state (auth_user_id)
  where auth_user_id is not null;
create index if not exists user_state_unlinked_row_idx
  on clerk_sync.user_state (clerk_id)
  where unlinked_row is not null;
create index if not exists user_state_auth_finding_idx
  on clerk_sync.user_state (clerk_id)
  where auth_finding is not null;
create index if not exists user_state_ignored_idx
  on clerk_sync.user_state (clerk_id)
  where ignored is not null;

-- What the sync knows of each user. Functions read users here, and write the two tables.
create or replace view clerk_sync.known_users
with (security_invoker = true)
as
select
  r.id as clerk_id,
  r.version,
  r.trusted_version,
  r.deleted_at,
  r.absent,
  r.absent_version,
  r.refresh_reason,
  r.refresh_due_at,
  r.refresh_attempts,
  r.first_seen_at,
  r.last_synced_at,
  s.external_id,
  s.phone,
  coalesce(s.email_verified, r.version > 0) as email_verified,
  coalesce(s.banned, false) as banned,
  coalesce(s.locked, false) as locked,
  coalesce(s.deprovisioned, false) as deprovisioned,
  s.withheld_email,
  s.unlinked_row,
  s.ignored,
  s.email,
  s.name,
  s.role,
  s.auth_user_id,
  s.auth_finding,
  s.auth_holder_id,
  s.auth_locked_at,
  s.mirrored_version,
  s.mirrored_at,
  s.relinked_to
from clerk_sync.records as r
left join clerk_sync.user_state as s on s.clerk_id = r.id
where r.kind = 'user';

-- A deletion, or what one event brings to one record once it is settled. payload: the fields as an event has them.
-- Like other types it is made again by each migration, and the functions that take it go with it: with the fields of
-- an earlier version every job would be dead with 42846.
drop type if exists clerk_sync.record_change cascade;
create type clerk_sync.record_change as (
  clerk_id        text,
  job_id          uuid,
  source          text,
  deletes         boolean,
  mirror_only     boolean,
  fresh           boolean,
  version         bigint,
  payload         jsonb,
  refresh_reason  text,
  withheld_email  text,
  trusted_version bigint,
  absent          text[],
  absent_version  bigint
);

-- A version is a time of Clerk's clock, in ms. One that lies more than five minutes ahead of the database's clock is not
-- believed: a leaked secret or a wrong clock is behind it, and no true event would ever be newer. Answers the latest that
-- is believed at this time. (Svix allows five minutes between two clocks, too.)
create or replace function clerk_sync.latest_version(p_at timestamptz)
returns bigint
language plpgsql -- hot path: a function in SQL would be planned anew by each call
immutable
set search_path = ''
as $$
begin
  return (extract(epoch from p_at) * 1000)::bigint + 300000;
end
$$;

-- Of what kind a value is, for a person who reads why a column did not take it.
create or replace function clerk_sync.kind_of(p_value jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select case jsonb_typeof(p_value) when 'string' then 'text' else jsonb_typeof(p_value) end;
$$;

-- A value in words for the error of a job: its kind and its size, and not the value.
create or replace function clerk_sync.describe_value(p_value jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select case jsonb_typeof(p_value)
    when 'string' then format('a text of %s characters', char_length(p_value #>> '{}'))
    when 'array' then 'an array'
    when 'object' then 'an object'
    else concat('a ', jsonb_typeof(p_value))
  end;
$$;

-- The table that each kind of record is mapped to. A generated migration writes it.
create table if not exists clerk_sync.mappings (
  kind       text        not null,
  table_name text        not null,
  key        text        not null,
  columns    jsonb       not null,
  written    text[]      not null,
  rules      jsonb       not null,
  fields     text[]      not null,
  access     text        not null,
  editable   text[]      null,
  hash       text        not null,
  changed_at timestamptz not null default now(),
  constraint mappings_pkey primary key (kind)
);

comment on column clerk_sync.mappings.table_name is
  'with its schema, quoted as in SQL';
comment on column clerk_sync.mappings.key is
  'the column with Clerk''s id';
comment on column clerk_sync.mappings.columns is
  'the source of each column';
comment on column clerk_sync.mappings.written is
  'the columns that what Clerk says is written into, also where the row is there';
comment on column clerk_sync.mappings.rules is
  'why a column may hold something else than Clerk says, by column: {allowed, default, own_default, once}';
comment on column clerk_sync.mappings.fields is
  'what of a payload the generated functions read';
comment on column clerk_sync.mappings.access is
  'who may read rows through the API: leave (that is the owner''s), own_row, none or members';
comment on column clerk_sync.mappings.editable is
  'the columns that a signed-in user may edit in the own row; null: access to the table is its owner''s';
comment on column clerk_sync.mappings.hash is
  'of the mapping that the generated functions were made from';
comment on column clerk_sync.mappings.changed_at is
  'when the database was migrated with this hash';

-- What of the mapping a server, a function and the command line must know: {hash, users: {fields}, organizations: {fields}, …};
-- a kind that is off is not there. Null before there is a mapping.
create or replace function public.clerk_sync_mapping()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('hash', u.hash) || (
    select jsonb_object_agg(m.kind || 's', jsonb_build_object('fields', m.fields)) from clerk_sync.mappings as m
  )
  from clerk_sync.mappings as u
  where u.kind = 'user';
$$;

-- What is kept of a payload: these keys, and the names of absent fields among them. A function that was deployed with
-- another mapping may send more; what the database does not map is not stored, and its absence asks for no read.
create or replace function clerk_sync.known_payload(p_payload jsonb, p_keys text[])
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_payload jsonb := p_payload;
  v_absent  jsonb;
begin
  if jsonb_typeof(p_payload) is distinct from 'object' then
    return p_payload;
  end if;
  v_payload := p_payload - array(select k from jsonb_object_keys(p_payload) as k where k <> all (p_keys));
  if jsonb_typeof(v_payload -> 'absent') = 'array' then
    v_absent := to_jsonb(array(
      select a.name
      from jsonb_array_elements_text(v_payload -> 'absent') with ordinality as a(name, place)
      where a.name = any (p_keys)
      order by a.place
    ));
    v_payload := case v_absent
      when '[]' then v_payload - 'absent'
      else v_payload || jsonb_build_object('absent', v_absent)
    end;
  end if;
  return v_payload;
end
$$;

-- By which index one text is looked up in a column: lower (on lower(column)), plain (on the column), or null for none. It is
-- whole and valid, and the column comes first in it. Asked at each lookup, because an owner adds indexes and drops them.
create or replace function clerk_sync.text_index(p_table regclass, p_column text)
returns text
language sql
stable
set search_path = ''
as $$
  select min(k.kind) -- lower finds all that plain finds
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_index as i on i.indrelid = a.attrelid
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_am as m on m.oid = c.relam
  join pg_catalog.pg_opclass as o on o.oid = i.indclass[0]
  cross join lateral (
    select case
      when i.indkey[0] = a.attnum
        and o.opcintype = case when a.atttypid = 'varchar'::regtype then 'text'::regtype else a.atttypid end
        then 'plain'
      when i.indkey[0] = 0
        and o.opcintype = 'text'::regtype
        and pg_get_indexdef(i.indexrelid, 1, false) in (format('lower(%I)', a.attname), format('lower((%I)::text)', a.attname))
        then 'lower'
    end as kind
  ) as k
  where a.attrelid = p_table
    and a.attname = p_column
    and i.indisvalid
    and i.indpred is null
    and i.indcollation[0] = a.attcollation
    and m.amname in ('btree', 'hash');
$$;

-- Locks records without waiting, and returns the ids of those it got.
create or replace function clerk_sync.claim_records(p_ids text[])
returns text[]
language plpgsql
set search_path = ''
as $$
begin
  return array(
    select k.id
    from (
      select r.id
      from clerk_sync.records as r
      where r.id = any (p_ids)
      for update skip locked
    ) as k
    union all
    select i.id
    from unnest(p_ids) as i(id)
    where case -- in this order: a record that is there needs no advisory lock
        when (select true from clerk_sync.records as r where r.id = i.id) then false
        else pg_try_advisory_xact_lock(hashtextextended(i.id, 7461203))
      end
  );
end
$$;

-- Locks records in one order for all, and waits for the functions that hold them. A record that was never seen gets its
-- row. p_first_seen_at: when such a record signed up, for a caller that brings it.
create or replace function clerk_sync.lock_records(p_ids text[], p_kind text default 'user', p_first_seen_at timestamptz default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_unseen text[] := array(
    select distinct i.id
    from unnest(p_ids) as i(id)
    where i.id <> ''
      and (select true from clerk_sync.records as r where r.id = i.id) is null -- a lookup each, whatever the statistics say
    order by i.id
  );
begin
  perform pg_advisory_xact_lock(hashtextextended(i, 7461203)) from unnest(v_unseen) as i;
  insert into clerk_sync.records as r (id, kind, first_seen_at)
  select i, p_kind, p_first_seen_at
  from unnest(v_unseen) as i
  on conflict (id) do nothing;

  perform 1
  from clerk_sync.records as r
  where r.id = any (p_ids)
  order by r.id
  for update;
end
$$;

-- Locks records that others depend on, without waiting: two workers that want each other's records must fail and try
-- again, not deadlock. Raises 55P03 when another transaction holds one.
create or replace function clerk_sync.lock_more_records(p_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_unseen text[] := array(
    select distinct i.id
    from unnest(p_ids) as i(id)
    where (select true from clerk_sync.records as r where r.id = i.id) is null
  );
begin
  if cardinality(v_unseen) > 0 then
    if (select not bool_and(pg_try_advisory_xact_lock(hashtextextended(i, 7461203))) from unnest(v_unseen) as i) then
      raise exception 'another transaction is making a record' using errcode = '55P03';
    end if;
    insert into clerk_sync.records as r (id)
    select i
    from unnest(v_unseen) as i
    on conflict (id) do nothing;
  end if;
  perform 1
  from clerk_sync.records as r
  where r.id = any (p_ids)
  order by r.id
  for update nowait;
end
$$;
