import type { Mapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral } from "./quote.ts";
import { commentOfOurs } from "./read-table.ts";

/**
 * The SQL of the helpers for policies. They exist whatever the mapping has: those of the token need no table, and
 * those of the tables find nothing where memberships are off.
 */
export function generatePolicyHelpers({ helpers }: Pick<Mapping, "helpers">): string {
  const schema = quoteIdentifier(helpers.schema);
  const functions = helperFunctions(schema);
  return [
    takeSchema(
      helpers,
      functions.map(({ signature }) => signature.slice(0, signature.indexOf("("))),
    ),
    ...functions.map(({ signature, sql }) => `${sql}\n${giveRights(`${schema}.${signature}`)}`),
  ].join("\n");
}

type HelperFunction = { signature: string; sql: string };

function giveRights(name: string): string {
  return `revoke execute on function ${name} from public, anon;
grant execute on function ${name} to authenticated, service_role;
comment on function ${name} is ${quoteLiteral(commentOfOurs)};
`;
}

/** Makes the schema, or goes into one that is there, and moves the helpers out of the schema that had them before. */
function takeSchema({ schema, isShared }: Mapping["helpers"], names: readonly string[]): string {
  const literal = quoteLiteral(schema);
  const name = quoteIdentifier(schema);
  const ours = quoteLiteral(`${commentOfOurs}%`);
  const other = `"helpers": { "schema": "..." } in clerk-sync.config.json`;
  return `-- The helpers for policies: who is signed in and may do what, by the token, and by the tables of the sync. They are made for
-- every mapping. Policies of the owner's use them, so each keeps its name, arguments and result for good.

-- Functions of somebody else's are never replaced, and a schema in which something else is must be named in the configuration.
do $$
declare
  v_names constant text[] := array[${names.map(quoteLiteral).join(", ")}];
  v_schema regnamespace := to_regnamespace(${quoteLiteral(name)});
  v_found text;
  v_item record;
begin
  select string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text)
  into v_found
  from pg_catalog.pg_proc as p
  where p.pronamespace = v_schema
    and p.proname = any (v_names)
    and coalesce(obj_description(p.oid, 'pg_proc'), '') not like ${ours};
  if v_found is not null then
    raise exception 'schema % has functions that clerk-sync did not make, under the names of its helpers for policies: %', ${literal}, v_found
      using errcode = 'SY001',
            hint = 'Nothing was changed. Rename them, or name another schema for the helpers: ${other}';
  end if;
${
  isShared
    ? ""
    : `
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
    and coalesce(obj_description(v_schema, 'pg_namespace'), '') not like ${ours}
    and not exists (
      select 1
      from pg_catalog.pg_proc as p
      where p.pronamespace = v_schema
        and obj_description(p.oid, 'pg_proc') like ${ours}
    )
  then
    raise exception 'schema % is not of clerk-sync, and holds: %', ${literal}, v_found
      using errcode = 'SY001',
            hint = 'Nothing was changed. "helpers": { "schema": ${JSON.stringify(schema).replaceAll("'", "''")} } in clerk-sync.config.json puts the helpers for policies beside them; another name keeps them apart.';
  end if;
`
}
  if v_schema is null then
    create schema ${name};
    comment on schema ${name} is ${quoteLiteral(`${commentOfOurs} Helpers for policies.`)};
    revoke all on schema ${name} from public, anon;
    v_schema := ${quoteLiteral(name)};
  end if;

  -- A policy knows a function by its number: it follows into the other schema.
  for v_item in
    select p.oid::regprocedure as name, p.pronamespace::regnamespace as schema
    from pg_catalog.pg_proc as p
    where p.proname = any (v_names)
      and p.pronamespace <> v_schema
      and obj_description(p.oid, 'pg_proc') like ${ours}
  loop
    execute format('alter function %s set schema ${name.replaceAll("%", "%%").replaceAll("'", "''")}', v_item.name);
  end loop;
  for v_item in
    select n.oid::regnamespace as name
    from pg_catalog.pg_namespace as n
    where n.oid <> v_schema
      and obj_description(n.oid, 'pg_namespace') = ${quoteLiteral(`${commentOfOurs} Helpers for policies.`)}
      and not exists (select 1 from pg_catalog.pg_class as c where c.relnamespace = n.oid)
      and not exists (select 1 from pg_catalog.pg_proc as p where p.pronamespace = n.oid)
      and not exists (select 1 from pg_catalog.pg_type as t where t.typnamespace = n.oid)
  loop
    execute format('drop schema %s', v_item.name);
  end loop;
end
$$;

grant usage on schema ${name} to authenticated, service_role;
`;
}

/** What JavaScript trims, which the SDK does. */
const whitespace = String.raw`E' \t\n\x0b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'`;

