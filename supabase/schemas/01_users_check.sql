-- Whether the sync could write to a table public.users that is there already. A table of another shape is refused here,
-- before anything is changed.

-- The columns of public.users that the sync writes, and what is wrong with them in a table that is there already.

-- What the sync needs of public.users: [{place, name, kind, definition, is_added}]. definition is what the column is
-- added with, is_added says that the statements below add it.
create or replace function clerk_sync.needed_columns()
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_agg(to_jsonb(c) order by c.place)
  from (
    values
      (1, 'clerk_id', 'text', 'text unique', false),
      (2, 'email', 'text', 'text unique', false),
      (3, 'name', 'text', 'text', false),
      (4, 'role', 'role', 'public."UserRole" not null default ''user''', false),
      (5, 'createdAt', 'time', 'timestamp not null default current_timestamp', false),
      (6, 'updatedAt', 'time', 'timestamp not null default current_timestamp', false),
      (7, 'created_at', 'time', 'timestamptz default now()', true),
      (8, 'updated_at', 'time', 'timestamptz default now()', true),
      (9, 'deleted_at', 'time', 'timestamptz', true)
  ) as c(place, name, kind, definition, is_added);
$$;

-- The functions that look for problems answer [{problem, remedy}], remedy being the statement that mends it.

-- The type of role, which clerk_sync.allowed_role reads the labels of.
create or replace function clerk_sync.role_type_problems()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(p)), '[]')
  from (
    select
      'there is no type public."UserRole"' as problem,
      'create type public."UserRole" as enum (''user'', ''admin'');' as remedy
    where to_regtype('public."UserRole"') is null
    union all
    select
      'public."UserRole" is not an enum',
      'alter type public."UserRole" rename to "UserRole_before"; '
        || 'create type public."UserRole" as enum (''user'', ''admin'');'
    from pg_catalog.pg_type as t
    where t.oid = to_regtype('public."UserRole"')
      and t.typtype <> 'e'
    union all
    select
      'public."UserRole" has no label user (commit this one before the others)',
      'alter type public."UserRole" add value ''user'';'
    from pg_catalog.pg_type as t
    where t.oid = to_regtype('public."UserRole"')
      and t.typtype = 'e'
      and not exists (select 1 from pg_catalog.pg_enum as e where e.enumtypid = t.oid and e.enumlabel = 'user')
  ) as p;
$$;

-- Whether a column of this type takes what the sync writes. Not citext: addresses are compared as text, so that an
-- index on citext would go unused and two cases of one address would be refused. 259 is varchar(255).
create or replace function clerk_sync.takes_kind(p_kind text, p_type oid, p_modifier integer)
returns boolean
language sql
stable
set search_path = ''
as $$
  select case p_kind
    when 'text' then p_type = 'text'::regtype or (p_type = 'varchar'::regtype and p_modifier not between 0 and 258)
    when 'time' then p_type in ('timestamp'::regtype, 'timestamptz'::regtype)
    when 'role' then exists (
      select 1
      from pg_catalog.pg_type as t
      where t.oid = p_type
        and t.oid = to_regtype('public."UserRole"')
        and t.typtype = 'e'
    )
  end;
$$;

-- The statement that gives a column a type the sync can write. A time of another type may mean anything, and what
-- is generated cannot be written: such a column is kept under another name.
create or replace function clerk_sync.convert_column(
  p_name         text,
  p_kind         text,
  p_definition   text,
  p_is_generated boolean
)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_is_generated or p_kind = 'time' then format(
      'alter table public.users alter column %1$I drop not null; '
        || 'alter table public.users rename column %1$I to %2$I; '
        || 'alter table public.users add column %1$I %3$s;',
      p_name, p_name || '_before', p_definition
    )
    when p_kind = 'text' then format('alter table public.users alter column %I type text;', p_name)
    else format(
      'alter table public.users %1$salter column %2$I drop default, '
        || 'alter column %2$I type public."UserRole" using %2$I::text::public."UserRole", '
        || 'alter column %2$I set default ''user'';',
      ( -- a list of allowed roles compares with text, and the type is that list now
        select string_agg(format('drop constraint %I, ', k.conname), '')
        from pg_catalog.pg_constraint as k
        join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and k.conkey = array[a.attnum]
        where k.conrelid = to_regclass('public.users')
          and k.contype = 'c'
          and a.attname = p_name
      ),
      p_name
    )
  end;
