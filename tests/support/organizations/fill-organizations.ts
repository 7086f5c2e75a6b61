import type pg from "pg";

/**
 * Stands for the tables of organizations, memberships and roles: the views that the helpers for policies read show rows
 * of tables that a test fills.
 */
export async function fillOrganizations(client: Pick<pg.ClientBase, "query">): Promise<void> {
  await client.query(`
    create table public.stand_in_organizations (id text primary key, deleted_at timestamptz);
    create table public.stand_in_memberships (
      id text primary key, organization_id text, user_id text, role text, deleted_at timestamptz
    );
    create index on public.stand_in_memberships (user_id);
    create table public.stand_in_roles (id text primary key, key text, permissions text[], deleted_at timestamptz);
    create or replace view clerk_sync.organization_rows with (security_invoker = true) as
      select o.id, null::text as name, null::text as slug, o.deleted_at, null::jsonb as mapped from public.stand_in_organizations as o;
    create or replace view clerk_sync.membership_rows with (security_invoker = true) as
      select m.id, m.organization_id, m.user_id, m.role, m.deleted_at, null::jsonb as mapped from public.stand_in_memberships as m;
    create or replace view clerk_sync.role_rows with (security_invoker = true) as
      select r.id, r.key, r.permissions, r.deleted_at, null::jsonb as mapped from public.stand_in_roles as r;

    insert into public.stand_in_organizations values ('org_1', null), ('org_2', null), ('org_3', null), ('org_gone', now());
    insert into public.stand_in_memberships values
      ('orgmem_1', 'org_1', 'user_ada', 'org:admin', null),
      ('orgmem_2', 'org_2', 'user_ada', 'org:member', null),
      ('orgmem_3', 'org_1', 'user_eve', 'org:member', null),
      ('orgmem_4', 'org_1', 'user_left', 'org:admin', now()),
      ('orgmem_5', 'org_gone', 'user_gone', 'org:admin', null),
      ('orgmem_6', 'org_3', 'user_bob', 'org:admin', null),
      ('orgmem_7', 'org_1', null, 'org:admin', null),
      ('orgmem_8', null, 'user_eve', 'org:admin', null),
      ('orgmem_9', 'org_3', '', 'org:admin', null);
    insert into public.stand_in_roles values
      ('role_1', 'org:admin', '{org:teams:manage,org:teams:read,org:sys_memberships:manage}', null),
      ('role_2', 'org:member', '{org:teams:read}', null),
      ('role_3', 'org:old', '{org:teams:read}', now())`);
}
