-- Generated from clerk-sync.config.json.

-- Why the sync could not write to the mapped tables as this migration was generated for them: [{table, problem, remedy}], in
-- the order in which the remedies, statements for their owner, can be run. Before the migration, what it makes may be missing.
create or replace function public.clerk_sync_table_problems(p_is_migrated boolean default true)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with mapped (place, kind, one, many, name, is_made, secured) as (
    values
      (0, 'user', 'a user', 'users', 'public.users', false, '"own_row" lets users reach it')
  ),
  tables as materialized (
    select
      m.*,
      c.oid,
      c.relkind in ('r', 'p') as is_table,
      c.relrowsecurity as is_secured,
      coalesce(obj_description(c.oid, 'pg_class') like 'Made by clerk-sync.%', false) as is_ours,
      (select k.conkey from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'p') as primary_key
    from mapped as m
    left join pg_catalog.pg_class as c on c.oid = to_regclass(m.name)
  ),
  -- empty: what stands there for a record without a value. is_of_record: a foreign key would ask for another record first,
  -- unless the record waits for the row of this table.
  expected (kind, place, name, type, empty, uniqueness, is_of_record, waits_for) as (
    values
      ('user', 1, 'clerk_id', 'text', 'value', 'key', true, null::text),
      ('user', 2, 'email', 'text', 'null', 'unique', true, null::text),
      ('user', 3, 'name', 'text', 'null', 'any', true, null::text),
      ('user', 4, 'role', 'public."UserRole"', 'value', 'any', false, null::text),
      ('user', 5, 'createdAt', 'timestamp', 'value', 'any', true, null::text),
      ('user', 6, 'updatedAt', 'timestamp', 'value', 'any', true, null::text),
      ('user', 7, 'created_at', 'timestamptz', 'value', 'any', true, null::text),
      ('user', 8, 'updated_at', 'timestamptz', 'value', 'any', true, null::text),
      ('user', 9, 'id', 'any', 'value', 'any', false, null::text),
      ('user', 10, 'preferences', 'any', 'value', 'any', false, null::text),
      ('user', 11, 'medical_profile', 'any', 'value', 'any', false, null::text)
  ),
  labels (kind, type, label) as (
    values
      ('user', 'public."UserRole"', 'user'),
      ('user', 'public."UserRole"', 'admin')
  ),
  -- two columns that may not be alike in two rows, or must be allowed to, where deleted rows stay
  pairs (kind, one, other, is_unique) as (
    select null::text, null::text, null::text, null::boolean where false
  ),
  there as materialized (
    select
      u.kind,
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
    from tables as u
    join pg_catalog.pg_attribute as a on a.attrelid = u.oid
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where u.is_table
      and a.attnum > 0
      and not a.attisdropped
  ),
  problems (kind, step, place, problem, remedy) as (
    select
      u.kind, 1, 0, format('there is no table %s', u.name),
      case
        when u.is_made then '-- Apply the migrations again: they make it.'
        else '-- Apply the migrations that make it first.'
      end
    from tables as u
    where u.oid is null
      and (p_is_migrated or not u.is_made)
    union all
    select u.kind, 1, 0, format('%s is not a table', u.name), '-- In clerk-sync.config.json: name the table behind it: "table"'
    from tables as u
    where not u.is_table
    union all
    select
      u.kind, 1, 1,
      format('%s is there, and was not when this migration was generated', u.name),
      '-- Generate the migration again: with --db-url it reads what is there.'
    from tables as u
    where u.is_table
      and u.is_made
      and not u.is_ours

    -- a column of another type is named below
    union all
    select distinct
      l.kind, 2, 0,
      format('%s has no label %s (commit this one before the others)', l.type, l.label),
      format('alter type %s add value if not exists %L;', l.type, l.label)
    from labels as l
    where to_regtype(l.type) is not null
      and not exists (
        select 1
        from pg_catalog.pg_enum as n
        where n.enumtypid = to_regtype(l.type)
          and n.enumlabel = l.label
      )

    union all
    select
      u.kind, 3, e.place,
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
          when t.is_generated or e.type like '%[]' then
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
    from tables as u
    join expected as e on e.kind = u.kind
    left join there as t on t.kind = u.kind and t.name = e.name
    where u.is_table
      and case
        when t.attnum is null then not u.is_made or p_is_migrated or not u.is_ours or e.type = 'any'
        -- the primary key names a row to a person: nothing is written there
        when e.type = 'any' then t.is_generated and t.is_key is not true
        else t.is_generated or e.type <> t.type
      end

    union all
    select
      u.kind, 4, t.attnum,
      format(
        case
          when e.empty = 'null' then '%I is not null, but the sync writes null for %s without one'
          when e.empty = 'default' then '%I has no default any more, and the sync needs it for %s without a value'
          else '%I may not be null, nothing is mapped to it, and it has no default that the sync can use'
        end,
        t.name, u.one
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
    from tables as u
    join there as t on t.kind = u.kind
    left join expected as e on e.kind = u.kind and e.name = t.name and e.type <> 'any'
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
      u.kind, 5, 0,
      format('%I has no unique constraint or whole unique index', t.name),
      format('alter table %s add unique (%I);', u.name, t.name)
    from tables as u
    join there as t on t.kind = u.kind
    join expected as e on e.kind = u.kind and e.name = t.name
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
      u.kind, 6, 0,
      format('%I is deferrable, which an upsert by %I does not take', k.conname, t.name),
      format('alter table %s drop constraint %I;', u.name, k.conname)
    from tables as u
    join there as t on t.kind = u.kind
    join expected as e on e.kind = u.kind and e.name = t.name
    join pg_catalog.pg_constraint as k on k.conrelid = u.oid and k.conkey = array[t.attnum]
    where e.uniqueness = 'key'
      and k.contype in ('u', 'p')
      and k.condeferrable
    union all
    select
      u.kind, 6, e.place,
      format(
        case
          when t.is_unique then '%I is unique, and was not when this migration was generated'
          else '%I is not unique, and was when this migration was generated'
        end,
        t.name
      ),
      case
        when t.is_unique then format('-- Generate the migration again: two %s may claim one address.', u.many)
        else format('alter table %s add unique (%I);', u.name, t.name)
      end
    from tables as u
    join there as t on t.kind = u.kind
    join expected as e on e.kind = u.kind and e.name = t.name
    where e.uniqueness = case when t.is_unique then 'not unique' else 'unique' end
    union all
    select
      u.kind, 6, 0,
      format(
        case
          when p.is_unique then '%I and %I together have no unique constraint or whole unique index'
          else '%I and %I together are unique, and a user who left and came back has two rows there'
        end,
        p.one, p.other
      ),
      case
        when p.is_unique then format('alter table %s add unique (%I, %I);', u.name, p.one, p.other)
        when i.conname is not null then format('alter table %s drop constraint %I;', u.name, i.conname)
        else format('drop index %s;', i.name)
      end
    from tables as u
    join pairs as p on p.kind = u.kind
    join there as o on o.kind = u.kind and o.name = p.one
    join there as t on t.kind = u.kind and t.name = p.other
    left join lateral (
      select i.indexrelid::regclass as name, k.conname
      from pg_catalog.pg_index as i
      left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.contype in ('u', 'p')
      where i.indrelid = u.oid
        and i.indisunique
        and i.indisvalid
        and i.indimmediate
        and i.indpred is null
        and i.indexprs is null
        and i.indnkeyatts = 2
        and (i.indkey[0], i.indkey[1]) in ((o.attnum, t.attnum), (t.attnum, o.attnum))
      order by i.indexrelid
      limit 1
    ) as i on true
    where p.is_unique = (i.name is null)
      and (p_is_migrated or not u.is_made) -- the migration makes and drops its own

    -- The sync makes rows before any other table, auth.users included, has the record.
    union all
    select distinct
      u.kind, 7, 0,
      format(
        case u.kind
          when 'user' then '%I refuses rows of %s that %s does not have'
          else '%I refuses %s that come before their row of %s'
        end,
        k.conname, u.many, k.confrelid::regclass
      ),
      format('alter table %s drop constraint %I;', u.name, k.conname)
    from tables as u
    join there as t on t.kind = u.kind
    left join expected as e on e.kind = u.kind and e.name = t.name
    join pg_catalog.pg_constraint as k on k.conrelid = u.oid and t.attnum = any (k.conkey)
    where k.contype = 'f'
      and k.conparentid = 0
      and (t.is_key or e.is_of_record)
      and k.confrelid is distinct from to_regclass(e.waits_for)

    union all
    select
      u.kind, 8, 0,
      format('row level security of %s is off, and %s', u.name, u.secured),
      format('alter table %s enable row level security;', u.name)
    from tables as u
    where u.is_table
      and u.secured is not null
      and not u.is_secured
      and (p_is_migrated or not u.is_made)
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'table', u.name,
        -- a line break in a name would end the comment that the problem becomes
        'problem', translate(p.problem, E'\r\n', '  '),
        'remedy', p.remedy
      )
      order by u.place, p.step, p.place, p.problem
    ),
    '[]'
  )
  from problems as p
  join tables as u on u.kind = p.kind;