$$;

-- Columns the sync writes that are missing or do not take what is written.
create or replace function clerk_sync.written_column_problems(p_is_migrated boolean)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(p) - 'place' order by p.place), '[]')
  from (
    select
      c.place,
      case
        when a.attname is null then format('there is no column %I', c.name)
        when a.attgenerated <> '' then format('%I is generated, the sync cannot write it', c.name)
        else format('%I is of type %s, the sync writes %s', c.name, format_type(a.atttypid, a.atttypmod), k.written)
      end as problem,
      case
        when a.attname is null then format('alter table public.users add column %I %s;', c.name, c.definition)
        else clerk_sync.convert_column(c.name, c.kind, c.definition, a.attgenerated <> '')
      end as remedy
    from jsonb_to_recordset(clerk_sync.needed_columns())
      as c(place integer, name text, kind text, definition text, is_added boolean)
    join (
      values
        ('text', 'text or varchar of 255 or more'),
        ('time', 'timestamp or timestamptz'),
        ('role', 'public."UserRole": what it holds must be labels of that')
    ) as k(kind, written) on k.kind = c.kind
    left join pg_catalog.pg_attribute as a
      on a.attrelid = to_regclass('public.users')
     and a.attname = c.name
     and not a.attisdropped
    where case
      when a.attname is null then p_is_migrated or not c.is_added
      else a.attgenerated <> '' or not clerk_sync.takes_kind(c.kind, a.atttypid, a.atttypmod)
    end
  ) as p;
$$;

-- What else is wrong with such a table, and which statements mend it. Every problem is {problem, remedy}, as before.

-- The statements that let a column have values the sync does not give: a number counts on from what is there.
create or replace function clerk_sync.default_remedy(p_name text, p_type oid, p_modifier integer)
returns text
language sql
stable
set search_path = ''
as $$
  select format(
    case
      when p_type = 'uuid'::regtype then 'alter table public.users alter column %1$I set default gen_random_uuid();'
      when p_type in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) then
        'alter table public.users alter column %1$I drop default, alter column %1$I set not null, '
          || 'alter column %1$I add generated by default as identity; '
          || 'select setval(pg_get_serial_sequence(''public.users'', %2$L), coalesce(max(%1$I), 0) + 1, false) '
          || 'from public.users;'
      when p_type in ('text'::regtype, 'varchar'::regtype) and p_modifier not between 0 and 39 then
        'alter table public.users alter column %1$I set default gen_random_uuid()::text;'
      else
        'alter table public.users alter column %1$I drop default, alter column %1$I type text using %1$I::text, '
          || 'alter column %1$I set default gen_random_uuid()::text;'
    end,
    p_name, p_name
  );
$$;

-- Columns the sync gives no value: id and what else must not be null need a default, and what a user may lack must be
-- nullable.
create or replace function clerk_sync.unwritten_column_problems()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(p) - 'attnum' order by p.attnum), '[]')
  from (
    select
      a.attnum,
      case
        when n.is_written then format('%I is not null, but the sync writes null for who has none', a.attname)
        else format('%I has no default that gives it a value, and neither does the sync', a.attname)
      end as problem,
      case
        when not n.is_written and (a.attname = 'id' or a.attnum = any (n.key)) then
          clerk_sync.default_remedy(a.attname, a.atttypid, a.atttypmod)
        else format('alter table public.users alter column %I drop not null;', a.attname)
      end as remedy
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    cross join lateral (
      select
        clerk_sync.needed_columns() @> jsonb_build_array(jsonb_build_object('name', a.attname)) as is_written,
        (select k.conkey from pg_catalog.pg_constraint as k where k.conrelid = a.attrelid and k.contype = 'p') as key
    ) as n
    where a.attrelid = to_regclass('public.users')
      and a.attnum > 0
      and not a.attisdropped
      and a.attidentity = ''
      and a.attgenerated = ''
      and case
        when n.is_written then a.attnotnull and a.attname in ('email', 'name', 'deleted_at')
        else (a.attnotnull or a.attname = 'id')
          and coalesce(pg_get_expr(d.adbin, d.adrelid), 'auth.uid()') like '%auth.uid()%' -- null in the sync
      end
    union all
    select 0, 'there is no column id', 'alter table public.users add column id uuid not null default gen_random_uuid();'
    where not exists (
      select 1 from pg_catalog.pg_attribute as a where a.attrelid = to_regclass('public.users') and a.attname = 'id'
    )
  ) as p;
