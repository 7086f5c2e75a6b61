-- Generated from clerk-sync.config.json.

-- The helpers for policies: who is signed in and may do what, by the token, and by the tables of the sync. They are made for
-- every mapping. Policies of the owner's use them, so each keeps its name, arguments and result for good.

-- Functions of somebody else's are never replaced, and a schema in which something else is must be named in the configuration.
do $$
declare
  v_names constant text[] := array['claims', 'user_id', 'org_id', 'org_slug', 'org_role', 'actor_id', 'has_permission', 'has_feature', 'has_plan', 'my_org_ids', 'member_role', 'is_member', 'member_has_permission'];
  v_schema regnamespace := to_regnamespace('clerk');
  v_found text;
  v_item record;
begin
  select string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text)
  into v_found
  from pg_catalog.pg_proc as p
  where p.pronamespace = v_schema
    and p.proname = any (v_names)
    and coalesce(obj_description(p.oid, 'pg_proc'), '') not like 'Made by clerk-sync.%';
  if v_found is not null then
    raise exception 'schema % has functions that clerk-sync did not make, under the names of its helpers for policies: %', 'clerk', v_found
      using errcode = 'SY001',
            hint = 'Nothing was changed. Rename them, or name another schema for the helpers: "helpers": { "schema": "..." } in clerk-sync.config.json';
  end if;

  select string_agg(i.name, ', ' order by i.name)
  into v_found
  from (
    select format('%s %s', case c.relkind when 'f' then 'foreign table' when 'v' then 'view' else 'table' end, c.oid::regclass) as name
    from pg_catalog.pg_class as c
    where c.relnamespace = v_schema
      and c.relkind in ('r', 'p', 'f', 'v', 'm')
    union all
    select format('function %s', p.oid::regprocedure)
    from pg_catalog.pg_proc as p
    where p.pronamespace = v_schema
  ) as i;
  if v_found is not null
    and coalesce(obj_description(v_schema, 'pg_namespace'), '') not like 'Made by clerk-sync.%'
    and not exists (
      select 1
      from pg_catalog.pg_proc as p
      where p.pronamespace = v_schema
        and obj_description(p.oid, 'pg_proc') like 'Made by clerk-sync.%'
    )
  then
    raise exception 'schema % is not of clerk-sync, and holds: %', 'clerk', v_found
      using errcode = 'SY001',
            hint = 'Nothing was changed. "helpers": { "schema": "clerk" } in clerk-sync.config.json puts the helpers for policies beside them; another name keeps them apart.';
  end if;

  if v_schema is null then
    create schema clerk;
    comment on schema clerk is 'Made by clerk-sync. Helpers for policies.';
    revoke all on schema clerk from public, anon;
    v_schema := 'clerk';
  end if;

  -- A policy knows a function by its number: it follows into the other schema.
  for v_item in
    select p.oid::regprocedure as name, p.pronamespace::regnamespace as schema
    from pg_catalog.pg_proc as p
    where p.proname = any (v_names)
      and p.pronamespace <> v_schema
      and obj_description(p.oid, 'pg_proc') like 'Made by clerk-sync.%'
  loop
    execute format('alter function %s set schema clerk', v_item.name);
  end loop;
  for v_item in
    select n.oid::regnamespace as name
    from pg_catalog.pg_namespace as n
    where n.oid <> v_schema
      and obj_description(n.oid, 'pg_namespace') = 'Made by clerk-sync. Helpers for policies.'
      and not exists (select 1 from pg_catalog.pg_class as c where c.relnamespace = n.oid)
      and not exists (select 1 from pg_catalog.pg_proc as p where p.pronamespace = n.oid)
      and not exists (select 1 from pg_catalog.pg_type as t where t.typnamespace = n.oid)
  loop
    execute format('drop schema %s', v_item.name);
  end loop;
end
$$;

grant usage on schema clerk to authenticated, service_role;