$$;

do $$
declare
  v_problems jsonb := public.clerk_sync_table_problems(p_is_migrated => false);
  v_tables text[] := array(
    select translate(p.value ->> 'table', E'\r\n', '  ')
    from jsonb_array_elements(v_problems) with ordinality as p
    group by 1
    order by min(p.ordinality)
  );
begin
  if v_problems <> '[]' then
    raise exception E'% when this migration was generated. Generate it again (npx clerk-sync generate), or run these statements:\n%',
      array_to_string(v_tables, ', ')
        || case when cardinality(v_tables) = 1 then ' is not as it was' else ' are not as they were' end,
      (
        select string_agg(
          concat(
            '-- ',
            case when cardinality(v_tables) > 1 then translate(p.value ->> 'table', E'\r\n', '  ') || ': ' end,
            p.value ->> 'problem', E'\n', p.value ->> 'remedy'
          ),
          E'\n' order by p.ordinality
        )
        from jsonb_array_elements(v_problems) with ordinality as p
      )
      using errcode = 'SY001',
            hint = '-- Nothing was changed.';
  end if;
end
$$;

-- The keys that the payload of a job about a record of this kind may have: those of the mapping, of users those of the mirror,
-- and what the sync decides by. Called for each event, so not of language sql, which starts anew each time.
create or replace function clerk_sync.payload_keys(p_kind text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count',
        'email',
        'email_verified',
        'phone',
        'phone_verified',
        'name',
        'user_role',
        'external_id',
        'created_at',
        'banned',
        'locked',
        'deprovisioned',
        'ignored_email'
      ];
    when 'organization' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count'
      ];
    when 'membership' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count',
        'organization_id',
        'user_id',
        'created_at',
        'organization'
      ];
    when 'role' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count',
        'key'
      ];
    when 'permission' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count',
        'key'
      ];
    when 'invitation' then
      return array[
        'clerk_id',
        'given',
        'absent',
        'reason',
        'original_event',
        'retry_count',
        'organization_id'
      ];
    else
      return array[]::text[];
  end case;
end
$$;
