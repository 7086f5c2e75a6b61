-- Generated from clerk-sync.config.json.

-- Why the sync could not write to public.users as this migration was generated for it: [{problem, remedy}], in the order in
-- which the remedies, statements for its owner, can be run. Before the migration, what it makes may be missing.
create or replace function public.clerk_sync_users_table_problems(p_is_migrated boolean default true)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with users as (
    select
      c.oid,
      'public.users' as name,
      c.relkind in ('r', 'p') as is_table,
      c.relrowsecurity as is_secured,
      coalesce(obj_description(c.oid, 'pg_class') like 'Made by clerk-sync.%', false) as is_ours,
      (select k.conkey from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'p') as primary_key
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.users')
  ),
  -- empty: what stands there for a user without a value. is_of_users: a foreign key would ask for the user first.
  expected (place, name, type, empty, uniqueness, is_of_users) as (
    values
      (1, 'clerk_id', 'text', 'value', 'key', true),
      (2, 'email', 'text', 'null', 'unique', true),
      (3, 'name', 'text', 'null', 'any', true),
      (4, 'role', 'public."UserRole"', 'value', 'any', false),
      (5, 'createdAt', 'timestamp', 'value', 'any', true),
      (6, 'updatedAt', 'timestamp', 'value', 'any', true),
      (7, 'created_at', 'timestamptz', 'value', 'any', true),
      (8, 'updated_at', 'timestamptz', 'value', 'any', true),
      (9, 'id', 'any', 'value', 'any', false),
      (10, 'preferences', 'any', 'value', 'any', false),
      (11, 'medical_profile', 'any', 'value', 'any', false)
  ),
  there as (
    select
      a.attname::text as name,
      a.attnum,
      a.attnum = any (u.primary_key) as is_key,
      regexp_replace(
        replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying', 'varchar'), ' without time zone', ''),
        '^timestamp(.*) with time zone$', 'timestamptz\1'
      ) as type,
      a.attnotnull as is_required,
      a.attidentity = 'a' or a.attgenerated <> '' as is_generated,
      -- auth.uid() is null in the sync
      a.attidentity <> ''
        or a.attgenerated <> ''
        or t.typdefault is not null
        or coalesce(pg_get_expr(d.adbin, d.adrelid) not like '%auth.uid()%', false) as has_default,
      -- of any kind: partial, or over an expression like lower(email)
      exists (
        select 1
        from pg_catalog.pg_index as i
        left join pg_catalog.pg_depend as p
          on p.classid = 'pg_catalog.pg_class'::regclass
          and p.objid = i.indexrelid
          and p.refobjid = u.oid
          and p.refobjsubid = a.attnum
        where i.indrelid = u.oid
          and i.indisunique
          and i.indnkeyatts = 1
          and (
            i.indkey[0] = a.attnum
            or (p.objid is not null and position(quote_ident(a.attname) in pg_get_indexdef(i.indexrelid, 1, false)) > 0)
          )
      ) as is_unique
    from users as u
    join pg_catalog.pg_attribute as a on a.attrelid = u.oid
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where u.is_table
      and a.attnum > 0
      and not a.attisdropped
  ),
  problems (step, place, problem, remedy) as (
    select 1, 0, 'there is no table public.users', '-- Apply the migrations that make it first.'
    where true
      and not exists (select 1 from users)
    union all
    select 1, 0, format('%s is not a table', u.name), '-- In clerk-sync.config.json: name the table behind it: "table"'
    from users as u
    where not u.is_table

    -- a column of another type is named below
    union all
    select distinct
      2, 0,
      format('%s has no label %s (commit this one before the others)', l.type, l.label),
      format('alter type %s add value if not exists %L;', l.type, l.label)
    from (
      values
        ('public."UserRole"', 'user'),
        ('public."UserRole"', 'admin')
    ) as l (type, label)
    where to_regtype(l.type) is not null
      and not exists (
        select 1
        from pg_catalog.pg_enum as n
        where n.enumtypid = to_regtype(l.type)
          and n.enumlabel = l.label
      )

    union all
    select
      3, e.place,
      format(
        case
          when t.attnum is null then 'there is no column %1$I'
          when t.is_generated then '%1$I is generated, the sync cannot write it'
          else '%1$I is of type %2$s, and this migration was generated for %3$s'
        end,
        e.name, t.type, e.type
      ),
      format(
        case
          when t.attnum is null and e.type = 'any' then '-- Generate the migration again: it was there before.'
          when t.attnum is null then
            'alter table %1$s add column %2$I %3$s' || case when e.uniqueness = 'key' then ' unique;' else ';' end
          when t.is_generated then
            'alter table %1$s alter column %2$I drop not null; '
              || 'alter table %1$s rename column %2$I to %4$I; '
              || 'alter table %1$s add column %2$I %3$s;'
          -- what is written is UTC
          when t.type like 'timestamp%' and e.type like 'timestamp%'
            and (t.type like 'timestamptz%') <> (e.type like 'timestamptz%') then
            'alter table %1$s alter column %2$I type %3$s using %2$I at time zone ''utc'';'
          when t.type like 'timestamp%' and e.type like 'timestamp%' then
            'alter table %1$s alter column %2$I type %3$s;'
          when e.type = 'text' or e.type like 'varchar%' then
            'alter table %1$s alter column %2$I type %3$s using %2$I::text;'
          else
            'alter table %1$s '
              || case when t.has_default then 'alter column %2$I drop default, ' else '' end
              || 'alter column %2$I type %3$s using %2$I::text::%3$s;'
        end,
        u.name, e.name, e.type, left(e.name, 50) || '_before'
      )
    from users as u
    cross join expected as e
    left join there as t on t.name = e.name
    where u.is_table
      and case
        when t.attnum is null then true
        -- the primary key names a row to a person: nothing is written there
        when e.type = 'any' then t.is_generated and t.is_key is not true
        else t.is_generated or e.type <> t.type
      end

    union all
    select
      4, t.attnum,
      format(
        case
          when e.empty = 'null' then '%I is not null, but the sync writes null for a user without one'
          when e.empty = 'default' then '%I has no default any more, and the sync needs it for a user without a value'
          else '%I may not be null, nothing is mapped to it, and it has no default that the sync can use'
        end,
        t.name
      ),
      case
        when e.empty in ('null', 'default') then
          format('alter table %s alter column %I drop not null;', u.name, t.name)
        when not t.is_key then
          format(
            E'alter table %1$s alter column %2$I drop not null;\n-- or: alter table %1$s alter column %2$I set default …;',
            u.name, t.name
          )
        when t.type = 'uuid' then
          format('alter table %s alter column %I set default gen_random_uuid();', u.name, t.name)
        -- a number counts on from what is there
        when t.type in ('smallint', 'integer', 'bigint') then
          format(
            'alter table %1$s alter column %2$I add generated by default as identity; '
              || 'select setval(pg_get_serial_sequence(%3$L, %4$L), coalesce(max(%2$I), 0) + 1, false) from %1$s;',
            u.name, t.name, u.name, t.name
          )
        else
          format(
            'alter table %1$s alter column %2$I type text using %2$I::text, '
              || 'alter column %2$I set default gen_random_uuid()::text;',
            u.name, t.name
          )
      end
    from users as u
    cross join there as t
    left join expected as e on e.name = t.name and e.type <> 'any'
    where t.is_required
      and not t.is_generated
      and case
        when e.empty = 'null' then true
        when e.empty is null or e.empty = 'default' then not t.has_default
        else false
      end

    -- The sync upserts by the key: without a unique index that fails at the first event.
    union all
    select
      5, 0,
      format('%I has no unique constraint or whole unique index', t.name),
      format('alter table %s add unique (%I);', u.name, t.name)
    from users as u
    cross join there as t
    join expected as e on e.name = t.name
    where e.uniqueness = 'key'
      and not t.is_generated
      and not exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = u.oid
          and i.indisunique
          and i.indisvalid
          and i.indimmediate
          and i.indpred is null
          and i.indnkeyatts = 1
          and i.indkey[0] = t.attnum
      )
    union all
    select
      6, 0,
      format('%I is deferrable, which an upsert by %I does not take', k.conname, t.name),
      format('alter table %s drop constraint %I;', u.name, k.conname)
    from users as u
    cross join there as t
    join expected as e on e.name = t.name
    join pg_catalog.pg_constraint as k on k.conrelid = u.oid and k.conkey = array[t.attnum]
    where e.uniqueness = 'key'
      and k.contype in ('u', 'p')
      and k.condeferrable
    union all
    select
      6, e.place,
      format(
        case
          when t.is_unique then '%I is unique, and was not when this migration was generated'
          else '%I is not unique, and was when this migration was generated'
        end,
        t.name
      ),
      case
        when t.is_unique then '-- Generate the migration again: two users may claim one address.'
        else format('alter table %s add unique (%I);', u.name, t.name)
      end
    from users as u
    cross join there as t
    join expected as e on e.name = t.name
    where e.uniqueness = case when t.is_unique then 'not unique' else 'unique' end

    -- The sync makes rows before any other table, auth.users included, has the user.
    union all
    select distinct
      7, 0,
      format('%I refuses rows of users that %s does not have', k.conname, k.confrelid::regclass),
      format('alter table %s drop constraint %I;', u.name, k.conname)
    from users as u
    cross join there as t
    left join expected as e on e.name = t.name
    join pg_catalog.pg_constraint as k on k.conrelid = u.oid and t.attnum = any (k.conkey)
    where k.contype = 'f'
      and k.conparentid = 0
      and (t.is_key or e.is_of_users)

    union all
    select
      8, 0,
      format('row level security of %s is off, and "own_row" lets users reach it', u.name),
      format('alter table %s enable row level security;', u.name)
    from users as u
    where u.is_table
      and not u.is_secured
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        -- a line break in a name would end the comment that the problem becomes
        'problem', translate(p.problem, E'\r\n', '  '),
        'remedy', p.remedy
      )
      order by p.step, p.place, p.problem
    ),
    '[]'
  )
  from problems as p;
$$;

do $$
declare
  v_problems jsonb := public.clerk_sync_users_table_problems(p_is_migrated => false);
begin
  if v_problems <> '[]' then
    raise exception E'public.users is not as it was when this migration was generated. Generate it again (npx clerk-sync generate), or run these statements:\n%', (
      select string_agg(format(E'-- %s\n%s', p.value ->> 'problem', p.value ->> 'remedy'), E'\n' order by p.ordinality)
      from jsonb_array_elements(v_problems) with ordinality as p
    )
      using errcode = 'SY001',
            hint = '-- Nothing was changed.';
  end if;
end
$$;

-- The keys that the payload of a job about a record of this kind may have.
create or replace function clerk_sync.payload_keys(p_kind text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      return array['clerk_id', 'email', 'email_verified', 'phone', 'phone_verified', 'name', 'user_role', 'external_id', 'created_at', 'banned', 'locked', 'deprovisioned', 'ignored_email', 'given', 'absent', 'reason', 'original_event', 'retry_count'];
    else
      return array['clerk_id', 'key', 'original_event', 'retry_count'];
  end case;
end
$$;
