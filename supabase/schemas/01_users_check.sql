-- Whether the sync could write to a table public.users that is there already. A table of another shape is refused here,
-- before anything is changed.

-- Why the sync could not write to public.users: [{problem, remedy}], in the order in which the remedies, statements
-- for its owner, can be run. Before the migrations it may be missing, and so may what they add.
create or replace function public.clerk_sync_users_table_problems(p_is_migrated boolean default true)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with users as (
    select
      c.oid,
      c.relkind in ('r', 'p') as is_table,
      (select k.conkey from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'p') as primary_key
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('public.users')
  ),
  -- clerk_sync.allowed_role reads its labels
  role_type as (
    select
      t.oid,
      t.typtype = 'e' as is_enum,
      exists (select 1 from pg_catalog.pg_enum as e where e.enumtypid = t.oid and e.enumlabel = 'user') as has_user
    from pg_catalog.pg_type as t
    where t.oid = to_regtype('public."UserRole"')
  ),
  -- is_optional: the sync writes null for a user who has none. is_added: the next file adds the column.
  -- The sync gives id no value, so that any type will do.
  needed (place, name, kind, is_optional, is_added, definition) as (
    values
      (1, 'clerk_id', 'text', false, false, 'text unique'),
      (2, 'email', 'text', true, false, 'text unique'),
      (3, 'name', 'text', true, false, 'text'),
      (4, 'role', 'role', false, false, 'public."UserRole" not null default ''user'''),
      (5, 'createdAt', 'time', false, false, 'timestamp not null default current_timestamp'),
      (6, 'updatedAt', 'time', false, false, 'timestamp not null default current_timestamp'),
      (7, 'created_at', 'time', false, true, 'timestamptz default now()'),
      (8, 'updated_at', 'time', false, true, 'timestamptz default now()'),
      (9, 'deleted_at', 'time', true, true, 'timestamptz'),
      (10, 'id', 'any', false, false, 'uuid not null default gen_random_uuid()')
  ),
  there as (
    select
      u.oid as users,
      a.attname::text as name,
      a.attnum,
      a.attnum = any (u.primary_key) as is_key,
      a.atttypid as type,
      a.atttypmod as modifier,
      a.attnotnull as is_required,
      a.attgenerated <> '' as is_generated,
      -- auth.uid() is null in the sync
      a.attidentity <> '' or a.attgenerated <> '' or pg_get_expr(d.adbin, d.adrelid) not like '%auth.uid()%' as has_default
    from users as u
    join pg_catalog.pg_attribute as a on a.attrelid = u.oid
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where u.is_table
      and a.attnum > 0
      and not a.attisdropped
  ),
  problems (step, place, problem, remedy) as (
    select 1, 0, 'there is no table public.users', 'Apply the migrations again: they make it.'
    where p_is_migrated
      and not exists (select 1 from users)
    union all
    select 1, 0, 'public.users is not a table', 'alter table public.users rename to users_before;'
    from users as u
    where not u.is_table

    union all
    select
      2, 0,
      case
        when r.oid is null then 'there is no type public."UserRole"'
        when not r.is_enum then 'public."UserRole" is not an enum'
        else 'public."UserRole" has no label user (commit this one before the others)'
      end,
      case
        when r.is_enum then 'alter type public."UserRole" add value ''user'';'
        else
          case when not r.is_enum then 'alter type public."UserRole" rename to "UserRole_before"; ' else '' end
            || 'create type public."UserRole" as enum (''user'', ''admin'');'
      end
    from users as u
    left join role_type as r on true
    where u.is_table
      and r.has_user is not true

    -- Columns that are missing or do not take what is written. A time of another type may mean anything, and what is
    -- generated cannot be written: such a column is kept under another name.
    union all
    select
      3, n.place,
      format(
        case
          when t.attnum is null then 'there is no column %1$I'
          when t.is_generated then '%1$I is generated, the sync cannot write it'
          when n.kind = 'text' then '%1$I is of type %2$s, the sync writes text or varchar of 255 or more'
          when n.kind = 'time' then '%1$I is of type %2$s, the sync writes timestamp or timestamptz'
          else '%1$I is of type %2$s, the sync writes public."UserRole": what it holds must be labels of that'
        end,
        n.name, format_type(t.type, t.modifier)
      ),
      format(
        case
          when t.attnum is null then 'alter table public.users add column %1$I %3$s;'
          when t.is_generated or n.kind = 'time' then
            'alter table public.users alter column %1$I drop not null; '
              || 'alter table public.users rename column %1$I to %2$I; '
              || 'alter table public.users add column %1$I %3$s;'
          when n.kind = 'text' then 'alter table public.users alter column %1$I type text;'
          else
            'alter table public.users %4$salter column %1$I drop default, '
              || 'alter column %1$I type public."UserRole" using %1$I::text::public."UserRole", '
              || 'alter column %1$I set default ''user'';'
        end,
        n.name, n.name || '_before', n.definition,
        ( -- a list of allowed roles compares with text, and the type is that list now
          select string_agg(format('drop constraint %I, ', k.conname), '')
          from pg_catalog.pg_constraint as k
          where k.conrelid = t.users
            and k.contype = 'c'
            and k.conkey = array[t.attnum]
        )
      )
    from users as u
    cross join needed as n
    left join there as t on t.name = n.name
    where u.is_table
      and case
        when t.attnum is null then p_is_migrated or not n.is_added
        when n.kind = 'any' then false
        when t.is_generated then true
        -- Not citext: addresses are compared as text, so that an index on citext would go unused and two cases of one
        -- address would be refused. 259 is varchar(255).
        when n.kind = 'text' then
          not (t.type = 'text'::regtype or (t.type = 'varchar'::regtype and t.modifier not between 0 and 258))
        when n.kind = 'time' then t.type not in ('timestamp'::regtype, 'timestamptz'::regtype)
        else not exists (select 1 from role_type as r where r.oid = t.type and r.is_enum)
      end

    union all
    select
      4, t.attnum,
      format('%I is not null, but the sync writes null for a user without one', t.name),
      format('alter table public.users alter column %I drop not null;', t.name)
    from there as t
    join needed as n on n.name = t.name
    where n.is_optional
      and t.is_required
      and not t.is_generated

    -- Columns that the sync gives no value. A number counts on from what is there.
    union all
    select
      4, t.attnum,
      format('%I has no default that gives it a value, and the sync gives it none', t.name),
      format(
        case
          when not t.is_key and t.name <> 'id' then 'alter table public.users alter column %1$I drop not null;'
          when t.type = 'uuid'::regtype then 'alter table public.users alter column %1$I set default gen_random_uuid();'
          when t.type in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) then
            'alter table public.users alter column %1$I drop default, alter column %1$I set not null, '
              || 'alter column %1$I add generated by default as identity; '
              || 'select setval(pg_get_serial_sequence(''public.users'', %2$L), coalesce(max(%1$I), 0) + 1, false) '
              || 'from public.users;'
          when t.type in ('text'::regtype, 'varchar'::regtype) and t.modifier not between 0 and 39 then
            'alter table public.users alter column %1$I set default gen_random_uuid()::text;'
          else
            'alter table public.users alter column %1$I drop default, alter column %1$I type text using %1$I::text, '
              || 'alter column %1$I set default gen_random_uuid()::text;'
        end,
        t.name, t.name
      )
    from there as t
    left join needed as n on n.name = t.name
    where coalesce(n.kind, 'any') = 'any'
      and (t.is_required or t.name = 'id')
      and t.has_default is not true

    -- The sync upserts by clerk_id: without a unique index that fails at the first event.
    union all
    select
      5, 0, 'clerk_id has no unique constraint or whole unique index', 'alter table public.users add unique (clerk_id);'
    from there as t
    where t.name = 'clerk_id'
      and not t.is_generated
      and not exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = t.users
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
      format('%I is deferrable, which an upsert by clerk_id does not take', k.conname),
      format('alter table public.users drop constraint %I;', k.conname)
    from there as t
    join pg_catalog.pg_constraint as k on k.conrelid = t.users and k.conkey = array[t.attnum]
    where t.name = 'clerk_id'
      and k.contype in ('u', 'p')
      and k.condeferrable

    -- The sync makes rows before any other table, auth.users included, has the user.
    union all
    select distinct
      7, 0,
      format('%I refuses rows of users that %s does not have', k.conname, k.confrelid::regclass),
      format('alter table public.users drop constraint %I;', k.conname)
    from needed as n
    join there as t on t.name = n.name
    join pg_catalog.pg_constraint as k on k.conrelid = t.users and t.attnum = any (k.conkey)
    where k.contype = 'f'
  )
  select coalesce(
    jsonb_agg(jsonb_build_object('problem', p.problem, 'remedy', p.remedy) order by p.step, p.place, p.problem),
    '[]'
  )
  from problems as p;
$$;

do $$
declare
  v_problems jsonb := public.clerk_sync_users_table_problems(p_is_migrated => false);
begin
  if v_problems <> '[]' then
    raise exception E'public.users is not of the shape that the sync needs. These statements correct it:\n%', (
      select string_agg(format(E'-- %s\n%s', p.value ->> 'problem', p.value ->> 'remedy'), E'\n' order by p.ordinality)
      from jsonb_array_elements(v_problems) with ordinality as p
    )
      using errcode = 'SY001',
            hint = 'Nothing was changed. docs/existing-users.md says what may differ.';
  end if;
end
$$;