/** In an order in which each uses only what stands before it. */
function helperFunctions(schema: string): HelperFunction[] {
  const head = (signature: string, returns: string, more = "") => `create or replace function ${schema}.${signature}
returns ${returns}
language plpgsql
stable
${more}set search_path = ''
as $$`;
  const definer = (returns: string) =>
    returns.startsWith("setof") ? "rows 10\nsecurity definer\n" : "security definer\n";

  const ofToken = (name: string, note: string, value: string): HelperFunction => ({
    signature: `${name}()`,
    sql: `${note}
${head(`${name}()`, "text")}
declare
  v_claims jsonb := ${schema}.claims();
begin
${value}
end
$$;`,
  });
  const textAt = (...path: readonly string[]) => {
    const value = ["v_claims", ...path.slice(0, -1).map(quoteLiteral)].join(" -> ");
    const last = quoteLiteral(path.at(-1) ?? "");
    return `case jsonb_typeof(${value} -> ${last}) when 'string' then nullif(${value} ->> ${last}, '') end`;
  };
  const byVersion = (two: string, one: string) => `  if v_claims -> 'v' = '2' then
    return ${two};
  end if;
  return ${one};`;

  return [
    {
      signature: "claims()",
      sql: `-- What the token says, as auth.jwt() has it; null where there is none, and where that raises: what is no JSON is no token.
${head("claims()", "jsonb")}
begin
  return auth.jwt();
exception
  when others then
    return null;
end
$$;`,
    },
    ofToken("user_id", "-- Clerk's id of the signed-in user.", `  return ${textAt("sub")};`),
    ofToken(
      "org_id",
      "-- Clerk's id of the active organization; null without one. A token of version 2 says v = 2, and each other one is of version 1.",
      byVersion(textAt("o", "id"), textAt("org_id")),
    ),
    ofToken(
      "org_slug",
      "-- The slug of the active organization; null without one, and where slugs are off.",
      byVersion(textAt("o", "slg"), textAt("org_slug")),
    ),
    ofToken(
      "org_role",
      "-- The role in the active organization, as in org:admin. Version 2 leaves the prefix out.",
      byVersion(`'org:' || ${textAt("o", "rol")}`, textAt("org_role")),
    ),
    ofToken(
      "actor_id",
      "-- Clerk's id of who impersonates the user; null when the user acts.",
      `  return ${textAt("act", "sub")};`,
    ),
    {
      signature: "has_permission(text)",
      sql: `-- Whether the role in the active organization has the permission, by its full key: org:teams:read. In version 2 the features of
-- organizations stand in fea, the names of permissions in per; the integer of fpm at the place of a feature has a bit for each
-- name. The integers have any length: the last n digits decide the last n bits.
${head("has_permission(p_permission text)", "boolean")}
declare
  v_claims jsonb := ${schema}.claims();
  v_org jsonb := v_claims -> 'o';
begin
  if ${schema}.user_id() is null or ${schema}.org_id() is null then
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
        select btrim(x.entry, ${whitespace}) as entry, x.place
        from string_to_table(v_claims ->> 'fea', ',') with ordinality as x(entry, place)
      ),
      features as (
        select substr(e.entry, strpos(e.entry, ':') + 1) as name, row_number() over (order by e.place) as place
        from entries as e
        where split_part(e.entry, ':', 1) in ('o', 'ou', 'uo')
      ),
      integers as (
        select btrim(x.digits, ${whitespace}) as digits, x.place
        from string_to_table(v_org ->> 'fpm', ',') with ordinality as x(digits, place)
      ),
      permissions as (
        select btrim(x.name, ${whitespace}) as name, x.place
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
$$;`,
    },
    ...(
      [
        ["has_feature", "p_feature", "fea", "feature"],
        ["has_plan", "p_plan", "pla", "plan"],
      ] as const
    ).map(([name, parameter, claim, word]) => ({
      signature: `${name}(text)`,
      sql: `-- Whether the session has the ${word}: org:x asks the active organization, user:x the user, and x both.
${head(`${name}(${parameter} text)`, "boolean")}
declare
  v_claims jsonb := ${schema}.claims();
  v_scope text := split_part(${parameter}, ':', 1);
  v_name text := coalesce(nullif(split_part(${parameter}, ':', 2), ''), v_scope);
begin
  if ${schema}.user_id() is null or jsonb_typeof(v_claims -> '${claim}') is distinct from 'string' then
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
                when strpos(${parameter}, ':') = 0 then array['o', 'u', 'ou', 'uo']
                when v_scope in ('o', 'org', 'organization') then array['o', 'ou', 'uo']
                when v_scope in ('u', 'user') then array['u', 'ou', 'uo']
                else array[]::text[]
              end
            )
        )
      from (
        select btrim(x.entry, ${whitespace}) as entry
        from string_to_table(v_claims ->> '${claim}', ',') as x(entry)
      ) as e
    ),
    false
  );
end
$$;`,
    })),
    {
      signature: "my_org_ids()",
      sql: `-- The organizations of the signed-in user, by the tables. A policy over many rows takes this one: it is called once.
${head("my_org_ids()", "setof text", definer("setof text"))}
declare
  v_user_id text := ${schema}.user_id();
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
$$;`,
    },
    {
      signature: "member_role(text)",
      sql: `-- The role of the signed-in user in an organization, as in org:admin, by the tables; null for who is no member.
${head("member_role(p_organization_id text)", "text", definer("text"))}
declare
  v_user_id text := ${schema}.user_id();
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
$$;`,
    },
    {
      signature: "is_member(text)",
      sql: `-- Whether the signed-in user is a member of an organization, by the tables.
${head("is_member(p_organization_id text)", "boolean", definer("boolean"))}
declare
  v_user_id text := ${schema}.user_id();
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
$$;`,
    },
    {
      signature: "member_has_permission(text, text)",
      sql: `-- Whether the role of the signed-in user in an organization has the permission, by its full key, by the tables.
${head("member_has_permission(p_organization_id text, p_permission text)", "boolean", definer("boolean"))}
declare
  v_role text := ${schema}.member_role(p_organization_id);
begin
  return exists (
    select 1
    from clerk_sync.role_rows as r
    where r.key = v_role
      and p_permission = any (r.permissions)
      and r.deleted_at is null
  );
end
$$;`,
    },
  ];
}