$$;

-- Constraints the sync needs, or cannot keep. It upserts by clerk_id: without a unique index that would fail at the
-- first event. It makes rows before any other table, auth.users included, has the user.
create or replace function clerk_sync.users_constraint_problems()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(p)), '[]')
  from (
    select
      'clerk_id has no unique constraint or whole unique index' as problem,
      'alter table public.users add unique (clerk_id);' as remedy
    from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass('public.users')
      and a.attname = 'clerk_id'
      and a.attgenerated = ''
      and not exists (
        select 1
        from pg_catalog.pg_index as i
        where i.indrelid = a.attrelid
          and i.indisunique
          and i.indisvalid
          and i.indimmediate
          and i.indpred is null
          and i.indnkeyatts = 1
          and i.indkey[0] = a.attnum
      )
    union all
    select
      format('%I is deferrable, which an upsert by clerk_id does not take', k.conname),
      format('alter table public.users drop constraint %I;', k.conname)
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and k.conkey = array[a.attnum]
    where k.conrelid = to_regclass('public.users')
      and k.contype in ('u', 'p')
      and k.condeferrable
      and a.attname = 'clerk_id'
    union all
    select
      format('%I lets only rows in that %s knows already', k.conname, k.confrelid::regclass),
      format('alter table public.users drop constraint %I;', k.conname)
    from pg_catalog.pg_constraint as k
    where k.conrelid = to_regclass('public.users')
      and k.contype = 'f'
      and exists (
        select 1
        from pg_catalog.pg_attribute as a
        where a.attrelid = k.conrelid
          and a.attnum = any (k.conkey)
          and (
            a.attname = 'id'
            or clerk_sync.needed_columns() @> jsonb_build_array(jsonb_build_object('name', a.attname))
          )
      )
  ) as p;
$$;

-- Why the sync could not write to public.users: [{problem, remedy}], in the order in which the remedies, statements
-- for its owner, can be run. Before the migrations it may be missing, and so may what they add.
create or replace function public.clerk_sync_users_table_problems(p_is_migrated boolean default true)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_kind "char" := (select c.relkind from pg_catalog.pg_class as c where c.oid = to_regclass('public.users'));
begin
  if v_kind is null then
    return case
      when p_is_migrated then
        '[{"problem": "there is no table public.users", "remedy": "Apply the migrations again: they make it."}]'::jsonb
      else '[]'::jsonb
    end;
  end if;
  if v_kind not in ('r', 'p') then
    return '[{
      "problem": "public.users is not a table",
      "remedy": "alter table public.users rename to users_before;"
    }]'::jsonb;
  end if;
  return clerk_sync.role_type_problems()
    || clerk_sync.written_column_problems(p_is_migrated)
    || clerk_sync.unwritten_column_problems()
    || clerk_sync.users_constraint_problems();
end
$$;

do $$
declare
  v_problems jsonb := public.clerk_sync_users_table_problems(p_is_migrated => false);
begin
  if v_problems <> '[]' then
    raise exception E'public.users is not of the shape that the sync needs. These statements mend it:\n%', (
      select string_agg(format(E'-- %s\n%s', p.value ->> 'problem', p.value ->> 'remedy'), E'\n' order by p.ordinality)
      from jsonb_array_elements(v_problems) with ordinality as p
    )
      using errcode = 'SY001',
            hint = 'Nothing was changed. docs/existing-users.md says what may differ.';
  end if;
end
$$;
