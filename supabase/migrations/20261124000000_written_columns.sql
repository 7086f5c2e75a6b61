-- The columns of public.users that the sync writes, and what is wrong with them in a table that is there already. The
-- next file looks at the rest of such a table.

-- What the sync needs of public.users: [{place, name, kind, definition, is_added}]. definition is what the column is
-- added with, is_added says that the statements below add it.
create or replace function clerk_sync.needed_columns()
returns jsonb
language sql
immutable
security invoker
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

revoke execute on function clerk_sync.needed_columns from public, anon, authenticated;
grant execute on function clerk_sync.needed_columns to service_role;

-- The functions that look for problems answer [{problem, remedy}], remedy being the statement that mends it.

-- The type of role, which clerk_sync.allowed_role reads the labels of.
create or replace function clerk_sync.role_type_problems()
returns jsonb
language sql
stable
security invoker
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

revoke execute on function clerk_sync.role_type_problems from public, anon, authenticated;
grant execute on function clerk_sync.role_type_problems to service_role;

-- Whether a column of this type takes what the sync writes. Not citext: addresses are compared as text, so that an
-- index on citext would go unused and two cases of one address would be refused. 259 is varchar(255).
create or replace function clerk_sync.takes_kind(p_kind text, p_type oid, p_modifier integer)
returns boolean
language sql
stable
security invoker
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

revoke execute on function clerk_sync.takes_kind from public, anon, authenticated;
grant execute on function clerk_sync.takes_kind to service_role;

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
security invoker
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

revoke execute on function clerk_sync.convert_column from public, anon, authenticated;
grant execute on function clerk_sync.convert_column to service_role;

-- Columns the sync writes that are missing or do not take what is written.
create or replace function clerk_sync.written_column_problems(p_is_migrated boolean)
returns jsonb
language sql
stable
security invoker
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

revoke execute on function clerk_sync.written_column_problems from public, anon, authenticated;
grant execute on function clerk_sync.written_column_problems to service_role;