-- What the token says, as auth.jwt() has it; null where there is none, and where that raises: what is no JSON is no token.
create or replace function clerk.claims()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return auth.jwt();
exception
  when others then
    return null;
end
$$;
revoke execute on function clerk.claims() from public, anon;
grant execute on function clerk.claims() to authenticated, service_role;
comment on function clerk.claims() is 'Made by clerk-sync.';

-- Clerk's id of the signed-in user.
create or replace function clerk.user_id()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
begin
  return case jsonb_typeof(v_claims -> 'sub') when 'string' then nullif(v_claims ->> 'sub', '') end;
end
$$;
revoke execute on function clerk.user_id() from public, anon;
grant execute on function clerk.user_id() to authenticated, service_role;
comment on function clerk.user_id() is 'Made by clerk-sync.';

-- Clerk's id of the active organization; null without one. A token of version 2 says v = 2, and each other one is of version 1.
create or replace function clerk.org_id()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
begin
  if v_claims -> 'v' = '2' then
    return case jsonb_typeof(v_claims -> 'o' -> 'id') when 'string' then nullif(v_claims -> 'o' ->> 'id', '') end;
  end if;
  return case jsonb_typeof(v_claims -> 'org_id') when 'string' then nullif(v_claims ->> 'org_id', '') end;
end
$$;
revoke execute on function clerk.org_id() from public, anon;
grant execute on function clerk.org_id() to authenticated, service_role;
comment on function clerk.org_id() is 'Made by clerk-sync.';

-- The slug of the active organization; null without one, and where slugs are off.
create or replace function clerk.org_slug()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
begin
  if v_claims -> 'v' = '2' then
    return case jsonb_typeof(v_claims -> 'o' -> 'slg') when 'string' then nullif(v_claims -> 'o' ->> 'slg', '') end;
  end if;
  return case jsonb_typeof(v_claims -> 'org_slug') when 'string' then nullif(v_claims ->> 'org_slug', '') end;
end
$$;
revoke execute on function clerk.org_slug() from public, anon;
grant execute on function clerk.org_slug() to authenticated, service_role;
comment on function clerk.org_slug() is 'Made by clerk-sync.';

-- The role in the active organization, as in org:admin. Version 2 leaves the prefix out.
create or replace function clerk.org_role()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
begin
  if v_claims -> 'v' = '2' then
    return 'org:' || case jsonb_typeof(v_claims -> 'o' -> 'rol') when 'string' then nullif(v_claims -> 'o' ->> 'rol', '') end;
  end if;
  return case jsonb_typeof(v_claims -> 'org_role') when 'string' then nullif(v_claims ->> 'org_role', '') end;
end
$$;
revoke execute on function clerk.org_role() from public, anon;
grant execute on function clerk.org_role() to authenticated, service_role;
comment on function clerk.org_role() is 'Made by clerk-sync.';

-- Clerk's id of who impersonates the user; null when the user acts.
create or replace function clerk.actor_id()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
begin
  return case jsonb_typeof(v_claims -> 'act' -> 'sub') when 'string' then nullif(v_claims -> 'act' ->> 'sub', '') end;
end
$$;
revoke execute on function clerk.actor_id() from public, anon;
grant execute on function clerk.actor_id() to authenticated, service_role;
comment on function clerk.actor_id() is 'Made by clerk-sync.';

