-- Generated from clerk-sync.config.json.

-- The file maps no organizations.
create or replace view clerk_sync.organization_rows
with (security_invoker = true)
as
select
  null::text as id,
  null::text as name,
  null::text as slug,
  null::timestamptz as deleted_at,
  null::jsonb as mapped
where false;

-- The file maps no memberships.
create or replace view clerk_sync.membership_rows
with (security_invoker = true)
as
select
  null::text as id,
  null::text as organization_id,
  null::text as user_id,
  null::text as role,
  null::timestamptz as deleted_at,
  null::jsonb as mapped
where false;

-- The file maps no roles.
create or replace view clerk_sync.role_rows
with (security_invoker = true)
as
select
  null::text as id,
  null::text as key,
  null::text[] as permissions,
  null::timestamptz as deleted_at,
  null::jsonb as mapped
where false;

-- The file maps no invitations.
create or replace view clerk_sync.invitation_rows
with (security_invoker = true)
as
select
  null::text as id,
  null::text as organization_id,
  null::text as email,
  null::text as role,
  null::text as status,
  null::timestamptz as deleted_at,
  null::jsonb as mapped
where false;

delete from clerk_sync.mappings
where kind <> all (array['user']);