-- Whether the role in the active organization has the permission, by its full key: org:teams:read. In version 2 the features of
-- organizations stand in fea, the names of permissions in per; the integer of fpm at the place of a feature has a bit for each
-- name. The integers have any length: the last n digits decide the last n bits.
create or replace function clerk.has_permission(p_permission text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
  v_org jsonb := v_claims -> 'o';
begin
  if clerk.user_id() is null or clerk.org_id() is null then
    return false;
  end if;
  if v_claims -> 'v' is distinct from '2' then
    return coalesce(jsonb_typeof(v_claims -> 'org_permissions') = 'array' and v_claims -> 'org_permissions' ? p_permission, false);
  end if;
  if (jsonb_typeof(v_claims -> 'fea'), jsonb_typeof(v_org -> 'per'), jsonb_typeof(v_org -> 'fpm'))
    is distinct from ('string', 'string', 'string')
  then
    return false;
  end if;
  return coalesce(
    (
      with entries as materialized (
        select btrim(x.entry, E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') as entry, x.place
        from string_to_table(v_claims ->> 'fea', ',') with ordinality as x(entry, place)
      ),
      features as (
        select substr(e.entry, strpos(e.entry, ':') + 1) as name, row_number() over (order by e.place) as place
        from entries as e
        where split_part(e.entry, ':', 1) in ('o', 'ou', 'uo')
      ),
      integers as (
        select btrim(x.digits, E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') as digits, x.place
        from string_to_table(v_org ->> 'fpm', ',') with ordinality as x(digits, place)
      ),
      permissions as (
        select btrim(x.name, E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') as name, x.place
        from string_to_table(v_org ->> 'per', ',') with ordinality as x(name, place)
      )
      -- the SDK takes no feature at all where an entry has no scope
      select (select bool_and(strpos(e.entry, ':') > 0) from entries as e)
        and exists (
          select 1
          from features as f
          join integers as i on i.place = f.place
          cross join permissions as p
          where case
            when concat('org:', f.name, ':', p.name) = p_permission and i.digits ~ '^[0-9]+$' and p.place <= 100000 then
              mod(div(right(i.digits, p.place::integer)::numeric, 2::numeric ^ (p.place - 1)), 2) = 1
            else false
          end
        )
    ),
    false
  );
end
$$;
revoke execute on function clerk.has_permission(text) from public, anon;
grant execute on function clerk.has_permission(text) to authenticated, service_role;
comment on function clerk.has_permission(text) is 'Made by clerk-sync.';

-- Whether the session has the feature: org:x asks the active organization, user:x the user, and x both.
create or replace function clerk.has_feature(p_feature text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
  v_scope text := split_part(p_feature, ':', 1);
  v_name text := coalesce(nullif(split_part(p_feature, ':', 2), ''), v_scope);
begin
  if clerk.user_id() is null or jsonb_typeof(v_claims -> 'fea') is distinct from 'string' then
    return false;
  end if;
  return coalesce(
    (
      -- the SDK takes no entry at all where one has no scope
      select bool_and(strpos(e.entry, ':') > 0)
        and bool_or(
          substr(e.entry, strpos(e.entry, ':') + 1) = v_name
            and split_part(e.entry, ':', 1) = any (
              case
                when strpos(p_feature, ':') = 0 then array['o', 'u', 'ou', 'uo']
                when v_scope in ('o', 'org', 'organization') then array['o', 'ou', 'uo']
                when v_scope in ('u', 'user') then array['u', 'ou', 'uo']
                else array[]::text[]
              end
            )
        )
      from (
        select btrim(x.entry, E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') as entry
        from string_to_table(v_claims ->> 'fea', ',') as x(entry)
      ) as e
    ),
    false
  );
end
$$;
revoke execute on function clerk.has_feature(text) from public, anon;
grant execute on function clerk.has_feature(text) to authenticated, service_role;
comment on function clerk.has_feature(text) is 'Made by clerk-sync.';

-- Whether the session has the plan: org:x asks the active organization, user:x the user, and x both.
create or replace function clerk.has_plan(p_plan text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_claims jsonb := clerk.claims();
  v_scope text := split_part(p_plan, ':', 1);
  v_name text := coalesce(nullif(split_part(p_plan, ':', 2), ''), v_scope);
begin
  if clerk.user_id() is null or jsonb_typeof(v_claims -> 'pla') is distinct from 'string' then
    return false;
  end if;
  return coalesce(
    (
      -- the SDK takes no entry at all where one has no scope
      select bool_and(strpos(e.entry, ':') > 0)
        and bool_or(
          substr(e.entry, strpos(e.entry, ':') + 1) = v_name
            and split_part(e.entry, ':', 1) = any (
              case
                when strpos(p_plan, ':') = 0 then array['o', 'u', 'ou', 'uo']
                when v_scope in ('o', 'org', 'organization') then array['o', 'ou', 'uo']
                when v_scope in ('u', 'user') then array['u', 'ou', 'uo']
                else array[]::text[]
              end
            )
        )
      from (
        select btrim(x.entry, E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') as entry
        from string_to_table(v_claims ->> 'pla', ',') as x(entry)
      ) as e
    ),
    false
  );
end
$$;
revoke execute on function clerk.has_plan(text) from public, anon;
grant execute on function clerk.has_plan(text) to authenticated, service_role;
comment on function clerk.has_plan(text) is 'Made by clerk-sync.';

-- The organizations of the signed-in user, by the tables. A policy over many rows takes this one: it is called once.
create or replace function clerk.my_org_ids()
returns setof text
language plpgsql
stable
rows 10
security definer
set search_path = ''
as $$
declare
  v_user_id text := clerk.user_id();
begin
  return query
  select m.organization_id
  from clerk_sync.membership_rows as m
  where m.user_id = v_user_id
    and m.organization_id is not null
    and m.deleted_at is null
    and not exists (
      select 1
      from clerk_sync.organization_rows as o
      where o.id = m.organization_id
        and o.deleted_at is not null
    );
end
$$;
revoke execute on function clerk.my_org_ids() from public, anon;
grant execute on function clerk.my_org_ids() to authenticated, service_role;
comment on function clerk.my_org_ids() is 'Made by clerk-sync.';

-- The role of the signed-in user in an organization, as in org:admin, by the tables; null for who is no member.
create or replace function clerk.member_role(p_organization_id text)
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_user_id text := clerk.user_id();
begin
  return (
    select m.role
    from clerk_sync.membership_rows as m
    where m.user_id = v_user_id
      and m.organization_id = p_organization_id
      and m.deleted_at is null
      and not exists (
        select 1
        from clerk_sync.organization_rows as o
        where o.id = m.organization_id
          and o.deleted_at is not null
      )
    limit 1
  );
end
$$;
revoke execute on function clerk.member_role(text) from public, anon;
grant execute on function clerk.member_role(text) to authenticated, service_role;
comment on function clerk.member_role(text) is 'Made by clerk-sync.';

-- Whether the signed-in user is a member of an organization, by the tables.
create or replace function clerk.is_member(p_organization_id text)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_user_id text := clerk.user_id();
begin
  return exists (
    select 1
    from clerk_sync.membership_rows as m
    where m.user_id = v_user_id
      and m.organization_id = p_organization_id
      and m.deleted_at is null
      and not exists (
        select 1
        from clerk_sync.organization_rows as o
        where o.id = m.organization_id
          and o.deleted_at is not null
      )
  );
end
$$;
revoke execute on function clerk.is_member(text) from public, anon;
grant execute on function clerk.is_member(text) to authenticated, service_role;
comment on function clerk.is_member(text) is 'Made by clerk-sync.';

-- Whether the role of the signed-in user in an organization has the permission, by its full key, by the tables.
create or replace function clerk.member_has_permission(p_organization_id text, p_permission text)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_role text := clerk.member_role(p_organization_id);
begin
  return exists (
    select 1
    from clerk_sync.role_rows as r
    where r.key = v_role
      and p_permission = any (r.permissions)
      and r.deleted_at is null
  );
end
$$;
revoke execute on function clerk.member_has_permission(text, text) from public, anon;
grant execute on function clerk.member_has_permission(text, text) to authenticated, service_role;
comment on function clerk.member_has_permission(text, text) is 'Made by clerk-sync.';


do $$
begin
  perform clerk_sync.note_objects();
end
$$;
