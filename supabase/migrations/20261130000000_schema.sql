-- Generated from supabase/schemas by `npm run migration`.

-- ---- 00_schema.sql ----

-- The private schema clerk_sync, which the API does not expose: records and the pieces of the sync. What an adapter may
-- call lives in public as clerk_sync_*. Rights are given in 23_rights.sql.

-- Before the first release no commit changes what an earlier one made. A database of an earlier commit is refused here,
-- before anything is changed.
do $$
declare
  v_version text;
begin
  if to_regclass('clerk_sync.user_state') is null then
    return;
  end if;
  if to_regprocedure('public.clerk_sync_schema_version()') is not null then
    v_version := public.clerk_sync_schema_version();
  end if;
  -- with a note of its objects (01_objects.sql) a database is of this version, whatever another tool has dropped since
  if coalesce(v_version, '') < '20261130000000' and not (v_version is null and to_regclass('clerk_sync.objects') is not null)
    or to_regclass('clerk_sync.records') is null and to_regclass('clerk_sync.objects') is null
  then
    raise exception 'this database was made by a commit before the first release, and cannot be changed to this version'
      using errcode = 'SY004',
            hint = 'Nothing was changed. Run templates/sql/drop.sql first, which keeps public.users, or use an empty database.';
  end if;
end
$$;

create schema if not exists clerk_sync;

-- ---- 01_objects.sql ----

-- What the migration made, as the catalog describes it. Other tools drop and change objects that they do not know
-- (drizzle-kit push, prisma db push), and people do in SQL. Health compares, and each run of the migration restores first.

-- The objects as the last migration left them. Each has a definition; functions and views have a checksum of it. Of
-- public.job_queue an owner may have columns, indexes, triggers and policies as well: is_ours is false for them.
create table if not exists clerk_sync.objects (
  kind       text    not null,
  relation   text    not null,
  name       text    not null,
  definition text    not null,
  is_ours    boolean not null,
  constraint objects_pkey primary key (kind, relation, name)
);

-- The objects that are there now. All of schema clerk_sync is ours, public.job_queue, what begins with clerk_sync_ in public,
-- and the helpers for policies, whose comments say so. Of a mapped table ours are indexes of such a name, the policies whose comment says so, and, where the configuration hands access over, row level security. Of rights
-- those count that we grant. Its columns are looked at by clerk_sync_table_problems. What an owner may set without harm is left out:
-- storage parameters, owners, comments, publications, the schedule, rights of other roles.
create or replace function clerk_sync.describe_objects()
returns table (kind text, relation text, name text, definition text)
language plpgsql
stable
set search_path = ''
set jit = 'off'
as $$
#variable_conflict use_column
declare
  v_schema constant oid := to_regnamespace('clerk_sync');
  v_mapped oid[] := '{}'::oid[];
  v_handed oid[] := '{}'::oid[]; -- of these the configuration says who may do what
begin
  if 2 = (
    select count(*)
    from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass('clerk_sync.mappings')
      and a.attname in ('table_name', 'editable')
  ) then
    select
      coalesce(array_agg(to_regclass(m.table_name)::oid), '{}'),
      coalesce(array_agg(to_regclass(m.table_name)::oid) filter (where m.editable is not null), '{}')
    into v_mapped, v_handed
    from clerk_sync.mappings as m
    where to_regclass(m.table_name) is not null;
  end if;
  return query
  with relations as materialized (
    select c.oid, c.relkind, c.relacl, c.oid::regclass::text as name
    from pg_catalog.pg_class as c
    where (c.relnamespace = v_schema or c.oid = to_regclass('public.job_queue'))
      and c.relkind in ('r', 'p', 'v', 'm', 'S', 'c')
  ),
  helpers as materialized (
    select d.objoid as oid
    from pg_catalog.pg_description as d
    where d.classoid = 'pg_catalog.pg_proc'::regclass
      and starts_with(d.description, 'Made by clerk-sync.')
  ),
  functions as materialized (
    select p.oid::regprocedure::text as name, p.*
    from pg_catalog.pg_proc as p
    where p.pronamespace = v_schema
       or (p.pronamespace = 'public'::regnamespace and starts_with(p.proname, 'clerk_sync_'))
       or p.oid in (select h.oid from helpers as h)
  ),
  roles (oid, name) as (
    select 0::oid, 'public'
    union all
    select r.oid, r.rolname::text
    from pg_catalog.pg_roles as r
    where r.rolname in ('anon', 'authenticated', 'service_role')
  ),
  granted (relation, acl, is_mapped, is_handed) as (
    select n.oid::regnamespace::text, n.nspacl, n.oid <> v_schema, false
    from pg_catalog.pg_namespace as n
    where n.oid = v_schema
       or n.oid in (select c.relnamespace from pg_catalog.pg_class as c where c.oid = any (v_mapped))
    union all
    select n.oid::regnamespace::text, n.nspacl, true, true
    from pg_catalog.pg_namespace as n
    where n.oid in (select p.pronamespace from functions as p where p.oid in (select h.oid from helpers as h))
    union all
    select r.name, r.relacl, false, false
    from relations as r
    where r.relkind <> 'c'
    union all
    select p.name, coalesce(p.proacl, acldefault('f', p.proowner)), false, false
    from functions as p
    union all
    select c.oid::regclass::text, c.relacl, true, c.oid = any (v_handed)
    from pg_catalog.pg_class as c
    where c.oid = any (v_mapped)
    union all
    select c.oid::regclass::text, c.relacl, true, false -- what gives the next value of a column
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
    where d.classid = 'pg_catalog.pg_class'::regclass
      and d.refobjid = any (v_mapped)
      and d.deptype in ('a', 'i')
    union all
    select format('%s.%I', a.attrelid::regclass, a.attname), a.attacl, true, a.attrelid = any (v_handed)
    from pg_catalog.pg_attribute as a
    where a.attrelid = any (v_mapped)
      and a.attacl is not null
      and not a.attisdropped
  )
  -- another release of PostgreSQL may write the same definition in other words
  select 'release', '', 'PostgreSQL', (current_setting('server_version_num')::integer / 10000)::text
  union all
  select 'schema', '', 'clerk_sync', ''
  where v_schema is not null
  union all
  select
    case r.relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence' when 'c' then 'type' else 'table' end,
    '', r.name, case when r.relkind in ('v', 'm') then md5(pg_get_viewdef(r.oid)) else '' end
  from relations as r
  union all
  select
    'column', r.name, quote_ident(a.attname),
    concat_ws(
      ' ',
      format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then 'not null' end,
      case
        when a.attidentity = 'a' then 'generated always as identity'
        when a.attidentity = 'd' then 'generated by default as identity'
        when a.attgenerated <> '' then format('generated always as (%s) stored', pg_get_expr(d.adbin, d.adrelid))
        else 'default ' || pg_get_expr(d.adbin, d.adrelid)
      end
    )
  from relations as r
  join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where r.relkind in ('r', 'p', 'c', 'v')
  union all
  select 'constraint', r.name, quote_ident(k.conname), pg_get_constraintdef(k.oid)
  from relations as r
  join pg_catalog.pg_constraint as k on k.conrelid = r.oid
  where k.contype in ('p', 'u', 'x', 'f', 'c')
  union all
  select
    'index', i.indrelid::regclass::text, i.indexrelid::regclass::text,
    pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' (not valid)' end
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  where (
      i.indrelid in (select r.oid from relations as r)
      or (i.indrelid = any (v_mapped) and starts_with(c.relname, 'clerk_sync_'))
    )
    and not exists (
      select 1
      from pg_catalog.pg_constraint as k
      where k.conrelid = i.indrelid
        and k.conindid = i.indexrelid
        and k.contype in ('p', 'u', 'x')
    )
  union all
  select
    'trigger', r.name, quote_ident(t.tgname),
    pg_get_triggerdef(t.oid) || case when t.tgenabled = 'D' then ' (disabled)' else '' end
  from relations as r
  join pg_catalog.pg_trigger as t on t.tgrelid = r.oid
  where not t.tgisinternal
  union all
  select 'row level security', c.oid::regclass::text, '', 'on'
  from pg_catalog.pg_class as c
  where c.relkind in ('r', 'p')
    and c.relrowsecurity
    and (c.oid in (select r.oid from relations as r) or c.oid = any (v_handed))
  union all
  select
    'policy', p.polrelid::regclass::text, quote_ident(p.polname),
    concat_ws(
      ' ',
      case when not p.polpermissive then 'restrictive' end,
      p.polcmd,
      'to ' || (
        select string_agg(coalesce(o.rolname::text, 'public'), ', ' order by o.rolname)
        from unnest(p.polroles) as u(oid)
        left join pg_catalog.pg_roles as o on o.oid = u.oid
      ),
      'using ' || pg_get_expr(p.polqual, p.polrelid),
      'check ' || pg_get_expr(p.polwithcheck, p.polrelid)
    )
  from pg_catalog.pg_policy as p
  where p.polrelid in (select r.oid from relations as r)
     or (p.polrelid = any (v_handed) and obj_description(p.oid, 'pg_policy') like 'Made by clerk-sync.%')
  union all
  select
    'function', '', p.name,
    concat_ws(
      ' ',
      md5(concat_ws(E'\n', p.prosrc, l.lanname, p.provolatile, p.proisstrict, p.prosecdef, p.proconfig)),
      pg_get_function_result(p.oid),
      pg_get_function_arguments(p.oid)
    )
  from functions as p
  join pg_catalog.pg_language as l on l.oid = p.prolang
  union all
  select 'right', g.relation, format('%s %s', o.name, lower(x.privilege_type)), ''
  from granted as g
  cross join aclexplode(g.acl) as x
  join roles as o on o.oid = x.grantee
  where case
    -- where default privileges grant everything, more than we grant
    when o.name = 'service_role' then x.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'EXECUTE', 'USAGE')
    else g.is_handed or not g.is_mapped
  end;
end
$$;

-- How what is there differs from what the last migration left. noted: the definition then; present: now. Rights that the
-- API's roles have got on an object of ours count as changed. What belongs to a missing object is left out.
create or replace function clerk_sync.object_differences()
returns table (
  kind text, relation text, name text, noted text, present text, object text, state text, status text, place integer
)
language plpgsql
stable
set search_path = ''
set jit = 'off'
as $$
#variable_conflict use_column
begin
  return query
  with now as materialized (
    select * from clerk_sync.describe_objects()
  ),
  noted as materialized (
    select o.kind, o.relation, o.name, o.definition from clerk_sync.objects as o where o.is_ours
  ),
  pairs as materialized (
    select
      coalesce(o.kind, n.kind) as kind,
      coalesce(o.relation, n.relation) as relation,
      coalesce(o.name, n.name) as name,
      o.definition as noted,
      n.definition as present
    from noted as o
    full join now as n on (n.kind, n.relation, n.name) = (o.kind, o.relation, o.name)
  ),
  helpers as (
    select p.name from pairs as p where p.kind = 'function' and p.name !~ '^(clerk_sync[.]|public[.]clerk_sync_)'
  ),
  differing as (
    select p.*, p.present is null and p.kind not in ('right', 'row level security') as is_missing
    from pairs as p
    where p.kind <> 'release'
      and case
        when p.noted is null then
          p.kind = 'right'
            and split_part(p.name, ' ', 1) <> 'service_role'
            and p.relation in (select o.name from noted as o where o.kind in ('schema', 'table', 'view', 'sequence', 'function'))
        when p.present is null then
          p.relation not in (select g.name from pairs as g where g.relation = '' and g.present is null)
        else
          p.present <> p.noted
            and (select r.present = r.noted from pairs as r where r.kind = 'release')
      end
  )
  select
    d.kind, d.relation, d.name, d.noted, d.present,
    case
      when d.kind in ('constraint', 'trigger', 'policy') then format('%s %s on %s', d.kind, d.name, d.relation)
      when d.kind = 'column' then format('column %s.%s', d.relation, d.name)
      when d.kind = 'row level security' then format('row level security of %s', d.relation)
      when d.kind = 'right' then
        format(
          'rights on %s (%s may %s%s)',
          d.relation, split_part(d.name, ' ', 1), case when d.present is null then 'not ' else '' end,
          case split_part(d.name, ' ', 2) when 'usage' then 'use it' when 'execute' then 'call it' else split_part(d.name, ' ', 2) end
        )
      else concat(d.kind, ' ', d.name)
    end,
    case when d.is_missing then 'missing' else 'changed' end,
    case
      when coalesce(nullif(d.relation, ''), d.name) in (select h.name from helpers as h) then 'degraded' -- no event needs them
      when d.is_missing and d.kind not in ('constraint', 'index', 'trigger', 'policy') then 'compromised'
      -- the sync inserts "on conflict", which fails without them
      when d.noted ~ '^(PRIMARY KEY|UNIQUE|CREATE UNIQUE)' then 'compromised'
      when d.kind = 'right' and d.present is null and starts_with(d.name, 'service_role ') then 'compromised'
      when d.kind = 'row level security' then 'compromised' -- rows may be open to each signed-in user
      else 'degraded'
    end,
    array_position(
      array[
        'schema', 'table', 'view', 'sequence', 'type', 'column', 'row level security', 'function', 'constraint', 'index',
        'trigger', 'policy', 'right'
      ],
      d.kind
    )
  from differing as d;
end
$$;

-- How what is there differs from what the migration left: [{object, state, status}]. object: in words, as in "index
-- public.job_queue_due_idx". state: missing, or changed. status: compromised, where events cannot be stored or applied, or
-- else degraded.
create or replace function public.clerk_sync_object_findings()
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
as $$
declare
  v_missing text := case
    when to_regnamespace('clerk_sync') is null then 'schema clerk_sync'
    when to_regclass('clerk_sync.objects') is null then 'table clerk_sync.objects'
    when to_regprocedure('clerk_sync.object_differences()') is null then 'function clerk_sync.object_differences()'
    when to_regprocedure('clerk_sync.describe_objects()') is null then 'function clerk_sync.describe_objects()'
  end;
begin
  if v_missing is null then
    return (
      select coalesce(
        jsonb_agg(
          jsonb_build_object('object', d.object, 'state', d.state, 'status', d.status)
          order by d.status, d.place, d.object
        ),
        '[]'
      )
      from clerk_sync.object_differences() as d
    );
  end if;
  return (
    select jsonb_agg(jsonb_build_object('object', m.object, 'state', 'missing', 'status', 'compromised'))
    from unnest(
      array_append(array[v_missing], case when to_regclass('public.job_queue') is null then 'table public.job_queue' end)
    ) as m(object)
    where m.object is not null
  );
end
$$;

-- Restores what the files below do not make again where the rest of its table is there: columns, constraints and indexes.
-- What they could not replace is dropped for them: a type, or a function that takes or answers something else.
create or replace function clerk_sync.restore_objects()
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_statement text;
begin
  for v_statement in
    with differences as materialized (
      select
        d.*,
        coalesce(
          (select o.kind from clerk_sync.objects as o where o.kind in ('type', 'view') and o.name = d.relation),
          'table'
        ) as owner,
        substring(d.noted from '^(.*?)(?: not null)?(?: default .*| generated .*)?$') as type,
        substring(d.present from '^(.*?)(?: not null)?(?: default .*| generated .*)?$') as present_type,
        d.noted ~ '^.*? not null(?: default .*| generated .*)?$' as is_required,
        substring(d.noted from ' default (.*)$') as value
      from clerk_sync.object_differences() as d
    )
    select s.statement
    from differences as d
    cross join lateral (
      values
        (
          1, d.kind = 'column' and d.owner = 'type',
          format('drop type if exists %s cascade', d.relation)
        ),
        (1, d.kind = 'column' and d.owner = 'view', format('drop view if exists %s', d.relation)),
        (
          1, d.kind = 'function' and substring(d.noted from 34) <> substring(d.present from 34),
          format('drop function %s', d.name)
        ),
        (
          1, d.kind = 'constraint' and d.state = 'changed',
          format('alter table %s drop constraint %s', d.relation, d.name)
        ),
        (1, d.kind = 'index' and d.state = 'changed', format('drop index %s', d.name)),
        (
          -- before the check of the mapped table; one that was mapped before may have another name now
          1, d.kind = 'row level security' and to_regclass(d.relation) is not null,
          format('alter table %s enable row level security', d.relation)
        ),
        (
          2, d.kind = 'column' and d.state = 'missing' and d.owner = 'table',
          format('alter table %s add column %s %s', d.relation, d.name, d.noted)
        ),
        (
          2, d.kind = 'column' and d.state = 'changed' and d.owner = 'table' and d.noted !~ ' generated ',
          format('alter table %1$s alter column %2$s drop default', d.relation, d.name)
            || case
              when d.type <> d.present_type then format(', alter column %s type %s using %1$s::%2$s', d.name, d.type)
              else ''
            end
            || format(', alter column %s %s not null', d.name, case when d.is_required then 'set' else 'drop' end)
            || case when d.value is not null then format(', alter column %s set default %s', d.name, d.value) else '' end
        ),
        (
          case when d.noted ~ '^(PRIMARY KEY|UNIQUE)' then 3 else 4 end, d.kind = 'constraint',
          format('alter table %s add constraint %s %s', d.relation, d.name, d.noted)
        ),
        (4, d.kind = 'index' and starts_with(d.relation, 'clerk_sync.'), d.noted),
        (4, d.kind = 'index' and d.relation = 'public.job_queue', d.noted)
    ) as s(step, is_due, statement)
    where s.is_due
    order by s.step, d.object
  loop
    execute v_statement;
  end loop;
end
$$;

-- What an owner has on public.job_queue before the migration adds its own.
create or replace function clerk_sync.note_others()
returns void
language sql
set search_path = ''
as $$
  delete from clerk_sync.objects as o
  where not o.is_ours;

  insert into clerk_sync.objects (kind, relation, name, definition, is_ours)
  select d.kind, d.relation, d.name, d.definition, false
  from clerk_sync.describe_objects() as d
  where d.relation = 'public.job_queue'
    and d.kind in ('column', 'constraint', 'index', 'trigger', 'policy')
  on conflict (kind, relation, name) do nothing;
$$;

-- Notes what is there when a migration has made its objects. What an owner had before, and the migration left as it was,
-- stays the owner's.
create or replace function clerk_sync.note_objects()
returns void
language sql
set search_path = ''
as $$
  delete from clerk_sync.objects as o
  where o.is_ours;

  insert into clerk_sync.objects as o (kind, relation, name, definition, is_ours)
  select d.kind, d.relation, d.name, d.definition, true
  from clerk_sync.describe_objects() as d
  on conflict (kind, relation, name) do update
    set definition = excluded.definition,
        is_ours = excluded.definition <> o.definition;
$$;

-- A queue that is there without a note of it is ours, and the note was lost, if an installation made it.
do $$
begin
  perform clerk_sync.restore_objects();
  if exists (select 1 from clerk_sync.objects) or to_regprocedure('public.clerk_sync_schema_version()') is null then
    perform clerk_sync.note_others();
  end if;
end
$$;

-- ---- 01_tables.sql ----

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

-- ---- 03_records.sql ----

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

-- ---- 04_jobs.sql ----

-- public.job_queue: the jobs, their states and history, and the functions that store, lock, move and describe them.

--   PENDING ──> PROCESSING ──> COMPLETED          CANCELLED: by a person
--      └───────────┬──┴──> FAILED (again at run_at) ──> … ──> DEAD (gave up; a person retries)
--
-- The sync inserts jobs by clerk_sync.insert_jobs, moves them by clerk_sync.move_jobs and ends them by
-- clerk_sync.complete_jobs; all three record what they do in the job's history. A trigger records what anybody else does to
-- a job: a change by hand.
--
-- source: webhook (Clerk sent it), refresh (the worker reads the user from Clerk's API when the job runs), backfill,
-- reconcile or ensure (the payload was read there), or why only the mirror is pending (email_taken, role_withdrawn, lease_lost); members (the memberships of a restored
-- organization or user are read), read (what that read brought).

-- A queue of the same shape that a hand-written processor left behind is taken over: what it owed is owed
-- still, what it had failed waits as a dead letter (its payload may be long out of date).
do $$
begin
  if to_regclass('public.job_queue') is null or exists (
    select 1
    from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass('public.job_queue')
      and a.attname = 'event_id'
  ) then
    return;
  end if;
  update public.job_queue as j
  set status = case
        when j.status = 'FAILED' then 'DEAD'
        when j.status = 'PROCESSING' then 'PENDING'
        else j.status
      end,
      processed_at = case
        when j.status in ('COMPLETED', 'FAILED') then coalesce(j.processed_at, j.updated_at, now())
      end,
      created_at = coalesce(j.created_at, j.updated_at, now()),
      updated_at = coalesce(j.updated_at, now());
end
$$;

create table if not exists public.job_queue (
  id           uuid        not null default gen_random_uuid(),
  job_type     text        not null,
  payload      jsonb       not null default '{}',
  status       text        not null default 'PENDING',
  priority     integer     not null default 1,
  error        text        null,
  result       jsonb       null,
  created_at   timestamptz default now(),
  updated_at   timestamptz default now(),
  processed_at timestamptz null,
  constraint job_queue_pkey primary key (id)
);

alter table public.job_queue
  add column if not exists event_id     text,
  add column if not exists clerk_id     text,
  add column if not exists version      bigint      not null default 0,
  add column if not exists source       text        not null default 'webhook',
  add column if not exists attempts     integer     not null default 0,
  add column if not exists max_attempts integer     not null default 15,
  add column if not exists run_at       timestamptz not null default now(),
  add column if not exists lease_token  uuid,
  add column if not exists lease_until  timestamptz,
  add column if not exists history      jsonb       not null default '[]',
  add column if not exists cancel_requested_at timestamptz,
  add column if not exists kind         text        not null generated always as (lower(split_part(job_type, '_', 1))) stored,
  add column if not exists applied_at   timestamptz,
  add column if not exists read_at      timestamptz,
  add column if not exists erased_at    timestamptz,
  add column if not exists waits_for    text,
  add column if not exists is_held      boolean     not null default false,
  add column if not exists is_confirmed boolean     not null default false,
  add column if not exists for_auth_only boolean    not null default false,
  add column if not exists runs_alone   boolean     not null default false;

comment on column public.job_queue.kind is
  'the kind of record that the job is about: user, organization, membership, role, permission or invitation';
comment on column public.job_queue.applied_at is
  'when the change was written; a job that comes again after that only has its mirror pending';
comment on column public.job_queue.read_at is
  'when the read from Clerk''s API began that the payload came from; null when Clerk sent it';
comment on column public.job_queue.erased_at is
  'when the job lost what it held of a deleted person';
comment on column public.job_queue.waits_for is
  'what the job needs: the service (auth, clerk) whose circuit was open, or the row of the organization or user of a membership; null again when the job is due';
comment on column public.job_queue.is_held is
  'the delete brake holds this deletion until an operator decides';
comment on column public.job_queue.is_confirmed is
  'an operator let this deletion pass the delete brake';
comment on column public.job_queue.for_auth_only is
  'a compare of Supabase Auth made this deletion: the user may be there in Supabase Auth alone';
comment on column public.job_queue.runs_alone is
  'a call that applied this job with others was cut off; the job, and later jobs of its user until one of them is applied, get a call of their own (clerk_sync_lease_alone)';

update public.job_queue as j
set clerk_id = j.payload ->> 'clerk_id'
where j.clerk_id is null
  and j.payload ->> 'clerk_id' <> '';

alter table public.job_queue
  drop constraint if exists job_type_is_known,
  drop constraint if exists status_is_known,
  drop constraint if exists leased_iff_processing,
  drop constraint if exists processed_iff_final,
  drop constraint if exists kind_is_known,
  drop constraint if exists source_is_known,
  drop constraint if exists waits_only_while_open,
  drop constraint if exists held_is_a_pending_deletion,
  drop constraint if exists only_deletions_are_confirmed;
alter table public.job_queue
  add constraint job_type_is_known
    check (job_type in (
      'USER_CREATED', 'USER_UPDATED', 'USER_DELETED',
      'ORGANIZATION_CREATED', 'ORGANIZATION_UPDATED', 'ORGANIZATION_DELETED',
      'MEMBERSHIP_CREATED', 'MEMBERSHIP_UPDATED', 'MEMBERSHIP_DELETED',
      'ROLE_CREATED', 'ROLE_UPDATED', 'ROLE_DELETED',
      'PERMISSION_CREATED', 'PERMISSION_UPDATED', 'PERMISSION_DELETED',
      'INVITATION_CREATED', 'INVITATION_UPDATED', 'INVITATION_DELETED'
    )),
  add constraint status_is_known
    check (status in ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'DEAD', 'CANCELLED')),
  add constraint leased_iff_processing
    check ((status = 'PROCESSING') = (lease_token is not null and lease_until is not null)),
  add constraint processed_iff_final
    check ((status in ('COMPLETED', 'DEAD', 'CANCELLED')) = (processed_at is not null)),
  add constraint source_is_known
    check (source <> ''),
  add constraint waits_only_while_open
    check (waits_for is null or (waits_for in ('auth', 'clerk', 'organization', 'user') and status in ('PENDING', 'FAILED'))),
  add constraint held_is_a_pending_deletion
    check (not is_held or (status = 'PENDING' and job_type like '%DELETED')),
  add constraint only_deletions_are_confirmed
    check (not (is_confirmed or for_auth_only) or job_type like '%DELETED');

-- One delivery, one job: svix-id is the same on every retry of an event.
create unique index if not exists job_queue_event_id_key
  on public.job_queue (event_id);
-- The claim reads this one in order. run_at is a key column: a backlog of waiting retries is
-- then passed over inside the index. Jobs that wait for a service are in the next one.
create index if not exists job_queue_due_idx
  on public.job_queue (priority desc, run_at, id)
  where status in ('PENDING', 'FAILED') and waits_for is null;
create index if not exists job_queue_waiting_idx
  on public.job_queue (waits_for, run_at, id)
  where waits_for is not null;
-- Usually empty: the jobs that run alone, in the order in which they are leased, and by user.
create index if not exists job_queue_alone_due_idx
  on public.job_queue (attempts, run_at, id)
  where runs_alone and status in ('PENDING', 'FAILED');
create index if not exists job_queue_alone_user_idx
  on public.job_queue (clerk_id)
  where runs_alone and status <> 'COMPLETED';
-- Law 5: one mirror call per user at a time, whatever the workers do.
create unique index if not exists job_queue_one_processing_per_user
  on public.job_queue (clerk_id)
  where status = 'PROCESSING';
-- Not by status: a look whether a user's job is PROCESSING must not go through all that are.
create index if not exists job_queue_lease_idx
  on public.job_queue (lease_until)
  where lease_until is not null;
create index if not exists job_queue_user_idx
  on public.job_queue (clerk_id, status, created_at);
-- What a person looks at: everything that went wrong or was stopped.
create index if not exists job_queue_stopped_idx
  on public.job_queue (updated_at)
  where status in ('FAILED', 'DEAD', 'CANCELLED');
create index if not exists job_queue_purge_idx
  on public.job_queue (processed_at)
  where status in ('COMPLETED', 'CANCELLED');

-- A queue dies and is reborn row by row; the defaults would let millions of dead rows pile up.
alter table public.job_queue set (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_analyze_threshold = 5000
);

alter table public.job_queue enable row level security;

drop policy if exists job_queue_service_role on public.job_queue;
create policy job_queue_service_role
  on public.job_queue
  for all
  to service_role
  using (true)
  with check (true);

-- Changes by hand: the trigger that records them, and what it needs.

-- The name of the person who runs a statement in SQL: the database user and, where it differs, the role.
create or replace function clerk_sync.database_user()
returns text
language sql
stable
set search_path = ''
as $$
  select concat_ws(' as ', session_user, nullif(current_user, session_user));
$$;

-- Collects what a statement changes by hand in two settings of its transaction. When the statement ends, record_edit
-- writes one entry of the audit: how many jobs, and the first ten ids.
create or replace function clerk_sync.note_edit(p_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ids   text    := coalesce(current_setting('clerk_sync.edited_ids', true), '');
  v_count integer := coalesce(nullif(current_setting('clerk_sync.edited_count', true), ''), '0')::integer;
begin
  perform set_config('clerk_sync.edited_count', (v_count + 1)::text, true);
  if v_count < 10 then
    perform set_config('clerk_sync.edited_ids', concat_ws(',', nullif(v_ids, ''), p_id), true);
  end if;
end
$$;

-- One entry of the history of a job: {at, status, attempt, error?, by?}. by: the operator, or the database user, who made
-- the change; the sync made a change without it.
create or replace function clerk_sync.history_entry(p_status text, p_attempt integer, p_error text, p_by text)
returns jsonb
language sql
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'at', clock_timestamp(), 'status', p_status, 'attempt', p_attempt, 'error', p_error, 'by', p_by
  ));
$$;

-- True while a job of this user, open or dead, runs alone.
create or replace function clerk_sync.runs_alone(p_clerk_id text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select 1
    from public.job_queue as j
    where j.clerk_id = p_clerk_id
      and j.runs_alone
      and j.status <> 'COMPLETED'
  );
$$;

-- Keeps a job that a person makes or changes in SQL consistent, and adds the change to its history with the person's name.
-- The functions of the sync say that they act by the setting clerk_sync.actor, and this trigger does not fire for them.
create or replace function clerk_sync.record_hand_edit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    new.history := '[]';
    new.clerk_id := coalesce(new.clerk_id, nullif(new.payload ->> 'clerk_id', ''));
    new.updated_at := coalesce(new.updated_at, clock_timestamp());
    new.created_at := coalesce(new.created_at, new.updated_at);
    new.runs_alone := new.runs_alone or clerk_sync.runs_alone(new.clerk_id);
  else
    new.history := old.history;
    if new.updated_at is null or new.updated_at = old.updated_at then
      new.updated_at := clock_timestamp();
    end if;
    if old.status in ('DEAD', 'CANCELLED') and new.status = 'PENDING' and new.attempts = old.attempts then
      new.attempts := 0; -- tried again by hand: from the start
      new.run_at := least(new.run_at, new.updated_at);
    end if;
    if greatest(new.attempts - 1, 0) <> greatest(old.attempts - 1, 0) then
      new.payload := new.payload || jsonb_build_object('retry_count', greatest(new.attempts - 1, 0));
    end if;
  end if;

  new.waits_for := case when new.status in ('PENDING', 'FAILED') then new.waits_for end;
  new.is_held := new.is_held and new.status = 'PENDING';
  if new.status = 'PROCESSING' then
    new.lease_token := coalesce(new.lease_token, gen_random_uuid());
    new.lease_until := coalesce(new.lease_until, new.updated_at + interval '1 minute');
  else
    new.lease_token := null;
    new.lease_until := null;
    new.cancel_requested_at := null;
  end if;
  new.processed_at := case
    when new.status in ('COMPLETED', 'DEAD', 'CANCELLED') then coalesce(new.processed_at, new.updated_at)
  end;

  new.history := new.history || clerk_sync.history_entry(new.status, new.attempts, new.error, clerk_sync.database_user());
  perform clerk_sync.note_edit(new.id);
  return new;
end
$$;

drop trigger if exists record_hand_edit on public.job_queue;
create trigger record_hand_edit
  before insert or update on public.job_queue
  for each row
  when (current_setting('clerk_sync.actor', true) is distinct from 'sync')
  execute function clerk_sync.record_hand_edit();

-- Events: what the sync applies. An event is a job, or what becomes one.

create or replace view clerk_sync.events
with (security_invoker = true)
as
select
  j.id,
  j.event_id,
  j.job_type,
  j.kind,
  j.job_type like '%DELETED' as deletes,
  j.clerk_id,
  j.version,
  j.payload,
  j.source,
  j.created_at,
  j.read_at,
  j.applied_at,
  j.erased_at,
  j.for_auth_only,
  case when j.status = 'DEAD' then j.error end as dead_reason
from public.job_queue as j;

-- The events of a call, each with the id that its job gets: [{event_id, job_type, clerk_id?, version?, payload, source?,
-- read_at?, applied_at?, for_auth_only?, dead_reason?}]. Raises SY003 unless each has an event_id of its own: of two that
-- share one, or have none, one would be lost.
create or replace function clerk_sync.new_events(p_jobs jsonb)
returns clerk_sync.events[]
language plpgsql
set search_path = ''
as $$
declare
  -- Ids begin with the time (UUID version 7), so that new jobs are neighbours in an index of millions. The place in the
  -- call follows: the ids of a call have the order of its events.
  v_time   text := overlay(
    lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') placing '-' from 9 for 0
  ) || '-7';
  v_events clerk_sync.events[] := array(
    select row( -- the columns of clerk_sync.events in their order
      overlay(gen_random_uuid()::text placing v_time || lpad(to_hex(i.ordinality & 4095), 3, '0') from 1 for 18)::uuid,
      i.value ->> 'event_id',
      i.value ->> 'job_type',
      k.kind,
      i.value ->> 'job_type' like '%DELETED',
      case when i.value ? 'clerk_id' then i.value ->> 'clerk_id' else nullif(i.value -> 'payload' ->> 'clerk_id', '') end,
      (i.value ->> 'version')::bigint,
      case -- almost every payload is kept as it is
        when jsonb_typeof(i.value -> 'payload') = 'object'
          and (i.value -> 'payload') - clerk_sync.payload_keys(k.kind) = '{}'
          and not i.value -> 'payload' ? 'absent'
        then i.value -> 'payload'
        else clerk_sync.known_payload(i.value -> 'payload', clerk_sync.payload_keys(k.kind))
      end,
      i.value ->> 'source',
      null,
      (i.value ->> 'read_at')::timestamptz,
      (i.value ->> 'applied_at')::timestamptz,
      null,
      (i.value ->> 'for_auth_only')::boolean,
      i.value ->> 'dead_reason'
    )::clerk_sync.events
    from jsonb_array_elements(p_jobs) with ordinality as i
    cross join lateral (select lower(split_part(i.value ->> 'job_type', '_', 1)) as kind) as k
  );
begin
  if (cardinality(v_events) <> 1 or v_events[1].event_id is null)
    and (select count(distinct e.event_id) < count(*) from unnest(v_events) as e) then
    raise exception 'each job of a call needs an event_id of its own' using errcode = 'SY003';
  end if;
  return v_events;
end
$$;

-- The three writers of job state. Three other statements of the sync change what a job holds, never its state: put_reads (a
-- read of its user), name_users (the user of a deletion without an id) and erase_deleted.

-- Moves jobs on, to every state but COMPLETED (complete_jobs). Every change goes into the history of the job.
-- An attempt counts when a job leaves the queue for it (PROCESSING), or ends in the same call (COMPLETED, FAILED, DEAD). A
-- job that goes back to PENDING from PROCESSING gets its attempt back.
--   p_status       the status to come; null: it stays. FAILED becomes DEAD when the attempts are used up. A job whose
--                  cancel was asked for during its attempt ends as CANCELLED instead of PENDING, FAILED or DEAD. CANCELLED
--                  asks a job in flight for that.
--   p_error        why; a status that stays, and CANCELLED, keep the error that is there
--   p_run_at       when the job is due; null: as before
--   p_applied      its change is written
--   p_notes        what its result says besides, by job id
--   p_read_at      when the read from Clerk's API begins that the job is leased for
--   p_token, p_lease_until   the lease of a job that becomes PROCESSING; null: the one it has
--   p_is_confirmed, p_runs_alone   null: as before
--   p_waits_for, p_is_held   as given: a move that does not name them ends the waiting
--   p_starts_over  the job begins again with no attempt counted
--   p_by           the person who moves the job; null: the sync does
-- Returns how many jobs moved.
create or replace function clerk_sync.move_jobs(
  p_ids          uuid[],
  p_status       text,
  p_now          timestamptz,
  p_error        text default null,
  p_run_at       timestamptz default null,
  p_waits_for    text default null,
  p_is_held      boolean default false,
  p_is_confirmed boolean default null,
  p_runs_alone   boolean default null,
  p_applied      boolean default false,
  p_notes        jsonb default null,
  p_token        uuid default null,
  p_lease_until  timestamptz default null,
  p_read_at      timestamptz default null,
  p_starts_over  boolean default false,
  p_by           text default null
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_why   jsonb := jsonb_strip_nulls(jsonb_build_object('error', p_error, 'by', p_by));
  v_count integer;
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return 0;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set (status, attempts, payload, error, result, run_at, waits_for, is_held, is_confirmed, runs_alone, applied_at, read_at,
       lease_token, lease_until, cancel_requested_at, processed_at, updated_at, history) = (
    select
      m.status,
      a.attempts,
      case
        when greatest(a.attempts - 1, 0) = greatest(j.attempts - 1, 0) then j.payload
        else j.payload || jsonb_build_object('retry_count', greatest(a.attempts - 1, 0))
      end,
      case when p_status is null or m.status = 'CANCELLED' then coalesce(p_error, j.error) else p_error end,
      case
        when p_applied and (j.applied_at is null or j.job_type like '%DELETED') then case
          when j.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', j.payload -> 'ignored_email')
          else '{"applied": true}'
        end
        when p_notes ? j.id::text then coalesce(j.result, '{}')
        else j.result
      end || case when p_notes ? j.id::text then p_notes -> j.id::text else '{}' end,
      coalesce(p_run_at, j.run_at),
      p_waits_for,
      p_is_held,
      coalesce(p_is_confirmed, j.is_confirmed),
      coalesce(p_runs_alone, j.runs_alone),
      case when p_applied then coalesce(j.applied_at, p_now) else j.applied_at end,
      coalesce(p_read_at, j.read_at),
      case when m.status = 'PROCESSING' then coalesce(p_token, j.lease_token) end,
      case when m.status = 'PROCESSING' then coalesce(p_lease_until, j.lease_until) end,
      case
        when m.status <> 'PROCESSING' then null
        when p_status = 'CANCELLED' then p_now
        else j.cancel_requested_at
      end,
      case
        when m.status = j.status then j.processed_at
        when m.status in ('DEAD', 'CANCELLED') then p_now
      end,
      p_now,
      case
        when m.status = j.status and a.attempts = j.attempts and p_by is null then j.history
        else j.history || ( -- as history_entry, at a third of its cost
          jsonb_build_object('at', clock_timestamp(), 'status', m.status, 'attempt', a.attempts) || v_why
        )
      end
    from (
      select case
        when p_starts_over then 0
        when j.status = 'PROCESSING' then case when p_status = 'PENDING' then j.attempts - 1 else j.attempts end
        when p_status in ('PROCESSING', 'FAILED', 'DEAD') then j.attempts + 1
        else j.attempts
      end as attempts
    ) as a
    cross join lateral (
      select case
        when p_status = 'CANCELLED' and j.status = 'PROCESSING' then 'PROCESSING'
        when j.cancel_requested_at is not null and p_status in ('PENDING', 'FAILED', 'DEAD') then 'CANCELLED'
        when p_status = 'FAILED' and a.attempts >= j.max_attempts then 'DEAD'
        else coalesce(p_status, j.status)
      end as status
    ) as m
  )
  where j.id = any (p_ids);
  get diagnostics v_count = row_count;
  perform set_config('clerk_sync.actor', '', true);
  return v_count;
end
$$;

-- Completes jobs: nothing of them is pending any more. Almost every job ends so; this statement is short because it does
-- nothing else. An attempt counts as in move_jobs.
--   p_applied  true: the change is written; false: a newer change of the user is known; null: as the job says
--   p_notes    what the results say besides, by job id
create or replace function clerk_sync.complete_jobs(
  p_ids     uuid[],
  p_now     timestamptz,
  p_applied boolean default null,
  p_notes   jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if coalesce(cardinality(p_ids), 0) = 0 then
    return;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set status = 'COMPLETED',
      attempts = j.attempts + (j.status <> 'PROCESSING')::integer,
      payload = case
        when j.status = 'PROCESSING' or j.attempts = 0 then j.payload
        else j.payload || jsonb_build_object('retry_count', j.attempts)
      end,
      error = null,
      result = case
        when p_applied and (j.applied_at is null or j.job_type like '%DELETED') then case
          when j.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', j.payload -> 'ignored_email')
          else '{"applied": true}'
        end
        when not p_applied and j.applied_at is null and p_notes ? j.id::text then '{"applied": false}'
        when not p_applied and j.applied_at is null then ( -- a newer change of the record is known
          select case
            when r.deleted_at is not null then jsonb_build_object('applied', false, 'reason', r.kind || '_deleted')
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', r.version)
          end
          from clerk_sync.records as r
          where r.id = j.clerk_id
        )
        when p_notes ? j.id::text then coalesce(j.result, '{}')
        else j.result
      end || case when p_notes ? j.id::text then p_notes -> j.id::text else '{}' end,
      waits_for = null,
      is_held = false,
      runs_alone = false,
      applied_at = case when p_applied then coalesce(j.applied_at, p_now) else j.applied_at end,
      lease_token = null,
      lease_until = null,
      cancel_requested_at = null,
      processed_at = p_now,
      updated_at = p_now,
      history = j.history || jsonb_build_object( -- as history_entry
        'at', clock_timestamp(), 'status', 'COMPLETED', 'attempt', j.attempts + (j.status <> 'PROCESSING')::integer
      )
  where j.id = any (p_ids);
  perform set_config('clerk_sync.actor', '', true);
end
$$;

-- Inserts the jobs of events: the only insert of jobs by the sync. An event that is known inserts nothing; if its job is a
-- dead letter, the job starts over.
-- p_carries: events whose change is written; their jobs are done, or, with p_mirrors, wait for the mirror.
-- p_superseded: events that bring nothing newer. p_notes: what the results of jobs say besides, by job id.
-- p_existing: users whose creation is no news, by event id: {id, clerk_id}; nothing is stored for them.
-- p_waits_for: the service that the mirror waits for. p_alone: these jobs run alone, as do those of users who have such a job.
-- Returns [{event_id, outcome, applied, job_id, user}] in the order of the events' ids, as clerk_sync_enqueue describes it.
create or replace function clerk_sync.insert_jobs(
  p_events       clerk_sync.events[],
  p_now          timestamptz,
  p_max_attempts integer default 15,
  p_carries      uuid[] default '{}',
  p_superseded   uuid[] default '{}',
  p_notes        jsonb default null,
  p_existing     jsonb default '{}',
  p_mirrors      boolean default false,
  p_waits_for    text default null,
  p_alone        boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_done      timestamptz := p_now + (clock_timestamp() - statement_timestamp());
  v_answer    jsonb;
  v_stored    uuid[];
  v_restarted uuid[];
begin
  perform set_config('clerk_sync.actor', 'sync', true);
  with stored as (
    insert into public.job_queue as j
      (id, event_id, job_type, clerk_id, version, payload, source, read_at, applied_at, for_auth_only, error, status,
       priority, attempts, max_attempts, created_at, updated_at, run_at, processed_at, waits_for, runs_alone, result, history)
    select
      e.id, e.event_id, e.job_type, e.clerk_id, coalesce(e.version, 0), e.payload, coalesce(e.source, 'webhook'), e.read_at,
      case when s.carries then p_now else e.applied_at end, coalesce(e.for_auth_only, false), e.dead_reason, s.status,
      case -- sign-ups first, then the other live events, then what backfill and reconcile bring
        when e.source in ('backfill', 'reconcile') then 0
        when e.job_type = 'USER_CREATED' then 2
        else 1
      end,
      (s.status = 'COMPLETED')::integer, p_max_attempts, p_now, p_now, p_now,
      case when s.status <> 'PENDING' then v_done end,
      case when s.carries and p_mirrors then p_waits_for end,
      case
        when s.carries then false
        else p_alone or coalesce(( -- as runs_alone
          select true from public.job_queue as a where a.clerk_id = e.clerk_id and a.runs_alone and a.status <> 'COMPLETED' limit 1
        ), false)
      end,
      case
        when s.carries or e.applied_at is not null then case
          when e.payload ? 'ignored_email' then jsonb_build_object('applied', true, 'ignored_email', e.payload -> 'ignored_email')
          else '{"applied": true}'
        end || case when p_notes ? e.id::text then p_notes -> e.id::text else '{}' end
        when s.status = 'COMPLETED' then ( -- a newer change of the record is known
          select case
            when r.deleted_at is not null then jsonb_build_object('applied', false, 'reason', r.kind || '_deleted')
            else jsonb_build_object('applied', false, 'reason', 'newer_known', 'version', r.version)
          end
          from clerk_sync.records as r
          where r.id = e.clerk_id
        )
      end,
      jsonb_build_array( -- as history_entry, at a third of its cost
        jsonb_build_object('at', clock_timestamp(), 'status', s.status, 'attempt', (s.status = 'COMPLETED')::integer)
          || case when e.dead_reason is not null then jsonb_build_object('error', e.dead_reason) else '{}' end
      )
    from unnest(p_events) as e
    cross join lateral (
      select
        e.id = any (p_carries) as carries,
        case
          when e.dead_reason is not null then 'DEAD'
          when e.id = any (p_superseded) or (e.id = any (p_carries) and not p_mirrors) then 'COMPLETED'
          else 'PENDING'
        end as status
    ) as s
    where not p_existing ? e.event_id
    order by e.event_id -- two calls that share events take them in one order
    on conflict (event_id) do nothing
    returning j.id, j.event_id, j.status
  )
  select
    array_agg(s.id),
    jsonb_agg(jsonb_build_object(
      'event_id', s.event_id,
      'outcome', case s.status when 'DEAD' then 'dead' else 'queued' end,
      'applied', case when s.status = 'COMPLETED' then 'all' when s.id = any (p_carries) then 'row' else 'no' end,
      'job_id', s.id,
      'user', null
    ) order by s.id)
  into v_stored, v_answer
  from stored as s;
  perform set_config('clerk_sync.actor', '', true);
  if cardinality(v_stored) = cardinality(p_events) then
    return v_answer;
  end if;

  v_restarted := array(
    select j.id
    from public.job_queue as j
    where j.event_id = any (array(
        select e.event_id from unnest(p_events) as e where e.dead_reason is null and not p_existing ? e.event_id
      ))
      and j.status = 'DEAD'
    order by j.event_id
    for update
  );
  perform clerk_sync.move_jobs(v_restarted, 'PENDING', p_now, p_run_at => p_now, p_starts_over => true);
  return (
    select coalesce(jsonb_agg(coalesce(a.answer, jsonb_build_object(
      'event_id', e.event_id,
      'outcome', case when p_existing ? e.event_id then 'exists' when j.id = any (v_restarted) then 'requeued' else 'duplicate' end,
      'applied', 'no',
      'job_id', j.id,
      'user', p_existing -> e.event_id
    )) order by e.id), '[]')
    from unnest(p_events) as e
    left join (select i.value as answer from jsonb_array_elements(v_answer) as i) as a on a.answer ->> 'event_id' = e.event_id
    -- offset 0: a lookup each, whatever the statistics say
    left join lateral (
      select k.id from public.job_queue as k where k.event_id = e.event_id and not p_existing ? e.event_id offset 0
    ) as j on true
  );
end
$$;

-- A job as JSON: one shape for the worker, the command line and the page, parsed by core/database/job.ts. What may be long
-- (history, result, payload) is in clerk_sync_job alone; a list has all other keys, a worker's answer five of them.
create or replace function clerk_sync.describe_job(p_job public.job_queue)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_job.id,
    'job_type', p_job.job_type,
    'status', p_job.status,
    'source', p_job.source,
    'clerk_id', p_job.clerk_id,
    'event_id', p_job.event_id,
    'version', p_job.version,
    'priority', p_job.priority,
    'attempts', p_job.attempts,
    'max_attempts', p_job.max_attempts,
    'error', p_job.error,
    'created_at', p_job.created_at,
    'updated_at', p_job.updated_at,
    'run_at', p_job.run_at,
    'processed_at', p_job.processed_at,
    'lease_until', p_job.lease_until,
    'cancel_requested_at', p_job.cancel_requested_at,
    'waits_for', p_job.waits_for
  );
$$;

-- What a worker is answered of jobs: [{id, job_type, status, attempts, error}].
create or replace function clerk_sync.describe_jobs(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(to_jsonb(array_agg(r)), '[]')
    from (
      select j.id, j.job_type, j.status, j.attempts, j.error
      from public.job_queue as j
      where j.id = any (p_ids)
    ) as r
  );
end
$$;

-- An object as it is, anything else (a job made by hand) as {value}.
create or replace function clerk_sync.as_object(p_value jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select case when jsonb_typeof(p_value) <> 'object' then jsonb_build_object('value', p_value) else p_value end;
$$;

-- One job with all that is known of it; null when there is none.
create or replace function public.clerk_sync_job(p_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select clerk_sync.describe_job(j) || jsonb_build_object(
      'history', j.history,
      'result', clerk_sync.as_object(nullif(j.result, 'null')),
      'payload', clerk_sync.as_object(j.payload)
    )
    from public.job_queue as j
    where j.id = p_id
  );
end
$$;

-- Erases what jobs hold of deleted users whose deletion is complete, given some jobs of theirs. Called when a deletion
-- completes, here and in Auth, and when a late event of a deleted user brought nothing. A job that another worker holds
-- is skipped: that worker erases it.
create or replace function clerk_sync.erase_deleted(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set payload = jsonb_strip_nulls(jsonb_build_object(
        'clerk_id', j.clerk_id,
        'retry_count', j.payload -> 'retry_count',
        'original_event', ( -- kind, ids and times, as summarise-event.ts keeps them
          select jsonb_build_object(
            'type', e.value -> 'type', 'object', e.value -> 'object', 'timestamp', e.value -> 'timestamp',
            'instance_id', e.value -> 'instance_id', 'data', jsonb_build_object(
              'id', d.value -> 'id', 'object', d.value -> 'object', 'deleted', d.value -> 'deleted',
              'created_at', d.value -> 'created_at', 'updated_at', d.value -> 'updated_at'
            )
          )
          from (select j.payload -> 'original_event' as value) as e
          cross join lateral (select e.value -> 'data' as value) as d
          where jsonb_typeof(e.value) = 'object'
        ),
        'erased', true
      )),
      erased_at = p_now,
      error = split_part(j.error, ':', 1),
      history = ( -- what follows the colon of an error may quote a value
        select coalesce(jsonb_agg(
          h.entry || jsonb_strip_nulls(jsonb_build_object('error', split_part(h.entry ->> 'error', ':', 1))) order by h.place
        ), '[]')
        from jsonb_array_elements(j.history) with ordinality as h(entry, place)
      ),
      updated_at = p_now
  where j.id = any (array(
    select o.id
    from public.job_queue as o
    where o.clerk_id = any (array(
        select d.clerk_id
        from (
          select distinct q.clerk_id
          from public.job_queue as q
          where q.id = any (p_ids)
            -- By case and subquery: as conditions to plan with they would lead to all finished jobs.
            and case when q.status = 'COMPLETED' then true end
        ) as d
        where (select r.deleted_at is not null from clerk_sync.records as r where r.id = d.clerk_id)
      ))
      and o.status <> 'PROCESSING'
      and o.erased_at is null
      and o.payload - '{clerk_id,retry_count,reason}'::text[] <> '{}'
    for update skip locked
  ));
  perform set_config('clerk_sync.actor', '', true);
end
$$;

-- ---- 04_kind_rows.sql ----

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

-- ---- 04_users.sql ----

-- Generated from clerk-sync.config.json.

insert into clerk_sync.mappings as m (kind, table_name, key, columns, written, rules, fields, access, editable, hash)
values (
  'user',
  'public.users',
  'clerk_id',
  '{"email":"email","name":"name","role":"public_metadata.role","createdAt":"created_at","updatedAt":"now","created_at":"created_at","updated_at":"now"}'::jsonb,
  array['email', 'name', 'role']::text[],
  '{"role":{"allowed":["user","admin"],"default":"user"},"createdAt":{"own_default":true,"once":true},"created_at":{"once":true}}'::jsonb,
  array['email', 'name', 'user_role', 'created_at']::text[],
  'own_row',
  array['name', 'preferences', 'medical_profile']::text[],
  'dfd2a232727f28b38b53238288419f3f17c8170a01f42d7d4922a60b5a7ff08c'
)
on conflict (kind) do update
  set table_name = excluded.table_name,
      key = excluded.key,
      columns = excluded.columns,
      written = excluded.written,
      rules = excluded.rules,
      fields = excluded.fields,
      access = excluded.access,
      editable = excluded.editable,
      hash = excluded.hash,
      changed_at = case when m.hash = excluded.hash then m.changed_at else now() end;

-- The rows of public.users, as the functions of the sync read them in a table of any shape. email is null for a
-- placeholder; mapped holds the columns that the sync writes.
create or replace view clerk_sync.user_rows
with (security_invoker = true)
as
select
  u.clerk_id as clerk_id,
  u.id::text as row_id,
  u.email as email,
  u.name as name,
  u.role::text as role,
  null::timestamptz as deleted_at,
  (select to_jsonb(m) from (select u.email, u.name, u.role, u."createdAt", u."updatedAt", u.created_at, u.updated_at) as m) as mapped
from public.users as u;

-- Applies the newest event of each user where only the version decides (laws 3 and 11), in one statement of named steps.
-- It is the only statement that writes rows of public.users from Clerk. What it does not return is left to apply_disputed.
-- Rows of tables are looked up by scalar subqueries, each by its key whatever the statistics say; a join could read a table.
-- p_is_settled: apply_disputed has settled these events; nothing but the version is asked.
--   carries     events that are written, and events that were written before whose mirror alone is pending
--   superseded  other events of the same users: they bring nothing newer
--   notes       what the results of jobs say besides, by job id
create or replace function clerk_sync.apply_users(
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
declare
  v_latest bigint := clerk_sync.latest_version(p_now);
begin
  with event as materialized ( -- the events; the newest of a user has place 1
    select
      e.*,
      row_number() over (
        partition by e.clerk_id
        order by e.deletes desc, e.version desc, e.applied_at is not null, e.created_at desc, e.id
      ) as place,
      bool_and(e.applied_at is not null) over (partition by e.clerk_id) as are_all_applied
    from unnest(p_events) as e
    where e.clerk_id is not null
  ),
  said as materialized ( -- what the newest snapshots say of their users, and how many users of this call claim the address
    select
      e.id, e.clerk_id, e.version, e.source, e.payload, e.payload ->> 'email' as email,
      count(*) over (partition by e.payload ->> 'email') as claims
    from event as e
    where e.place = 1
      and not e.deletes
      and e.applied_at is null
      and e.erased_at is null
      and not ( -- no news, but perhaps a reason to answer that the user exists
        e.job_type = 'USER_CREATED'
        and coalesce((select r.version >= e.version from clerk_sync.records as r where r.id = e.clerk_id), false)
      )
      and (
        p_is_settled
        or (
          not e.payload ? 'absent' -- as absent_fields
          and e.version <= v_latest + case
            when e.read_at is null and e.created_at < p_now then extract(epoch from e.created_at - p_now) * 1000
            else 0
          end
        )
      )
  ),
  free as materialized ( -- known records that no other transaction holds
    select r.id
    from clerk_sync.records as r
    where r.id = any (array(select s.clerk_id from said as s))
    for update skip locked
  ),
  fit as materialized ( -- those that dispute no address, and give none up that somebody waits for
    select s.*
    from said as s
    where case -- in a case, which makes it a lookup by hash whatever the statistics say
        when s.clerk_id in (select f.id from free as f) then true
        when (select true from clerk_sync.records as r where r.id = s.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(s.clerk_id, 7461203)) -- as claim_records
      end
      and (
        p_is_settled
        or (
          (
            s.email is null
            or (
              s.claims = 1
              and coalesce((select coalesce(u.clerk_id, '') from public.users as u where u.email = s.email), s.clerk_id) = s.clerk_id
            )
          )
          and case -- usually no user waits for an address at all
              when exists (select 1 from clerk_sync.user_state as w where w.withheld_email is not null) then ( -- and for this one?
                select (u.email is not distinct from s.email and (s.payload ->> 'email_verified')::boolean)
                  or (select true from clerk_sync.user_state as w where w.withheld_email = u.email limit 1) is null
                from public.users as u
                where u.clerk_id = s.clerk_id
              ) is not false
              else true
            end
          and case -- usually each row has its Clerk id
            when exists (select 1 from public.users as u where u.clerk_id is null) then (
              select true
              from public.users as u
              where lower(u.email) = lower(s.payload ->> 'email')
                and u.clerk_id is null
              limit 1
            ) is null
            else true
          end
        )
      )
    order by s.clerk_id -- one order for all: two calls that share users do not wait for each other in a circle
  ),
  record as ( -- the guard and the tombstone: only what it returns is written
    insert into clerk_sync.records as r (id, version, last_synced_at, first_seen_at, row_made_at, given)
    select
      f.clerk_id, f.version, p_now,
      case when coalesce(f.source, 'webhook') = 'webhook' and n.makes_row then p_now end,
      case when n.makes_row then p_now end,
      array(select jsonb_array_elements_text(f.payload -> 'given'))
    from fit as f
    cross join lateral (
      select (select true from public.users as u where u.clerk_id = f.clerk_id) is null as makes_row
      offset 0 -- one lookup each
    ) as n
    on conflict (id) do update
      set version = excluded.version,
          last_synced_at = excluded.last_synced_at,
          first_seen_at = case when r.version = 0 then coalesce(r.first_seen_at, excluded.first_seen_at) else r.first_seen_at end,
          row_made_at = coalesce(excluded.row_made_at, r.row_made_at),
          given = case
            when excluded.given <@ r.given then r.given
            else array(select distinct g from unnest(r.given || excluded.given) as g order by g)
          end,
          refresh_reason = null,
          refresh_due_at = null,
          refresh_attempts = case when p_is_settled then r.refresh_attempts else 0 end
      where r.version <= excluded.version
        and r.deleted_at is null
        and r.trusted_version is null
        and r.absent_version is null
    returning r.id, r.given
  ),
  written as materialized (
    select f.*
    from fit as f
    where case when f.clerk_id in (select r.id from record as r) then true end
  ),
  user_row as ( -- n is what the event gives, k the row as it is. A row that would not change is not written, so now stays true
    insert into public.users as u
      (clerk_id, email, name, role, "createdAt", "updatedAt", created_at, updated_at)
    select
      w.clerk_id,
      case when k.is_there is null or w.payload ? 'email' then n.email else k.email end,
      case when k.is_there is null or w.payload ? 'name' then n.name else k.name end,
      case
        when k.is_there is null then n.role
        when w.payload ? 'user_role' and w.clerk_id in (select r.id from record as r where 'public_metadata.role' = any (r.given)) then n.role
        else k.role
      end,
      n."createdAt",
      n."updatedAt",
      n.created_at,
      n.updated_at
    from written as w
    cross join lateral (
      select
        w.payload ->> 'email' as email,
        w.payload ->> 'name' as name,
        case
          when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' = any (enum_range(null::public."UserRole")::text[]) then (w.payload ->> 'user_role')::public."UserRole"
          else 'user'::public."UserRole"
        end as role,
        coalesce((w.payload ->> 'created_at')::timestamptz, p_now) at time zone 'utc' as "createdAt",
        p_now at time zone 'utc' as "updatedAt",
        coalesce((w.payload ->> 'created_at')::timestamptz, p_now) as created_at,
        p_now as updated_at
    ) as n
    left join lateral (
      select true as is_there, o.email, o.name, o.role
      from public.users as o
      where o.clerk_id = w.clerk_id
      offset 0
      for no key update
    ) as k on true
    on conflict (clerk_id) do update
      set email = excluded.email,
          name = excluded.name,
          role = excluded.role,
          "updatedAt" = excluded."updatedAt",
          updated_at = excluded.updated_at
      where (u.email, u.name, u.role)
        is distinct from (excluded.email, excluded.name, excluded.role)
  ),
  state as ( -- what only users have; most have none of it, and no row for it
    insert into clerk_sync.user_state as s
      (clerk_id, external_id, phone, email_verified, banned, locked, deprovisioned, ignored)
    select w.clerk_id, n.external_id, n.phone, n.email_verified, n.banned, n.locked, n.deprovisioned, n.ignored
    from written as w
    left join lateral (select o.* from clerk_sync.user_state as o where o.clerk_id = w.clerk_id offset 0) as k on true
    cross join lateral (
      select
        case when w.payload ? 'external_id' then w.payload ->> 'external_id' else k.external_id end as external_id,
        case when not w.payload ? 'phone' then k.phone when (w.payload ->> 'phone_verified')::boolean then w.payload ->> 'phone' end as phone,
        coalesce(case when w.payload ? 'email_verified' then (w.payload ->> 'email_verified')::boolean else k.email_verified end, false) as email_verified,
        coalesce(case when w.payload ? 'banned' then (w.payload ->> 'banned')::boolean else k.banned end, false) as banned,
        coalesce(case when w.payload ? 'locked' then (w.payload ->> 'locked')::boolean else k.locked end, false) as locked,
        coalesce(case when w.payload ? 'deprovisioned' then (w.payload ->> 'deprovisioned')::boolean else k.deprovisioned end, false) as deprovisioned,
        nullif(jsonb_strip_nulls(jsonb_build_object(
          'role', case
            when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' <> all (enum_range(null::public."UserRole")::text[])
              then clerk_sync.kind_of(w.payload -> 'user_role')
            when not w.payload ? 'user_role' then k.ignored ->> 'role'
          end
        )), '{}') as ignored
    ) as n
    where k.clerk_id is not null
       or not n.email_verified
       or n.external_id is not null
       or n.phone is not null
       or n.banned
       or n.locked
       or n.deprovisioned
       or n.ignored is not null
    on conflict (clerk_id) do update
      set external_id = excluded.external_id,
          phone = excluded.phone,
          email_verified = excluded.email_verified,
          banned = excluded.banned,
          locked = excluded.locked,
          deprovisioned = excluded.deprovisioned,
          ignored = excluded.ignored,
          withheld_email = null
      where (s.external_id, s.phone, s.email_verified, s.banned, s.locked, s.deprovisioned, s.ignored, s.withheld_email)
        is distinct from (excluded.external_id, excluded.phone, excluded.email_verified, excluded.banned, excluded.locked, excluded.deprovisioned, excluded.ignored, null)
  ),
  verdict as (
    select
      e.id,
      e.place,
      e.clerk_id in (select w.clerk_id from written as w) or case -- all were written before: the mirror of the newest is pending
        when e.are_all_applied then (
          select case
            when e.place > 1 then true
            when e.deletes then r.deleted_at is not null
            else r.deleted_at is null and r.version = e.version and r.absent_version is null
          end
          from clerk_sync.records as r
          where r.id = e.clerk_id
        )
        else false
      end as is_done
    from event as e
  )
  select
    coalesce(array_agg(v.id) filter (where v.is_done and v.place = 1), '{}'),
    coalesce(array_agg(v.id) filter (where v.is_done and v.place > 1), '{}'),
    (
      select jsonb_object_agg(w.id, jsonb_build_object('ignored', n.ignored))
      from written as w
      cross join lateral (
        select nullif(jsonb_strip_nulls(jsonb_build_object(
          'role', case
            when w.payload -> 'given' ? 'public_metadata.role' and w.payload ->> 'user_role' <> all (enum_range(null::public."UserRole")::text[])
              then clerk_sync.kind_of(w.payload -> 'user_role')
          end
        )), '{}') as ignored
      ) as n
      where n.ignored is not null
    )
  into carries, superseded, notes
  from verdict as v;
end
$$;

-- Gives the columns of a metadata key their default. Called when an event that was passed over is the first to have the
-- key: the newest event, which was written before, has metadata without it, unless the key is among what was absent there.
create or replace function clerk_sync.default_user_columns(p_clerk_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  if p_source = 'public_metadata.role' and 'user_role' <> all (p_absent) then
    update public.users as u
    set role = 'user'::public."UserRole",
        "updatedAt" = p_now at time zone 'utc',
        updated_at = p_now
    where u.clerk_id = p_clerk_id
      and u.role is distinct from 'user'::public."UserRole";
  end if;
end
$$;

-- Removes rows, whatever becomes of the rows of deleted users.
create or replace function clerk_sync.remove_users(p_clerk_ids text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  delete from public.users as u
  where u.clerk_id = any (p_clerk_ids);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- What becomes of the rows of deleted users: they go.
create or replace function clerk_sync.delete_users(p_clerk_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  select clerk_sync.remove_users(p_clerk_ids);
$$;

-- Whether two rows may not have one address.
create or replace function clerk_sync.emails_are_unique()
returns boolean
language sql
immutable
set search_path = ''
as $$
  select true;
$$;

-- The rows that hold these addresses; clerk_id is null where the row has none.
create or replace function clerk_sync.email_holders(p_emails text[])
returns table (email text, clerk_id text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select i.email, u.clerk_id
  from (select distinct e.email from unnest(p_emails) as e(email) where e.email is not null) as i
  -- offset 0: a lookup each, whatever the statistics say
  cross join lateral (
    select r.clerk_id::text as clerk_id from public.users as r where r.email = i.email offset 0
  ) as u;
end
$$;

-- Takes their addresses from users.
create or replace function clerk_sync.take_emails(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  update public.users as u
  set email = null,
      "updatedAt" = p_now at time zone 'utc',
      updated_at = p_now
  where u.clerk_id = any (p_clerk_ids);
end
$$;

-- The users whose rows hold a text in a mapped column of texts: as it is written, or in any case where the index is on
-- lower(column); an email also in lower case. A column without an index is not read: not_searched has [{name, remedy}]. At most
-- 50 users of a column and 100 of all; is_cut when more rows hold the text.
create or replace function clerk_sync.find_by_text(
  p_q text,
  out clerk_ids    text[],
  out searched     text[],
  out not_searched jsonb,
  out is_cut       boolean
)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- it collects all that an index finds before the limit
set plan_cache_mode = 'force_custom_plan' -- of a table that was empty any index looks as good as the column's own
as $$
begin
  with looked as materialized (
    select c.place, c.name, c.remedy, c.ids
    from (values
      (
        1, 'email', 'create index on public.users (lower(email));',
        case clerk_sync.text_index('public.users', 'email')
          when 'lower' then array(select u.clerk_id from public.users as u where lower(u.email) = lower(p_q) limit 51)
          when 'plain' then array(select u.clerk_id from public.users as u where u.email = p_q limit 51)
            || array(select u.clerk_id from public.users as u where u.email = nullif(lower(p_q), p_q) limit 51)
        end
      ),
      (
        2, 'name', 'create index on public.users (lower(name));',
        case clerk_sync.text_index('public.users', 'name')
          when 'lower' then array(select u.clerk_id from public.users as u where lower(u.name) = lower(p_q) limit 51)
          when 'plain' then array(select u.clerk_id from public.users as u where u.name = p_q limit 51)
        end
      )
    ) as c(place, name, remedy, ids)
  ),
  holders as (
    select distinct i.id
    from looked as l
    cross join unnest(l.ids[1:50]) as i(id)
    where i.id is not null
  )
  select
    array(select h.id from holders as h order by h.id limit 100),
    coalesce(array_agg(l.name order by l.place) filter (where l.ids is not null), '{}'),
    coalesce(
      jsonb_agg(jsonb_build_object('name', l.name, 'remedy', l.remedy) order by l.place) filter (where l.ids is null), '[]'
    ),
    coalesce(bool_or(cardinality(l.ids) > 50), false) or (select count(*) > 100 from holders)
  into clerk_ids, searched, not_searched, is_cut
  from looked as l;
exception
  when undefined_column then -- a search by id must work all the same
    clerk_ids := '{}';
    searched := '{}';
    not_searched := '[{"name":"email","remedy":"-- The table has changed. Run: clerk-sync doctor"},{"name":"name","remedy":"-- The table has changed. Run: clerk-sync doctor"}]';
    is_cut := false;
end
$$;

-- Rows without a Clerk id, through the unique index of the key.
create or replace function clerk_sync.rows_without_id(p_most integer)
returns table (row_id text)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- as clerk_sync.find_by_text
as $$
begin
  return query
  (select u.id::text from public.users as u where u.clerk_id is null limit p_most);
end
$$;

-- Whether rows of other tables may refer to the row of a user: a foreign key on the table has been made since this function.
create or replace function clerk_sync.row_is_referenced(p_clerk_id text)
returns boolean
language sql
set search_path = ''
as $$
  select exists (
    select 1 from pg_catalog.pg_constraint as c where c.confrelid = 'public.users'::regclass and c.conparentid = 0
  );
$$;

-- Finds rows without a Clerk id by their address. Usually the index is empty. An earlier mapping may have had another column.
drop index if exists public.clerk_sync_unlinked_email_idx;
create index clerk_sync_unlinked_email_idx
  on public.users (lower(email))
  where clerk_id is null;

-- Links rows without a Clerk id (the app made them before the sync, or by its own sign-up) to the Clerk users who have proved
-- the address. The case of an address does not count. A user who has a row by then keeps the older one, when the sync made
-- the newer one and no row of another table references it. Else nothing is deleted or moved, and the user's state names the row.
create or replace function clerk_sync.link_users(p_emails text[], p_clerk_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_link record;
  v_row  record;
begin
  for v_link in
    select i.email, i.clerk_id
    from unnest(p_emails, p_clerk_ids) as i(email, clerk_id)
  loop
    select r.ctid as place, r.id::text as row_id
    into v_row
    from public.users as r
    where lower(r.email) = lower(v_link.email)
      and r.clerk_id is null
    order by (r.email = v_link.email) desc, r.id
    limit 1
    for update;
    continue when not found;
    if exists (select 1 from public.users as u where u.clerk_id = v_link.clerk_id)
      and (
        (select r.row_made_at from clerk_sync.records as r where r.id = v_link.clerk_id) is null
        or clerk_sync.row_is_referenced(v_link.clerk_id)
      )
    then
      insert into clerk_sync.user_state as s (clerk_id, unlinked_row)
      values (v_link.clerk_id, v_row.row_id)
      on conflict (clerk_id) do update
        set unlinked_row = excluded.unlinked_row;
      continue;
    end if;
    delete from public.users as u
    where u.clerk_id = v_link.clerk_id;
    update public.users as u
    set clerk_id = v_link.clerk_id
    where u.ctid = v_row.place;
    update clerk_sync.records as r
    set ungiven = null,
        row_made_at = null
    where r.id = v_link.clerk_id;
    update clerk_sync.user_state as s
    set unlinked_row = null
    where s.clerk_id = v_link.clerk_id;
  end loop;
end
$$;

-- Names the column that does not take what an event brings, and of what kind the value is; null when each takes it.
create or replace function clerk_sync.refused_user_column(p_payload jsonb)
returns text
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
begin
  begin
    perform (p_payload ->> 'created_at')::timestamptz at time zone 'utc';
  exception
    when data_exception then
      return format('column %s does not take what Clerk has, %s', 'createdAt', clerk_sync.describe_value(p_payload -> 'created_at'));
  end;
  begin
    perform (p_payload ->> 'created_at')::timestamptz;
  exception
    when data_exception then
      return format('column %s does not take what Clerk has, %s', 'created_at', clerk_sync.describe_value(p_payload -> 'created_at'));
  end;
  return null;
end
$$;

-- The columns in which the row of a user is not as Clerk has it; p_payload is what Clerk says, as an event has it. A column of
-- metadata that Clerk never gave does not count. is_editable: the user may have changed it here.
create or replace function clerk_sync.differing_columns(p_clerk_id text, p_payload jsonb)
returns table (name text, key text, clerk text, here text, is_editable boolean)
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set plan_cache_mode = 'force_generic_plan' -- a plan for this payload would evaluate the casts while it is made, also those that a case guards
as $$
declare
  v_given text[] := (select r.given from clerk_sync.records as r where r.id = p_clerk_id);
begin
  return query
  select c.name, c.key, c.clerk, c.here, c.is_editable
  from public.users as u
  cross join lateral (
    select
      p_payload ->> 'email' as email,
      p_payload ->> 'name' as name,
      case
        when p_payload -> 'given' ? 'public_metadata.role' and p_payload ->> 'user_role' = any (enum_range(null::public."UserRole")::text[]) then (p_payload ->> 'user_role')::public."UserRole"
        else 'user'::public."UserRole"
      end as role
  ) as n
  cross join lateral (
    values
      ('email', 'email', n.email, u.email, false, p_payload ? 'email'),
      ('name', 'name', n.name, u.name, true, p_payload ? 'name'),
      ('role', 'user_role', n.role::text, u.role::text, false, p_payload ? 'user_role' and (p_payload -> 'given' ? 'public_metadata.role' or 'public_metadata.role' = any (v_given)))
  ) as c(name, key, clerk, here, is_editable, is_said)
  where u.clerk_id = p_clerk_id
    and c.is_said
    and c.clerk is distinct from c.here;
end
$$;

-- The columns of a row that its user may read through the API.
create or replace function clerk_sync.readable_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_object_agg(c.key, c.value), '{}')
    from public.users as u
    cross join lateral jsonb_each(to_jsonb(u)) as c
    where u.clerk_id = p_clerk_id
      and has_column_privilege('authenticated', 'public.users', c.key, 'select')
  );
end
$$;

-- What the sync needs to write the table, and nothing for anybody else.
grant usage on schema public to service_role;
grant select, insert, update, delete on public.users to service_role;
do $$
declare
  v_sequence regclass;
begin
  for v_sequence in
    select d.objid::regclass
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
    where d.refobjid = 'public.users'::regclass
      and d.deptype in ('a', 'i')
  loop
    execute format('grant usage on sequence %s to service_role', v_sequence);
  end loop;
end
$$;

-- A signed-in user reads the own row, and edits only what the configuration lets users edit: column grants keep the rest out
-- of reach, which row level security cannot do.
revoke all on public.users from public, anon, authenticated;
grant select on public.users to authenticated;
grant update (name, preferences, medical_profile) on public.users to authenticated;

alter table public.users enable row level security;
drop policy if exists users_select_own on public.users;
drop policy if exists users_update_at_most_64_kb on public.users;
drop policy if exists users_update_own on public.users;

-- In exactly this form: auth.uid() raises on a Clerk id, and Supabase's linter flags the others.
create policy users_select_own
  on public.users
  for select
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'));
comment on policy users_select_own on public.users is 'Made by clerk-sync.';

-- What a user may edit stays small: 64 kB together. The sync and the owner are not bounded. Restrictive, so that PostgreSQL
-- names this policy when it refuses. By key, because the owner may drop a column that users edit.
create policy users_update_at_most_64_kb
  on public.users
  as restrictive
  for update
  to authenticated
  using (true)
  with check (
    coalesce(octet_length(to_jsonb(users) ->> 'name'), 0)
      + coalesce(octet_length(to_jsonb(users) ->> 'preferences'), 0)
      + coalesce(octet_length(to_jsonb(users) ->> 'medical_profile'), 0) <= 65536
  );

create policy users_update_own
  on public.users
  for update
  to authenticated
  using (clerk_id = ((select auth.jwt()) ->> 'sub'))
  with check (clerk_id = ((select auth.jwt()) ->> 'sub'));
comment on policy users_update_at_most_64_kb on public.users is 'Made by clerk-sync.';
comment on policy users_update_own on public.users is 'Made by clerk-sync.';

do $$
begin
  perform clerk_sync.note_objects();
end
$$;

-- ---- 05_kinds.sql ----

-- Generated from clerk-sync.config.json.

-- Applies the newest event of each record of this kind where only the version decides: see apply_users. Nothing is done for
-- a kind that no table is mapped for.
create or replace function clerk_sync.apply_plain(
  p_kind       text,
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      select a.* into carries, superseded, notes from clerk_sync.apply_users(p_events, p_is_settled, p_now) as a;
    else
      carries := array[]::uuid[];
      superseded := array[]::uuid[];
  end case;
end
$$;

-- What becomes of the rows of deleted records of this kind.
create or replace function clerk_sync.delete_rows(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      perform clerk_sync.delete_users(p_ids, p_now);
    else
      null;
  end case;
end
$$;

-- Names the column of a record of this kind that does not take what an event brings; null when each takes it.
create or replace function clerk_sync.refused_column(p_kind text, p_payload jsonb)
returns text
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      return clerk_sync.refused_user_column(p_payload);
    else
      return null;
  end case;
end
$$;

-- Gives the columns of a metadata key of a record of this kind their default: see default_user_columns.
create or replace function clerk_sync.default_columns(p_kind text, p_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    when 'user' then
      perform clerk_sync.default_user_columns(p_id, p_source, p_absent, p_now);
    else
      null;
  end case;
end
$$;

-- Takes a permission that was deleted at Clerk from the rows of roles.
create or replace function clerk_sync.withdraw_permission(p_key text, p_now timestamptz)
returns void
language sql
set search_path = ''
set timezone = 'UTC'
as $$
$$;

-- Of which row, organization or user, a membership needs the id and does not find it; null when it finds all.
create or replace function clerk_sync.missing_parent(p_payload jsonb)
returns text
language sql
stable
set search_path = ''
as $$
  select null::text;
$$;

-- Jobs of memberships that wait for these organizations or users are due.
create or replace function clerk_sync.wake_members(p_kind text, p_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
$$;

revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;

-- ---- 05_mirror.sql ----

-- What the worker writes to Supabase Auth about users, and what becomes of a job when it has written.

-- Queues the mirror of users as they are now. No row changes by these jobs: they count as applied.
-- p_reason becomes the source of the jobs. p_run: the run that repairs mirrors; it queues each user once, and leaves
-- deleted users to their own jobs. Returns how many jobs are new.
create or replace function clerk_sync.queue_mirror(
  p_clerk_ids text[],
  p_reason    text,
  p_now       timestamptz,
  p_run       uuid default null
)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_clerk_ids) = 0 then
    return 0;
  end if;
  return (
    select count(*)
    from jsonb_array_elements(clerk_sync.insert_jobs(clerk_sync.new_events((
      select coalesce(jsonb_agg(jsonb_build_object(
        'event_id', case
          when p_run is null then format('%s_%s', p_reason, gen_random_uuid())
          else format('reconcile_%s_%s_auth', p_run, r.id)
        end,
        'job_type', case when r.deleted_at is null then 'USER_UPDATED' else 'USER_DELETED' end,
        'clerk_id', r.id,
        'version', r.version,
        'source', p_reason,
        'applied_at', p_now,
        'payload', jsonb_build_object('clerk_id', r.id, 'retry_count', 0)
      )), '[]')
      from clerk_sync.records as r
      where r.id = any (p_clerk_ids)
        and case
          when r.deleted_at is not null then p_run is null
          -- offset 0: a lookup each, whatever the statistics say
          else exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = r.id offset 0)
        end
    )), p_now)) as a
    where a.value ->> 'outcome' = 'queued'
  );
end
$$;

-- For those of the jobs that are still PROCESSING: the user as it is now, which the worker writes to Supabase Auth.
create or replace function clerk_sync.describe_mirror(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'job_id', j.id,
      'clerk_id', j.clerk_id,
      'deleted', s.deleted_at is not null,
      'relinked', s.relinked_to is not null,
      'email', coalesce(u.email, s.email),
      'email_verified', s.email_verified,
      'phone', s.phone,
      'name', coalesce(u.name, s.name),
      'role', coalesce(u.role, s.role),
      'banned', s.banned or s.deprovisioned,
      'auth_user_id', s.auth_user_id,
      'auth_finding', s.auth_finding,
      'auth_holder_id', s.auth_holder_id,
      'auth_locked_at', s.auth_locked_at,
      'attempts', j.attempts
    )), '[]')
    from public.job_queue as j
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select * from clerk_sync.known_users as k where k.clerk_id = j.clerk_id offset 0) as s
    left join lateral (select k.email, k.name, k.role from clerk_sync.user_rows as k where k.clerk_id = j.clerk_id offset 0) as u on true
    where j.id = any (p_ids)
      and j.status = 'PROCESSING'
  );
end
$$;

-- Whether this Auth user is a super admin, who is never taken over. With the rights of the owner, because Supabase lets
-- service_role read no table of Auth; false where Auth keeps its users in another database.
create or replace function public.clerk_sync_is_super_admin(p_auth_user_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_is_super_admin boolean;
begin
  if to_regclass('auth.users') is null then
    return false;
  end if;
  execute 'select u.is_super_admin from auth.users as u where u.id = $1' into v_is_super_admin using p_auth_user_id;
  return coalesce(v_is_super_admin, false);
end
$$;

-- ---- 06_counts.sql ----

-- What is counted of jobs, deliveries and calls. docs/metrics.md explains each metric; 19_metrics.sql reads them. Nothing
-- of it is on the hot path: clerk_sync.roll_up counts the finished jobs of the queue afterwards. What the queue does not
-- keep is noted where it happens, and is rare: failed attempts, dead letters, and what webhook and workers saw, in batches.
--
--   job_queue (finished) ──┐
--                          roll_up ──> metric_counts: by minute, by hour, and in total
--   metric_events ─────────┘

-- bucket: of a histogram, how many bounds of clerk_sync.latency_bounds the value is above; 0 for what is only counted.
create table if not exists clerk_sync.metric_counts (
  grain  text             not null,
  at     timestamptz      not null,
  name   text             not null,
  labels jsonb            not null default '{}',
  bucket smallint         not null default 0,
  count  bigint           not null,
  sum    double precision not null default 0,
  constraint metric_counts_pkey primary key (grain, name, at, labels, bucket),
  constraint grain_is_known check (grain in ('minute', 'hour', 'total')),
  constraint total_has_no_time check ((grain = 'total') = (at = '-infinity'))
);

comment on column clerk_sync.metric_counts.sum is 'of the values of a histogram, in seconds';

-- Waits for the next roll-up, which takes it away. Rows are only added, so that no worker waits for another. The label code
-- may be any text.
create table if not exists clerk_sync.metric_events (
  id     bigint generated always as identity,
  at     timestamptz not null,
  name   text        not null,
  labels jsonb       not null default '{}',
  count  bigint      not null default 1,
  constraint metric_events_pkey primary key (id)
);

-- Up to where finished jobs are counted. Its row is the lock of the roll-up.
create table if not exists clerk_sync.metric_state (
  is_only_row  boolean     not null default true,
  rolled_until timestamptz not null,
  constraint metric_state_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.metric_state (rolled_until)
values (now() - interval '7 days')
on conflict (is_only_row) do nothing;

-- The upper bounds of the buckets of latencies, in seconds; the last bucket has none.
create or replace function clerk_sync.latency_bounds()
returns double precision[]
language sql
immutable
set search_path = ''
as $$
  select '{0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,900,3600,21600}'::double precision[];
$$;

-- What the jobs finished from p_from until before p_until count for, by minute; the first p_limit of them.
--   received {}             at the minute the job came, so that no index on created_at is needed
--   finished {status, type}
--   latency {source}        a histogram, of completed jobs: from receipt to completion
--   processing {}           a histogram, of completed jobs: the last attempt
--   mirrored {outcome}      what the mirror did
-- Half a microsecond is taken from a latency so that a bound belongs to the bucket below it. The caller adds up rows that
-- count for the same.
create or replace function clerk_sync.finished_counts(p_from timestamptz, p_until timestamptz, p_limit bigint default null)
returns table (at timestamptz, name text, labels jsonb, bucket integer, count bigint, sum double precision)
language sql
stable
set search_path = ''
as $$
  with finished as materialized (
    select
      date_trunc('minute', j.processed_at, 'UTC') as at,
      date_trunc('minute', coalesce(j.created_at, j.processed_at), 'UTC') as received_at,
      j.status,
      j.job_type,
      case
        when j.source in ('webhook', 'refresh', 'ensure', 'backfill', 'reconcile') then j.source
        else 'mirror'
      end as source,
      greatest(0, extract(epoch from j.processed_at - coalesce(j.created_at, j.processed_at))::double precision) as latency,
      greatest(0, extract(epoch from (j.history -> -1 ->> 'at')::timestamptz - case
        when j.history -> -2 ->> 'status' = 'PROCESSING' then (j.history -> -2 ->> 'at')::timestamptz
        else j.processed_at
      end)::double precision) as processing,
      substring(j.result #>> '{mirror,outcome}' from '^[a-z_]{1,40}$') as mirrored
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at >= p_from
      and j.processed_at < p_until
    order by j.processed_at
    limit p_limit
  ),
  alike as (
    select
      f.at, f.received_at, f.status, f.job_type, f.source, f.mirrored,
      width_bucket(f.latency - 0.0000005, (select clerk_sync.latency_bounds())) as latency_bucket,
      width_bucket(f.processing - 0.0000005, (select clerk_sync.latency_bounds())) as processing_bucket,
      count(*) as count, sum(f.latency) as latency, sum(f.processing) as processing
    from finished as f
    group by 1, 2, 3, 4, 5, 6, 7, 8
  )
  select c.at, c.name, c.labels, c.bucket, a.count, c.sum
  from alike as a
  cross join lateral (
    values
      (true, a.received_at, 'received', '{}'::jsonb, 0, 0),
      (true, a.at, 'finished', jsonb_build_object('status', a.status, 'type', a.job_type), 0, 0),
      (a.status = 'COMPLETED', a.at, 'latency', jsonb_build_object('source', a.source), a.latency_bucket, a.latency),
      (a.status = 'COMPLETED', a.at, 'processing', '{}', a.processing_bucket, a.processing),
      (a.status = 'COMPLETED' and a.mirrored <> '', a.at, 'mirrored', jsonb_build_object('outcome', a.mirrored), 0, 0)
  ) as c(counts, at, name, labels, bucket, sum)
  where c.counts;
$$;

-- The roll-up: counts what finished up to a minute before p_now (a job is dated by the beginning of its transaction, which
-- may commit later), and takes the events away; of both at most p_limit. Answers whether there is more to count. Each job
-- and event is counted once: the mark moves with the counts, and events go with them. A second caller does not wait.
-- Called by the purge (each minute by a worker, every five by pg_cron), and when charts or metrics are read.
create or replace function clerk_sync.roll_up(p_now timestamptz default clock_timestamp(), p_limit integer default 20000)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_from  timestamptz;
  v_until timestamptz;
  v_next  timestamptz;
begin
  select s.rolled_until into v_from from clerk_sync.metric_state as s for update skip locked;
  if not found then
    return false;
  end if;
  v_until := greatest(v_from, p_now - interval '1 minute');
  v_next := (
    select j.processed_at
    from public.job_queue as j
    where j.status in ('COMPLETED', 'CANCELLED')
      and j.processed_at >= v_from
      and j.processed_at < v_until
    order by j.processed_at
    offset p_limit
    limit 1
  );
  if v_next is not null then -- where all of them finished at one moment, all are taken
    v_until := greatest(v_next, v_from + interval '1 microsecond');
  end if;
  with taken as (
    delete from clerk_sync.metric_events as e
    where e.id = any (array(select o.id from clerk_sync.metric_events as o order by o.id limit p_limit))
    returning e.at, e.name, e.labels, e.count
  ),
  counted as (
    select f.* from clerk_sync.finished_counts(v_from, v_until) as f
    union all
    select t.at, t.name, t.labels, 0, t.count, 0 from taken as t
    union all -- dead letters from the beginning, or made so by hand: no attempt of theirs failed
    select j.processed_at, 'dead', jsonb_build_object('code', j.error), 0, 1, 0
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
      and j.updated_at >= v_from
      and j.processed_at >= v_from
      and j.processed_at < v_until
      and j.attempts = 0
  )
  insert into clerk_sync.metric_counts as m (grain, at, name, labels, bucket, count, sum)
  select
    g.grain, case when g.width is null then '-infinity' else date_bin(g.width, c.at, 'epoch') end, c.name,
    case -- the code alone, without what follows it: a label must have few values
      when c.labels ? 'code' then jsonb_build_object(
        'code', coalesce(substring(c.labels ->> 'code' from '^([a-z_]{1,60})([: ]|$)'), 'unknown')
      )
      else c.labels
    end,
    c.bucket, sum(c.count), sum(c.sum)
  from counted as c
  cross join (
    values ('minute', interval '1 minute'), ('hour', '1 hour'), ('total', null)
  ) as g(grain, width)
  group by 1, 2, 3, 4, 5
  on conflict (grain, name, at, labels, bucket) do update
    set count = m.count + excluded.count,
        sum = m.sum + excluded.sum;
  update clerk_sync.metric_state as s
  set rolled_until = v_until
  where s.rolled_until <> v_until;
  return v_next is not null or exists (select 1 from clerk_sync.metric_events);
end
$$;

-- ---- 07_circuits.sql ----

-- Circuit breakers around Supabase Auth and Clerk's API, and the jobs that wait until a service answers again.

-- One circuit is 'auth', the other 'clerk'. Their state lives here, so that workers and functions that live for seconds
-- share it:
--
--   closed ──5 failures or 20 failed users in a row──> open ──probe_at──> half_open ──probe ok──> closed
--                                                       ^────────────────probe failed────┘
--
-- A failure is a call whose answer says that the service is down or refuses us all. The workers tell them apart
-- (watch-circuit.ts): when the service answers otherwise (ask-service.ts), the call failed for its user alone. Such a
-- user counts once until another user's call succeeds, so that no single user opens a circuit, however often the job
-- is tried. While a circuit is not closed, jobs that need its service wait (job_queue.waits_for): applied, with no
-- attempt used up, and out of the claim's way. The one that has waited longest is the probe. It is leased like any
-- other job; when its worker dies, another worker takes the probe after the lease.
create table if not exists clerk_sync.circuits (
  name         text        not null,
  since        timestamptz not null default now(),
  failures     integer     not null default 0,
  failed_users text[]      not null default '{}',
  openings     integer     not null default 0,
  probe_at     timestamptz null,
  probe_token  uuid        null,
  last_error   text        null,
  state        text        not null generated always as (
    case when probe_at is null then 'closed' when probe_token is null then 'open' else 'half_open' end
  ) stored,
  constraint circuits_pkey primary key (name),
  constraint circuit_is_known check (name in ('auth', 'clerk')),
  constraint closed_has_no_probe check (probe_at is not null or probe_token is null)
);

comment on column clerk_sync.circuits.since is 'when it opened or closed last';
comment on column clerk_sync.circuits.failures is 'in a row, up to now; nothing is written while all is well';
comment on column clerk_sync.circuits.failed_users is 'users in a row whose calls failed although the service answers, each once';
comment on column clerk_sync.circuits.openings is
  'how often it opened, or stayed open after a probe, without five quiet minutes between: the pause grows with it';
comment on column clerk_sync.circuits.probe_at is
  'open: when the next probe may be taken; half_open: when the lease of the probe runs out; null: closed';
comment on column clerk_sync.circuits.probe_token is 'the lease of the batch that has the probe';

insert into clerk_sync.circuits (name)
values ('auth'), ('clerk')
on conflict (name) do nothing;

-- Records how the services answered a batch, and answers which circuits opened or closed by that:
-- [{name, state, code, seconds}]. While a circuit is closed, every batch counts; afterwards the batch that has the probe
-- decides alone. p_calls: [{name, successes, failures, streak, failed_users?, any_user_worked?, code?, retry_after?}];
-- successes: calls that the service answered, also with a refusal; streak: failures after the last of them;
-- failed_users as the circuit's; any_user_worked: they are those after a user whose call succeeded.
create or replace function clerk_sync.record_calls(p_token uuid, p_calls jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_seen     record; -- a circuit as it was, and what the batch saw of its service
  v_failures integer;
  v_users    text[];
  v_turn     text;
  v_openings integer;
  v_pause    interval;
  v_changes  jsonb := '[]'::jsonb;
begin
  insert into clerk_sync.metric_events (at, name, labels, count)
  select p_now, 'calls', jsonb_build_object('service', r.name, 'outcome', o.outcome), o.count
  from jsonb_to_recordset(p_calls) as r(name text, successes bigint, failures bigint)
  cross join lateral (values ('success', r.successes), ('failure', r.failures)) as o(outcome, count)
  where o.count > 0
    and r.name in ('auth', 'clerk');

  for v_seen in
    select
      c.*,
      coalesce(r.successes, 0) as successes_now,
      coalesce(r.failures, 0) as failures_now,
      coalesce(r.streak, 0) as streak_now,
      r.failed_users as users_now,
      r.any_user_worked,
      r.code,
      r.retry_after
    from clerk_sync.circuits as c
    left join jsonb_to_recordset(p_calls) as r(
      name text, successes integer, failures integer, streak integer, failed_users text[], any_user_worked boolean,
      code text, retry_after double precision
    ) on r.name = c.name
    where c.probe_token = p_token
       or (
         c.state = 'closed'
         and r.name is not null
         and (r.failures > 0 or r.failed_users is not null or c.failures > 0 or c.failed_users <> '{}')
       )
    order by c.name
    for update of c
  loop
    v_failures := v_seen.streak_now + case when v_seen.successes_now = 0 then v_seen.failures else 0 end;
    v_users := array(
      select unnest(v_seen.users_now)
      union
      select unnest(v_seen.failed_users) where v_seen.any_user_worked is not true
    );
    v_turn := case
      when v_seen.state = 'closed' and (v_failures >= 5 or cardinality(v_users) >= 20) then 'opens'
      when v_seen.state = 'closed' then 'stays closed'
      when v_seen.failures_now > 0 then 'stays open'
      when v_seen.successes_now > 0 then 'closes'
      else 'was not probed' -- the worker was stopped: another one may take the probe
    end;
    v_pause := null;
    if v_turn in ('opens', 'stays open') then
      v_openings := case
        when v_turn = 'opens' and v_seen.since <= p_now - interval '5 minutes' then 1
        else v_seen.openings + 1
      end;
      -- Less up to a fifth, so that many installations do not come back in the same second.
      v_pause := greatest(
        make_interval(secs => (array[30, 60, 120, 240, 300])[least(v_openings, 5)] * (1 - random() / 5)),
        make_interval(secs => v_seen.retry_after)
      );
    end if;
    update clerk_sync.circuits as c
    set since = case when v_turn in ('opens', 'closes') then p_now else c.since end,
        failures = case v_turn when 'closes' then 0 else v_failures end,
        failed_users = case when v_pause is null then v_users else '{}' end,
        openings = case when v_pause is null then c.openings else v_openings end, -- closed, too: it may open again soon
        probe_at = case when v_turn = 'was not probed' then p_now else p_now + v_pause end,
        probe_token = null,
        last_error = coalesce(v_seen.code, c.last_error)
    where c.name = v_seen.name;

    v_changes := v_changes || coalesce((
      select jsonb_build_object(
        'name', c.name,
        'state', c.state,
        'code', c.last_error,
        'seconds', round(extract(epoch from coalesce(v_pause, p_now - v_seen.since)))
      )
      from clerk_sync.circuits as c
      where c.name = v_seen.name
        and v_turn in ('opens', 'closes')
    ), '[]'::jsonb);
  end loop;
  return v_changes;
end
$$;

-- Jobs that wait for a service whose circuit is open.

-- True while jobs that need this service have to wait; also during a probe, for all others.
create or replace function clerk_sync.circuit_is_open(p_name text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (select 1 from clerk_sync.circuits as c where c.name = p_name and c.probe_at is not null);
end
$$;

-- Lets jobs that waited be claimed again, at most p_limit of each service, so that a service that is back is not overrun.
-- A worker without a mirror (p_mirrors false) completes them without Auth.
create or replace function clerk_sync.wake_jobs(p_limit integer, p_mirrors boolean, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.move_jobs(array(
    select w.id
    from clerk_sync.circuits as c
    cross join lateral (
      select q.id
      from public.job_queue as q
      where q.waits_for = c.name
      order by q.run_at, q.id
      limit p_limit
      for update skip locked
    ) as w
    where c.state = 'closed'
       or (c.name = 'auth' and not p_mirrors)
  ), null, p_now);
end
$$;

-- Leases the job that has waited longest as the probe of a circuit whose time has come, and returns it; none when
-- another worker has the probe, or the user of that job. Nothing is waited for: the caller holds users' locks.
create or replace function clerk_sync.lease_probe(p_name text, p_token uuid, p_lease_until timestamptz, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_job record;
begin
  perform 1
  from clerk_sync.circuits as c
  where c.name = p_name
    and c.probe_at <= p_now
  for update skip locked;
  if not found then
    return array[]::uuid[];
  end if;
  select j.id, j.clerk_id
  into v_job
  from public.job_queue as j
  where j.waits_for = p_name
    and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
  order by j.run_at, j.id
  limit 1
  for update of j skip locked;
  perform 1 from clerk_sync.records as r where r.id = v_job.clerk_id for update skip locked;
  -- A second look at PROCESSING, now that no other worker can claim this user.
  if not found or exists (
    select 1 from public.job_queue as r where r.clerk_id = v_job.clerk_id and r.status = 'PROCESSING'
  ) then
    return array[]::uuid[];
  end if;
  update clerk_sync.circuits as c
  set probe_token = p_token,
      probe_at = p_lease_until
  where c.name = p_name;
  perform clerk_sync.move_jobs(
    array[v_job.id], 'PROCESSING', p_now,
    p_token => p_token,
    p_lease_until => p_lease_until,
    p_read_at => case when p_name = 'clerk' then p_now end
  );
  return array[v_job.id];
end
$$;

-- The circuits: [{name, state, since, failures, next_probe, last_error, waiting}]. next_probe is null while closed;
-- waiting is how many jobs wait for the service, counted as far as 10,000.
create or replace function public.clerk_sync_circuits()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(jsonb_build_object(
    'name', c.name,
    'state', c.state,
    'since', c.since,
    'failures', c.failures,
    'next_probe', c.probe_at,
    'last_error', c.last_error,
    'waiting', (
      select count(*)
      from (select 1 from public.job_queue as j where j.waits_for = c.name limit 10000) as w
    )
  ) order by c.name)
  from clerk_sync.circuits as c;
$$;

-- Closes a circuit by hand, for instance after a wrong key was corrected: what waits is due immediately. Answers whether
-- it was open; SY002 for a name there is no circuit of.
create or replace function public.clerk_sync_reset_circuit(p_name text, p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_was_open boolean := clerk_sync.circuit_is_open(p_name);
begin
  update clerk_sync.circuits as c
  set since = p_now,
      failures = 0,
      failed_users = '{}',
      openings = 0,
      probe_at = null,
      probe_token = null
  where c.name = p_name;
  if not found then
    raise exception 'there is no circuit %, only auth and clerk', p_name using errcode = 'SY002';
  end if;
  return v_was_open;
end
$$;

-- ---- 07_memberships.sql ----

-- What only memberships dispute: a member who left and joined again, and an organization or a user who is deleted.

-- Locks the organizations and users of memberships, so that none is deleted while a membership of it is written, and the
-- pairs, so that two memberships of one pair are written one after the other. Waits for nothing: returns the changes whose
-- locks this transaction did not get. A record that was never seen gets its row: it is the lock.
create or replace function clerk_sync.lock_parents(p_changes clerk_sync.record_change[])
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_organizations text[] := array(select c.payload ->> 'organization_id' from unnest(p_changes) as c where not c.deletes);
  v_parents       text[] := array(
    select distinct i
    from unnest(v_organizations || array(select c.payload ->> 'user_id' from unnest(p_changes) as c where not c.deletes)) as i
  );
  v_unseen        text[] := array(
    select i
    from unnest(v_parents) as i
    where (select true from clerk_sync.records as r where r.id = i) is null -- a lookup each, whatever the statistics say
      and pg_try_advisory_xact_lock(hashtextextended(i, 7461203)) -- as claim_records
  );
  v_locked        text[];
begin
  insert into clerk_sync.records as r (id, kind)
  select i, case when i = any (v_organizations) then 'organization' else 'user' end
  from unnest(v_unseen) as i
  on conflict (id) do nothing;
  v_locked := array(select r.id from clerk_sync.records as r where r.id = any (v_parents) for share skip locked);
  return array(
    select c.clerk_id
    from unnest(p_changes) as c
    where not c.deletes
      and not (
        c.payload ->> 'organization_id' = any (v_locked)
        and c.payload ->> 'user_id' = any (v_locked)
        and pg_try_advisory_xact_lock(
          hashtextextended((c.payload ->> 'organization_id') || ' ' || (c.payload ->> 'user_id'), 7461204)
        )
      )
  );
end
$$;

-- Settles which memberships have a row. One of a deleted organization or user stays out. Of two of one pair the later one
-- has the row: by created_at, then the version, then the id; also where the later one has ended since. Returns the changes
-- that are left, the jobs that have to wait (for the row of an organization or a user, or for a lock that another
-- transaction holds), and the jobs of what stays out, each with its reason. The records of the memberships are locked.
create or replace function clerk_sync.settle_memberships(
  p_changes clerk_sync.record_change[],
  p_now     timestamptz,
  out changes   clerk_sync.record_change[],
  out waiting   jsonb,
  out stays_out jsonb
)
language plpgsql
set search_path = ''
as $$
declare
  v_held     text[] := clerk_sync.lock_parents(p_changes);
  v_changes  clerk_sync.record_change[] := p_changes;
  v_replaced text[];
begin
  if cardinality(v_held) > 0 then
    v_changes := array(select c from unnest(p_changes) as c where c.clerk_id <> all (v_held));
  end if;
  stays_out := (
    select jsonb_object_agg(c.job_id, jsonb_build_object('reason', k.reason))
    from unnest(v_changes) as c
    cross join lateral (
      select case
        when (select r.deleted_at is not null from clerk_sync.records as r where r.id = c.payload ->> 'organization_id')
          then 'organization_deleted'
        when (select r.deleted_at is not null from clerk_sync.records as r where r.id = c.payload ->> 'user_id')
          then 'user_deleted'
        when exists (
          select 1
          from clerk_sync.membership_state as o
          where o.organization_id = c.payload ->> 'organization_id'
            and o.user_id = c.payload ->> 'user_id'
            and o.id <> c.clerk_id
            and (o.created_at, coalesce((select r.version from clerk_sync.records as r where r.id = o.id), 0), o.id)
              > ((c.payload ->> 'created_at')::timestamptz, c.version, c.clerk_id)
        ) or exists (
          select 1
          from unnest(v_changes) as o
          where o.payload ->> 'organization_id' = c.payload ->> 'organization_id'
            and o.payload ->> 'user_id' = c.payload ->> 'user_id'
            and o.clerk_id <> c.clerk_id
            and ((o.payload ->> 'created_at')::timestamptz, o.version, o.clerk_id)
              > ((c.payload ->> 'created_at')::timestamptz, c.version, c.clerk_id)
        ) then 'replaced'
      end as reason
    ) as k
    where not c.deletes
      and k.reason is not null
  );
  changes := array(select c from unnest(v_changes) as c where not coalesce(stays_out, '{}') ? c.job_id::text);

  -- Those that are seen for the first time are remembered, also where they stay out: the pair and the time decide later.
  insert into clerk_sync.membership_state as s (id, organization_id, user_id, created_at, has_row)
  select
    c.clerk_id, c.payload ->> 'organization_id', c.payload ->> 'user_id', (c.payload ->> 'created_at')::timestamptz, false
  from unnest(v_changes) as c
  where c.payload ->> 'organization_id' is not null
    and c.payload ->> 'user_id' is not null
    and c.payload ->> 'created_at' is not null
  on conflict (id) do nothing;

  v_replaced := array(
    select distinct s.id
    from unnest(v_changes) as c
    cross join lateral ( -- a lookup each, whatever the statistics say
      select k.id
      from clerk_sync.membership_state as k
      where k.organization_id = c.payload ->> 'organization_id'
        and k.user_id = c.payload ->> 'user_id'
        and k.has_row
      offset 0
    ) as s
    where case
      when stays_out ? c.job_id::text then s.id = c.clerk_id
      else not c.deletes and s.id <> c.clerk_id
    end
  );
  perform clerk_sync.remove_memberships(v_replaced, p_now);

  waiting := (
    select jsonb_object_agg(c.job_id, p.reason)
    from unnest(p_changes) as c
    cross join lateral (
      select case when c.clerk_id = any (v_held) then 'lock' else clerk_sync.missing_parent(c.payload) end as reason
    ) as p
    where not c.deletes
      and p.reason is not null
      and not coalesce(stays_out, '{}') ? c.job_id::text
  );
  changes := case
    when waiting is null then changes
    else array(select c from unnest(changes) as c where not waiting ? c.job_id::text)
  end;
end
$$;

-- Removes the rows of memberships that ended without an event of their own.
create or replace function clerk_sync.remove_memberships(p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  perform clerk_sync.delete_rows('membership', p_ids, p_now);
  update clerk_sync.membership_state as s
  set has_row = false
  where s.id = any (p_ids);
end
$$;

-- Ends the memberships of what was deleted: of organizations or users, or themselves. The deleted records are locked, and
-- each transaction that writes a membership holds them too, so that none is missed. Memberships that end with their
-- organization or user get no tombstone: while that is deleted they stay out, and a read brings them back when it returns.
create or replace function clerk_sync.end_memberships(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_kind = 'membership' then
    update clerk_sync.membership_state as s
    set has_row = false
    where s.id = any (p_ids);
  elsif p_kind = 'user' then
    perform clerk_sync.remove_memberships(
      array(select s.id from clerk_sync.membership_state as s where s.user_id = any (p_ids) and s.has_row), p_now
    );
  elsif p_kind = 'organization' then
    perform clerk_sync.remove_memberships(
      array(select s.id from clerk_sync.membership_state as s where s.organization_id = any (p_ids) and s.has_row), p_now
    );
    perform clerk_sync.delete_rows(
      'invitation', array(select i.id from clerk_sync.invitation_rows as i where i.organization_id = any (p_ids)), p_now
    );
  end if;
end
$$;

-- Asks for a read of the memberships of organizations or users who are there again: their memberships ended with them.
create or replace function clerk_sync.queue_members(p_kind text, p_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 or not exists (select 1 from clerk_sync.mappings as m where m.kind = 'membership') then
    return;
  end if;
  perform clerk_sync.insert_jobs(clerk_sync.new_events((
    select jsonb_agg(jsonb_build_object(
      'event_id', 'members_' || gen_random_uuid(),
      'job_type', upper(p_kind) || '_UPDATED',
      'clerk_id', i,
      'source', 'members',
      'payload', jsonb_build_object('clerk_id', i, 'retry_count', 0)
    ))
    from unnest(p_ids) as i
  )), p_now);
end
$$;

-- Writes the organizations that come with events of memberships, where they are newer than what is known. An organization
-- that the database refuses keeps no membership out: its own event says why.
create or replace function clerk_sync.apply_embedded(p_events clerk_sync.events[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_events clerk_sync.events[] := array(
    select jsonb_populate_record(e, jsonb_build_object(
      'job_type', 'ORGANIZATION_UPDATED',
      'kind', 'organization',
      'deletes', false,
      'clerk_id', o.value #>> '{payload,clerk_id}',
      'version', o.value -> 'version',
      'payload', o.value -> 'payload'
    ))
    from unnest(p_events) as e
    cross join lateral (select e.payload -> 'organization' as value) as o
    where e.applied_at is null
      and e.erased_at is null
      and o.value #>> '{payload,clerk_id}' is not null
      -- a lookup each, whatever the statistics say
      and coalesce((
        select r.version < (o.value ->> 'version')::bigint from clerk_sync.records as r where r.id = o.value #>> '{payload,clerk_id}'
      ), true)
  );
begin
  if cardinality(v_events) > 0 then
    perform clerk_sync.apply_plain('organization', v_events, false, p_now);
  end if;
exception
  when others or assert_failure then
    raise log 'clerk_sync: % organizations that came with memberships are left to their own events, because of SQLSTATE %',
      cardinality(v_events), sqlstate;
end
$$;

-- ---- 08_apply.sql ----

-- How events become rows. An event is plain when only its version decides; one statement of each kind (apply_users,
-- apply_memberships …) writes those of a whole call. What is disputed (a deletion, a time in the future, an event that was
-- trimmed, an address that two users claim, a member who left and joined again) is settled first: apply_disputed decides,
-- prepares the record, and hands the settled event to the statement of its kind.
--
--   apply_batch ─> apply_jobs (together, else apply_job one by one) ─> apply_plain: apply_users, apply_organizations …
--                                                                  └─> apply_disputed: newest_changes ─> complete_change
--                                                                       settle_emails, settle_memberships ─> apply_plain
--
-- "offset 0", scalar subqueries and "in" within a "case" stand where a row is to be looked up by its key whatever the
-- statistics say. A connection keeps its plans: one that was made while a table was empty would read all of it later.

-- Whether a read from Clerk's API settles the state of a user although it brings a lower version: what is known lies in
-- the future, comes from an event of the future while the read is as new as what was known before it, or was there for
-- more than five minutes when the read began.
-- Clerk's API may lag behind its webhooks, but not that long: the newer version does not come from Clerk.
create or replace function clerk_sync.read_settles(
  p_read_version    bigint,
  p_read_at         timestamptz,
  p_version         bigint,
  p_trusted_version bigint,
  p_synced_at       timestamptz,
  p_now             timestamptz
)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(
    p_version > clerk_sync.latest_version(p_now)
      or (p_read_version >= p_trusted_version and p_read_at >= p_synced_at)
      or p_read_at > p_synced_at + interval '5 minutes',
    false
  );
$$;

-- What an event, or an answer of Clerk's API, should have said of its user and did not: it was trimmed on its way. Null when
-- it says all. mapUser of map-user.ts knows what Clerk's description requires, and writes the list.
create or replace function clerk_sync.absent_fields(p_payload jsonb)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select case when p_payload ? 'absent' then array(select jsonb_array_elements_text(p_payload -> 'absent')) end;
$$;

-- What an event may say of a record of this kind: what the mapping, the mirror and the sync itself use.
create or replace function clerk_sync.fields_of(p_kind text)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array(
    select f from unnest(m.fields) as f
    union
    select unnest('{email,phone,name,user_role,external_id,banned,locked,deprovisioned}'::text[]) where p_kind = 'user'
  )
  from clerk_sync.mappings as m
  where m.kind = p_kind;
$$;

-- Takes down which metadata events gave (what Clerk never gave is not taken away). Where an event that was passed over is the
-- first to have a key, the newest one, which was written before, had metadata without it: its column takes the default, as it
-- would have in the order of the versions.
create or replace function clerk_sync.add_given(p_kind text, p_events clerk_sync.events[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_record record;
  v_role   text;
  v_users  text[] := array[]::text[]; -- whose mirror has the role that was withdrawn
begin
  for v_record in
    select r.id, r.version, r.deleted_at, coalesce(r.absent, '{}') as absent, n.given
    from (
      select e.clerk_id, array_agg(distinct g.value order by g.value) as given
      from unnest(p_events) as e
      cross join lateral jsonb_array_elements_text(e.payload -> 'given') as g
      where jsonb_typeof(e.payload -> 'given') = 'array'
      group by e.clerk_id
    ) as i
    cross join lateral (select * from clerk_sync.records as k where k.id = i.clerk_id offset 0) as r
    cross join lateral (select array(select g from unnest(i.given) as g where g <> all (r.given)) as given) as n
    where n.given <> '{}'
  loop
    update clerk_sync.records as r
    set given = array(select distinct g from unnest(r.given || v_record.given) as g order by g)
    where r.id = v_record.id;
    continue when v_record.deleted_at is not null or v_record.version = 0;
    v_role := (select u.role from clerk_sync.user_rows as u where u.clerk_id = v_record.id);
    perform clerk_sync.default_columns(p_kind, v_record.id, g, v_record.absent, p_now)
    from unnest(v_record.given) as g;
    if v_role is distinct from (select u.role from clerk_sync.user_rows as u where u.clerk_id = v_record.id) then
      v_users := v_users || v_record.id;
    end if;
  end loop;
  perform clerk_sync.queue_mirror(v_users, 'role_withdrawn', p_now);
end
$$;

-- What is disputed.

-- Completes a change whose newest event was trimmed, or is older than one that was (law 11, absent is not null). What is
-- absent comes from the other events of the batch, in the order of their versions, and else from what is stored. An event
-- that is older than what was applied brings absent fields only, and only while nothing newer brought them. When Clerk's own
-- event leaves fields absent, the user is read again; a read that does so asks for nothing more. The record is locked.
create or replace function clerk_sync.complete_change(
  p_kind   text,
  p_change clerk_sync.record_change,
  p_events clerk_sync.events[],
  p_now    timestamptz
)
returns clerk_sync.record_change
language plpgsql
set search_path = ''
as $$
declare
  v_change clerk_sync.record_change := p_change;
  v_fields text[] := clerk_sync.fields_of(p_kind);
  v_record clerk_sync.records;
  v_event  clerk_sync.events;
  v_said   text[];
  v_keys   text[];
  v_absent text[];
begin
  select r.* into v_record from clerk_sync.records as r where r.id = p_change.clerk_id;
  v_change.payload := '{}';
  if p_kind = 'user' then -- an address is settled with the others, also when it stays
    select
      jsonb_build_object('email', coalesce(u.email, k.email), 'email_verified', coalesce(k.email_verified, false)),
      k.withheld_email
    into v_change.payload, v_change.withheld_email
    from (values (p_change.clerk_id)) as i(id)
    left join clerk_sync.known_users as k on k.clerk_id = i.id
    left join clerk_sync.user_rows as u on u.clerk_id = i.id;
  end if;
  v_change.refresh_reason := v_record.refresh_reason;
  -- Everything is absent of a record of which nothing was applied, that is deleted, or that this change replaces although
  -- its version is lower (absent_version 0).
  if p_change.absent_version = 0 or v_record.deleted_at is not null or coalesce(v_record.version, 0) = 0 then
    v_change.version        := 0;
    v_change.absent         := v_fields;
    v_change.absent_version := 0;
  else
    v_change.version        := v_record.version;
    v_change.absent         := coalesce(v_record.absent, '{}');
    v_change.absent_version := coalesce(v_record.absent_version, v_record.version);
  end if;

  foreach v_event in array array(
    select e
    from unnest(p_events) as e
    where e.clerk_id = p_change.clerk_id
      and not e.deletes
      and e.erased_at is null
      and e.applied_at is null
      and (v_record.deleted_at is null or e.read_at > v_record.deleted_at)
      and (not p_change.fresh or p_change.absent_version is null or e.read_at is not null) -- a read that settles the record
      and (e.id = p_change.job_id or e.version <= clerk_sync.latest_version(coalesce(e.created_at, p_now)))
    order by case when e.id = p_change.job_id then p_change.version else e.version end, e.created_at, e.id
  ) loop
    if v_event.id = p_change.job_id then
      v_event.version := p_change.version; -- the one that is believed
    end if;
    v_said := array(select f from unnest(v_fields) as f where v_event.payload ? f);
    if v_event.version >= v_change.version then
      v_absent := array(
        select f
        from unnest(clerk_sync.absent_fields(v_event.payload)) as f
        where v_event.version > v_change.version
           or f = any (v_change.absent) -- what an event of the same version brought is known
      );
      v_change.absent_version := case when v_absent <@ v_change.absent then v_change.absent_version else v_change.version end;
      v_change.absent := v_absent;
      v_change.version := v_event.version;
      v_change.refresh_reason := case
        when coalesce(v_event.source, 'webhook') = 'webhook' and cardinality(v_absent) > 0 then 'event_trimmed'
        when v_event.source = 'backfill' and v_event.payload ? 'absent' then v_change.refresh_reason -- it says some columns only
      end;
    elsif v_event.version >= v_change.absent_version and v_change.absent && v_said then
      v_said := array(select f from unnest(v_said) as f where f = any (v_change.absent));
      v_change.absent_version := v_event.version;
    else
      continue;
    end if;
    v_keys := v_said -- with an address or a number comes whether it is verified
      || case when 'email' = any (v_said) then array['email_verified'] end
      || case when 'phone' = any (v_said) then array['phone_verified'] end;
    v_change.payload := (v_change.payload - v_keys) || (
      select coalesce(jsonb_object_agg(p.key, p.value), '{}')
      from jsonb_each(v_event.payload) as p
      where p.key = any (v_keys || array['given'] || case when p_kind = 'membership' then array['organization_id', 'user_id', 'created_at'] end)
    );
    if 'email' = any (v_said) then
      v_change.withheld_email := null;
    end if;
  end loop;
  v_change.refresh_reason := coalesce(p_change.refresh_reason, v_change.refresh_reason);
  if v_change.absent = '{}' then
    v_change.absent := null;
    v_change.absent_version := null;
  end if;
  return v_change;
end
$$;

-- Decides which change each record gets (law 3, newest wins and deletions are final): the deletion if there is one, else
-- the newest snapshot, and only where it is not older than what was applied and the record has no tombstone. A snapshot
-- that was read from Clerk's API after the tombstone was set revives the record. The events are of one kind.
-- A job that was applied before and comes again (its mirror failed) is mirror_only: a row may have changed since at the same
-- version, or been edited by its user, and must not be set back.
-- The version of an event from the future becomes the time when it arrived, what it brings is doubted, and its user is
-- read again from Clerk's API. It comes after the other events of its batch. Without that read, an event that is as new as
-- what was known before (trusted_version) replaces it. Any event replaces a stored version that lies in the future.
-- Law 11, absent is not null: what the newest one does not carry comes from the next older one, else from what is here.
create or replace function clerk_sync.newest_changes(p_kind text, p_events clerk_sync.events[], p_now timestamptz)
returns clerk_sync.record_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_latest  bigint := clerk_sync.latest_version(p_now);
  v_changes clerk_sync.record_change[];
begin
  v_changes := (
    select coalesce(array_agg(jsonb_populate_record(null::clerk_sync.record_change, jsonb_build_object(
      'clerk_id', n.clerk_id,
      'job_id', n.id,
      'source', n.source,
      'deletes', n.deletes,
      'mirror_only', n.was_applied and not n.deletes,
      'fresh', n.is_fresh,
      'version', n.believed,
      'payload', n.payload,
      'refresh_reason', case when n.is_doubted or n.replaces_doubted then 'version_in_future' end,
      'trusted_version', case when n.is_doubted and not n.deletes then n.trusted_version end,
      'absent', case -- empty: all is there, but it may be older than what is here; see clerk_sync.complete_change
        when n.deletes or n.was_applied then null
        else coalesce(clerk_sync.absent_fields(n.payload), case when n.is_late then '{}'::text[] end)
      end,
      'absent_version', case when n.replaces then 0 end
    ))), '{}')
    from (
      select distinct on (e.clerk_id)
        e.clerk_id, e.id, coalesce(e.source, 'webhook') as source, v.believed, e.payload, r.is_fresh,
        not r.is_fresh and v.believed <> e.version as is_doubted,
        case when s.version > v_latest then 0 else coalesce(s.trusted_version, s.version, 0) end as trusted_version,
        not r.is_fresh and coalesce(s.trusted_version is not null or s.version > v_latest, false) as replaces_doubted,
        e.deletes,
        e.applied_at is not null as was_applied,
        s.deleted_at is null and s.absent_version is not null as is_late,
        v.believed < s.version and coalesce(
          case
            when r.is_fresh
              then clerk_sync.read_settles(v.believed, e.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
            else v.believed >= s.trusted_version or s.version > v_latest
          end,
          false
        ) as replaces
      from unnest(p_events) as e
      cross join lateral (
        select
          e.read_at is not null as is_fresh,
          case when e.read_at is not null then p_now else coalesce(e.created_at, p_now) end as arrived_at
      ) as r
      cross join lateral (
        select case
          when e.version <= v_latest + (extract(epoch from r.arrived_at - p_now) * 1000)::bigint then e.version
          else (extract(epoch from r.arrived_at) * 1000)::bigint
        end as believed
      ) as v
      left join lateral ( -- a lookup each, whatever the statistics say
        select k.version, k.deleted_at, k.trusted_version, k.last_synced_at, k.absent_version
        from clerk_sync.records as k
        where k.id = e.clerk_id
        offset 0
      ) as s on true
      where case
          -- One that was applied before comes for the mirror alone; a read may have revived its user since.
          when e.deletes then s.deleted_at is not null or e.applied_at is null
          when e.erased_at is not null then false
          when s.deleted_at > p_now + interval '5 minutes' then r.is_fresh
          when s.deleted_at is not null then e.read_at > s.deleted_at
          when v.believed >= coalesce(s.absent_version, s.version, 0) then true
          when r.is_fresh
            then clerk_sync.read_settles(v.believed, e.read_at, s.version, s.trusted_version, s.last_synced_at, p_now)
          else v.believed >= s.trusted_version or s.version > v_latest
        end
      order by e.clerk_id, deletes desc, is_doubted, was_applied, v.believed desc, e.version desc, e.created_at desc, e.id
    ) as n
  );
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].absent is not null then
      v_changes[v_place] := clerk_sync.complete_change(p_kind, v_changes[v_place], p_events, p_now);
    end if;
  end loop;
  return v_changes;
end
$$;

-- The changes, without the email of these users, who are read again for it.
create or replace function clerk_sync.without_emails(p_changes clerk_sync.record_change[], p_clerk_ids text[])
returns clerk_sync.record_change[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[] := p_changes;
begin
  for v_place in 1 .. cardinality(v_changes) loop
    if v_changes[v_place].payload ->> 'email' is not null and v_changes[v_place].clerk_id = any (p_clerk_ids) then
      v_changes[v_place].withheld_email := v_changes[v_place].payload ->> 'email';
      v_changes[v_place].payload := v_changes[v_place].payload || '{"email": null}';
      v_changes[v_place].refresh_reason := 'email_held';
    end if;
  end loop;
  return v_changes;
end
$$;

-- Settles who holds which address, before rows are written. Where the column is unique, Clerk lets an address move from one
-- account to another while its events arrive in any order. A claim whose address Clerk has verified comes before one that
-- is not, then the newest by (version, clerk_id): it holds the address. Every other user has none, and is read again from
-- Clerk's API, also when the holder gives the address up later. Users whose records are not of this batch are locked
-- without waiting. Returns the changes, the email of every loser null.
create or replace function clerk_sync.settle_emails(p_changes clerk_sync.record_change[], p_now timestamptz)
returns clerk_sync.record_change[]
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[] := p_changes;
  v_given   text[]; -- addresses that these changes give up
  v_users   text[];
  v_losers  text[];
begin
  -- Users who wait for an address that is given up are read again: its holder has another one now, is deleted, or is no
  -- longer verified.
  v_given := array(
    select u.email
    from unnest(p_changes) as c
    -- offset 0, here and below: a lookup each, whatever the statistics say
    cross join lateral (select r.email from clerk_sync.user_rows as r where r.clerk_id = c.clerk_id offset 0) as u
    cross join lateral (select r.email_verified from clerk_sync.known_users as r where r.clerk_id = c.clerk_id offset 0) as k
    where u.email is not null
      and (
        c.deletes
        or c.payload ->> 'email' is distinct from u.email
        or (k.email_verified and not coalesce((c.payload ->> 'email_verified')::boolean, false))
      )
  );
  v_users := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.withheld_email = any (v_given)
      and s.clerk_id <> all (array(select c.clerk_id from unnest(p_changes) as c))
  );
  perform clerk_sync.lock_more_records(v_users);
  update clerk_sync.records as r
  set refresh_reason = 'email_free',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (v_users);

  -- The holders are locked before they are ranked: one of them may be getting a newer claim right now.
  v_users := array(
    select distinct h.clerk_id
    from unnest(p_changes) as c
    cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
    where not c.deletes
      and h.clerk_id <> c.clerk_id
  );
  perform clerk_sync.lock_more_records(v_users);

  -- Without the proof of the address a row is left alone.
  perform clerk_sync.link_users(array_agg(c.email), array_agg(c.clerk_id))
  from (
    select distinct on (lower(i.payload ->> 'email')) i.clerk_id, i.payload ->> 'email' as email
    from unnest(p_changes) as i
    where not i.deletes
      and i.payload ->> 'email' is not null
      and (i.payload ->> 'email_verified')::boolean
    order by lower(i.payload ->> 'email'), i.version desc, i.clerk_id desc
  ) as c;
  if not clerk_sync.emails_are_unique() then
    return v_changes;
  end if;

  -- Holders outside the batch claim with the verification and the version of their last snapshot, rows without a Clerk id
  -- keep their address, deleted users claim nothing.
  v_losers := array(
    select r.clerk_id
    from (
      select
        q.clerk_id,
        row_number() over (
          partition by q.email
          order by q.is_unlinked desc, q.email_verified desc, q.version desc, q.clerk_id desc
        ) as place
      from (
        select
          c.payload ->> 'email' as email, c.clerk_id, coalesce((c.payload ->> 'email_verified')::boolean, false) as email_verified,
          case when 'email' = any (c.absent) then c.absent_version else c.version end as version, false as is_unlinked
        from unnest(p_changes) as c
        where not c.deletes
              and c.payload ->> 'email' is not null
        union all
        select
          h.email, h.clerk_id, coalesce(k.email_verified, false),
          coalesce(case when 'email' = any (k.absent) then k.absent_version else k.version end, 0),
          h.clerk_id is null
        from clerk_sync.email_holders(array(select c.payload ->> 'email' from unnest(p_changes) as c where not c.deletes)) as h
        left join lateral (select * from clerk_sync.known_users as r where r.clerk_id = h.clerk_id offset 0) as k on true
        where k.deleted_at is null
          and not exists (select 1 from unnest(p_changes) as own where own.clerk_id = h.clerk_id)
      ) as q
    ) as r
    where r.place > 1
  );

  -- A user who was read afresh lost the address to a holder of whom we know less: the holder is read afresh, too.
  update clerk_sync.records as r
  set refresh_reason = 'email_doubted',
      refresh_due_at = p_now,
      refresh_attempts = 0
  from unnest(p_changes) as c
  cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
  where c.fresh
    and c.clerk_id = any (v_losers)
    and h.clerk_id <> c.clerk_id
    and r.id = h.clerk_id
    and r.refresh_reason is null;
  v_changes := clerk_sync.without_emails(p_changes, v_losers);

  -- The address is taken from holders who lost it, and they are read again.
  v_users := array(
    select distinct h.clerk_id
    from unnest(v_changes) as c
    cross join lateral clerk_sync.email_holders(array[c.payload ->> 'email']) as h
    where h.clerk_id <> c.clerk_id
      and not c.deletes
  );
  perform clerk_sync.lock_more_records(v_users);
  update clerk_sync.records as r
  set refresh_reason = 'email_taken',
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (v_users)
    and r.deleted_at is null;
  insert into clerk_sync.user_state as s (clerk_id, withheld_email, email_verified)
  select k.clerk_id, u.email, k.email_verified
  from clerk_sync.user_rows as u
  cross join lateral (select * from clerk_sync.known_users as r where r.clerk_id = u.clerk_id offset 0) as k
  where u.clerk_id = any (v_users)
    and k.deleted_at is null
  on conflict (clerk_id) do update
    set withheld_email = excluded.withheld_email;
  perform clerk_sync.take_emails(v_users, p_now);
  perform clerk_sync.queue_mirror(
    array(select i from unnest(v_users) as i except select c.clerk_id from unnest(v_changes) as c), 'email_taken', p_now
  );
  return v_changes;
end
$$;

-- Applies the events of jobs that are not plain, all of one kind: it decides what is disputed, prepares the records, and
-- hands the settled events to apply_plain. p_with_email false: no user gets an address. Returns as apply_plain does, and in
-- waiting the jobs that need something first: the row of an organization or a user, or a lock.
create or replace function clerk_sync.apply_disputed(
  p_kind       text,
  p_events     clerk_sync.events[],
  p_with_email boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out waiting    jsonb,
  out notes      jsonb
)
language plpgsql
set search_path = ''
as $$
declare
  v_changes clerk_sync.record_change[];
  v_deleted text[];
  v_revived text[];
  v_plain   record;
  v_stays   jsonb; -- what stays out, and why, by job
begin
  if p_kind = 'permission' then -- it has no row of its own; created and updated ones say nothing without a read of the roles
    perform clerk_sync.withdraw_permission(e.payload ->> 'key', p_now) from unnest(p_events) as e where e.deletes;
    carries := array(select e.id from unnest(p_events) as e);
    superseded := array[]::uuid[];
    return;
  end if;
  perform clerk_sync.lock_records(array(select e.clerk_id from unnest(p_events) as e), p_kind);
  v_changes := clerk_sync.newest_changes(p_kind, p_events, p_now);
  if p_kind = 'membership' then
    select m.changes, m.waiting, m.stays_out
    into v_changes, waiting, v_stays
    from clerk_sync.settle_memberships(v_changes, p_now) as m;
  end if;
  carries := array(select c.job_id from unnest(v_changes) as c);
  superseded := array(
    select e.id from unnest(p_events) as e where not coalesce(waiting, '{}') ? e.id::text except select i from unnest(carries) as i
  );

  v_changes := array(select c from unnest(v_changes) as c where not c.mirror_only);
  if p_kind = 'user' then
    if not p_with_email then
      v_changes := clerk_sync.without_emails(v_changes, array(select c.clerk_id from unnest(v_changes) as c));
    end if;
    v_changes := clerk_sync.settle_emails(v_changes, p_now);
  end if;

  v_deleted := array(select c.clerk_id from unnest(v_changes) as c where c.deletes);
  if cardinality(v_deleted) > 0 then
    perform clerk_sync.delete_rows(p_kind, v_deleted, p_now);
    perform clerk_sync.end_memberships(p_kind, v_deleted, p_now);
    -- A tombstone keeps the external_id by which the deletion may come again and, until the mirror is gone too, the Auth id.
    update clerk_sync.records as r
    set version = greatest(r.version, c.version),
        deleted_at = coalesce(r.deleted_at, p_now),
        trusted_version = null,
        absent = null,
        absent_version = null,
        refresh_reason = c.refresh_reason,
        refresh_due_at = case when c.refresh_reason is not null then p_now end,
        refresh_attempts = 0,
        last_synced_at = p_now
    from unnest(v_changes) as c
    where r.id = c.clerk_id
      and c.deletes;
    update clerk_sync.user_state as s
    set phone = null,
        email_verified = false,
        banned = false,
        locked = false,
        deprovisioned = false,
        withheld_email = null,
        ignored = null,
        email = null,
        name = null,
        role = null
    where s.clerk_id = any (v_deleted);
  end if;

  if p_kind in ('organization', 'user') then
    v_revived := array(
      select r.id
      from clerk_sync.records as r
      where r.id = any (array(select c.clerk_id from unnest(v_changes) as c where not c.deletes))
        and r.deleted_at is not null
    );
    perform clerk_sync.queue_members(p_kind, v_revived, p_now);
  end if;

  -- Settled is settled: the version, the tombstone and the doubt of the record do not stand in the way any more.
  update clerk_sync.records as r
  set version = least(r.version, c.version),
      deleted_at = null,
      trusted_version = null,
      absent = null,
      absent_version = null
  from unnest(v_changes) as c
  where r.id = c.clerk_id
    and not c.deletes;

  v_plain := clerk_sync.apply_plain(p_kind, array(
    select jsonb_populate_record(null::clerk_sync.events, jsonb_build_object(
      'id', c.job_id,
      'job_type', upper(p_kind) || '_UPDATED',
      'kind', p_kind,
      'deletes', false,
      'clerk_id', c.clerk_id,
      'version', c.version,
      'source', c.source,
      'payload', c.payload
    ))
    from unnest(v_changes) as c
    where not c.deletes
  ), true, p_now);

  -- A user who did not get the address is read again from Clerk's API: immediately, and when that read says the same,
  -- five times more with growing pauses.
  update clerk_sync.records as r
  set trusted_version = c.trusted_version,
      absent = c.absent,
      absent_version = case when c.absent is not null then c.absent_version end,
      refresh_reason = c.refresh_reason,
      refresh_attempts = case when c.fresh and c.refresh_reason is not null then r.refresh_attempts + 1 else 0 end,
      refresh_due_at = case
        when c.refresh_reason is null then null
        when not c.fresh then p_now
        when r.refresh_attempts < 5 then p_now + 4 ^ r.refresh_attempts * interval '1 minute'
      end
  from unnest(v_changes) as c
  where r.id = c.clerk_id
    and not c.deletes;
  insert into clerk_sync.user_state as s (clerk_id, withheld_email, email_verified)
  select c.clerk_id, c.withheld_email, coalesce((c.payload ->> 'email_verified')::boolean, false)
  from unnest(v_changes) as c
  where c.withheld_email is not null
    and not c.deletes
  on conflict (clerk_id) do update
    set withheld_email = excluded.withheld_email;

  notes := (
    select jsonb_object_agg(
      c.job_id,
      jsonb_strip_nulls(jsonb_build_object('refresh', c.refresh_reason, 'absent', c.absent))
        || coalesce(v_plain.notes -> c.job_id::text, '{}')
    )
    from unnest(v_changes) as c
  );
  notes := case when v_stays is null then notes else coalesce(notes, '{}') || v_stays end;
end
$$;

-- From events to rows, and their jobs moved.

-- The kinds of these events in the order in which they are applied: memberships come after organizations and users, so that
-- both are there.
create or replace function clerk_sync.kinds_of(p_events clerk_sync.events[])
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  return array(
    select e.kind
    from unnest(p_events) as e
    group by e.kind
    order by array_position('{organization,role,permission,user,membership,invitation}', e.kind)
  );
end
$$;

-- Those of a kind; all of them where there is only that kind.
create or replace function clerk_sync.events_of(p_kind text, p_kinds text[], p_events clerk_sync.events[])
returns clerk_sync.events[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  if cardinality(p_kinds) = 1 then
    return p_events;
  end if;
  return array(select e from unnest(p_events) as e where e.kind = p_kind);
end
$$;

-- Who mirrors what is written, and under which lease.
drop type if exists clerk_sync.apply_rules cascade;
create type clerk_sync.apply_rules as (
  mirror_token uuid,
  lease_until  timestamptz
);

-- Applies jobs whose records are locked, kind by kind: writes what they bring and moves them to COMPLETED, or, with a
-- mirror_token, the one of each user that carries the change to PROCESSING under that token. While the circuit of Supabase
-- Auth is open it waits for that instead, and the attempt does not count.
-- Constraints that wait for the commit are checked here, within the caller's savepoint: at the commit their error would
-- take everything back, the record of the failed job as well. Before that they wait again, should another savepoint of
-- the transaction have ended their waiting.
create or replace function clerk_sync.apply_jobs(
  p_ids        uuid[],
  p_rules      clerk_sync.apply_rules,
  p_now        timestamptz,
  p_with_email boolean default true
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_all        clerk_sync.events[] := array(select e from clerk_sync.events as e where e.id = any (p_ids));
  v_kinds      text[] := clerk_sync.kinds_of(v_all);
  v_kind       text;
  v_mirrors    boolean; -- the jobs of this kind wait for the mirror
  v_waits      boolean := p_rules.mirror_token is not null and clerk_sync.circuit_is_open('auth');
  v_events     clerk_sync.events[];
  v_is_disputed boolean;
  v_done       record;
  v_waiting    jsonb;
  v_carries    uuid[];
  v_superseded uuid[];
  v_ended      uuid[]; -- jobs of records that may be deleted, and that no call to the outside keeps open
  v_notes      jsonb;
begin
  set constraints all deferred;
  foreach v_kind in array v_kinds loop
    v_events := clerk_sync.events_of(v_kind, v_kinds, v_all);
    v_mirrors := v_kind = 'user' and p_rules.mirror_token is not null;
    v_carries := array[]::uuid[];
    v_superseded := array[]::uuid[];
    v_ended := array[]::uuid[];
    v_notes := null;
    v_waiting := null;
    v_is_disputed := false;
    if p_with_email then
      select * into v_carries, v_superseded, v_notes from clerk_sync.apply_plain(v_kind, v_events, false, p_now);
    end if;
    if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
      v_done := clerk_sync.apply_disputed(
        v_kind,
        array(
          select e
          from unnest(v_events) as e
          where case when e.id in (select i from unnest(v_carries || v_superseded) as i) then false else true end
        ),
        p_with_email, p_now
      );
      v_is_disputed := true;
      v_waiting := v_done.waiting;
      v_ended := v_done.superseded || case when not v_mirrors then v_done.carries end;
      v_carries := v_carries || v_done.carries;
      v_superseded := v_superseded || v_done.superseded;
      v_notes := coalesce(v_notes, '{}') || coalesce(v_done.notes, '{}');
    end if;
    if not v_mirrors then
      perform clerk_sync.complete_jobs(v_carries, p_now, p_applied => true, p_notes => v_notes);
    else
      perform clerk_sync.move_jobs(
        v_carries,
        case when v_waits then 'PENDING' else 'PROCESSING' end,
        p_now,
        p_applied => true,
        p_runs_alone => false, -- whatever hindered it is over
        p_notes => v_notes,
        p_waits_for => case when v_waits then 'auth' end,
        p_token => p_rules.mirror_token,
        p_lease_until => p_rules.lease_until
      );
    end if;
    perform clerk_sync.complete_jobs(v_superseded, p_now, p_applied => false, p_notes => v_notes);
    perform clerk_sync.move_jobs(
      array[w.key::uuid], null, p_now,
      p_waits_for => nullif(w.value, 'lock'),
      p_run_at => case w.value when 'lock' then p_now + interval '1 second' end
    )
    from jsonb_each_text(v_waiting) as w;
    if v_kind in ('organization', 'user') then
      perform clerk_sync.wake_members(v_kind, array(select e.clerk_id from unnest(v_events) as e), p_now);
    end if;
    perform clerk_sync.erase_deleted(v_ended, p_now);
    if v_is_disputed or cardinality(v_superseded) > 0 then
      perform clerk_sync.add_given(v_kind, v_events, p_now);
    end if;
  end loop;
  set constraints all immediate;
end
$$;

-- Exponential backoff with full jitter: anything from 0 to 2 s, 4 s, 8 s … at most 15 minutes.
-- p_random in [0, 1) is a parameter so that a test can pin it.
create or replace function clerk_sync.backoff(p_attempts integer, p_random double precision default random())
returns interval
language sql
set search_path = ''
as $$
  select make_interval(secs => p_random * least(900, 2 ^ least(greatest(p_attempts, 1), 30)));
$$;

-- Ends an attempt that failed. The job is due again after the backoff, and never before p_retry_after. It is a dead letter
-- when the attempts are used up, or when trying again cannot help (p_is_final).
create or replace function clerk_sync.fail_job(
  p_id          uuid,
  p_error       text,
  p_now         timestamptz,
  p_is_final    boolean default false,
  p_retry_after interval default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_attempt integer := (
    select case when j.status = 'PROCESSING' then j.attempts else j.attempts + 1 end from public.job_queue as j where j.id = p_id
  );
begin
  perform clerk_sync.move_jobs(
    array[p_id], case when p_is_final then 'DEAD' else 'FAILED' end, p_now,
    p_error => p_error,
    p_run_at => p_now + greatest(clerk_sync.backoff(v_attempt), p_retry_after)
  );
  insert into clerk_sync.metric_events (at, name, labels)
  select p_now, m.name, jsonb_build_object('code', split_part(p_error, ':', 1))
  from unnest(array['failed_attempts', 'dead']) as m(name)
  where m.name = 'failed_attempts'
     or (select j.status = 'DEAD' from public.job_queue as j where j.id = p_id);
end
$$;

-- What becomes of jobs whose call was cut off while it applied them. A job that had company may not be the one that took
-- the time: it runs alone from then on. For a job that runs alone it was a failed attempt.
create or replace function clerk_sync.cut_jobs(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_alone uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.runs_alone);
begin
  perform clerk_sync.fail_job(
    i, 'database_timeout: applying the job took too long; look for a slow trigger on the table of users', p_now
  )
  from unnest(v_alone) as i;
  perform clerk_sync.move_jobs(
    array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.id <> all (v_alone) and j.status = k.status),
    case when k.status = 'PROCESSING' then 'PENDING' end, p_now,
    p_runs_alone => true
  )
  from unnest(array['PENDING', 'FAILED', 'PROCESSING']) as k(status);
end
$$;

-- Applies one job in a savepoint of its own; whatever it raises is its outcome, recorded on it. A value that no later time
-- makes fit (class 22) is given up. So is a deletion that a foreign key stops for the second time: rows of other tables
-- rarely go by themselves. When the table's owner made addresses unique in another way than we compare them (by lower(),
-- say), the user gets a row without.
-- Returns false when the call was cut off (statement_timeout, which comes once a call): there is no time for another job.
-- "when others" catches neither query_canceled nor assert_failure, so both are named, here as everywhere.
create or replace function clerk_sync.apply_job(
  p_id         uuid,
  p_rules      clerk_sync.apply_rules,
  p_now        timestamptz,
  p_with_email boolean default true
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_message    text;
  v_constraint text;
  v_is_blocked boolean; -- by a foreign key
  v_is_again   boolean; -- not the first attempt
begin
  perform clerk_sync.apply_jobs(array[p_id], p_rules, p_now, p_with_email);
  return true;
exception
  when query_canceled then
    perform clerk_sync.cut_jobs(array[p_id], p_now);
    return false;
  when others or assert_failure then
    get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
    if sqlstate = '23505' and p_with_email then
      return clerk_sync.apply_job(p_id, p_rules, p_now, false);
    end if;
    if sqlstate like '22%' then -- the message of PostgreSQL may quote the value
      select coalesce(clerk_sync.refused_column(j.kind, j.payload), v_message)
      into v_message
      from public.job_queue as j
      where j.id = p_id;
    end if;
    select
      j.job_type like '%DELETED' and sqlstate in ('23503', '23001'),
      j.attempts >= case j.status when 'PROCESSING' then 2 else 1 end
    into v_is_blocked, v_is_again
    from public.job_queue as j
    where j.id = p_id;
    perform clerk_sync.fail_job(
      p_id,
      concat(
        concat_ws(' ', case when v_is_blocked then 'delete_blocked' else 'database_rejected' end, sqlstate, nullif(v_constraint, '')),
        ': ',
        v_message,
        case
          when v_is_blocked then '. Give the foreign key on delete cascade or set null, or delete softly ("delete" in clerk-sync.config.json); then retry the job.'
        end
      ),
      p_now,
      p_is_final => sqlstate like '22%' or (v_is_blocked and v_is_again)
    );
    return true;
end
$$;

-- Applies jobs whose users are locked: together, or else one by one in a savepoint each, so that the job that cannot be
-- applied fails alone (law 7). One by one the newest of a user comes first, because it carries the change. After 1.5 s the
-- call ends; the jobs that it did not reach are untouched and still due.
create or replace function clerk_sync.apply_batch(p_ids uuid[], p_rules clerk_sync.apply_rules, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_job      record;
  v_deadline timestamptz;
begin
  if cardinality(p_ids) = 0 then
    return;
  end if;
  begin
    perform clerk_sync.apply_jobs(p_ids, p_rules, p_now);
    return;
  exception
    when query_canceled then -- there is no time left to find out which job hangs
      perform clerk_sync.cut_jobs(p_ids, p_now);
      return;
    when others or assert_failure then
      raise log 'clerk_sync: a batch of % jobs is applied one by one, because of SQLSTATE %', cardinality(p_ids), sqlstate;
  end;
  v_deadline := clock_timestamp() + interval '1.5 seconds';
  for v_job in
    select j.id, j.clerk_id
    from public.job_queue as j
    where j.id = any (p_ids)
    order by j.clerk_id, (j.job_type like '%DELETED') desc, j.version desc, j.created_at desc, j.id
  loop
    exit when clock_timestamp() > v_deadline;
    continue when exists ( -- a newer job of the user carries the change to the mirror
      select 1
      from public.job_queue as r
      where r.clerk_id = v_job.clerk_id
        and r.status = 'PROCESSING'
        and r.id <> v_job.id
    );
    exit when not clerk_sync.apply_job(v_job.id, p_rules, p_now);
  end loop;
end
$$;

-- ---- 09_canary.sql ----

-- Canaries: users that `clerk-sync verify` sends through an installation and takes out again. They are known by
-- their id, and what began is written down, so that the next run finds what one that died has left.

-- True for the id of a canary. Nothing here touches any other user.
create or replace function clerk_sync.is_canary(p_clerk_id text)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select starts_with(p_clerk_id, 'user_clerksync_canary_');
$$;

create table if not exists clerk_sync.canary (
  clerk_id   text        not null,
  started_at timestamptz not null,
  constraint canary_pkey primary key (clerk_id),
  constraint id_is_a_canarys check (starts_with(clerk_id, 'user_clerksync_canary_'))
);

-- Raises SY002 for the id of any other user.
create or replace function clerk_sync.check_canary(p_clerk_id text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if not coalesce(clerk_sync.is_canary(p_clerk_id), false) then
    raise exception 'this is not the id of a canary'
      using errcode = 'SY002', hint = 'Canaries are called user_clerksync_canary_…; nobody else is touched.';
  end if;
end
$$;

-- Records that a canary is about to be sent; answers {leftovers: [clerk_id]}, those that began more than an hour
-- ago and are still here, the oldest 20.
create or replace function public.clerk_sync_start_canary(
  p_clerk_id text,
  p_now      timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.check_canary(p_clerk_id);
  insert into clerk_sync.canary (clerk_id, started_at)
  values (p_clerk_id, p_now)
  on conflict (clerk_id) do nothing;
  return jsonb_build_object('leftovers', to_jsonb(array(
    select c.clerk_id
    from clerk_sync.canary as c
    where c.started_at < p_now - interval '1 hour'
    order by c.started_at
    limit 20
  )));
end
$$;

-- True when nothing can be left of a canary in Supabase Auth: no worker ever leased one of its jobs, or its deletion is
-- complete and nothing else is open.
create or replace function clerk_sync.can_remove_canary(p_clerk_id text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select (
    coalesce(max(j.attempts), 0) = 0
    and not exists (select 1 from clerk_sync.records as r where r.id = p_clerk_id)
    and not exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = p_clerk_id)
  ) or (
    count(*) filter (where j.job_type = 'USER_DELETED' and j.status = 'COMPLETED') > 0
    and count(*) filter (where j.status in ('PENDING', 'PROCESSING', 'FAILED')) = 0
  )
  from public.job_queue as j
  where j.clerk_id = p_clerk_id;
$$;

-- Removes all there is of a canary: row, state, jobs. While its mirror could still be in Supabase Auth it removes nothing:
-- the jobs that delete the mirror must stay. Answers {removed, rows, states, jobs, waiting}, the last being what
-- clerk_sync.describe_jobs says of the jobs that are not completed. Raises SY002 for the id of any other user.
create or replace function public.clerk_sync_remove_canary(p_clerk_id text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_ids    uuid[];
  v_locked uuid[] := array[]::uuid[];
  v_rows   integer;
  v_states integer;
begin
  perform clerk_sync.check_canary(p_clerk_id);
  v_ids := array(select j.id from public.job_queue as j where j.clerk_id = p_clerk_id);
  -- No job is locked before the canary may go, or a worker would pass over the one that takes it away. The jobs come first
  -- and the user last, and no lock is waited for, as in the claim. A worker may have held a job until now: look again.
  if clerk_sync.can_remove_canary(p_clerk_id) then
    v_locked := array(select j.id from public.job_queue as j where j.clerk_id = p_clerk_id for update skip locked);
  end if;
  if not (v_ids <@ v_locked and clerk_sync.can_remove_canary(p_clerk_id)) then
    return jsonb_build_object('removed', false, 'rows', 0, 'states', 0, 'jobs', 0, 'waiting', clerk_sync.describe_jobs(
      array(select j.id from public.job_queue as j where j.id = any (v_ids) and j.status <> 'COMPLETED')
    ));
  end if;
  v_rows := clerk_sync.remove_users(array[p_clerk_id]);
  delete from clerk_sync.user_state as s where s.clerk_id = p_clerk_id;
  delete from clerk_sync.records as r where r.id = p_clerk_id;
  get diagnostics v_states = row_count;
  perform set_config('clerk_sync.actor', 'sync', true);
  delete from public.job_queue as j where j.id = any (v_locked);
  perform set_config('clerk_sync.actor', '', true);
  delete from clerk_sync.canary as c where c.clerk_id = p_clerk_id;
  return jsonb_build_object(
    'removed', true, 'rows', v_rows, 'states', v_states, 'jobs', cardinality(v_locked), 'waiting', '[]'::jsonb
  );
end
$$;

-- ---- 10_delete_brake.sql ----

-- The delete brake: when too many users, organizations or memberships are deleted within a window, deletions wait for an
-- operator. Each kind is counted, and held, apart.

-- Clerk has no bulk delete, so a burst of deletions is an accident: a script gone wrong, another instance's key. A burst
-- engages the brake: from then on deletions of the kind wait in the queue, with the reason, until an operator calls
-- clerk_sync_release_delete_brake. No other job waits. Memberships that end with their organization or user are not
-- counted: that was one deletion.
create table if not exists clerk_sync.delete_brake (
  kind        text        not null,
  engaged_at  timestamptz null,
  reason      text        null,
  released_at timestamptz null,
  constraint delete_brake_pkey primary key (kind),
  constraint kind_is_known check (kind in ('user', 'organization', 'membership')),
  constraint engaged_with_reason check ((engaged_at is null) = (reason is null))
);

insert into clerk_sync.delete_brake (kind)
values ('user'), ('organization'), ('membership')
on conflict (kind) do nothing;

-- How many rows of this kind there are, counted as far as p_most.
create or replace function clerk_sync.count_rows(p_kind text, p_most integer)
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from (
    (select 1 from clerk_sync.user_rows as u where p_kind = 'user' and u.deleted_at is null limit p_most)
    union all
    (select 1 from clerk_sync.organization_rows as o where p_kind = 'organization' and o.deleted_at is null limit p_most)
    union all
    (select 1 from clerk_sync.membership_state as m where p_kind = 'membership' and m.has_row limit p_most)
  ) as counted;
$$;

-- Whether a record of this kind has a row that a deletion would take; null when it has none.
create or replace function clerk_sync.has_row(p_kind text, p_id text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return case p_kind
    when 'user' then (select u.deleted_at is null from clerk_sync.user_rows as u where u.clerk_id = p_id)
    when 'organization' then (select o.deleted_at is null from clerk_sync.organization_rows as o where o.id = p_id)
    when 'membership' then (select m.has_row from clerk_sync.membership_state as m where m.id = p_id)
  end;
end
$$;

-- The reason why these deletions have to wait. Null when they may be applied; they are counted then. A user that came by
-- a webhook within the window is not counted: test users and waves of bots are deleted soon after they came. A canary is
-- never counted. Up to ten deletions the share of all users does not count: in a small project every deletion is a large
-- share. The lock makes workers count one by one. p_brake: {count, percent, minutes}
create or replace function clerk_sync.brake_reason(p_kind text, p_deletes uuid[], p_brake jsonb, p_now timestamptz)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_most     integer     := (p_brake ->> 'count')::integer;
  v_percent  numeric     := (p_brake ->> 'percent')::numeric;
  v_minutes  integer     := (p_brake ->> 'minutes')::integer;
  v_since    timestamptz := p_now - make_interval(mins => v_minutes);
  v_reason   text        := (select b.reason from clerk_sync.delete_brake as b where b.kind = p_kind for update);
  v_counting text[];
  v_counted  integer; -- deletions within the window, as far as it matters
  v_total    integer;
  v_rows     integer;
begin
  if v_reason is not null then
    return v_reason;
  end if;
  v_counting := array(
    select distinct j.clerk_id
    from public.job_queue as j
    where j.id = any (p_deletes)
      and j.clerk_id is not null
      and coalesce((select r.first_seen_at from clerk_sync.records as r where r.id = j.clerk_id) <= v_since, true)
      and not clerk_sync.is_canary(j.clerk_id)
  );
  v_counted := (
    select count(*)
    from (
      select 1 from clerk_sync.records as r where r.delete_counted_at > v_since and r.kind = p_kind limit v_most + 1
    ) as counted
  );
  v_total := v_counted + cardinality(v_counting);
  if v_total > v_most then
    v_reason := format('more than %s deletions of %ss within %s minutes', v_most, p_kind, v_minutes);
  elsif v_total > 10 then
    v_rows := v_counted + clerk_sync.count_rows(p_kind, ceil(v_total * 100 / v_percent)::integer + 1);
    if v_total > v_rows * v_percent / 100 then
      v_reason := format('%s deletions within %s minutes, more than %s %% of %s %ss', v_total, v_minutes, v_percent, v_rows, p_kind);
    end if;
  end if;

  if v_reason is not null and cardinality(v_counting) > 0 then
    update clerk_sync.delete_brake as b
    set engaged_at = p_now,
        reason = v_reason
    where b.kind = p_kind;
    return v_reason;
  end if;
  insert into clerk_sync.records as r (id, kind, delete_counted_at)
  select i, p_kind, p_now
  from unnest(v_counting) as i
  on conflict (id) do update
    set delete_counted_at = excluded.delete_counted_at;
  return null;
end
$$;

-- Holds the deletions among these jobs that the brake does not let pass, and returns the other jobs. The brake asks about
-- a deletion that no operator has confirmed, of a user that has a row, or of an Auth user alone. p_brake null: no brake.
create or replace function clerk_sync.pass_brake(p_ids uuid[], p_brake jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_ids    uuid[] := p_ids;
  v_brake  record;
  v_reason text;
begin
  if p_brake is null then
    return p_ids;
  end if;
  for v_brake in
    select j.kind, array_agg(j.id) as deletes
    from public.job_queue as j
    where j.id = any (p_ids)
      and j.kind in ('user', 'organization', 'membership')
      and j.job_type like '%DELETED'
      and not j.is_confirmed
      and (
        j.for_auth_only
        -- subqueries: they stay index lookups, whatever the statistics say
        or (
          coalesce((select r.deleted_at is null from clerk_sync.records as r where r.id = j.clerk_id), true)
          and clerk_sync.has_row(j.kind, j.clerk_id)
        )
      )
    group by j.kind
    order by j.kind
  loop
    v_reason := clerk_sync.brake_reason(v_brake.kind, v_brake.deletes, p_brake, p_now);
    continue when v_reason is null;
    perform clerk_sync.move_jobs(
      v_brake.deletes, 'PENDING', p_now,
      p_error => 'delete_brake: ' || v_reason,
      p_run_at => p_now + interval '1 hour',
      p_is_held => true
    );
    v_ids := array(select i from unnest(v_ids) as i where i <> all (v_brake.deletes));
  end loop;
  return v_ids;
end
$$;

-- Deletions that wait for the brake: few, and found among however many jobs wait.
create index if not exists job_queue_held_idx
  on public.job_queue (id)
  where is_held;

-- {engaged_at, reason, released_at, waiting}: whether deletions wait, why, and how many, counted as far as 10,000.
create or replace function public.clerk_sync_delete_brake()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'engaged_at', min(b.engaged_at),
    'reason', string_agg(b.reason, '; ' order by b.engaged_at),
    'released_at', max(b.released_at),
    'waiting', (
      select count(*)
      from (
        select 1
        from public.job_queue as j
        where j.is_held
        limit 10000
      ) as w
    )
  )
  from clerk_sync.delete_brake as b;
$$;

-- ---- 11_accept.sql ----

-- How jobs come in: from the webhook, from backfill and reconcile, and from ensure-user.

-- Users whose creation is no news, by event id: {id, clerk_id}; their row is there and as new. Not for an event that is in
-- the queue (a duplicate), nor while a dead letter of the user may have something pending (perhaps the mirror). Here alone
-- storing reads the table of users, which somebody may hold locked: the function waits no longer than a sender notices.
create or replace function clerk_sync.find_existing(p_events clerk_sync.events[])
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
begin
  return (
    select coalesce(jsonb_object_agg(e.event_id, jsonb_build_object('id', u.row_id, 'clerk_id', u.clerk_id)), '{}')
    from unnest(p_events) as e
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (
      select k.row_id, k.clerk_id from clerk_sync.user_rows as k where k.clerk_id = e.clerk_id and k.deleted_at is null offset 0
    ) as u
    where e.job_type = 'USER_CREATED'
      and (
        select r.deleted_at is null and r.version between e.version and clerk_sync.latest_version(clock_timestamp())
          and coalesce(r.absent_version > e.version, true) -- else it may bring what is absent
          and array(select jsonb_array_elements_text(e.payload -> 'given')) <@ r.given -- else it is news that Clerk gave it
        from clerk_sync.records as r
        where r.id = e.clerk_id
      )
      and not exists (select 1 from public.job_queue as j where j.event_id = e.event_id)
      and not exists (select 1 from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'DEAD')
  );
end
$$;

-- Puts jobs into the queue. Called by the webhook with one job, by backfill and reconcile with up
-- to 500; the whole call is one transaction, so what it answers is durable when it returns.
--
-- p_jobs: as new_events takes them; read_at: the payload was
-- read from Clerk's API, and that read began then.
-- Returns, in the same order: [{event_id, outcome, applied, job_id, user}], where applied is no (see clerk_sync_accept)
-- and outcome is
--   queued     a new job
--   requeued   the event was a dead letter and is tried again from the start
--   duplicate  the event is known and its job is not dead; nothing was done
--   exists     a create for a row that is already as new; nothing was stored
--   dead       stored as a dead letter, because it can never succeed (dead_reason)
create or replace function public.clerk_sync_enqueue(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- a plan made while the table was small would read all of it for ever
set plan_cache_mode = 'force_generic_plan' -- as clerk_sync_run_jobs
set lock_timeout = '4s' -- for a call that stores the same event right now
as $$
declare
  v_events   clerk_sync.events[] := clerk_sync.new_events(p_jobs);
  v_existing jsonb := jsonb '{}';
begin
  begin
    v_existing := clerk_sync.find_existing(v_events);
  exception
    when others or query_canceled then -- law 1 asks for the queue only: a worker finds out what is wrong with the table of users
      raise log 'clerk_sync: events are stored without a look at the table of users, because of SQLSTATE %', sqlstate;
  end;
  return clerk_sync.insert_jobs(v_events, p_now, p_max_attempts, p_existing => v_existing);
end
$$;

-- Applies new events before they are stored, so that each job is stored once, as it then stands. Events that are known, and
-- users whom a worker has in flight or whose jobs run alone, are left to workers. The function waits for no lock longer
-- than a sender notices. Returns as apply_plain does.
create or replace function clerk_sync.apply_new(
  p_events clerk_sync.events[],
  p_now    timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
  v_new   clerk_sync.events[];
  v_kinds text[];
  v_kind  text;
  v_done  record;
begin
  carries := array[]::uuid[];
  superseded := array[]::uuid[];
  v_new := array(
    select e
    from unnest(p_events) as e
    where e.dead_reason is null
      and e.clerk_id is not null
      -- a lookup each, whatever the statistics say
      and (select true from public.job_queue as j where j.event_id = e.event_id) is null
      and (select true from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'PROCESSING') is null
      and ( -- as runs_alone
        select true from public.job_queue as j where j.clerk_id = e.clerk_id and j.runs_alone and j.status <> 'COMPLETED' limit 1
      ) is null
  );
  v_kinds := clerk_sync.kinds_of(v_new);
  foreach v_kind in array v_kinds loop
    v_done := clerk_sync.apply_plain(v_kind, clerk_sync.events_of(v_kind, v_kinds, v_new), false, p_now);
    carries := carries || v_done.carries;
    superseded := superseded || v_done.superseded;
    if v_kind in ('organization', 'user') then
      perform clerk_sync.wake_members(v_kind, array(select e.clerk_id from unnest(v_new) as e where e.kind = v_kind), p_now);
    end if;
    notes := case when notes is null then v_done.notes else notes || coalesce(v_done.notes, '{}') end;
    if cardinality(v_done.superseded) > 0 then
      perform clerk_sync.add_given(v_kind, clerk_sync.events_of(v_kind, v_kinds, v_new), p_now);
    end if;
  end loop;
  set constraints all immediate; -- as apply_jobs
end
$$;

-- Says in the answer to a call of events why each event that was stored only was left to a worker (left), and counts the
-- reasons. p_refused: the SQLSTATE with which the database refused to apply the call.
create or replace function clerk_sync.note_left(p_answer jsonb, p_events clerk_sync.events[], p_refused text, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_reasons jsonb := ( -- by event id
    select coalesce(jsonb_object_agg(e.event_id, case
      when p_refused = '57014' then 'timeout'
      when p_refused is not null then 'refused ' || p_refused
      when e.deletes then 'deletion'
      when clerk_sync.absent_fields(e.payload) is not null then 'trimmed'
      when e.version > clerk_sync.latest_version(p_now) then 'future'
      when exists (select 1 from public.job_queue as j where j.clerk_id = e.clerk_id and j.status = 'PROCESSING') then 'in_flight'
      when clerk_sync.runs_alone(e.clerk_id) then 'runs_alone'
      when r.deleted_at is not null then 'deleted'
      when r.version > e.version then 'late'
      when r.trusted_version is not null or r.absent_version is not null then 'unsettled'
      else 'disputed' -- an address that another user has or waits for, or a record that another transaction holds
    end), '{}')
    from unnest(p_events) as e
    left join lateral (select * from clerk_sync.records as k where k.id = e.clerk_id offset 0) as r on true
    where p_answer @> jsonb_build_array(jsonb_build_object('event_id', e.event_id, 'outcome', 'queued', 'applied', 'no'))
  );
begin
  insert into clerk_sync.metric_events (at, name, labels, count)
  select p_now, 'left_to_worker', jsonb_build_object('reason', v.value), count(*)
  from jsonb_each_text(v_reasons) as v
  group by v.value;
  return (
    select jsonb_agg(a.value || jsonb_build_object('left', v_reasons -> (a.value ->> 'event_id')) order by a.ordinality)
    from jsonb_array_elements(p_answer) with ordinality as a
  );
end
$$;

-- What the webhook calls: events go into the queue and, where only the version decides (see clerk_sync.apply_users), into
-- their users' rows in the same transaction, so that the row is there when the 202 leaves. Everything else stays queued for
-- a worker: a deletion, an address that two users claim, a user whom a worker has in flight or whose jobs run alone, events
-- that the database refuses. When applying takes longer than the call may (2 s, see clerk_sync_run_jobs), its jobs are
-- stored without it, to run alone.
-- Returns what clerk_sync_enqueue does, and in each entry that was left to a worker why (left); applied may be row (the
-- mirror is pending), or all.
create or replace function public.clerk_sync_accept(
  p_jobs         jsonb,
  p_max_attempts integer default 15,
  p_mirrors      boolean default false,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set lock_timeout = '4s' -- for a call that stores the same event right now
set statement_timeout = '2s'
as $$
declare
  v_events     clerk_sync.events[] := clerk_sync.new_events(p_jobs);
  v_carries    uuid[] := array[]::uuid[];
  v_superseded uuid[] := array[]::uuid[];
  v_notes      jsonb;
  v_existing   jsonb := jsonb '{}';
  v_refused    text; -- the SQLSTATE
  v_answer     jsonb;
begin
  begin
    select a.carries, a.superseded, a.notes
    into v_carries, v_superseded, v_notes
    from clerk_sync.apply_new(v_events, p_now) as a;
    if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
      v_existing := clerk_sync.find_existing(array(
        select e
        from unnest(v_events) as e
        where e.id <> all (v_carries || v_superseded)
      ));
    end if;
  exception
    when others or assert_failure or query_canceled then -- the events are stored as they came: a worker applies them
      v_refused := sqlstate;
      v_carries := array[]::uuid[];
      v_superseded := array[]::uuid[];
  end;
  v_answer := clerk_sync.insert_jobs(
    v_events, p_now, p_max_attempts,
    p_carries => v_carries,
    p_superseded => v_superseded,
    p_notes => v_notes,
    p_existing => v_existing,
    p_mirrors => p_mirrors,
    p_waits_for => case when p_mirrors and clerk_sync.circuit_is_open('auth') then 'auth' end,
    p_alone => coalesce(v_refused = '57014', false)
  );
  if cardinality(v_carries) + cardinality(v_superseded) < cardinality(v_events) then
    return clerk_sync.note_left(v_answer, v_events, v_refused, p_now);
  end if;
  return v_answer;
end
$$;

-- ensure-user: the row of a signed-in user for an app that cannot wait for the webhook. What was read of the user from
-- Clerk's API for it is a job like any other (source ensure), applied in the same transaction: same lock, same
-- version guard, same functions, same history. Only the mirror is left to the queue.

-- What there is of one user: {state, row, version, at}, where state is
--   present    row holds what its owner may read
--   missing    there is no row; version is null when nothing at all is known of the user
--   deleted    the user has a tombstone
-- at is when it was looked at, by the clock that also stamps tombstones.
create or replace function public.clerk_sync_own_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
begin
  return (
    select jsonb_build_object(
      'state', o.state,
      'row', case when o.state = 'present' then clerk_sync.readable_row(p_clerk_id) end,
      'version', o.version,
      'at', clock_timestamp()
    )
    from (
      select
        s.version,
        case
          when s.deleted_at is not null or u.deleted_at is not null then 'deleted'
          when u.clerk_id is null then 'missing'
          else 'present'
        end as state
      from (values (p_clerk_id)) as i(clerk_id)
      -- offset 0: looked up by key, whatever the statistics say
      left join lateral (
        select r.clerk_id, r.deleted_at from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0
      ) as u on true
      left join lateral (
        select r.version, r.deleted_at from clerk_sync.records as r where r.id = i.clerk_id offset 0
      ) as s on true
    ) as o
  );
end
$$;

-- Puts what was read of their users into jobs, in place of what they held.
-- p_reads: [{job_id, deleted?, version?, payload?, read_at?}]
create or replace function clerk_sync.put_reads(p_reads jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set job_type = upper(j.kind) || case when r.deleted then '_DELETED' else '_UPDATED' end,
      version = coalesce(r.version, j.version),
      payload = jsonb_build_object('clerk_id', j.clerk_id, 'retry_count', coalesce(j.payload -> 'retry_count', '0'))
        || jsonb_strip_nulls(jsonb_build_object('reason', j.payload -> 'reason', 'original_event', j.payload -> 'original_event'))
        || coalesce(clerk_sync.known_payload(r.payload, clerk_sync.payload_keys(j.kind)), '{}'),
      read_at = coalesce(r.read_at, j.read_at),
      applied_at = null,
      erased_at = null,
      is_confirmed = j.is_confirmed and coalesce(r.deleted, false),
      updated_at = p_now
  from jsonb_to_recordset(p_reads) as r(job_id uuid, deleted boolean, version bigint, payload jsonb, read_at timestamptz)
  where j.id = r.job_id;
  perform set_config('clerk_sync.actor', '', true);
end
$$;

-- Stores what was read of a user as a due job and returns its id. A state of a user is one job, however often it is read;
-- null while a worker has that job in flight.
create or replace function clerk_sync.store_ensure_job(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer,
  p_now          timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_stored jsonb;
  v_id     uuid;
begin
  v_stored := clerk_sync.insert_jobs(clerk_sync.new_events(jsonb_build_array(jsonb_build_object(
    'event_id', format('ensure_%s_%s', p_clerk_id, p_version),
    'job_type', 'USER_UPDATED',
    'clerk_id', p_clerk_id,
    'version', p_version,
    'source', 'ensure',
    'read_at', p_read_at,
    'payload', p_payload || '{"retry_count": 0}'
  ))), p_now, p_max_attempts) -> 0;
  v_id := (v_stored ->> 'job_id')::uuid;
  if v_stored ->> 'outcome' = 'queued' then
    return v_id;
  end if;
  perform 1 from public.job_queue as j where j.id = v_id and j.status <> 'PROCESSING' for update;
  if not found then
    return null;
  end if;
  perform clerk_sync.put_reads(jsonb_build_array(jsonb_build_object(
    'job_id', v_id, 'version', p_version, 'payload', p_payload, 'read_at', p_read_at
  )), p_now);
  perform clerk_sync.move_jobs(array[v_id], 'PENDING', p_now, p_run_at => p_now, p_starts_over => true);
  return v_id;
end
$$;

-- Applies what was read of one user from Clerk's API, unless the row is there by now; answers as clerk_sync_own_row.
-- When the read cannot be applied (it is older than what is known, the table refuses it), the state stays as it was:
-- the job says why and, where that can help, is tried again like any other.
-- p_version and p_payload as a webhook job has them; p_read_at: at of the look before the read.
create or replace function public.clerk_sync_ensure_user(
  p_clerk_id     text,
  p_version      bigint,
  p_payload      jsonb,
  p_read_at      timestamptz,
  p_max_attempts integer default 15,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '1s'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_own jsonb;
  v_job uuid;
begin
  perform clerk_sync.lock_records(array[p_clerk_id], 'user', (p_payload ->> 'created_at')::timestamptz);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    return v_own;
  end if;
  v_job := clerk_sync.store_ensure_job(p_clerk_id, p_version, p_payload, p_read_at, p_max_attempts, p_now);
  perform clerk_sync.apply_batch(array_remove(array[v_job], null), row(null, null)::clerk_sync.apply_rules, p_now);
  v_own := public.clerk_sync_own_row(p_clerk_id);
  if v_own ->> 'state' = 'present' then
    perform clerk_sync.queue_mirror(array[p_clerk_id], 'ensure', p_now);
  end if;
  return v_own;
end
$$;

-- ---- 12_refresh.sql ----

-- Refreshes: a user is read again from Clerk's API when what we know of the user may be wrong.

-- A refresh is a job like any other (source refresh), with lease, retries and dead letter; what it applies is read when it
-- runs.
--   refresh_due_at ─ queue_refreshes ─> job ─ route_jobs: read ─> GET /v1/users/{id} ─ clerk_sync_apply_reads ─> users

-- Asks for a refresh of users, known or not; also of deleted ones, whom only a fresh read revives. It is queued
-- by the next worker that can read from Clerk's API. Answers how many were asked for.
create or replace function public.clerk_sync_request_refresh(
  p_clerk_ids text[],
  p_reason    text default 'requested',
  p_now       timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  perform clerk_sync.lock_records(p_clerk_ids);
  update clerk_sync.records as r
  set refresh_reason = coalesce(r.refresh_reason, p_reason),
      refresh_due_at = p_now,
      refresh_attempts = 0
  where r.id = any (p_clerk_ids);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

-- Makes the jobs of refreshes that are due. A user whose refresh is in the queue, or dead, gets no second one. A refresh
-- that is asked for during a read stays due, for its reason may be younger than the read.
create or replace function clerk_sync.queue_refreshes(p_limit integer, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_due text[] := array(
    select r.id
    from clerk_sync.records as r
    where r.refresh_due_at <= p_now
      and (
        select j.source
        from public.job_queue as j
        where j.clerk_id = r.id
          and j.status = 'PROCESSING'
      ) is distinct from 'refresh'
    order by r.refresh_due_at
    limit p_limit
    for update skip locked
  );
begin
  if cardinality(v_due) = 0 then
    return;
  end if;
  perform clerk_sync.insert_jobs(clerk_sync.new_events((
    select coalesce(jsonb_agg(jsonb_build_object(
      'event_id', 'refresh_' || gen_random_uuid(),
      'job_type', upper(r.kind) || '_UPDATED',
      'clerk_id', r.id,
      'version', r.version,
      'source', 'refresh',
      'payload', jsonb_build_object('clerk_id', r.id, 'reason', r.refresh_reason, 'retry_count', 0)
    )), '[]')
    from clerk_sync.records as r
    where r.id = any (v_due)
      and not exists (
        select 1
        from public.job_queue as j
        where j.clerk_id = r.id
          and j.status in ('PENDING', 'FAILED', 'DEAD')
          and j.source = 'refresh'
          and j.applied_at is null
        offset 0
      )
  )), p_now);
  update clerk_sync.records as r
  set refresh_due_at = null
  where r.id = any (v_due);
end
$$;

-- Puts what was read of their users into jobs, and fails those whose read is older than what is known (Clerk's API may lag
-- behind its webhooks) and settles nothing (read_settles). A user whom users relink has just read at Clerk is not deleted
-- because the worker's read finds nobody: that read asks another instance. Returns the others.
-- p_reads: [{job_id, deleted, version?, payload?}]
create or replace function clerk_sync.store_reads(p_ids uuid[], p_reads jsonb, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_elsewhere uuid[] := array(
    select j.id
    from jsonb_array_elements(p_reads) as r
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select k.id, k.clerk_id from public.job_queue as k where k.id = (r.value ->> 'job_id')::uuid offset 0) as j
    where (r.value ->> 'deleted')::boolean
      and j.id = any (p_ids)
      and (
        select k.deleted_at is null and k.refresh_reason = 'relinked'
        from clerk_sync.records as k
        where k.id = j.clerk_id
      )
  );
  v_ids       uuid[] := array(select i from unnest(p_ids) as i where i <> all (v_elsewhere));
  v_stale     uuid[];
begin
  perform clerk_sync.fail_job(
    i, 'clerk_other_instance: Clerk''s API does not know a user whom users relink read there', p_now, p_is_final => true
  )
  from unnest(v_elsewhere) as i;
  perform clerk_sync.put_reads(
    (select coalesce(jsonb_agg(r.value), '[]') from jsonb_array_elements(p_reads) as r where (r.value ->> 'job_id')::uuid = any (v_ids)),
    p_now
  );
  v_stale := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_ids)
      and j.job_type not like '%DELETED'
      and (
        select r.deleted_at is null
          and j.version < r.version
          and not clerk_sync.read_settles(j.version, j.read_at, r.version, r.trusted_version, r.last_synced_at, p_now)
        from clerk_sync.records as r
        where r.id = j.clerk_id
      )
  );
  perform clerk_sync.fail_job(i, 'clerk_stale: Clerk''s API answered an older state than is known', p_now)
  from unnest(v_stale) as i;
  return array(select i from unnest(v_ids) as i where i <> all (v_stale));
end
$$;

-- Applies what was read of users whose refresh is leased under p_token; reads of a lost lease are dropped.
-- p_reads: [{job_id, deleted, version?, payload?}], version and payload as a webhook job has them.
-- p_mirror: the mirror is pending then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_reads(
  p_token        uuid,
  p_reads        jsonb,
  p_mirror       boolean,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set statement_timeout = '2s' -- as clerk_sync_run_jobs
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_lease_until timestamptz;
  v_leased      uuid[];
  v_ids         uuid[];
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (r.value ->> 'job_id')::uuid from jsonb_array_elements(p_reads) as r))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.source = 'refresh'
      and j.cancel_requested_at is null
    order by j.id
    for update
  );
  perform clerk_sync.lock_records(array_agg(j.clerk_id), j.kind)
  from public.job_queue as j
  where j.id = any (v_leased)
  group by j.kind;
  v_ids := clerk_sync.pass_brake(clerk_sync.store_reads(v_leased, p_reads, p_now), p_delete_brake, p_now);
  v_lease_until := (select max(j.lease_until) from public.job_queue as j where j.id = any (v_ids));
  perform clerk_sync.apply_batch(
    v_ids, row(case when p_mirror then p_token end, v_lease_until)::clerk_sync.apply_rules, p_now
  );
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

-- What a worker reads from Clerk's API for the jobs that it has leased: [{job_id, clerk_id, kind, members, organization_id,
-- user_id, read_at}]. members: not the record is to be read, but the memberships of the organization or user. The last two name
-- where Clerk lists a membership, as far as they are known.
create or replace function clerk_sync.describe_reads(p_ids uuid[])
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if cardinality(p_ids) = 0 then
    return '[]'::jsonb;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'job_id', j.id, 'clerk_id', j.clerk_id, 'kind', j.kind, 'members', j.source = 'members',
      'organization_id', s.organization_id, 'user_id', s.user_id, 'read_at', j.read_at
    )), '[]')
    from public.job_queue as j
    left join lateral ( -- a lookup each, whatever the statistics say
      select m.organization_id, m.user_id from clerk_sync.membership_state as m where m.id = j.clerk_id offset 0
    ) as s on true
    where j.id = any (p_ids)
  );
end
$$;

-- ---- 13_work.sql ----

-- What a worker does: it claims due jobs, applies them, settles their attempts, and takes over from workers that died.
--
--   clerk_sync_run_jobs      one batch: claim_jobs ─> route_jobs ─> apply_batch (08) ─> complete_jobs, move_jobs (04)
--                            reads and mirrors that are pending come back under a lease
--   clerk_sync_apply_reads   what was read of users (12) ─> apply_batch
--   clerk_sync_settle_jobs   what became of the calls ─> settle_outcomes ─> complete_jobs, move_jobs
--   clerk_sync_rescue_jobs   leases that ran out are failed attempts
--   clerk_sync_lease_alone, try_alone, apply_alone   one job that was cut off with others, in calls of its own

-- When a part of the system was last seen: worker (a Node server), processor (the Edge Function), webhook (the last
-- delivery it took).
create table if not exists clerk_sync.heartbeats (
  name     text        not null,
  at       timestamptz not null,
  can_read boolean     null,
  constraint heartbeats_pkey primary key (name)
);

comment on column clerk_sync.heartbeats.can_read is 'whether it has CLERK_SECRET_KEY, as far as it said so';

-- The mapping that each program of the sync runs with: an Edge Function by its name, a Node server as server. A program
-- tells it with what it writes anyway: its heartbeat, or the deliveries that it took.
create table if not exists clerk_sync.programs (
  name         text        not null,
  mapping_hash text        not null,
  since        timestamptz not null,
  seen_at      timestamptz not null,
  constraint programs_pkey primary key (name, mapping_hash)
);

comment on column clerk_sync.programs.since is
  'when it was first seen with this mapping';
comment on column clerk_sync.programs.seen_at is
  'when it was last seen with it, give or take ten seconds';

-- p_program: {name, mapping_hash}; null: the caller says nothing of itself.
create or replace function clerk_sync.note_program(p_program jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.programs as p (name, mapping_hash, since, seen_at)
  select i.name, i.mapping_hash, p_now, p_now
  from jsonb_to_record(p_program) as i(name text, mapping_hash text)
  where i.name is not null
    and i.mapping_hash is not null
  on conflict (name, mapping_hash) do update
    set seen_at = excluded.seen_at
    where p.seen_at < excluded.seen_at - interval '10 seconds';
end
$$;

-- The programs that run with another mapping than the database was migrated with, each with the time since when: its last
-- word of this day counts, and whatever it said within two minutes, for several servers are one program. p_program: as
-- note_program takes it, the program that asks.
create or replace function clerk_sync.differing_programs(p_program jsonb, p_now timestamptz)
returns table (name text, since timestamptz)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  with seen (name, mapping_hash, since, seen_at) as (
    select p.name, p.mapping_hash, p.since, p.seen_at
    from clerk_sync.programs as p
    where p.seen_at > p_now - interval '1 day'
    union all
    select i.name, i.mapping_hash, null, p_now
    from jsonb_to_record(p_program) as i(name text, mapping_hash text)
  )
  select s.name, min(greatest(s.since, m.changed_at))
  from seen as s
  join clerk_sync.mappings as m on m.kind = 'user' and m.hash <> s.mapping_hash
  where s.seen_at > p_now - interval '2 minutes'
     or s.seen_at >= all (select o.seen_at from seen as o where o.name = s.name)
  group by s.name;
end
$$;

-- The names of those programs, for clerk-sync doctor.
create or replace function public.clerk_sync_differing_programs(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(d.name order by d.name), '[]') from clerk_sync.differing_programs(null, p_now) as d;
$$;

-- Records that a part is alive, whether it has CLERK_SECRET_KEY, and the mapping that the program runs with (p_program, as
-- note_program takes it); writes nothing while the last record is younger than ten seconds and says the same.
create or replace function public.clerk_sync_beat(
  p_name     text,
  p_now      timestamptz default clock_timestamp(),
  p_can_read boolean default null,
  p_program  jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into clerk_sync.heartbeats as h (name, at, can_read)
  values (p_name, p_now, p_can_read)
  on conflict (name) do update
    set at = greatest(h.at, excluded.at),
        can_read = coalesce(excluded.can_read, h.can_read)
    where h.at < excluded.at - interval '10 seconds'
       or h.can_read is distinct from coalesce(excluded.can_read, h.can_read);
  perform clerk_sync.note_program(p_program, p_now);
end
$$;

-- Deletions without a Clerk id, which Clerk's schema allows.

-- The users that such a deletion can mean, by its external_id: the living users who have it, else one of the deleted. A
-- user whose newest change is younger than the deletion (p_version; 0: no time is known) got the external_id afterwards:
-- the deletion means another user.
create or replace function clerk_sync.users_with_external_id(p_external_id text, p_version bigint)
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_living text[] := array(
    select s.clerk_id
    from clerk_sync.known_users as s
    where s.external_id = p_external_id
      and s.deleted_at is null
      and (s.version <= p_version or p_version = 0)
  );
begin
  if cardinality(v_living) > 0 then
    return v_living;
  end if;
  return array(
    select s.clerk_id
    from clerk_sync.known_users as s
    where s.external_id = p_external_id
      and (s.version <= p_version or p_version = 0)
    order by s.version desc, s.clerk_id
    limit 1
  );
end
$$;

-- Finds the users of deletions without an id. A deletion that can mean several users gets none, and fails. While other jobs
-- of the batch bring a user with its external_id, the deletion is left to the next batch. Returns the jobs without those.
create or replace function clerk_sync.name_users(p_ids uuid[])
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_nameless uuid[] := array(select j.id from public.job_queue as j where j.id = any (p_ids) and j.clerk_id is null);
  v_early    uuid[];
begin
  if cardinality(v_nameless) = 0 then
    return p_ids;
  end if;
  v_early := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_nameless)
      and exists (
        select 1
        from public.job_queue as o
        where o.id = any (p_ids)
          and o.kind = 'user'
          and o.job_type not like '%DELETED'
          and (
            o.payload ->> 'external_id' = j.payload ->> 'external_id'
            or o.clerk_id = any (clerk_sync.users_with_external_id(j.payload ->> 'external_id', j.version))
          )
      )
  );
  perform set_config('clerk_sync.actor', 'sync', true);
  update public.job_queue as j
  set clerk_id = m.clerk_ids[1]
  from (
    select n.id, clerk_sync.users_with_external_id(n.payload ->> 'external_id', n.version) as clerk_ids
    from public.job_queue as n
    where n.id = any (v_nameless)
      and n.id <> all (v_early)
  ) as m
  where j.id = m.id
    and cardinality(m.clerk_ids) = 1;
  perform set_config('clerk_sync.actor', '', true);
  return array(select i from unnest(p_ids) as i where i <> all (v_early));
end
$$;

-- Fails jobs that name no user. When no user has the external_id, the user may still be on its way through the queue, and
-- the job is tried again. When several users have it, a person has to say which one is meant.
create or replace function clerk_sync.fail_nameless(p_ids uuid[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.fail_job(
    j.id,
    case
      when j.external_id is null then 'user_unknown: the job names no user'
      when j.found = 0 then 'user_unknown: no user has this external_id'
      else format('user_ambiguous: %s users have this external_id, so none was deleted', j.found)
    end,
    p_now,
    p_is_final => j.external_id is null or j.found > 0
  )
  from (
    select
      k.id, k.payload ->> 'external_id' as external_id,
      cardinality(clerk_sync.users_with_external_id(k.payload ->> 'external_id', k.version)) as found
    from public.job_queue as k
    where k.id = any (p_ids)
    offset 0
  ) as j;
end
$$;

-- Which jobs a batch consists of, and where each goes.

-- Locks up to p_limit due jobs and their users for this transaction; returns the job ids. The function waits for nothing: a
-- job or user that another worker holds is left for the next round. Refreshes are left to workers that can read from
-- Clerk's API. Where a user has several jobs, the others come along, up to three times p_limit: the newest carries the
-- change, and left behind they would be passed over by every other worker while their users are locked.
-- are_plain: each of the jobs goes to apply, without a question to route_jobs.
create or replace function clerk_sync.claim_jobs(
  p_limit    integer,
  p_can_read boolean,
  p_now      timestamptz,
  out ids       uuid[],
  out are_plain boolean
)
language plpgsql
set search_path = ''
as $$
declare
  v_due     uuid[];
  v_users   text[];
  v_claimed text[];
  v_more    text[];
begin
  -- Here as everywhere in what runs often: = any(array(...)), subqueries and offset 0, not joins. They are looked up by
  -- key whatever the statistics say; a plan made while the tables were small is kept until the next analyze.
  select array_agg(d.id), array_agg(d.clerk_id), bool_and(d.is_plain)
  into v_due, v_users, are_plain
  from (
    select j.id, j.clerk_id, j.source not in ('refresh', 'members') and j.kind <> 'permission' and j.job_type not like '%DELETED' as is_plain
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source not in ('refresh', 'members'))
      and (
        select true from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING'
      ) is null
    order by j.priority desc, j.run_at, j.id
    limit p_limit
    for update of j skip locked
  ) as d;
  if v_due is null then
    ids := array[]::uuid[];
    return;
  end if;
  if array_position(v_users, null) is not null then
    are_plain := false;
    v_due := clerk_sync.name_users(v_due);
    v_users := array(
      select (select j.clerk_id from public.job_queue as j where j.id = d.id)
      from unnest(v_due) with ordinality as d(id, place)
      order by d.place
    );
  end if;
  v_claimed := clerk_sync.claim_records(array(select distinct u from unnest(v_users) as u where u is not null));

  -- Another look at PROCESSING, now that no other worker can lease a job of these users.
  select coalesce(array_agg(c.id), '{}'), array_agg(distinct c.clerk_id) filter (where c.jobs > 1)
  into ids, v_more
  from (
    select d.id, d.clerk_id, count(*) over (partition by d.clerk_id) as jobs
    from unnest(v_due, v_users) as d(id, clerk_id)
    where d.clerk_id is null
       or (
         d.clerk_id in (select k from unnest(v_claimed) as k)
         and (select true from public.job_queue as r where r.clerk_id = d.clerk_id and r.status = 'PROCESSING') is null
       )
  ) as c;
  if v_more is null then
    return;
  end if;
  are_plain := false;
  ids := ids || array(
    select j.id
    from public.job_queue as j
    where j.clerk_id = any (v_more)
      and j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and not j.runs_alone
      and (p_can_read or j.source not in ('refresh', 'members'))
      and case when j.id not in (select i from unnest(ids) as i) then true end
    limit p_limit * 3
    for update of j skip locked
  );
end
$$;

-- Whether a deletion ends more memberships than a call with other jobs may take time for.
create or replace function clerk_sync.is_large(p_kind text, p_id text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_kind <> 'organization' then
    return false;
  end if;
  return 1000 < (
    select count(*)
    from (
      select 1 from clerk_sync.membership_state as m where m.organization_id = p_id and m.has_row limit 1001
    ) as counted
  );
end
$$;

-- Where each claimed job goes next:
--   fail   it names no user
--   wait   its user is to be read from Clerk's API, whose circuit is open
--   read   its user (or organization, or what a permission or a restored organization changed) is to be read from Clerk's
--          API; one of a user, and none of a user with other work in the batch
--   later  the other jobs whose user is to be read
--   alone  it deletes an organization of so many members that it needs a call of its own
--   brake  it deletes a record; the delete brake may hold it (pass_brake)
--   apply  everything else
create or replace function clerk_sync.route_jobs(p_ids uuid[], p_can_read boolean)
returns table (id uuid, route text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select
    j.id,
    case
      when j.clerk_id is null then 'fail'
      when not j.needs_read then case
        when j.job_type not like '%DELETED' then 'apply'
        when j.runs_alone or not clerk_sync.is_large(j.kind, j.clerk_id) then 'brake'
        else 'alone'
      end
      when clerk_sync.circuit_is_open('clerk') then 'wait'
      when j.reads < j.jobs or j.place > 1 then 'later'
      else 'read'
    end
  from (
    select
      k.id,
      k.clerk_id,
      k.kind,
      k.job_type,
      k.runs_alone,
      n.needs_read,
      count(*) over u as jobs,
      count(*) filter (where n.needs_read) over u as reads,
      row_number() over (partition by k.clerk_id order by n.needs_read desc, k.run_at, k.id) as place
    from public.job_queue as k
    cross join lateral (
      select (k.source in ('refresh', 'members') or (k.kind = 'permission' and p_can_read))
        and k.applied_at is null
        and k.status <> 'PROCESSING' as needs_read
    ) as n
    where k.id = any (p_ids)
    window u as (partition by k.clerk_id)
  ) as j;
end
$$;

-- The processor's database half: claim a batch of due jobs, apply it and complete it, all in one
-- transaction (law 2). A job whose mirror is pending comes back as PROCESSING under a lease.

-- Works through one batch. p_lease_seconds null: no mirror, every job completes here and now.
-- p_can_read: this worker can read users from Clerk's API, so it takes refreshes too; their reads are owed
-- under the same lease and come back by clerk_sync_apply_reads. p_delete_brake: {count, percent, minutes}.
-- While a circuit is open the jobs that need its service wait; when its time has come one of them is the probe.
-- A call may take 2 s, so that a job that hangs costs the others no more than that: PostgREST takes the limit from the
-- function and sets it for the transaction (docs.postgrest.org, "Transactions", db-hoisted-tx-settings; without that it is
-- the 8 s of its role), the Node server gives it with each call.
-- Answers {token, lease_until, jobs (as describe_jobs), reads: [{job_id, clerk_id}],
-- mirror: [what to mirror], alone: whether jobs are due that run alone}.
create or replace function public.clerk_sync_run_jobs(
  p_limit         integer default 250,
  p_lease_seconds integer default null,
  p_can_read      boolean default false,
  p_delete_brake  jsonb default null,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off' -- what is off still counts as cost, so much that PostgreSQL would compile each call
set statement_timeout = '2s'
set enable_seqscan = 'off' -- while statistics lag behind a backfill, plans would read whole tables,
set enable_bitmapscan = 'off' -- or the partial index of all finished jobs
set plan_cache_mode = 'force_generic_plan' -- there is one good plan then; to look for it each time takes longer than to run it
as $$
declare
  v_token       uuid := gen_random_uuid();
  v_lease_until timestamptz := p_now + make_interval(secs => coalesce(p_lease_seconds, 60));
  v_claimed     uuid[];
  v_are_plain   boolean;
  v_apply       uuid[] := array[]::uuid[];
  v_reads       uuid[] := array[]::uuid[];
  v_waits       uuid[] := array[]::uuid[];
  v_nameless    uuid[] := array[]::uuid[];
  v_alone       uuid[] := array[]::uuid[];
  v_deletions   uuid[] := array[]::uuid[];
  v_probes      uuid[] := array[]::uuid[];
begin
  -- A crash may take the last batches back; their jobs are in the queue, then, and done again.
  perform set_config('synchronous_commit', 'off', true);
  perform clerk_sync.wake_jobs(p_limit, p_lease_seconds is not null, p_now);
  if p_can_read then
    -- The functions of a project share their secrets, and in a quiet project only the webhook's is called: so the
    -- processor has CLERK_SECRET_KEY, too.
    update clerk_sync.heartbeats as h
    set can_read = true
    where h.name = 'processor'
      and not h.can_read;
    perform clerk_sync.queue_refreshes(p_limit, p_now);
  end if;

  select c.ids, c.are_plain into v_claimed, v_are_plain from clerk_sync.claim_jobs(p_limit, p_can_read, p_now) as c;
  if v_are_plain then
    v_apply := v_claimed;
  elsif cardinality(v_claimed) > 0 then
    select
      coalesce(array_agg(r.id) filter (where r.route = 'apply'), '{}'),
      coalesce(array_agg(r.id) filter (where r.route = 'read'), '{}'),
      array_agg(r.id) filter (where r.route = 'brake'),
      array_agg(r.id) filter (where r.route = 'wait'),
      array_agg(r.id) filter (where r.route = 'fail'),
      array_agg(r.id) filter (where r.route = 'alone')
    into v_apply, v_reads, v_deletions, v_waits, v_nameless, v_alone
    from clerk_sync.route_jobs(v_claimed, p_can_read) as r;
    perform clerk_sync.fail_nameless(v_nameless, p_now);
    perform clerk_sync.move_jobs(v_waits, null, p_now, p_waits_for => 'clerk');
    perform clerk_sync.move_jobs(v_alone, null, p_now, p_runs_alone => true);
    perform clerk_sync.move_jobs(
      v_reads, 'PROCESSING', p_now, p_token => v_token, p_lease_until => v_lease_until, p_read_at => p_now
    );
    v_apply := v_apply || clerk_sync.pass_brake(v_deletions, p_delete_brake, p_now);
  end if;
  if p_can_read then
    v_reads := v_reads || clerk_sync.lease_probe('clerk', v_token, v_lease_until, p_now);
  end if;
  perform clerk_sync.apply_batch(
    v_apply,
    row(case when p_lease_seconds is not null then v_token end, v_lease_until)::clerk_sync.apply_rules,
    p_now
  );
  if p_lease_seconds is not null then
    v_probes := clerk_sync.lease_probe('auth', v_token, v_lease_until, p_now);
  end if;
  return jsonb_build_object(
    'token', v_token,
    'lease_until', v_lease_until,
    'jobs', clerk_sync.describe_jobs(v_claimed || v_reads || v_probes),
    'reads', clerk_sync.describe_reads(v_reads),
    'mirror', clerk_sync.describe_mirror(v_apply || v_probes),
    'alone', exists (
      select 1
      from ( -- usually empty. Without waits_for no plan can read all due jobs for it
        select j.waits_for, j.run_at, j.source
        from public.job_queue as j
        where j.runs_alone
          and j.status in ('PENDING', 'FAILED')
        order by j.attempts, j.run_at, j.id
        offset 0
      ) as a
      where a.waits_for is null
        and a.run_at <= p_now
        and (p_can_read or a.source not in ('refresh', 'members'))
    )
  );
end
$$;

-- What happens to a job after its attempt: completed, tried again later, or given up.

-- Writes outcomes of jobs that are locked and still leased.
--   completed     the user is mirrored; the id of the Auth user is remembered, in one commit with the job
--   waiting       the worker did not call the service any more: the job waits for its circuit
--   released      the job was not tried; another worker takes it
--   read          what was read are other records, and their events are in the queue
--   locked        the user is to take over an Auth user that is locked now, when its last access token has run out
--   retry, dead   the attempt failed. While the circuit of the service is open, a retry waits for it instead, and does not
--                 count; but it counts for a job that is a day old: when the job fails and not the service, the job must end
--                 as a dead letter
create or replace function clerk_sync.settle_outcomes(p_outcomes jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_ids   uuid[];
  v_notes jsonb; -- by job
  v_job   record;
begin
  set constraints all deferred; -- as apply_jobs
  select array_agg(o.job_id), jsonb_object_agg(o.job_id, jsonb_build_object('mirror', o.mirror))
  into v_ids, v_notes
  from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, mirror jsonb)
  where o.outcome = 'completed';
  if v_ids is not null then
    insert into clerk_sync.user_state as s (clerk_id, auth_user_id, auth_finding, mirrored_version, mirrored_at)
    select r.id, o.auth_user_id, o.mirror ->> 'finding', r.version, p_now
    from jsonb_to_recordset(p_outcomes) as o(job_id uuid, outcome text, auth_user_id uuid, mirror jsonb)
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (select k.clerk_id from public.job_queue as k where k.id = o.job_id offset 0) as j
    cross join lateral (select k.id, k.version from clerk_sync.records as k where k.id = j.clerk_id offset 0) as r
    where o.outcome = 'completed'
    on conflict (clerk_id) do update
      set auth_user_id = excluded.auth_user_id,
          auth_finding = excluded.auth_finding,
          auth_holder_id = null,
          auth_locked_at = null,
          mirrored_version = excluded.mirrored_version,
          mirrored_at = excluded.mirrored_at;
    perform clerk_sync.complete_jobs(v_ids, p_now, p_notes => v_notes);
    perform clerk_sync.erase_deleted(v_ids, p_now);
  end if;

  for v_job in
    select o.*, j.clerk_id, j.created_at, make_interval(secs => o.retry_after) as pause
    from jsonb_to_recordset(p_outcomes) as o(
      job_id uuid, outcome text, error text, retry_after double precision, circuit text, auth_holder_id uuid,
      auth_locked_at timestamptz
    )
    cross join lateral (select k.clerk_id, k.created_at from public.job_queue as k where k.id = o.job_id offset 0) as j
    where o.outcome <> 'completed'
  loop
    if v_job.outcome = 'waiting' then
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_waits_for => v_job.circuit
      );
    elsif v_job.outcome = 'released' then
      perform clerk_sync.move_jobs(array[v_job.job_id], 'PENDING', p_now);
    elsif v_job.outcome = 'read' then
      perform clerk_sync.complete_jobs(array[v_job.job_id], p_now, p_applied => true);
    elsif v_job.outcome = 'locked' then
      insert into clerk_sync.user_state as s (clerk_id, auth_holder_id, auth_locked_at)
      values (v_job.clerk_id, v_job.auth_holder_id, v_job.auth_locked_at)
      on conflict (clerk_id) do update
        set auth_holder_id = excluded.auth_holder_id,
            auth_locked_at = excluded.auth_locked_at;
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_run_at => p_now + v_job.pause
      );
    elsif v_job.outcome = 'retry' and clerk_sync.circuit_is_open(v_job.circuit)
      and v_job.created_at > p_now - interval '1 day' then
      perform clerk_sync.move_jobs(
        array[v_job.job_id], 'PENDING', p_now, p_error => v_job.error, p_waits_for => v_job.circuit,
        p_run_at => p_now -- so that another job is the next probe
      );
    else
      perform clerk_sync.fail_job(
        v_job.job_id, v_job.error, p_now, p_is_final => v_job.outcome = 'dead', p_retry_after => v_job.pause
      );
    end if;
  end loop;
  set constraints all immediate;
end
$$;

-- Ends the attempts of a leased batch. Outcomes of jobs whose lease was lost are counted as stale and
-- settle nothing: another worker has them (the token is the fence). Their users are mirrored again.
-- p_outcomes: [{job_id, outcome: completed|read|retry|dead|released|waiting|locked, error?, retry_after?, circuit?,
-- auth_user_id?, auth_holder_id?, auth_locked_at?, mirror?}]. released, waiting and locked give the attempt back.
-- p_calls: see record_calls.
-- Answers {jobs (as describe_jobs), stale: n, circuits: [those that opened or closed]}.
create or replace function public.clerk_sync_settle_jobs(
  p_token    uuid,
  p_outcomes jsonb,
  p_now      timestamptz default clock_timestamp(),
  p_calls    jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  v_ids        uuid[];
  v_circuits   jsonb;
  v_outcomes   jsonb; -- of jobs that are still leased
  v_stale      uuid[];
  v_outcome    jsonb;
  v_message    text;
  v_constraint text;
  v_deadline   timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true); -- as clerk_sync_run_jobs
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.id = any (array(select (o.value ->> 'job_id')::uuid from jsonb_array_elements(p_outcomes) as o))
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
    order by j.id
    for update
  );
  v_circuits := clerk_sync.record_calls(p_token, p_calls, p_now);
  v_outcomes := (
    select coalesce(jsonb_agg(o.value), '[]')
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid = any (v_ids)
  );
  begin
    perform clerk_sync.settle_outcomes(v_outcomes, p_now);
  exception
    when others or assert_failure then -- one savepoint each. A job that is not reached in time waits for the end of its lease
      raise log 'clerk_sync: % outcomes are settled one by one, because of SQLSTATE %', cardinality(v_ids), sqlstate;
      v_deadline := clock_timestamp() + interval '1.5 seconds';
      for v_outcome in select o.value from jsonb_array_elements(v_outcomes) as o loop
        exit when clock_timestamp() > v_deadline;
        begin
          perform clerk_sync.settle_outcomes(jsonb_build_array(v_outcome), p_now);
        exception
          when others or assert_failure then -- recorded on the job it belongs to
            get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
            perform clerk_sync.fail_job(
              (v_outcome ->> 'job_id')::uuid,
              concat(concat_ws(' ', 'database_rejected', sqlstate, nullif(v_constraint, '')), ': ', v_message),
              p_now
            );
        end;
      end loop;
  end;
  -- A worker that was frozen past its lease may have written an old state over the mirror of another worker: the users of
  -- these jobs are mirrored once more.
  v_stale := array(
    select (o.value ->> 'job_id')::uuid
    from jsonb_array_elements(p_outcomes) as o
    where (o.value ->> 'job_id')::uuid <> all (v_ids)
      and o.value ->> 'outcome' not in ('released', 'waiting')
  );
  perform clerk_sync.queue_mirror(
    array(select distinct j.clerk_id from public.job_queue as j where j.id = any (v_stale)), 'lease_lost', p_now
  );
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_ids),
    'stale', cardinality(v_stale),
    'circuits', v_circuits
  );
end
$$;

-- What keeps the queue moving when workers die, jobs hang, or a service is down.

-- Frees the jobs of workers that died: a lease that ran out is a failed attempt. Answers how many.
create or replace function public.clerk_sync_rescue_jobs(
  p_limit integer default 500,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  v_ids := array(
    select j.id
    from public.job_queue as j
    where j.status = 'PROCESSING'
      and j.lease_until <= p_now
    order by j.lease_until
    limit p_limit
    for update skip locked
  );
  perform clerk_sync.fail_job(i, 'lease_expired: the worker did not finish in time', p_now)
  from unnest(v_ids) as i;
  return cardinality(v_ids);
end
$$;

-- Sets the first due jobs apart, to run alone. For a worker whose call with these jobs never came back (the connection was
-- lost in it, or PostgreSQL refused it as a whole): one of them may be why, and would come first for ever. Answers how many.
create or replace function public.clerk_sync_set_apart(
  p_limit    integer default 250,
  p_can_read boolean default false,
  p_now      timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_ids uuid[] := (select c.ids from clerk_sync.claim_jobs(p_limit, p_can_read, p_now) as c);
begin
  perform clerk_sync.cut_jobs(v_ids, p_now);
  return cardinality(v_ids);
end
$$;

-- Leases one due job that runs alone. The lease, and with it the attempt, is committed before the job is applied: it counts
-- even if the call that applies it never comes back, and no other job waits for the locks of that call.
-- Answers {token, jobs (as describe_jobs), leased: [job_id], is_large, reads (as describe_reads)}; is_large: the job is for
-- clerk_sync_apply_large.
create or replace function public.clerk_sync_lease_alone(
  p_lease_seconds integer default 60,
  p_can_read      boolean default false,
  p_delete_brake  jsonb default null,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '2s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_token   uuid := gen_random_uuid();
  v_due     uuid[];
  v_users   text[];
  v_claimed uuid[];
  v_route   text;
  v_ids     uuid[] := array[]::uuid[];
begin
  v_due := clerk_sync.name_users(array(
    select j.id
    from public.job_queue as j
    where j.id = any (array( -- as in clerk_sync_run_jobs
        select a.id from public.job_queue as a where a.runs_alone and a.status in ('PENDING', 'FAILED')
      ))
      and j.waits_for is null
      and j.run_at <= p_now
      and (p_can_read or j.source not in ('refresh', 'members'))
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id -- first the job that perhaps only others kept from being applied
    limit 10 -- the first of them may be another worker's user
    for update of j skip locked
  ));
  v_users := clerk_sync.claim_records(array(
    select distinct j.clerk_id from public.job_queue as j where j.id = any (v_due) and j.clerk_id is not null
  ));
  v_claimed := array(
    select j.id
    from public.job_queue as j
    where j.id = any (v_due)
      and (j.clerk_id is null or j.clerk_id = any (v_users))
      and not exists (select 1 from public.job_queue as r where r.clerk_id = j.clerk_id and r.status = 'PROCESSING')
    order by j.attempts, j.run_at, j.id
    limit 1
  );
  v_route := (select r.route from clerk_sync.route_jobs(v_claimed, p_can_read) as r);
  if v_route = 'fail' then
    perform clerk_sync.fail_nameless(v_claimed, p_now);
  elsif v_route = 'wait' then
    perform clerk_sync.move_jobs(v_claimed, null, p_now, p_waits_for => 'clerk');
  else
    v_ids := clerk_sync.pass_brake(v_claimed, p_delete_brake, p_now);
    perform clerk_sync.move_jobs(
      v_ids, 'PROCESSING', p_now,
      p_token => v_token,
      p_lease_until => p_now + make_interval(secs => p_lease_seconds),
      p_read_at => case when v_route = 'read' then p_now end
    );
  end if;
  return jsonb_build_object(
    'token', v_token,
    'jobs', clerk_sync.describe_jobs(v_claimed),
    'leased', to_jsonb(v_ids),
    'is_large', coalesce((
      select clerk_sync.is_large(j.kind, j.clerk_id) from public.job_queue as j where j.id = v_ids[1] and j.job_type like '%DELETED'
    ), false),
    'reads', clerk_sync.describe_reads(case when v_route = 'read' then v_ids else '{}' end)
  );
end
$$;

-- Applies the job that is leased under p_token; nothing when the lease was lost, or its cancel was asked for. This call may
-- take as long as any (8 s): a slow trigger is no error yet, and no other job waits for it. p_read: what was read of its user,
-- {job_id, deleted, version?, payload?}. p_mirror: the mirror is pending then, under that lease. Answers {jobs, mirror}.
create or replace function public.clerk_sync_apply_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set lock_timeout = '500ms'
set statement_timeout = '8s'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set plan_cache_mode = 'force_generic_plan'
set jit = 'off'
as $$
declare
  v_leased uuid[];
  v_ids    uuid[];
begin
  v_leased := array(
    select j.id
    from public.job_queue as j
    where j.id = p_job_id
      and j.status = 'PROCESSING'
      and j.lease_token = p_token
      and j.cancel_requested_at is null
    for update
  );
  v_ids := v_leased;
  perform clerk_sync.lock_records(array_agg(j.clerk_id), j.kind)
  from public.job_queue as j
  where j.id = any (v_leased)
  group by j.kind;
  if p_read is not null then
    v_ids := clerk_sync.pass_brake(
      clerk_sync.store_reads(v_ids, jsonb_build_array(p_read), p_now), p_delete_brake, p_now
    );
  end if;
  perform clerk_sync.apply_job(
    j.id, row(case when p_mirror then p_token end, j.lease_until)::clerk_sync.apply_rules, p_now
  )
  from public.job_queue as j
  where j.id = any (v_ids);
  return jsonb_build_object(
    'jobs', clerk_sync.describe_jobs(v_leased),
    'mirror', clerk_sync.describe_mirror(v_ids)
  );
end
$$;

-- As clerk_sync_apply_alone, but in half a second: for a job's first attempt. Most jobs of a batch that was cut are quick, and
-- must not wait for those that hang. A function of its own, because PostgREST takes the limit from the function it calls.
create or replace function public.clerk_sync_try_alone(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set statement_timeout = '500ms'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_brake, p_now);
end
$$;

-- As clerk_sync_apply_alone, but in a minute: for the deletion of an organization with very many members, which is one
-- transaction.
create or replace function public.clerk_sync_apply_large(
  p_token        uuid,
  p_job_id       uuid,
  p_read         jsonb default null,
  p_mirror       boolean default false,
  p_delete_brake jsonb default null,
  p_now          timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set statement_timeout = '60s'
as $$
begin
  return public.clerk_sync_apply_alone(p_token, p_job_id, p_read, p_mirror, p_delete_brake, p_now);
end
$$;

-- ---- 14_runs.sql ----

-- Runs over the users at Clerk, and the budget of requests to Clerk's API.

-- Kinds of runs: backfill (all users, once), sweep (what changed since the last run) and compare (all users, field by
-- field, and deletions). One runner at a time walks a run, in slices; the row says where the walk stands, so that any
-- runner can continue it.
--
--   take_run ──> advance_run … advance_run ──> end_run          RUNNING ──> COMPLETED | FAILED | CANCELLED
create table if not exists clerk_sync.sync_runs (
  id             uuid        not null default gen_random_uuid(),
  kind           text        not null,
  status         text        not null default 'RUNNING',
  applies        boolean     not null default true,
  columns        text[]      null,
  phase          text        not null default 'check',
  cursor         jsonb       not null default '{}',
  counts         jsonb       not null default '{}',
  steps          integer     not null default 0,
  users_at_clerk integer     null,
  error          text        null,
  started_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  finished_at    timestamptz null,
  lease_token    uuid        null,
  lease_until    timestamptz not null default now(),
  constraint sync_runs_pkey primary key (id),
  constraint kind_is_known check (kind in ('backfill', 'sweep', 'compare')),
  constraint columns_are_of_a_backfill check (columns is null or (kind = 'backfill' and cardinality(columns) > 0)),
  constraint run_status_is_known check (status in ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  constraint finished_iff_not_running check ((status = 'RUNNING') = (finished_at is null))
);

comment on column clerk_sync.sync_runs.applies is 'false: a dry run, which only counts';
comment on column clerk_sync.sync_runs.columns is
  'the mapped columns that a backfill fills in rows that are there; null: all that Clerk says is brought in';
comment on column clerk_sync.sync_runs.counts is
  'of a sweep or compare: missing, stale, ahead, differs, unmirrored and extra are users who differ from Clerk, auth_missing, auth_differs, auth_deleted and auth_extra those in Supabase Auth';
comment on column clerk_sync.sync_runs.lease_until is
  'with lease_token: until then a runner has it; without: the schedule does not continue it before';

create unique index if not exists sync_runs_one_open
  on clerk_sync.sync_runs ((true))
  where status = 'RUNNING';
create index if not exists sync_runs_kind_idx
  on clerk_sync.sync_runs (kind, started_at desc);

-- The users that Clerk's API has shown in the open compare.
create table if not exists clerk_sync.run_marks (
  clerk_id text not null,
  constraint run_marks_pkey primary key (clerk_id)
);

-- A run as jsonb, for the answers of the other functions; sources are what Clerk says for its columns.
create or replace function clerk_sync.describe_run(p_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(r) - 'lease_token' || jsonb_build_object('sources', (
    select jsonb_agg(distinct m.columns -> c)
    from unnest(r.columns) as c
    join clerk_sync.mappings as m on m.kind = 'user' and m.columns ? c
  ))
  from clerk_sync.sync_runs as r
  where r.id = p_id;
$$;

-- The mapped columns of users, in the order of their names: [{name, source, is_written}]. is_written: what Clerk says is
-- written into a row that is there, too. A backfill can fill these.
create or replace function public.clerk_sync_user_columns()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('name', c.key, 'source', c.value, 'is_written', c.key = any (m.written)) order by c.key
  ), '[]')
  from clerk_sync.mappings as m
  cross join lateral jsonb_each_text(m.columns) as c
  where m.kind = 'user';
$$;

-- Ends the part of the runner that has p_token (null: no runner has the run). COMPLETED, FAILED or CANCELLED ends the run;
-- RUNNING gives it back, so that another runner continues it; the schedule waits p_pause_seconds before that. Answers
-- whether the run was still the caller's.
create or replace function public.clerk_sync_end_run(
  p_id            uuid,
  p_token         uuid,
  p_status        text,
  p_error         text default null,
  p_pause_seconds integer default 0,
  p_now           timestamptz default clock_timestamp()
)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  update clerk_sync.sync_runs as r
  set status = p_status,
      error = p_error,
      updated_at = case when p_status = 'RUNNING' then r.updated_at else p_now end,
      finished_at = case when p_status <> 'RUNNING' then p_now end,
      lease_token = null,
      lease_until = p_now + make_interval(secs => p_pause_seconds)
  where r.id = p_id
    and r.status = 'RUNNING'
    and r.lease_token is not distinct from p_token;
  return found;
end
$$;

-- Gives the caller the open run, or starts one of p_kind, unless one began within p_idle_seconds and completed.
-- Answers {outcome, run, token, read_at, mirrors}: started, resumed, busy (run says which) or none. read_at is
-- when the next read of Clerk's API begins at the earliest; mirrors: users of ours are mirrored in Supabase Auth.
-- Without p_kind (the schedule) a caller continues a run that applies, after its pause; with p_kind exactly that one.
-- A run that no runner moves gives way: a dry run after an hour, or to a caller with p_kind; another to such a caller
-- after a day. p_columns: the run is a backfill that fills only these columns; one of other columns is another run.
-- A sweep begins where the last run that applied began, or two days ago, and a quarter of an hour before:
-- Clerk's clock is not ours. A new run has runs of 90 days ago forgotten, and sweeps that found nothing after an hour.
create or replace function public.clerk_sync_take_run(
  p_kind          text default null,
  p_applies       boolean default true,
  p_idle_seconds  integer default 0,
  p_lease_seconds integer default 60,
  p_now           timestamptz default clock_timestamp(),
  p_columns       text[] default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_run     clerk_sync.sync_runs;
  v_outcome text;
  v_last    timestamptz;
  v_unknown text := (
    select string_agg(c, ', ')
    from unnest(p_columns) as c
    where c <> all (array(select unnest(m.written) from clerk_sync.mappings as m where m.kind = 'user'))
  );
begin
  if v_unknown is not null then
    raise exception 'no columns that can be filled: %', v_unknown using errcode = 'SY002';
  end if;
  select r.* into v_run from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update;
  v_outcome := case
    when v_run.id is null then 'started'
    when v_run.lease_until > p_now and (v_run.lease_token is not null or p_kind is null) then 'busy'
    when v_run.applies and p_kind is null then 'resumed'
    when v_run.kind = p_kind and v_run.applies = p_applies and v_run.columns is not distinct from p_columns then 'resumed'
    when v_run.lease_until <= p_now and v_run.updated_at < case
      when v_run.applies then p_now - interval '1 day'
      when p_kind is null then p_now - interval '1 hour'
      else 'infinity'
    end then 'abandoned'
    else 'busy'
  end;
  if v_outcome = 'abandoned' then
    perform public.clerk_sync_end_run(
      v_run.id, v_run.lease_token, 'FAILED', 'run_abandoned: nobody carried it on', p_now => p_now
    );
    v_outcome := 'started';
  end if;
  if v_outcome = 'started' then
    if p_kind is null or exists (
      select 1
      from clerk_sync.sync_runs as r
      where r.kind = p_kind
        and r.status = 'COMPLETED'
        and r.applies
        and r.started_at > p_now - make_interval(secs => p_idle_seconds)
    ) then
      return jsonb_build_object('outcome', 'none');
    end if;
    v_last := (select max(r.started_at) from clerk_sync.sync_runs as r where r.status = 'COMPLETED' and r.applies);
    insert into clerk_sync.sync_runs as r (kind, applies, columns, cursor, started_at, updated_at, lease_until)
    select
      p_kind, p_applies, p_columns,
      case when p_kind = 'sweep' then jsonb_build_object('floor', floor(1000 * extract(epoch from b.begins_at))) else '{}' end,
      p_now, p_now, p_now
    from (select coalesce(v_last, p_now - interval '2 days') - interval '15 minutes' as begins_at) as b
    on conflict do nothing
    returning r.* into v_run;
    if found then
      truncate clerk_sync.run_marks;
      delete from clerk_sync.sync_runs as r
      where r.finished_at < p_now - interval '90 days'
         or (
           r.kind = 'sweep'
           and r.status = 'COMPLETED'
           and r.finished_at < v_last - interval '1 hour'
           and coalesce((r.counts ->> 'queued')::integer, 0) = 0
         );
    else -- another caller has started one
      v_outcome := 'busy';
    end if;
  end if;
  if v_outcome = 'busy' then
    return jsonb_build_object('outcome', 'busy', 'run', clerk_sync.describe_run(v_run.id));
  end if;
  update clerk_sync.sync_runs as r
  set lease_token = gen_random_uuid(),
      lease_until = p_now + make_interval(secs => p_lease_seconds)
  where r.id = v_run.id
  returning r.* into v_run;
  return jsonb_build_object(
    'outcome', v_outcome, 'run', clerk_sync.describe_run(v_run.id), 'token', v_run.lease_token, 'read_at', p_now,
    'mirrors', exists (select 1 from clerk_sync.known_users as s where s.mirrored_at is not null)
  );
end
$$;

-- The fields in which a user at Clerk (p_payload, as map-user.ts makes it) is not as it is here: columns of the row, and what
-- the sync keeps beside it. Only what Clerk said counts. An address that another row has by a better claim is no difference:
-- Clerk lets several users have one address that is not verified. is_own: the user edited the column here, for Clerk still
-- has what was applied last, or the job that applied it is gone.
create or replace function clerk_sync.differing_fields(p_clerk_id text, p_payload jsonb, p_state clerk_sync.known_users)
returns table (name text, key text, clerk text, here text, is_own boolean)
language sql
stable
set search_path = ''
as $$
  select
    c.name, c.key, c.clerk, c.here,
    c.is_editable and not exists (
      select 1
      from public.job_queue as j
      where j.clerk_id = p_state.clerk_id
        and j.status = 'COMPLETED'
        and j.version = p_state.version
        and j.payload ? c.key
        and j.payload ->> c.key is distinct from c.clerk
    )
  from clerk_sync.differing_columns(p_clerk_id, p_payload) as c
  where not (
    c.key = 'email'
    and p_state.withheld_email = p_payload ->> 'email'
    and exists (
      select 1 from clerk_sync.email_holders(array[p_state.withheld_email]) as h where h.clerk_id <> p_state.clerk_id
    )
  )
  union all
  select f.name, f.name, f.clerk, f.here, false
  from (
    values
      ('phone', case when p_payload -> 'phone_verified' = 'true' then p_payload ->> 'phone' end, p_state.phone),
      ('external_id', p_payload ->> 'external_id', p_state.external_id),
      ('email_verified', p_payload ->> 'email_verified', p_state.email_verified::text),
      ('banned', p_payload ->> 'banned', p_state.banned::text),
      ('locked', p_payload ->> 'locked', p_state.locked::text),
      ('deprovisioned', p_payload ->> 'deprovisioned', p_state.deprovisioned::text)
  ) as f(name, clerk, here)
  where p_payload ? f.name
    and f.clerk is distinct from f.here;
$$;

-- Silence: Clerk has changes that no delivery brought. An endpoint that Svix has disabled, or whose route is gone,
-- says nothing; only Clerk's API does. A run that reads Clerk's users notes such a change before it repairs the user;
-- the next delivery ends the silence. How old the change is decides what it means, see delivery_reasons.
create table if not exists clerk_sync.silence (
  is_only_row  boolean     not null default true,
  installed_at timestamptz not null default now(),
  changed_at   timestamptz null,
  ended_since  timestamptz null,
  ended_at     timestamptz null,
  constraint silence_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

comment on column clerk_sync.silence.changed_at is
  'the oldest change at Clerk that no delivery brought, while none has come since';
comment on column clerk_sync.silence.ended_since is
  'with ended_at: the last silence there was, whose missing messages can be replayed';

insert into clerk_sync.silence (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- When the webhook last took a delivery; null: never.
create or replace function clerk_sync.last_delivery()
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select h.at from clerk_sync.heartbeats as h where h.name = 'webhook';
$$;

-- Notes the oldest change that no delivery brought, among the jobs that a run is about to queue. A newer version alone
-- proves nothing, for a sign-in may move it without an event: what counts is a user who differs here, or who signed up and
-- is not here. A version that is in the queue was delivered, also when its job failed. Some changes are no silence: one
-- from before the last delivery was lost alone, which is drift; one from before the installation belongs to a backfill, and
-- a user with a tombstone here to a compare.
create or replace function clerk_sync.note_silence(p_jobs jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_after   timestamptz;
  v_changed timestamptz;
begin
  if p_jobs = '[]' then
    return;
  end if;
  select s.installed_at into v_after from clerk_sync.silence as s for update; -- deliveries are recorded after the note
  v_after := coalesce(clerk_sync.last_delivery(), v_after);
  select to_timestamp(min(i.version) / 1000.0)
  into v_changed
  from jsonb_to_recordset(p_jobs) as i(clerk_id text, version bigint, payload jsonb, source text)
  left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
  left join clerk_sync.known_users as s on s.clerk_id = i.clerk_id
  where i.source = 'reconcile'
    and i.version > extract(epoch from v_after) * 1000
    and i.version > coalesce(s.version, 0)
    and s.deleted_at is null
    and not exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.version >= i.version)
    and case
      when u.clerk_id is null or coalesce(s.version, 0) = 0 then (i.payload ->> 'created_at')::timestamptz > v_after
      else exists (
        select 1
        from clerk_sync.differing_fields(i.clerk_id, i.payload, s) as f
        where not f.is_own
          and f.name <> 'locked' -- a lock runs out without an event
          and (f.key <> 'email' or s.refresh_reason is null)
      )
    end;
  update clerk_sync.silence as s
  set changed_at = v_changed
  where v_changed < coalesce(s.changed_at, 'infinity');
end
$$;

-- One step of a run that is held by p_token: stores its jobs, its marks and where the run stands in one transaction, and
-- notes before that what of its jobs Clerk should have delivered. p_step: {number?, phase?, cursor?, counts?, jobs?,
-- mirror?, marks?, users_at_clerk?}; jobs as clerk_sync_enqueue takes them, mirror: Clerk ids of users who are mirrored
-- once more as they are; counts are added to those of the run, as are the outcomes of the jobs. A step whose number is
-- stored already (its answer was lost) is not stored again. Answers {held, run, read_at, open_jobs}. When the run was taken
-- over or cancelled, held is false and nothing was stored. open_jobs: jobs of backfill and reconcile that wait, but for
-- deletions, which may wait for the delete brake; counted as far as p_most_jobs.
create or replace function public.clerk_sync_advance_run(
  p_id            uuid,
  p_token         uuid,
  p_step          jsonb,
  p_max_attempts  integer default 15,
  p_most_jobs     integer default 10000,
  p_lease_seconds integer default 60,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_enqueue
as $$
declare
  v_step     jsonb;
  v_enqueued jsonb;
  v_mirrors  bigint;
begin
  select case when (p_step ->> 'number')::integer <= r.steps then '{}' else p_step end
  into v_step
  from clerk_sync.sync_runs as r
  where r.id = p_id
    and r.lease_token = p_token
  for update;
  if not found then
    return jsonb_build_object('held', false);
  end if;
  perform clerk_sync.note_silence(coalesce(v_step -> 'jobs', '[]'));
  v_enqueued := public.clerk_sync_enqueue(coalesce(v_step -> 'jobs', '[]'), p_max_attempts, p_now);
  v_mirrors := clerk_sync.queue_mirror(
    array(select jsonb_array_elements_text(v_step -> 'mirror')), 'reconcile', p_now, p_id
  );
  insert into clerk_sync.run_marks (clerk_id)
  select m from jsonb_array_elements_text(coalesce(v_step -> 'marks', '[]')) as m
  on conflict (clerk_id) do nothing;
  update clerk_sync.sync_runs as r
  set steps = greatest(r.steps, coalesce((v_step ->> 'number')::integer, 0)),
      phase = coalesce(v_step ->> 'phase', r.phase),
      cursor = coalesce(v_step -> 'cursor', r.cursor),
      counts = (
        select coalesce(jsonb_object_agg(t.name, t.count), '{}')
        from (
          select c.name, sum(c.count) as count
          from (
            select o.key, o.value::bigint from jsonb_each_text(r.counts) as o
            union all
            select n.key, n.value::bigint from jsonb_each_text(coalesce(v_step -> 'counts', '{}')) as n
            union all
            select e.value ->> 'outcome', 1 from jsonb_array_elements(v_enqueued) as e
            union all
            select 'queued', v_mirrors where v_mirrors > 0
          ) as c(name, count)
          group by c.name
        ) as t
      ),
      users_at_clerk = coalesce((v_step ->> 'users_at_clerk')::integer, r.users_at_clerk),
      error = null,
      updated_at = p_now,
      lease_until = p_now + make_interval(secs => p_lease_seconds)
  where r.id = p_id;
  return jsonb_build_object(
    'held', true,
    'run', clerk_sync.describe_run(p_id),
    'read_at', p_now,
    'open_jobs', (
      select count(*)
      from (
        select 1
        from public.job_queue as j
        where j.status in ('PENDING', 'FAILED')
          and j.waits_for is null
          and j.priority = 0
          and j.job_type not like '%DELETED'
        limit p_most_jobs
      ) as waiting
    )
  );
end
$$;

-- Cancels the open run; its runner notices at its next step. Jobs it has queued stay. Answers the run, or null.
create or replace function public.clerk_sync_cancel_run(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_run clerk_sync.sync_runs;
begin
  select r.* into v_run from clerk_sync.sync_runs as r where r.status = 'RUNNING' for update;
  perform public.clerk_sync_end_run(v_run.id, v_run.lease_token, 'CANCELLED', p_now => p_now);
  return clerk_sync.describe_run(v_run.id);
end
$$;

-- What became of the jobs of backfill and reconcile since a run began: {users, due, retrying, dead, held}. due is work
-- under way, retrying has failed and waits, held waits for the delete brake; users is how many we have now, which is
-- counted only when nothing is due.
create or replace function public.clerk_sync_run_progress(p_id uuid, p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(c) || jsonb_build_object('users', case when c.due = 0 then (
    select count(*) from clerk_sync.user_rows as u where u.clerk_id is not null and u.deleted_at is null
  ) end)
  from (
    select
      count(*) filter (where j.state = 'due') as due,
      count(*) filter (where j.state = 'retrying') as retrying,
      count(*) filter (where j.state = 'held') as held,
      count(*) filter (where j.state = 'dead') as dead
    from ( -- each by its own partial index
      select case when w.run_at <= p_now then 'due' when w.status = 'FAILED' then 'retrying' else 'held' end
      from public.job_queue as w
      where w.status in ('PENDING', 'FAILED') and w.waits_for is null and w.priority = 0
      union all
      select 'retrying' from public.job_queue as c where c.waits_for is not null and c.priority = 0
      union all
      select 'due' from public.job_queue as p where p.status = 'PROCESSING' and p.priority = 0
      union all
      select 'dead'
      from public.job_queue as d
      where d.status = 'DEAD'
        and d.updated_at >= (select r.started_at from clerk_sync.sync_runs as r where r.id = p_id)
        and d.priority = 0
    ) as j(state)
  ) as c;
$$;

-- The budget of requests to Clerk's API. The rate is the instance's (1,000 requests in 10 s in production, 100 in
-- development) and does not depend on the caller: functions, server and command line take from this row before they ask.
create table if not exists clerk_sync.clerk_rate (
  is_only_row boolean   not null default true,
  slot        bigint    not null default 0,
  used        integer[] not null default array_fill(0, array[11]),
  constraint clerk_rate_pkey primary key (is_only_row),
  constraint one_row check (is_only_row),
  constraint eleven_slots check (cardinality(used) = 11)
);

comment on column clerk_sync.clerk_rate.used is
  'requests taken in each tenth of the window, the newest first; eleven of them cover any whole window';

insert into clerk_sync.clerk_rate (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- Takes up to p_wanted requests out of p_rate in any p_window_seconds; answers {granted, wait_milliseconds}. When
-- nothing is granted, something is again after the wait. A caller that passes a smaller p_rate leaves the rest to others:
-- what they took counts against it. The cost is one row, however much is taken.
create or replace function public.clerk_sync_take_clerk_requests(
  p_wanted         integer,
  p_rate           integer,
  p_window_seconds integer default 10,
  p_now            timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_milliseconds numeric := extract(epoch from p_now) * 1000;
  v_length       integer := p_window_seconds * 100; -- of a slot
  v_slot         bigint  := floor(v_milliseconds / v_length);
  v_last         bigint;
  v_used         integer[];
  v_granted      integer;
begin
  select r.slot, r.used
  into v_last, v_used
  from clerk_sync.clerk_rate as r
  for update;
  if abs(v_slot - v_last) >= 11 then
    v_used := array_fill(0, array[11]);
  elsif v_slot > v_last then
    v_used := (array_fill(0, array[(v_slot - v_last)::integer]) || v_used)[1:11];
  else
    v_slot := v_last; -- another caller's clock_timestamp() is ahead
  end if;
  v_granted := greatest(0, least(p_wanted, p_rate - (select sum(u) from unnest(v_used) as u)));
  v_used[1] := v_used[1] + v_granted;
  update clerk_sync.clerk_rate as r
  set slot = v_slot,
      used = v_used;
  return jsonb_build_object('granted', v_granted, 'wait_milliseconds', case when v_granted > 0 then 0 else (
    select ceil((v_slot + min(k)) * v_length - v_milliseconds)
    from generate_series(1, 11) as k
    where k = 11
       or (select sum(u) from unnest(v_used[1:11 - k]) as u) < p_rate
  ) end);
end
$$;

-- ---- 15_compare.sql ----

-- How our users are compared with the users at Clerk and in Supabase Auth.

-- Those of p_users ([{clerk_id, version, payload}] as read from Clerk's API) that are not as they are there:
-- [{clerk_id, kind, fields}] and, with p_with_values, fields as {field: {clerk, here}} instead of their names.
--   pending     work of this user is in the queue
--   missing     no row, or a deleted one
--   stale       what was applied is older, or we never applied anything
--   ahead       what was applied is newer than what Clerk has, and not because it came just now: it is not of Clerk
--   differs     the same version with other values
--   edited      only the name, by the user
--   unmirrored  Supabase Auth has not got it, and p_mirrors
create or replace function public.clerk_sync_compare_users(
  p_users       jsonb,
  p_mirrors     boolean default false,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'clerk_id', d.clerk_id,
    'kind', d.kind,
    'fields', case when p_with_values then d.fields else to_jsonb(array(select jsonb_object_keys(d.fields))) end
  )), '[]')
  from (
    select
      i.clerk_id, c.fields,
      case
        when exists (
          select 1 from public.job_queue as j
          where j.clerk_id = i.clerk_id
            and (j.version >= i.version or j.job_type = 'USER_DELETED' or j.source = 'refresh')
            and (
              j.status in ('PENDING', 'PROCESSING', 'FAILED')
              or (j.status = 'DEAD' and j.source in ('backfill', 'reconcile')) -- waits for a person; not one a night
            )
        ) then 'pending'
        when u.clerk_id is null or u.deleted_at is not null then 'missing'
        when s.clerk_id is null or s.version < i.version then 'stale'
        -- Ten minutes: what Clerk has was read within the last of them, and wins then (read_settles).
        when s.version > i.version
          and (s.version > clerk_sync.latest_version(p_now) or s.last_synced_at < p_now - interval '10 minutes')
        then 'ahead'
        when s.version > i.version then null -- changed since it was read
        when c.is_wrong then 'differs'
        when c.fields <> '{}' then 'edited'
        when p_mirrors and s.mirrored_version is distinct from s.version then 'unmirrored'
      end as kind
    from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
    left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
    left join clerk_sync.known_users as s on s.clerk_id = i.clerk_id
    cross join lateral (
      select
        coalesce(jsonb_object_agg(f.name, jsonb_build_object('clerk', f.clerk, 'here', f.here)), '{}') as fields,
        coalesce(bool_or(not f.is_own), false) as is_wrong
      from clerk_sync.differing_fields(i.clerk_id, i.payload, s) as f
      where u.clerk_id is not null
    ) as c
  ) as d
  where d.kind is not null;
$$;

-- What a backfill of some columns does with users that it read; p_users: [{clerk_id, version, payload}], payload with what
-- Clerk says for those columns. Answers [{clerk_id, does}]:
--   fill   only the columns: the row is as new as what was read, and they differ, or are times, which nothing compares
--   whole  all that Clerk says: there is no row, an event was lost, or what is here is in doubt
-- Other users are as they should be, or changed since they were read.
create or replace function public.clerk_sync_compare_columns(p_users jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(d)), '[]')
  from (
    select
      i.clerk_id,
      case
        when u.clerk_id is null or u.deleted_at is not null or r.id is null then 'whole'
        when r.version < i.version or r.absent_version is not null or r.trusted_version is not null then 'whole'
        when r.version = i.version and (
          i.payload ?| '{created_at,updated_at}'
          or exists (select 1 from clerk_sync.differing_columns(i.clerk_id, i.payload))
          or clerk_sync.refused_column('user', i.payload) is not null -- the job says which
        ) then 'fill'
      end as does
    from jsonb_to_recordset(p_users) as i(clerk_id text, version bigint, payload jsonb)
    left join clerk_sync.user_rows as u on u.clerk_id = i.clerk_id
    left join clerk_sync.records as r on r.id = i.clerk_id
  ) as d
  where d.does is not null;
$$;

-- The Clerk instances whose events the newest finished jobs, at most p_limit, came from: [{instance_id, jobs,
-- newest_at}], newest first; canaries come from none. More than one: development and production write into one database.
create or replace function public.clerk_sync_instances(p_limit integer default 1000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(to_jsonb(g) order by g.newest_at desc), '[]')
  from (
    select n.instance_id, count(*) as jobs, max(n.processed_at) as newest_at
    from (
      select j.clerk_id, j.payload #>> '{original_event,instance_id}' as instance_id, j.processed_at
      from public.job_queue as j
      where j.status in ('COMPLETED', 'CANCELLED')
      order by j.processed_at desc
      limit p_limit
    ) as n
    where n.instance_id is not null
      and not coalesce(clerk_sync.is_canary(n.clerk_id), false)
    group by n.instance_id
  ) as g;
$$;

-- Users of ours that Clerk has not shown to the open compare, after p_after in the order of their ids, at most p_limit:
-- {clerk_ids, foreign, next}; next is null at the end. foreign are those of them that never came through the sync: seeded,
-- or of another instance. Where events of several instances came (p_several) all are foreign, for one key cannot know the
-- users of another. Looks at some thousand rows a call. A user who came within the last quarter of an hour is left to the
-- next compare: the walk had passed, or Clerk's list does not show the user yet.
create or replace function public.clerk_sync_unmarked_users(
  p_after   text default '',
  p_limit   integer default 100,
  p_several boolean default true,
  p_now     timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_scanned text[] := array(
    select u.clerk_id
    from clerk_sync.user_rows as u
    where u.clerk_id > p_after
      and u.deleted_at is null
      and not clerk_sync.is_canary(u.clerk_id)
      and u.clerk_id <> 'NULL' -- which some tables have instead of null
    order by u.clerk_id
    limit 5000
  );
  v_unmarked text[] := array(
    select i
    from unnest(v_scanned) as i
    where (select m.clerk_id from clerk_sync.run_marks as m where m.clerk_id = i) is null -- a lookup, whatever the statistics
      and coalesce(
        (select s.first_seen_at from clerk_sync.known_users as s where s.clerk_id = i) <= p_now - interval '15 minutes', true
      )
    order by i
    limit p_limit
  );
begin
  return jsonb_build_object(
    'clerk_ids', v_unmarked,
    'foreign', to_jsonb(array(
      select i
      from unnest(v_unmarked) as i
      where p_several
         or not exists (select 1 from clerk_sync.known_users as s where s.clerk_id = i and s.version > 0)
    )),
    'next', case
      when cardinality(v_unmarked) = p_limit then v_unmarked[p_limit]
      else v_scanned[5000]
    end
  );
end
$$;

-- Users of ours that tell whether Clerk is another instance: those that the sync has written. Rows that never came through
-- it tell nothing of the instance, unless they are all there is.
create or replace function clerk_sync.telling_users()
returns table (clerk_id text, first_seen_at timestamptz)
language sql
stable
set search_path = ''
as $$
  select u.clerk_id, s.first_seen_at
  from clerk_sync.user_rows as u
  left join clerk_sync.known_users as s on s.clerk_id = u.clerk_id
  where u.clerk_id is not null
    and u.deleted_at is null
    and not clerk_sync.is_canary(u.clerk_id)
    and (s.version > 0 or not exists (
      select 1
      from clerk_sync.known_users as k
      where k.version > 0
        and k.deleted_at is null
        and not clerk_sync.is_canary(k.clerk_id)
    ));
$$;

-- {users, unmarked, several}: how many of them we have, how many of these Clerk has not shown to the open compare, and
-- whether events of several Clerk instances came. A user who came within a quarter of an hour does not count.
create or replace function public.clerk_sync_count_unmarked(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'users', count(*),
    'unmarked', count(*) filter (where m.clerk_id is null),
    'several', jsonb_array_length(public.clerk_sync_instances()) > 1
  )
  from clerk_sync.telling_users() as t
  left join clerk_sync.run_marks as m on m.clerk_id = t.clerk_id
  where coalesce(t.first_seen_at <= p_now - interval '15 minutes', true);
$$;

-- At most p_limit of them, drawn at random: [clerk_id].
create or replace function public.clerk_sync_sample_users(p_limit integer default 100)
returns jsonb
language sql
set search_path = ''
as $$
  select coalesce(jsonb_agg(d.clerk_id), '[]')
  from (select t.clerk_id from clerk_sync.telling_users() as t order by random() limit p_limit) as d;
$$;

-- Compares Auth users, read after p_read_at, with the users of ours that owner names. p_users: [{id, owner, clerk_id,
-- email, role, banned, banned_until, deleted}], or {id, owner, missing: true} for one that Auth says it has not. Answers
-- {mirrors: [ids of those that are their owner's mirror], found: [{id, clerk_id, kind, fields, remembered, tombstone}]};
-- fields are names, or with p_with_values {field: {here, auth}}.
--   auth_missing  Auth has not got it
--   auth_differs  it was changed there
--   auth_deleted  it was soft-deleted there, which cannot be undone
--   auth_extra    its Clerk id is of a user who is deleted or unknown here and not shown by Clerk, and it is the mirror of no
--                 living user; remembered: we wrote down this id for that user, tombstone: we know of the deletion
-- Only mirrored users without work in the queue are compared, unless they were mirrored since. run_marks holds ids of Auth
-- users beside Clerk ids; the two have different forms.
create or replace function public.clerk_sync_compare_auth_users(
  p_users       jsonb,
  p_read_at     timestamptz,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with compared as (
    select
      i.id, i.owner, c.is_mirror, f.fields, c.is_remembered, s.deleted_at is not null as tombstone,
      case
        when clerk_sync.is_canary(i.owner) or exists (
          select 1 from public.job_queue as j
          where j.clerk_id = i.owner
            and (j.status in ('PENDING', 'PROCESSING', 'FAILED') or (j.status = 'DEAD' and j.source = 'reconcile'))
        ) then null
        when c.is_mirror and (s.mirrored_version is distinct from s.version or s.mirrored_at >= p_read_at) then null
        when c.is_mirror and i.missing then 'auth_missing'
        when c.is_mirror and f.fields = '{}' then null
        when c.is_mirror and i.deleted then 'auth_deleted'
        when c.is_mirror then 'auth_differs'
        when not coalesce(i.missing, false)
          and i.clerk_id = i.owner
          and not exists (
            select 1 from clerk_sync.known_users as k where k.clerk_id = i.owner and k.deleted_at is null
          )
          and not exists (select 1 from clerk_sync.user_rows as k where k.clerk_id = i.owner and k.deleted_at is null)
          and not exists (select 1 from clerk_sync.run_marks as m where m.clerk_id = i.owner)
          and not exists (
            select 1 from clerk_sync.known_users as k where k.auth_user_id = i.id and k.deleted_at is null
          )
        then 'auth_extra'
      end as kind
    from jsonb_array_elements(p_users) as e
    cross join lateral jsonb_to_record(e.value)
      as i(id uuid, owner text, clerk_id text, missing boolean, deleted boolean)
    left join clerk_sync.user_rows as u on u.clerk_id = i.owner
    left join clerk_sync.known_users as s on s.clerk_id = i.owner
    cross join lateral (
      select
        coalesce(s.auth_user_id = i.id, false) as is_remembered,
        coalesce(s.auth_user_id = i.id and s.deleted_at is null, false) and u.clerk_id is not null as is_mirror
    ) as c
    cross join lateral (
      select coalesce(jsonb_object_agg(v.name, jsonb_build_object('here', v.here, 'auth', v.auth)), '{}') as fields
      from (
        values
          ('clerk_id', s.clerk_id, e.value ->> 'clerk_id'),
          ( -- a placeholder stands there for an address that is gone, not verified, or another Auth user's: mirror-contact.ts
            'email',
            case when s.email_verified and s.auth_finding is null then coalesce(lower(coalesce(u.email, s.email)), '') else '' end,
            case when e.value ->> 'email' like s.auth_user_id || '%@removed.invalid' then '' else e.value ->> 'email' end
          ),
          ('role', coalesce(u.role, s.role), e.value ->> 'role'),
          ('banned', (s.banned or s.deprovisioned)::text, coalesce(e.value ->> 'banned', 'false')),
          -- every mirror is locked by a ban in Auth; Clerk's own ban is in its metadata
          ('locked', 'true', coalesce((e.value ->> 'banned_until')::timestamptz > p_now, false)::text),
          ('deleted', 'false', e.value ->> 'deleted')
      ) as v(name, here, auth)
      where v.here is distinct from v.auth
    ) as f
  )
  select jsonb_build_object(
    'mirrors', coalesce(jsonb_agg(c.id) filter (where c.is_mirror), '[]'),
    'found', coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'clerk_id', c.owner, 'kind', c.kind, 'remembered', c.is_remembered, 'tombstone', c.tombstone,
      'fields', case
        when c.kind not in ('auth_differs', 'auth_deleted') then '[]'
        when p_with_values then c.fields
        else to_jsonb(array(select jsonb_object_keys(c.fields)))
      end
    )) filter (where c.kind is not null), '[]')
  )
  from compared as c;
$$;

-- How many users have a placeholder in Supabase Auth, where another user holds their address or number.
create or replace function public.clerk_sync_held_addresses()
returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from clerk_sync.known_users as s
  where s.auth_finding is not null
    and s.deleted_at is null;
$$;

-- Rows that were not linked to the user who has their address, because rows of other tables may reference the user's own row:
-- [{clerk_id, table, row, unlinked_row}], both rows by the column that names one; at most p_limit.
create or replace function public.clerk_sync_unlinked_rows(p_limit integer default 20)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'clerk_id', s.clerk_id, 'table', m.table_name, 'row', u.row_id, 'unlinked_row', s.unlinked_row
  ) order by s.clerk_id), '[]')
  from (
    select k.clerk_id, k.unlinked_row
    from clerk_sync.known_users as k
    where k.unlinked_row is not null
      and k.deleted_at is null
    order by k.clerk_id
    limit p_limit
  ) as s
  cross join clerk_sync.mappings as m
  left join lateral (select r.row_id from clerk_sync.user_rows as r where r.clerk_id = s.clerk_id offset 0) as u on true
  where m.kind = 'user';
$$;

-- Users of ours that were mirrored and whose mirror the list of Supabase Auth has not shown to the open compare,
-- after p_after in the order of their ids, at most p_limit: {users: [{clerk_id, id}], held, next}; next is null at the end.
-- Looks at some thousand users a call. held: [{clerk_id, email}] of those whose address another Auth user held.
create or replace function public.clerk_sync_unlisted_auth_users(p_after text default '', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with scanned as materialized (
    select s.clerk_id, s.auth_user_id, s.auth_finding, s.deleted_at is null and s.mirrored_version = s.version as is_mirrored
    from clerk_sync.known_users as s
    where s.clerk_id = any (array(
      select k.clerk_id from clerk_sync.known_users as k where k.clerk_id > p_after order by k.clerk_id limit 5000
    ))
  ),
  unlisted as materialized (
    select s.clerk_id, s.auth_user_id
    from scanned as s
    where s.is_mirrored
      and s.auth_user_id is not null
      and (select m.clerk_id from clerk_sync.run_marks as m where m.clerk_id = s.auth_user_id::text) is null
    order by s.clerk_id
    limit p_limit
  ),
  page as (
    select coalesce(
      (select max(u.clerk_id) from unlisted as u having count(*) = p_limit),
      (select max(s.clerk_id) from scanned as s having count(*) = 5000)
    ) as next
  )
  select jsonb_build_object(
    'users', (
      select coalesce(jsonb_agg(jsonb_build_object('clerk_id', n.clerk_id, 'id', n.auth_user_id) order by n.clerk_id), '[]')
      from unlisted as n
    ),
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('clerk_id', s.clerk_id, 'email', u.email) order by s.clerk_id), '[]')
      from scanned as s
      left join clerk_sync.user_rows as u on u.clerk_id = s.clerk_id
      where s.is_mirrored
        and s.auth_finding = 'auth_address_held'
        and s.clerk_id <= coalesce(p.next, s.clerk_id)
    ),
    'next', p.next
  )
  from page as p;
$$;

-- ---- 15_compare_records.sql ----

-- How organizations, memberships, roles and invitations here are compared with those at Clerk.

-- The rows of a kind that have these ids of Clerk, with all of their columns.
create or replace function clerk_sync.record_rows(p_kind text, p_ids text[])
returns table (id text, deleted_at timestamptz, columns jsonb)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_mapping clerk_sync.mappings;
  v_rows    jsonb;
begin
  select m.* into v_mapping from clerk_sync.mappings as m where m.kind = p_kind;
  if not found then
    return;
  end if;
  execute format(
    'select jsonb_agg(jsonb_build_object(''id'', t.%1$I::text, ''deleted_at'', v.deleted_at, ''columns'', to_jsonb(t)))'
      ' from %2$s as t join clerk_sync.%3$I as v on v.id = t.%1$I::text'
      ' where t.%1$I = any ($1)',
    v_mapping.key, v_mapping.table_name, p_kind || '_rows'
  )
  into v_rows
  using p_ids;
  return query
  select r.id, r.deleted_at, r.columns
  from jsonb_to_recordset(v_rows) as r(id text, deleted_at timestamptz, columns jsonb);
end
$$;

-- The columns in which the row of a record (p_row) is not as Clerk has it. p_payload is what Clerk says, as an event has
-- it: only what it says counts. A key of metadata that Clerk never gave (p_given) does not count, nor does a column that has
-- its default for want of a value that it takes. The values pass through the table's type, so that both look alike.
create or replace function clerk_sync.differing_record_columns(p_kind text, p_payload jsonb, p_row jsonb, p_given text[])
returns table (name text, clerk jsonb, here jsonb)
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
declare
  v_mapping clerk_sync.mappings;
  v_said    jsonb;
  v_clerk   jsonb;
begin
  select m.* into v_mapping from clerk_sync.mappings as m where m.kind = p_kind;
  v_said := (
    select jsonb_object_agg(c.key, p_payload -> c.value)
    from jsonb_each_text(v_mapping.columns) as c
    where c.key = any (v_mapping.written)
      and c.value not in ('organization', 'user') -- a membership does not change them
      and p_payload ? case c.value when 'inviter' then 'inviter_id' else c.value end
      and (c.value not like '%.%' or p_payload -> 'given' ? c.value or c.value = any (p_given))
      and not (
        v_mapping.rules -> c.key ?| '{default,own_default}' and jsonb_typeof(p_payload -> c.value) is not distinct from 'null'
      )
      and not coalesce(
        v_mapping.rules -> c.key ? 'allowed' and not v_mapping.rules #> array[c.key, 'allowed'] @> (p_payload -> c.value), false
      )
  );
  if v_said is null then
    return;
  end if;
  execute format('select to_jsonb(r) from jsonb_populate_record(null::%s, $1) as r', v_mapping.table_name)
  into v_clerk
  using v_said;
  return query
  select k, v_clerk -> k, p_row -> k
  from jsonb_object_keys(v_said) as k
  where v_clerk -> k is distinct from p_row -> k;
exception
  when data_exception then -- a column does not take what Clerk has: its job says why
    return;
end
$$;

-- Those of p_records ([{clerk_id, version, payload}] as read from Clerk's API) that the open run has not seen yet and that are
-- not as they are there. Answers {seen: how many it had seen before, found: [{clerk_id, kind, fields}]}; with p_with_values
-- fields are {field: {clerk, here}} instead of their names. The kinds are those of clerk_sync_compare_users: pending,
-- missing, stale, ahead and differs.
create or replace function public.clerk_sync_compare_records(
  p_kind        text,
  p_records     jsonb,
  p_with_values boolean default false,
  p_now         timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC' -- times look as in differing_record_columns
set jit = 'off'
as $$
declare
  v_seen text[] := array(
    select m.clerk_id
    from clerk_sync.run_marks as m
    where m.clerk_id = any (array(select i ->> 'clerk_id' from jsonb_array_elements(p_records) as i))
  );
begin
  return (
    select jsonb_build_object('seen', cardinality(v_seen), 'found', coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', d.clerk_id,
      'kind', d.kind,
      'fields', case when p_with_values then d.fields else to_jsonb(array(select jsonb_object_keys(d.fields))) end
    )) filter (where d.kind is not null), '[]'))
    from (
      select
        i.clerk_id, c.fields,
        case
          when exists (
            select 1 from public.job_queue as j
            where j.clerk_id = i.clerk_id
              and (j.version >= i.version or j.job_type like '%DELETED' or j.source = 'refresh')
              and (
                j.status in ('PENDING', 'PROCESSING', 'FAILED')
                or (j.status = 'DEAD' and j.source in ('backfill', 'reconcile')) -- waits for a person; not one a night
              )
          ) then 'pending'
          when w.id is null or w.deleted_at is not null then 'missing'
          when r.id is null or r.version < i.version then 'stale'
          when r.version > i.version -- as clerk_sync_compare_users
            and (r.version > clerk_sync.latest_version(p_now) or r.last_synced_at < p_now - interval '10 minutes')
          then 'ahead'
          when r.version > i.version then null -- changed since it was read
          when c.fields <> '{}' then 'differs'
        end as kind
      from jsonb_to_recordset(p_records) as i(clerk_id text, version bigint, payload jsonb)
      left join clerk_sync.record_rows(
        p_kind, array(select e ->> 'clerk_id' from jsonb_array_elements(p_records) as e)
      ) as w on w.id = i.clerk_id
      left join clerk_sync.records as r on r.id = i.clerk_id
      cross join lateral (
        select coalesce(jsonb_object_agg(f.name, jsonb_build_object('clerk', f.clerk, 'here', f.here)), '{}') as fields
        from clerk_sync.differing_record_columns(p_kind, i.payload, w.columns, r.given) as f
        where w.id is not null
      ) as c
      where i.clerk_id <> all (v_seen)
    ) as d
  );
end
$$;

-- Records of ours that Clerk has not shown to the open compare, in the order of their organizations and ids, after p_after
-- ([organization, id]; null: from the first), at most p_limit: {records: [{id, organization_id, user_id, foreign}], next}. Of
-- memberships a call answers those of one organization. next is null at the end. foreign is one that never came through the
-- sync, as in clerk_sync_unmarked_users. A record that came within the last quarter of an hour is left to the next compare.
create or replace function public.clerk_sync_unmarked_records(
  p_kind  text,
  p_after jsonb default null,
  p_limit integer default 100,
  p_now   timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
as $$
declare
  v_several boolean := jsonb_array_length(public.clerk_sync_instances()) > 1;
begin
  return (
    with rows_here as (
      select o.id, '' as organization_id, null::text as user_id, o.deleted_at
      from clerk_sync.organization_rows as o
      where p_kind = 'organization'
      union all
      select m.id, coalesce(m.organization_id, ''), m.user_id, m.deleted_at
      from clerk_sync.membership_rows as m
      where p_kind = 'membership'
      union all
      select k.id, '', null::text, k.deleted_at
      from clerk_sync.role_rows as k
      where p_kind = 'role'
    ),
    unmarked as (
      select h.id, h.organization_id, h.user_id, coalesce(r.version, 0) = 0 or v_several as is_foreign
      from rows_here as h
      left join clerk_sync.run_marks as m on m.clerk_id = h.id
      left join clerk_sync.records as r on r.id = h.id
      where h.deleted_at is null
        and m.clerk_id is null
        and coalesce(r.first_seen_at <= p_now - interval '15 minutes', true)
        and (p_after is null or (h.organization_id, h.id) > (p_after ->> 0, p_after ->> 1))
      order by h.organization_id, h.id
      limit p_limit
    ),
    page as (
      select u.*
      from unmarked as u
      where u.organization_id = (select min(f.organization_id) from unmarked as f)
    )
    select jsonb_build_object(
      'records', coalesce(jsonb_agg(
        jsonb_build_object('id', p.id, 'organization_id', p.organization_id, 'user_id', p.user_id, 'foreign', p.is_foreign)
        order by p.id
      ), '[]'),
      'next', case
        when (select count(*) from unmarked) = p_limit or count(*) < (select count(*) from unmarked)
        then jsonb_build_array(min(p.organization_id), max(p.id))
      end
    )
    from page as p
  );
end
$$;

-- What there is of some organizations or memberships: [{id, row, open_jobs}], where row has what the sync reads of it, and is
-- null where there is none; open_jobs is how much work of it is in the queue.
create or replace function public.clerk_sync_records(p_kind text, p_ids text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', i.id,
    'row', coalesce(
      (
        select jsonb_build_object('name', o.name, 'slug', o.slug)
        from clerk_sync.organization_rows as o
        where p_kind = 'organization' and o.id = i.id and o.deleted_at is null
      ),
      (
        select jsonb_build_object('organization_id', m.organization_id, 'user_id', m.user_id, 'role', m.role)
        from clerk_sync.membership_rows as m
        where p_kind = 'membership' and m.id = i.id and m.deleted_at is null
      )
    ),
    'open_jobs', (
      select count(*) from public.job_queue as j where j.clerk_id = i.id and j.status in ('PENDING', 'PROCESSING', 'FAILED')
    )
  )), '[]')
  from unnest(p_ids) as i(id);
$$;

-- ---- 16_audit.sql ----

-- The audit of the queue: what was refused, not applied, odd, or done by hand, with time and source; no payload, email or
-- name. Kinds:
--   delivery_refused   the signature was missing, wrong or too old (code), from this source as the gateway gave it
--   instance_unknown   a signed event of a Clerk instance (subject) that is not ours; not applied
--   sample_event       an example of Clerk's dashboard; proves the set-up, nothing is stored
--   event_trimmed      events that lack fields (subject) which Clerk's events have; applied, and their users are read again
--   job_edited         a person made, changed, deleted, retried or cancelled jobs in SQL (code) as this database user (source)
--   burst              more events within five minutes than any app is known to have
--   flapping_user      one user (subject) with very many events within an hour
--   operator_action    what an operator (source) did (code) through the admin API, to which job, user, operation … (subject)
-- One row stands for all equal entries of a minute, so that a flood is a number and not a full disk.
create table if not exists clerk_sync.audit (
  kind    text        not null,
  at      timestamptz not null,
  source  text        not null default '',
  subject text        not null default '',
  code    text        not null default '',
  count   integer     not null default 1,
  last_at timestamptz not null,
  detail  jsonb       not null default '{}',
  constraint audit_pkey primary key (kind, at, source, subject, code),
  constraint audit_kind_is_known check (kind in (
    'delivery_refused', 'instance_unknown', 'sample_event', 'event_trimmed', 'job_edited', 'burst', 'flapping_user',
    'operator_action'
  ))
);

create index if not exists audit_at_idx on clerk_sync.audit (at);

-- Adds to the row of this minute, which has 50 of a kind at most and "(other)" for the rest; actions are kept all.
create or replace function clerk_sync.add_audit(
  p_kind    text,
  p_source  text,
  p_subject text,
  p_code    text,
  p_count   integer,
  p_detail  jsonb,
  p_at      timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_at      timestamptz := date_trunc('minute', p_at);
  v_source  text := left(coalesce(p_source, ''), 200);
  v_subject text := left(coalesce(p_subject, ''), 200);
begin
  if p_kind <> 'operator_action' and (
    select count(*) >= 50 and not coalesce(bool_or(a.source = v_source and a.subject = v_subject), false)
    from clerk_sync.audit as a
    where a.kind = p_kind
      and a.at = v_at
  ) then
    v_source := '(other)';
    v_subject := '';
  end if;
  insert into clerk_sync.audit as a (kind, at, source, subject, code, count, last_at, detail)
  values (p_kind, v_at, v_source, v_subject, left(coalesce(p_code, ''), 100), p_count, p_at, coalesce(p_detail, '{}'))
  on conflict (kind, at, source, subject, code) do update
    set count = a.count + excluded.count,
        last_at = greatest(a.last_at, excluded.last_at),
        detail = a.detail || excluded.detail;
end
$$;

-- Looks at what came within the last hour, the newest 20,000 jobs of each status, for bursts and for users that flap. An
-- hour has one row of each, with the highest count. Answers how many were found.
create or replace function public.clerk_sync_audit_jobs(
  p_now      timestamptz default clock_timestamp(),
  p_burst    integer default 3000,
  p_flapping integer default 20
)
returns integer
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_found integer;
begin
  with recent as materialized (
    select n.clerk_id, n.created_at
    from unnest('{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'::text[]) as s(status)
    cross join lateral (
      select j.clerk_id, j.created_at, j.source
      from public.job_queue as j
      where case when j.id is not null then true end -- job_queue_list_idx
        and j.status = s.status
        and j.created_at > p_now - interval '1 hour'
      order by j.created_at desc
      limit 20000
    ) as n
    where n.source = 'webhook'
  ),
  odd as (
    select 'burst' as kind, '' as subject, count(*)::integer as count
    from recent as r
    where r.created_at > p_now - interval '5 minutes'
    having count(*) > p_burst
    union all
    select 'flapping_user', r.clerk_id, count(*)::integer
    from recent as r
    where r.clerk_id is not null
    group by r.clerk_id
    having count(*) > p_flapping
    order by 3 desc
    limit 50
  )
  insert into clerk_sync.audit as a (kind, at, subject, count, last_at)
  select o.kind, date_trunc('hour', p_now), o.subject, o.count, p_now
  from odd as o
  on conflict (kind, at, source, subject, code) do update
    set count = greatest(a.count, excluded.count),
        last_at = case when excluded.count > a.count then excluded.last_at else a.last_at end;
  get diagnostics v_found = row_count;
  return v_found;
end
$$;

-- Raises SY002 for a filter with an unknown key: a misspelt condition would match everything.
create or replace function clerk_sync.check_filter_keys(p_filter jsonb, p_known text[])
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    raise exception 'the filter must be a JSON object' using errcode = 'SY002';
  end if;
  v_unknown := array(select k from jsonb_object_keys(p_filter) as k where k <> all (p_known));
  if cardinality(v_unknown) > 0 then
    raise exception 'the filter has unknown keys: %', array_to_string(v_unknown, ', ')
      using errcode = 'SY002', hint = 'Known are ' || array_to_string(p_known, ', ') || '.';
  end if;
end
$$;

-- The newest entries that match p_filter ({kind, since, source, subject}), at most p_limit, newest first.
create or replace function public.clerk_sync_audit(p_filter jsonb default '{}', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select clerk_sync.check_filter_keys(p_filter, '{kind,since,source,subject}');
  select coalesce(jsonb_agg(to_jsonb(e) order by e.last_at desc), '[]')
  from (
    select a.*
    from clerk_sync.audit as a
    where a.kind = coalesce(p_filter ->> 'kind', a.kind)
      and a.source = coalesce(p_filter ->> 'source', a.source)
      and a.subject = coalesce(p_filter ->> 'subject', a.subject)
      and a.last_at >= coalesce((p_filter ->> 'since')::timestamptz, '-infinity')
    order by a.last_at desc
    limit p_limit
  ) as e;
$$;

-- ---- 16_skipped_kinds.sql ----

-- Events of kinds that are not stored: how many came, by kind and day.

-- kind is the first word of the event's type: organizationMembership of organizationMembership.created. Days are UTC.
create table if not exists clerk_sync.skipped_events (
  kind    text        not null,
  day     date        not null,
  count   bigint      not null,
  last_at timestamptz not null,
  constraint skipped_events_pkey primary key (kind, day)
);

-- Adds what the webhook passed over, of p_counts: [{name: skipped, value: kind, count}]. A day has 50 kinds at most; the rest
-- is counted as "(other)".
create or replace function clerk_sync.count_skipped(p_counts jsonb, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
begin
  insert into clerk_sync.skipped_events as s (kind, day, count, last_at)
  select n.kind, v_day, sum(n.count), p_now
  from (
    select
      case
        when d.kind is not null then d.kind
        when row_number() over (partition by d.kind is null order by c.value) + d.kinds <= 50 then left(c.value, 100)
        else '(other)'
      end as kind,
      c.count
    from jsonb_to_recordset(p_counts) as c(name text, value text, count bigint)
    cross join lateral (
      select
        max(k.kind) filter (where k.kind = left(c.value, 100)) as kind,
        count(*) as kinds
      from clerk_sync.skipped_events as k
      where k.day = v_day
    ) as d
    where c.name = 'skipped'
  ) as n
  group by n.kind
  order by n.kind -- two writers take the rows in one order
  on conflict (kind, day) do update
    set count = s.count + excluded.count,
        last_at = greatest(s.last_at, excluded.last_at);
end
$$;

-- The kinds of which events came within seven days and are not stored, the most frequent first: [{kind, events, last_at,
-- setting}], where setting is the section of the configuration that would store them; null when none does.
create or replace function public.clerk_sync_skipped_kinds(p_now timestamptz default clock_timestamp())
returns jsonb
language sql
stable
set search_path = ''
as $$
  with settings (kind, setting, mapped) as (
    values
      ('organization', 'organizations', 'organization'),
      ('organizationMembership', 'memberships', 'membership'),
      ('role', 'roles', 'role'),
      ('permission', 'roles', 'role'),
      ('organizationInvitation', 'invitations', 'invitation')
  )
  select coalesce(jsonb_agg(to_jsonb(k) order by k.events desc, k.kind), '[]')
  from (
    select s.kind, sum(s.count) as events, max(s.last_at) as last_at, t.setting
    from clerk_sync.skipped_events as s
    left join settings as t on t.kind = s.kind
    where s.day > (p_now at time zone 'UTC')::date - 7
      and not exists (select 1 from clerk_sync.mappings as m where m.kind = t.mapped)
    group by s.kind, t.setting
  ) as k;
$$;

-- ---- 17_health.sql ----

-- How healthy the sync is: what is known of its parts, and the judgement with its reasons.

-- The thresholds that the owner chose instead of those of the views health_thresholds and incident_thresholds, in one row;
-- null: that of the view. No migration of the sync writes it.
create table if not exists clerk_sync.own_thresholds (
  is_only_row               boolean not null default true,
  due_degraded_minutes      integer null,
  due_compromised_minutes   integer null,
  dead_compromised          integer null,
  dead_compromised_percent  numeric null,
  failed_degraded           integer null,
  failed_degraded_percent   numeric null,
  refresh_degraded_minutes  integer null,
  silence_suspected_minutes integer null,
  silence_confirmed_minutes integer null,
  unchecked_degraded_hours  integer null,
  users_differ              integer null,
  users_differ_percent      numeric null,
  drift_degraded            integer null,
  drift_degraded_percent    numeric null,
  mapping_degraded_minutes  integer null,
  hold_seconds              integer null,
  quiet_seconds             integer null,
  kept_days                 integer null,
  constraint own_thresholds_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.own_thresholds (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- The thresholds of the judgement; docs/health.md explains every one, and every reason. A decimal point lets a percentage
-- count in fractions.
create or replace view clerk_sync.health_thresholds
with (security_invoker = true)
as
select
  coalesce(o.due_degraded_minutes, 2) as due_degraded_minutes,
  coalesce(o.due_compromised_minutes, 15) as due_compromised_minutes,
  coalesce(o.dead_compromised, 100) as dead_compromised,
  coalesce(o.dead_compromised_percent, 1.0) as dead_compromised_percent,
  coalesce(o.failed_degraded, 10) as failed_degraded,
  coalesce(o.failed_degraded_percent, 20.0) as failed_degraded_percent,
  coalesce(o.refresh_degraded_minutes, 15) as refresh_degraded_minutes,
  coalesce(o.silence_suspected_minutes, 10) as silence_suspected_minutes,
  coalesce(o.silence_confirmed_minutes, 45) as silence_confirmed_minutes,
  coalesce(o.unchecked_degraded_hours, 3) as unchecked_degraded_hours,
  coalesce(o.users_differ, 10) as users_differ,
  coalesce(o.users_differ_percent, 1.0) as users_differ_percent,
  coalesce(o.drift_degraded, 10) as drift_degraded,
  coalesce(o.drift_degraded_percent, 1.0) as drift_degraded_percent,
  coalesce(o.mapping_degraded_minutes, 10) as mapping_degraded_minutes
from (select true) as one_row
left join clerk_sync.own_thresholds as o on true;

-- What the webhook saw since its last word: when it last took a delivery (p_accepted_at, null if it took none),
-- p_entries for the audit: [{kind, at, source, subject?, code?, count}], of which the first 200 are kept, and what it
-- answered, p_counts: [{name: answers | signature_failures | skipped, value: status | code | kind, count}]. p_program: as
-- note_program takes it.
create or replace function public.clerk_sync_record_deliveries(
  p_accepted_at timestamptz,
  p_entries     jsonb default '[]',
  p_counts      jsonb default '[]',
  p_now         timestamptz default clock_timestamp(),
  p_program     jsonb default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last      timestamptz;
  v_suspected timestamptz := p_accepted_at
    - make_interval(mins => (select t.silence_suspected_minutes from clerk_sync.health_thresholds as t));
begin
  if p_accepted_at is not null then
    -- A silence that began before this delivery is over. One too short to be suspected leaves no trace.
    perform 1 from clerk_sync.silence as s for update; -- a run may be about to note a change
    v_last := clerk_sync.last_delivery();
    update clerk_sync.silence as s
    set changed_at = null,
        ended_since = case when s.changed_at < v_suspected then coalesce(v_last, s.changed_at) else s.ended_since end,
        ended_at = case when s.changed_at < v_suspected then p_accepted_at else s.ended_at end
    where coalesce(v_last, s.changed_at) < p_accepted_at
      and s.changed_at is not null;
    insert into clerk_sync.heartbeats as h (name, at)
    values ('webhook', p_accepted_at)
    on conflict (name) do update
      set at = greatest(h.at, excluded.at);
  end if;
  perform clerk_sync.add_audit(e.kind, e.source, e.subject, e.code, e.count, null, e.at)
  from (
    select i.*
    from jsonb_to_recordset(p_entries) as i(
      kind text, at timestamptz, source text, subject text, code text, count integer
    )
    order by i.kind, i.at, i.source, i.subject, i.code -- two writers take the rows in one order
    limit 200
  ) as e;
  insert into clerk_sync.metric_events (at, name, labels, count)
  select
    p_now, c.name,
    case c.name
      when 'answers' then jsonb_build_object('status', substring(c.value from '^[0-9]{3}$'))
      else jsonb_build_object('code', c.value)
    end,
    c.count
  from jsonb_to_recordset(p_counts) as c(name text, value text, count bigint)
  where c.name in ('answers', 'signature_failures')
  limit 100;
  perform clerk_sync.count_skipped(p_counts, p_now);
  perform clerk_sync.note_program(p_program, p_now);
end
$$;

-- Whether the database takes writes. A host makes a database read-only when its disk is full. Reads still work, but every
-- event is refused. Each test writes the one row again: an empty table needs a new page, which a full disk cannot give.
create table if not exists clerk_sync.write_test (
  tested_at timestamptz not null
);

-- Why nothing can be written, with its SQLSTATE; null when a write of the last ten seconds succeeded, or one made now.
-- A caller whose own transaction only reads learns nothing, and neither does one while another caller tests.
create or replace function public.clerk_sync_write_failure()
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_now        timestamptz := clock_timestamp();
  v_only_reads boolean := current_setting('transaction_read_only')::boolean;
  v_message    text;
begin
  if (v_only_reads and not current_setting('default_transaction_read_only')::boolean and not pg_is_in_recovery())
    or not pg_try_advisory_xact_lock(7461204)
    or (
      not v_only_reads
      and exists (select 1 from clerk_sync.write_test as t where t.tested_at > v_now - interval '10 seconds')
    )
  then
    return null;
  end if;
  truncate clerk_sync.write_test;
  insert into clerk_sync.write_test (tested_at) values (v_now);
  return null;
exception
  when others then -- the answer says it
    get stacked diagnostics v_message = message_text;
    return format('%s: %s', sqlstate, v_message);
end
$$;

-- Since when the oldest due job waits; null when nothing is due. The due index is ordered by priority first: the heads
-- of the priorities there are, one lookup each. A refresh may be waiting for a CLERK_SECRET_KEY and does not count;
-- nor does what waits for a service that is down. Of each priority the first thousand jobs are looked at.
create or replace function clerk_sync.oldest_due(p_now timestamptz)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  with recursive priorities(priority) as (
    select max(j.priority) from public.job_queue as j where j.status in ('PENDING', 'FAILED') and j.waits_for is null
    union all
    select (
      select max(j.priority)
      from public.job_queue as j
      where j.status in ('PENDING', 'FAILED')
        and j.waits_for is null
        and j.priority < p.priority
    )
    from priorities as p
    where p.priority is not null
  )
  select min(h.run_at)
  from priorities as p
  cross join lateral (
    select j.run_at, j.source
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.priority = p.priority
      and j.run_at <= p_now
    order by j.run_at
    limit 1000
  ) as h
  where h.source <> 'refresh';
$$;

-- How many jobs are in a status, counted as far as p_most.
create or replace function clerk_sync.count_jobs_in(p_status text, p_most integer)
returns integer
language sql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
as $$
  select count(*)::integer
  from (
    select 1
    from public.job_queue as j
    where case when j.id is not null then true end -- job_queue_list_idx
      and j.status = p_status
    limit p_most
  ) as counted;
$$;

-- The calls of the last hour. net._http_response holds the answers to the requests of the whole database, and does not say
-- which of them are ours.
create table if not exists clerk_sync.processor_call (
  request_id bigint      not null,
  called_at  timestamptz not null,
  constraint processor_call_pkey primary key (request_id)
);

-- Whether the schedule can work here: {cron, net, vault, project_url, processor_secret, scheduled}, each true or false;
-- whether it does: {last_run: {schedule, active, at, status, message}, answers: [{called_at, status, timed_out, error}]},
-- the last run of the entry that calls the processor and the newest five answers of the processor; and what is left
-- undone: {now, due_since, last_done_at}. It runs with the rights of its owner, for the API's service_role may not read
-- schema cron; it takes no argument.
create or replace function public.clerk_sync_schedule_state()
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_now      timestamptz := clock_timestamp();
  v_names    text[] := array[]::text[];
  v_jobs     integer := 0;
  v_last_run jsonb;
  v_answers  jsonb := '[]'::jsonb;
begin
  if to_regclass('vault.decrypted_secrets') is not null then
    v_names := array(select s.name from vault.decrypted_secrets as s);
  end if;
  if to_regclass('cron.job') is not null then
    v_jobs := (select count(*) from cron.job as j where j.jobname like 'clerk-sync-%' and j.active);
    v_last_run := (
      select jsonb_build_object(
        'schedule', j.schedule,
        'active', j.active,
        'at', coalesce(d.start_time, d.end_time),
        'status', d.status,
        'message', d.return_message
      )
      from cron.job as j
      left join lateral (
        select n.*
        from (select r.* from cron.job_run_details as r order by r.runid desc limit 5000) as n -- pg_cron never prunes it
        where n.jobid = j.jobid
        order by n.runid desc
        limit 1
      ) as d on true
      where j.jobname = 'clerk-sync-process'
      limit 1
    );
  end if;
  begin
    if to_regclass('net._http_response') is not null then
      select coalesce(jsonb_agg(to_jsonb(a) order by a.called_at desc), '[]')
      into v_answers
      from (
        select c.called_at, r.status_code as status, coalesce(r.timed_out, false) as timed_out, r.error_msg as error
        from clerk_sync.processor_call as c
        join net._http_response as r
          on r.id = c.request_id
         and r.created >= c.called_at
        order by c.called_at desc
        limit 5
      ) as a;
    end if;
  exception
    when insufficient_privilege then -- Supabase owns pg_net and decides who may read its answers
      null;
  end;
  return jsonb_build_object(
    'cron', to_regclass('cron.job') is not null,
    'net', exists (select 1 from pg_catalog.pg_namespace as n where n.nspname = 'net'),
    'vault', to_regclass('vault.decrypted_secrets') is not null,
    'project_url', 'clerk_sync_project_url' = any (v_names),
    'processor_secret', 'clerk_sync_processor_secret' = any (v_names),
    'scheduled', v_jobs >= 7,
    'last_run', v_last_run,
    'answers', v_answers,
    'now', v_now,
    'due_since', clerk_sync.oldest_due(v_now),
    'last_done_at', (select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED'))
  );
end
$$;

-- Dead letters in the order they died. In this form, which `status = 'DEAD'` does not imply: no other query is to be
-- planned with it, it would read all dead letters for one user's.
create index if not exists job_queue_dead_idx
  on public.job_queue (updated_at)
  where case when status = 'DEAD' then true end;

-- What is known of the sync; nothing of it is personal. Every read is bounded, however long the queue and its history
-- are: jobs and users are counted up to 10,000, more users are estimated as autovacuum did.
create or replace function clerk_sync.health_facts(p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- a bitmap is made of all that match, whatever the limit
as $$
declare
  v_schedule jsonb;
begin
  begin
    if to_regclass('cron.job') is not null then
      v_schedule := public.clerk_sync_schedule_state();
    end if;
  exception
    when insufficient_privilege then -- the caller may not look at pg_cron
      null;
  end;
  return jsonb_build_object(
    'now', p_now,
    'schema_version', public.clerk_sync_schema_version(),
    'write_failure', public.clerk_sync_write_failure(),
    'schedule', v_schedule,
    'oldest_due_at', clerk_sync.oldest_due(p_now),
    'oldest_refresh_at', (
      select min(s.refresh_due_at) from clerk_sync.known_users as s where s.refresh_due_at is not null
    ),
    'last_applied_at', (
      select max(j.processed_at) from public.job_queue as j where j.status in ('COMPLETED', 'CANCELLED')
    ),
    -- Of the jobs tried within 15 minutes: failed are those whose last attempt did. A job that is tried often counts once. Of
    -- each the newest 200 are looked at, over the same time: the last second where there are many.
    'attempts', (
      with done as materialized (
        select j.processed_at as at, j.status = 'COMPLETED' as counts
        from public.job_queue as j
        where j.status in ('COMPLETED', 'CANCELLED')
          and j.processed_at > p_now - interval '15 minutes'
        order by j.processed_at desc
        limit 200
      ),
      failed as materialized (
        select j.updated_at as at, j.status <> 'CANCELLED' and j.attempts > 0 as counts
        from public.job_queue as j
        where j.status in ('FAILED', 'DEAD', 'CANCELLED')
          and j.updated_at > p_now - interval '15 minutes'
        order by j.updated_at desc
        limit 200
      ),
      span as (
        select greatest(
          (select min(d.at) from done as d having count(*) = 200),
          (select min(f.at) from failed as f having count(*) = 200)
        ) as start
      )
      select jsonb_build_object(
        'done', (select count(*) from done as d where d.counts and coalesce(d.at >= s.start, true)),
        'failed', (select count(*) from failed as f where f.counts and coalesce(f.at >= s.start, true)),
        'since', (select min(f.at) from failed as f where f.counts)
      )
      from span as s
    ),
    'open', (
      select coalesce(jsonb_object_agg(s.status, c.jobs), '{}')
      from unnest('{PENDING,FAILED,PROCESSING}'::text[]) as s(status)
      cross join clerk_sync.count_jobs_in(s.status, 10000) as c(jobs)
      where c.jobs > 0
    ),
    'dead', (
      select jsonb_build_object('count', count(*), 'newest_at', max(d.updated_at))
      from (
        select j.updated_at
        from public.job_queue as j
        where case when j.status = 'DEAD' then true end
        order by j.updated_at desc
        limit 10000
      ) as d
    ),
    'users', (
      select greatest(u.counted, case when u.counted >= 10000 then c.reltuples end)::bigint
      from clerk_sync.count_rows('user', 10000) as u(counted)
      join pg_catalog.pg_class as c on c.oid = (
        select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user'
      )
    ),
    'audit', (
      select coalesce(jsonb_object_agg(k.kind, jsonb_build_object('count', k.count, 'last_at', k.last_at)), '{}')
      from (
        select a.kind, sum(a.count) as count, max(a.last_at) as last_at
        from clerk_sync.audit as a
        where a.at >= p_now - interval '1 hour'
        group by a.kind
      ) as k
    ),
    'delete_brake', (
      select jsonb_build_object('engaged_at', min(b.engaged_at), 'reason', string_agg(b.reason, '; ' order by b.engaged_at))
      from clerk_sync.delete_brake as b
    ),
    'circuits', (
      select jsonb_object_agg(c.name, jsonb_build_object('state', c.state, 'since', c.since, 'code', c.last_error))
      from clerk_sync.circuits as c
    ),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, h.at), '{}') from clerk_sync.heartbeats as h),
    'runs', jsonb_build_object(
      'compare', ( -- the newest that completed, with the users who differed, whether it repaired them or not
        select jsonb_build_object(
          'finished_at', r.finished_at,
          'repairs', r.applies,
          'read', coalesce((r.counts ->> 'read')::bigint, 0),
          'drift', (
            select coalesce(sum(c.value::bigint), 0)
            from jsonb_each_text(r.counts) as c
            where c.key in (
              'missing', 'stale', 'ahead', 'differs', 'extra', 'unmirrored',
              'auth_missing', 'auth_differs', 'auth_extra', 'auth_deleted'
            )
          )
        )
        from clerk_sync.sync_runs as r
        where r.kind = 'compare'
          and r.status = 'COMPLETED'
        order by r.started_at desc
        limit 1
      ),
      'failed', ( -- the newest that failed, unless a later run of its kind ended well, or a later compare
        select jsonb_build_object('kind', r.kind, 'finished_at', r.finished_at, 'code', split_part(r.error, ':', 1))
        from unnest('{compare,sweep,backfill}'::text[]) as k(kind)
        cross join lateral (
          select n.*
          from clerk_sync.sync_runs as n
          where n.kind = k.kind
            and n.applies
            and n.status in ('COMPLETED', 'FAILED')
          order by n.started_at desc
          limit 1
        ) as r
        where r.status = 'FAILED'
          and not exists (
            select 1
            from clerk_sync.sync_runs as c
            where c.kind = 'compare'
              and c.applies
              and c.status = 'COMPLETED'
              and c.started_at > r.started_at
          )
        order by r.started_at desc
        limit 1
      )
    ),
    'silence', ( -- since is null while nothing is missing; error is why the open run makes no progress
      select jsonb_build_object(
        'installed_at', s.installed_at,
        'since', case when s.changed_at is not null then coalesce(clerk_sync.last_delivery(), s.changed_at) end,
        'changed_at', s.changed_at,
        'checked_at', n.checked_at,
        'error', (select split_part(r.error, ':', 1) from clerk_sync.sync_runs as r where r.status = 'RUNNING'),
        'users_at_clerk', n.completed[1] -> 'users_at_clerk',
        'users_here', (n.completed[1] #>> '{counts,users_here}')::bigint,
        'ended_since', s.ended_since,
        'ended_at', s.ended_at
      )
      from clerk_sync.silence as s
      cross join (
        select
          max(r.updated_at) as checked_at,
          array_agg(to_jsonb(r) order by r.updated_at desc) filter (where r.status = 'COMPLETED') as completed
        from unnest('{sweep,compare}'::text[]) as k(kind)
        cross join lateral (
          select n.*
          from clerk_sync.sync_runs as n
          where n.kind = k.kind
            and n.applies
            and n.steps > 0
          order by n.started_at desc
          limit 2 -- the last that completed stands before the open one
        ) as r
      ) as n
    )
  );
end
$$;

-- The judgement of what is known of the sync, in the form of clerk_sync_health.
--
-- While a circuit is open rows are still written, so that it never compromises. A change may be ten minutes late: Svix
-- tries immediately, after 5 seconds and after 5 minutes (Svix, "Retries"). After 45 minutes the fourth attempt has
-- passed as well, half an hour later and 20 % off at most.
--
-- p_program: as note_program takes it, the program that answers a caller with this; it is not noted.
create or replace function clerk_sync.judge_health(p_now timestamptz, p_program jsonb)
returns jsonb
language sql
set search_path = ''
as $$
  with h as materialized (
    select clerk_sync.health_facts(p_now) as facts
  ),
  r as (
    select
      r.code,
      case when r.compromised then 'compromised' when r.degraded then 'degraded' end as status,
      r.what,
      r.since,
      r.remedy,
      row_number() over () as place
    from h
    cross join clerk_sync.health_thresholds as t
    cross join jsonb_to_record(h.facts) as f(
      write_failure text, oldest_due_at timestamptz, oldest_refresh_at timestamptz, users bigint
    )
    cross join jsonb_to_record(h.facts -> 'dead') as dead(count integer, newest_at timestamptz)
    cross join jsonb_to_record(h.facts -> 'attempts') as tried(done bigint, failed bigint, since timestamptz)
    cross join jsonb_to_record(h.facts -> 'silence') as silence(
      installed_at timestamptz, since timestamptz, changed_at timestamptz, checked_at timestamptz, error text,
      users_at_clerk bigint, users_here bigint
    )
    cross join make_interval(mins => t.silence_confirmed_minutes) as confirmed_after
    cross join jsonb_to_record(h.facts -> 'runs') as runs(compare jsonb, failed jsonb)
    cross join lateral (
      select
        string_agg(
          format('%s (%s)', case c.key when 'auth' then 'Supabase Auth' else 'Clerk''s API' end, c.value ->> 'code'),
          ', ' order by c.key
        ) as names,
        min((c.value ->> 'since')::timestamptz) as since
      from jsonb_each(h.facts -> 'circuits') as c
      where c.value ->> 'state' <> 'closed'
    ) as paused
    cross join lateral (
      select string_agg(d.name, ', ' order by d.name) as names, min(d.since) as since
      from clerk_sync.differing_programs(p_program, p_now) as d
    ) as differing
    cross join lateral (
      values
        (
          'not_writable', f.write_failure is not null, false,
          null::timestamptz,
          'The database takes no writes, so every event is refused and Clerk delivers it again: ' || f.write_failure,
          'Is the disk full? Make room, or a larger disk; on Supabase: Settings, Compute and Disk. A database that the host '
            || 'made read-only has to be made writable again (default_transaction_read_only); a standby has to be promoted, '
            || 'or DATABASE_URL to name the primary.'
        ),
        (
          'queue_late',
          f.oldest_due_at < p_now - make_interval(mins => t.due_compromised_minutes),
          f.oldest_due_at < p_now - make_interval(mins => t.due_degraded_minutes),
          f.oldest_due_at,
          'Work that is due waits.',
          'Does anything work on the queue? clerk-sync status says what last did; on Supabase clerk-sync doctor checks the '
            || 'schedule.'
        ),
        (
          'dead_letters',
          dead.count > 0
            and dead.count >= least(10000, greatest(t.dead_compromised, f.users * t.dead_compromised_percent / 100)),
          dead.count > 0,
          dead.newest_at,
          dead.count || case dead.count when 1 then ' job gave up and waits' else ' jobs gave up and wait' end
            || ' for a person.',
          'Correct what each error names, then retry all of it: admin page, Dead letters; or clerk-sync jobs list --status '
            || 'dead, then clerk-sync jobs retry --all --status dead.'
        ),
        (
          'refreshes_wait', false,
          f.oldest_refresh_at < p_now - make_interval(mins => t.refresh_degraded_minutes)
            and coalesce(h.facts #>> '{circuits,clerk,state}' = 'closed', true), -- else circuit_open says why
          f.oldest_refresh_at,
          'Users wait to be read from Clerk''s API, and nobody does.',
          'Set CLERK_SECRET_KEY where the queue is worked on.'
        ),
        (
          'error_rate', false,
          tried.failed >= greatest(t.failed_degraded, (tried.failed + tried.done) * t.failed_degraded_percent / 100),
          tried.since,
          format('Of the last %s jobs that were tried %s failed.', tried.failed + tried.done, tried.failed),
          'See their errors: admin page, Jobs, failed; or clerk-sync jobs list --status failed,dead. docs/errors.md explains '
            || 'the codes.'
        ),
        (
          case when silence.changed_at < p_now - confirmed_after then 'silence_confirmed' else 'silence_suspected' end,
          silence.changed_at < p_now - confirmed_after,
          silence.changed_at < p_now - make_interval(mins => t.silence_suspected_minutes),
          silence.since,
          'Deliveries have stopped, the endpoint may be disabled: changes at Clerk have not arrived.',
          format(
            'In Clerk''s dashboard, Webhooks, the endpoint: enable it; then Replay, missing messages since %s. It ends with '
              || 'the next delivery.',
            to_char(silence.since at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
          )
        ),
        (
          'silence_unchecked', false,
          silence.error is not null
            and coalesce(silence.checked_at, silence.installed_at)
              < p_now - make_interval(hours => t.unchecked_degraded_hours),
          silence.checked_at,
          'Whether deliveries still come cannot be checked: ' || silence.error,
          'The code is explained in docs/errors.md; look at CLERK_SECRET_KEY first.'
        ),
        (
          'users_differ', false,
          abs(silence.users_at_clerk - silence.users_here)
            > greatest(t.users_differ, silence.users_at_clerk * t.users_differ_percent / 100),
          silence.checked_at,
          format('Users at Clerk: %s, here: %s.', silence.users_at_clerk, silence.users_here),
          'Compare and mend: admin page, Reconcile; or clerk-sync reconcile. Users from before the installation need a backfill.'
        ),
        (
          'circuit_open', false,
          paused.names is not null,
          paused.since,
          'Calls are paused to ' || paused.names || '. Users are written all the same; what needs the service waits.',
          'It is tried again by itself. Was a key wrong? Correct it, then reset the circuit: admin page, Overview, Circuits. '
            || 'docs/errors.md explains the code.'
        ),
        (
          'drift', false,
          (runs.compare ->> 'drift')::bigint
            > greatest(t.drift_degraded, (runs.compare ->> 'read')::bigint * t.drift_degraded_percent / 100),
          (runs.compare ->> 'finished_at')::timestamptz,
          format('The last compare with Clerk found %s users out of step.', runs.compare ->> 'drift'),
          'Events were lost or late: see Clerk''s message log. Mend them: admin page, Reconcile, Run and mend; or '
            || 'clerk-sync reconcile --apply.'
        ),
        (
          'run_failed', false,
          runs.failed ->> 'kind' is not null,
          (runs.failed ->> 'finished_at')::timestamptz,
          format('The last %s failed: %s.', runs.failed ->> 'kind', runs.failed ->> 'code'),
          'docs/errors.md explains the code, the admin page, Reconcile, says more; the next one that completes ends it.'
        ),
        (
          'delete_brake', false,
          h.facts #>> '{delete_brake,engaged_at}' is not null,
          (h.facts #>> '{delete_brake,engaged_at}')::timestamptz,
          'Deletions wait: ' || (h.facts #>> '{delete_brake,reason}'),
          'Find out whether they are meant, then apply or cancel them: admin page, Overview, Delete brake. In SQL: '
            || 'clerk_sync_release_delete_brake(''apply'') or (''cancel'').'
        ),
        (
          'schedule_incomplete', false,
          h.facts -> 'schedule' <> 'null'
            and not h.facts -> 'schedule' @> '{"scheduled": true, "project_url": true, "processor_secret": true}'
            -- a server of ours that works on the queue needs no schedule
            and coalesce((h.facts #>> '{heartbeats,worker}')::timestamptz <= p_now - interval '2 minutes', true),
          null,
          'The schedule is not set up: nothing that has to be tried again will be.',
          'clerk-sync doctor says what is missing; README, Deploy to Supabase, step 5.'
        ),
        (
          'mapping_differs', false,
          differing.since < p_now - make_interval(mins => t.mapping_degraded_minutes),
          differing.since,
          'These run with another mapping than the database: ' || differing.names
            || '. A column that only one of the two maps is not written.',
          'Deploy the functions, and restart each server. Run: npx clerk-sync generate, then npx supabase db push --remote, '
            || 'then npx supabase functions deploy.'
        ),
        (
          'instance_unknown', false,
          h.facts #> '{audit,instance_unknown}' is not null,
          (h.facts #>> '{audit,instance_unknown,last_at}')::timestamptz,
          'Another Clerk instance sends its events here; they are not applied.',
          'clerk-sync audit --kind instance_unknown; then remove this endpoint there, or correct CLERK_INSTANCE_ID.'
        )
    ) as r(code, compromised, degraded, since, what, remedy)
  )
  select jsonb_build_object(
    'status', coalesce(min(r.status), 'healthy'),
    'reasons', coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(r) - 'place') order by r.status, r.place), '[]'),
    'facts', (select h.facts from h)
  )
  from r
  where r.status is not null;
$$;

-- {status: healthy | degraded | compromised, reasons: [{code, status, what, since?, remedy}], facts}: the worst of the
-- reasons, which comes first, is the status. SQL, the sync-health endpoint and the command line ask this one place. It asks
-- first what other tools did to the objects of the sync and to the mapped tables: where objects are missing the rest may not
-- be there to be judged, and its facts are the version and the time alone. p_program: as judge_health takes it.
create or replace function public.clerk_sync_health(
  p_now     timestamptz default clock_timestamp(),
  p_program jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_objects  jsonb := public.clerk_sync_object_findings();
  v_problems jsonb := '[]'::jsonb;
  v_version  text  := '';
  v_health   jsonb;
begin
  if to_regprocedure('public.clerk_sync_table_problems(boolean)') is not null then
    v_problems := public.clerk_sync_table_problems();
  end if;
  begin
    v_health := clerk_sync.judge_health(p_now, p_program);
  exception
    when others then
      if v_objects = '[]' and v_problems = '[]' then
        raise;
      end if;
      if to_regprocedure('public.clerk_sync_schema_version()') is not null then
        v_version := public.clerk_sync_schema_version();
      end if;
      v_health := jsonb_build_object('reasons', '[]'::jsonb, 'facts', jsonb_build_object('now', p_now, 'schema_version', v_version));
  end;
  return (
    with changes as (
      select
        case f.state when 'missing' then 'objects_missing' else 'objects_changed' end as code,
        min(f.status) as status,
        case f.state
          when 'missing' then 'Objects of the sync are missing in the database: '
          else 'Something else than a migration changed objects of the sync: '
        end as words,
        array_agg(f.object order by f.place) as names,
        'clerk-sync migrate --repair puts them back, and keeps the rows that are there; for a Supabase project it prints the '
          || 'commands. docs/other-tools.md says how to keep drizzle-kit and Prisma away from them.' as remedy
      from rows from (jsonb_to_recordset(v_objects) as (object text, state text, status text))
        with ordinality as f(object, state, status, place)
      group by f.state
      union all
      select
        'table_changed', 'compromised', format('The sync cannot write %s as it is now: ', p.value ->> 'table'),
        array_agg(p.value ->> 'problem' order by p.ordinality),
        'clerk-sync doctor prints the statement that solves it.'
      from jsonb_array_elements(v_problems) with ordinality as p
      group by p.value ->> 'table'
    ),
    reasons as (
      select
        c.status,
        0 as place,
        jsonb_build_object(
          'code', c.code,
          'status', c.status,
          'what', concat(
            c.words, array_to_string(c.names[1:6], ', '),
            case when cardinality(c.names) > 6 then format(' and %s more', cardinality(c.names) - 6) end, '.'
          ),
          'remedy', c.remedy
        ) as reason
      from changes as c
      union all
      select r.value ->> 'status', r.ordinality::integer, r.value
      from jsonb_array_elements(v_health -> 'reasons') with ordinality as r
    )
    select jsonb_build_object(
      'status', coalesce(min(r.status), 'healthy'),
      'reasons', coalesce(jsonb_agg(r.reason order by r.status, r.place, r.reason ->> 'code' desc), '[]'),
      'facts', v_health -> 'facts' || jsonb_build_object('objects', v_objects)
    )
    from reasons as r
  );
end
$$;

-- Whether an app may rely on its users being up to date: true while the sync is healthy or degraded.
create or replace function public.clerk_sync_is_healthy(p_now timestamptz default clock_timestamp())
returns boolean
language sql
set search_path = ''
as $$
  select public.clerk_sync_health(p_now) ->> 'status' <> 'compromised';
$$;

-- ---- 18_alerts.sql ----

-- Incidents, and the notices that tell targets of them. An incident is what clerk_sync_health says is wrong, and lasts: a
-- reason becomes one once it has held for a while; one that comes and goes stays the same incident; it is over when the
-- reason has been absent for a while. Nothing of it is personal.

create table if not exists clerk_sync.incidents (
  id            uuid        not null default gen_random_uuid(),
  code          text        not null,
  subject       text        not null default '',
  status        text        not null,
  what          text        not null,
  remedy        text        not null,
  since         timestamptz not null,
  first_seen_at timestamptz not null,
  last_seen_at  timestamptz not null,
  absent_since  timestamptz null,
  opened_at     timestamptz null,
  closed_at     timestamptz null,
  constraint incidents_pkey primary key (id),
  constraint incident_status_is_known check (status in ('degraded', 'compromised')),
  constraint closed_after_opened check (closed_at is null or opened_at is not null)
);

comment on column clerk_sync.incidents.subject is 'such as the service of a circuit; empty where the code says it all';
comment on column clerk_sync.incidents.status is 'at its worst';
comment on column clerk_sync.incidents.opened_at is 'null: it has not lasted long enough, and no target has a notice of it';
comment on column clerk_sync.incidents.absent_since is 'the first of the checks in a row that did not see it';

create unique index if not exists incidents_one_open
  on clerk_sync.incidents (code, subject)
  where closed_at is null;
create index if not exists incidents_closed_idx
  on clerk_sync.incidents (closed_at);

-- When it was last checked. Its row is the lock by which one at a time checks.
create table if not exists clerk_sync.incident_check (
  is_only_row boolean     not null default true,
  checked_at  timestamptz null,
  constraint incident_check_pkey primary key (is_only_row),
  constraint one_row check (is_only_row)
);

insert into clerk_sync.incident_check (is_only_row)
values (true)
on conflict (is_only_row) do nothing;

-- hold_seconds: so long a reason has to hold, which takes two checks at least; quiet_seconds: so long it has to be
-- absent. docs/alerts.md explains both.
create or replace view clerk_sync.incident_thresholds
with (security_invoker = true)
as
select
  coalesce(o.hold_seconds, 45) as hold_seconds,
  coalesce(o.quiet_seconds, 300) as quiet_seconds,
  coalesce(o.kept_days, 90) as kept_days
from (select true) as one_row
left join clerk_sync.own_thresholds as o on true;

-- Compares the incidents with what is wrong now, unless that was done within p_every_seconds or another caller is doing
-- it. Answers whether it did. A silence that is suspected and then confirmed is one incident, two circuits are two.
create or replace function clerk_sync.update_incidents(p_every_seconds integer, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_check  clerk_sync.incident_check;
  v_health jsonb;
  v_t      clerk_sync.incident_thresholds;
begin
  select * into v_check from clerk_sync.incident_check as c for update skip locked;
  if not found or v_check.checked_at between p_now - make_interval(secs => p_every_seconds) and p_now then
    return false;
  end if;
  select * into v_t from clerk_sync.incident_thresholds;
  v_health := public.clerk_sync_health(p_now);
  insert into clerk_sync.incidents as i (code, subject, status, what, remedy, since, first_seen_at, last_seen_at)
  select
    case when r.code in ('silence_suspected', 'silence_confirmed') then 'silence' else r.code end,
    coalesce(c.key, ''),
    r.status,
    case
      when c.key is null then r.what
      else format(
        'Calls to %s are paused (%s). Users are written all the same; what needs the service waits.',
        case c.key when 'auth' then 'Supabase Auth' else 'Clerk''s API' end, c.value ->> 'code'
      )
    end,
    r.remedy,
    coalesce((c.value ->> 'since')::timestamptz, r.since, p_now),
    p_now,
    p_now
  from jsonb_to_recordset(v_health -> 'reasons') as r(code text, status text, what text, remedy text, since timestamptz)
  left join lateral jsonb_each(v_health #> '{facts,circuits}') as c
    on r.code = 'circuit_open'
   and c.value ->> 'state' <> 'closed'
  on conflict (code, subject) where closed_at is null do update
    set status = least(i.status, excluded.status), -- compromised sorts before degraded
        what = excluded.what,
        remedy = excluded.remedy,
        since = least(i.since, excluded.since),
        last_seen_at = excluded.last_seen_at;
  delete from clerk_sync.incidents as i
  where (i.opened_at is null and i.last_seen_at <> p_now)
     or i.closed_at < p_now - make_interval(days => v_t.kept_days);
  update clerk_sync.incidents as i
  set opened_at = coalesce(
        i.opened_at,
        case when i.first_seen_at <= p_now - make_interval(secs => v_t.hold_seconds) then p_now end
      ),
      absent_since = case when i.last_seen_at <> p_now then coalesce(i.absent_since, p_now) end
  where i.closed_at is null;
  update clerk_sync.incidents as i
  set closed_at = p_now
  where i.closed_at is null
    and i.absent_since <= p_now - make_interval(secs => v_t.quiet_seconds);
  update clerk_sync.incident_check as c set checked_at = p_now;
  return true;
end
$$;

-- Notices: each incident is told once to each target when it opens and once when it is over, by the worker of the
-- queue (send-alerts.ts). Every target has its own row, so that one that is down does not make another told twice.

-- The targets that workers and processors have in their settings (ALERT_WEBHOOK_URL, ALERT_SLACK_URL), by name; the
-- addresses stay there.
create table if not exists clerk_sync.alert_targets (
  name    text        not null,
  seen_at timestamptz not null,
  constraint alert_targets_pkey primary key (name),
  constraint target_is_known check (name in ('webhook', 'slack'))
);

create table if not exists clerk_sync.notices (
  id          uuid        not null default gen_random_uuid(),
  incident_id uuid        not null,
  kind        text        not null,
  target      text        not null,
  created_at  timestamptz not null,
  sent_at     timestamptz null,
  attempts    integer     not null default 0,
  next_at     timestamptz not null,
  last_error  text        null,
  token       uuid        null,
  lease_until timestamptz null,
  constraint notices_pkey primary key (id),
  constraint notices_once unique (incident_id, kind, target),
  constraint notices_of_incident foreign key (incident_id) references clerk_sync.incidents (id) on delete cascade,
  constraint notice_kind_is_known check (kind in ('opened', 'closed', 'test')),
  constraint leased_with_token check ((token is null) = (lease_until is null))
);

comment on column clerk_sync.notices.sent_at is 'when the target accepted it';

create index if not exists notices_unsent_idx
  on clerk_sync.notices (next_at)
  where sent_at is null;

-- Makes the notices of all incidents. A new target gets a notice of each incident that is open. The end of an incident goes
-- to the targets that have a notice of its beginning.
create or replace function clerk_sync.make_notices(p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  insert into clerk_sync.notices (incident_id, kind, target, created_at, next_at)
  select i.id, case when i.code = 'test' then 'test' else 'opened' end, t.name, p_now, p_now
  from clerk_sync.incidents as i
  cross join clerk_sync.alert_targets as t
  where i.opened_at is not null
    and (i.closed_at is null or i.code = 'test' and i.closed_at > p_now - interval '10 minutes')
  union all
  select i.id, 'closed', n.target, p_now, p_now
  from clerk_sync.incidents as i
  join clerk_sync.notices as n
    on n.incident_id = i.id
   and n.kind = 'opened'
  where i.closed_at > p_now - interval '3 days'
  order by 1, 2, 3 -- two writers take the keys in one order
  on conflict (incident_id, kind, target) do nothing;
$$;

-- Those to be sent now, oldest first, to these targets. The end of an incident waits until its beginning was accepted.
-- After three days a notice is not sent any more; a test is of use for ten minutes.
create or replace function clerk_sync.due_notices(p_targets text[], p_now timestamptz)
returns setof clerk_sync.notices
language sql
stable
set search_path = ''
as $$
  select n.*
  from clerk_sync.notices as n
  where n.sent_at is null
    and n.next_at <= p_now
    and n.target = any (p_targets)
    and coalesce(n.lease_until <= p_now, true)
    and n.created_at > p_now - case when n.kind = 'test' then interval '10 minutes' else interval '3 days' end
    and (
      n.kind <> 'closed'
      or exists (
        select 1
        from clerk_sync.notices as o
        where o.incident_id = n.incident_id
          and o.target = n.target
          and o.kind = 'opened'
          and o.sent_at is not null
      )
    )
  order by n.created_at, n.id;
$$;

-- Checks the incidents unless that was done within p_every_seconds, and leases the notices that are due to the caller, at
-- most ten: {checked, notices: [{id, token, kind, target, attempts, last_error, incident}]}. p_targets are those that the
-- caller can send to; one that no caller has named for an hour is no longer configured. Each call that got notices is
-- followed by one of clerk_sync_settle_notices; without it they are handed out again after two minutes.
create or replace function public.clerk_sync_check_incidents(
  p_targets       text[],
  p_every_seconds integer     default 25,
  p_now           timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_checked boolean;
  v_token   uuid := gen_random_uuid();
  v_notices jsonb;
begin
  insert into clerk_sync.alert_targets as t (name, seen_at)
  select n.name, p_now
  from unnest(p_targets) as n(name)
  order by n.name
  on conflict (name) do update
    set seen_at = excluded.seen_at
    where t.seen_at < excluded.seen_at - interval '5 minutes';
  delete from clerk_sync.alert_targets as t
  where t.name <> all (p_targets)
    and t.seen_at < p_now - interval '1 hour';
  v_checked := clerk_sync.update_incidents(p_every_seconds, p_now);
  perform clerk_sync.make_notices(p_now);
  with taken as (
    update clerk_sync.notices as n
    set token = v_token,
        lease_until = p_now + interval '2 minutes'
    where n.id = any (array(
        select o.id
        from clerk_sync.notices as o
        where o.id in (select d.id from clerk_sync.due_notices(p_targets, p_now) as d)
        order by o.created_at, o.id
        limit 10
        for update of o skip locked
      ))
      and coalesce(n.lease_until <= p_now, true) -- another's, that committed meanwhile
      and n.sent_at is null
    returning n.*
  )
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'id', n.id, 'token', n.token, 'kind', n.kind, 'target', n.target, 'attempts', n.attempts,
      'last_error', n.last_error, 'incident', to_jsonb(i) - '{first_seen_at,last_seen_at}'::text[]
    )
    order by n.created_at, n.id
  ), '[]')
  into v_notices
  from taken as n
  join clerk_sync.incidents as i on i.id = n.incident_id;
  return jsonb_build_object('checked', v_checked, 'notices', v_notices);
end
$$;

-- Records what became of notices: [{id, token, outcome, error?, retry_after?}], retry_after in seconds. sent: the
-- target accepted it; retry: again after 30 s, 1 min, 2 min … at most 15 minutes; refused: it will not take it as it
-- is, again in an hour. A notice whose lease was lost stays as it is. Answers how many were recorded.
create or replace function public.clerk_sync_settle_notices(
  p_results jsonb,
  p_now     timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  with settled as (
    update clerk_sync.notices as n
    set sent_at = case when r.outcome = 'sent' then p_now end,
        attempts = n.attempts + 1,
        next_at = p_now + make_interval(secs => greatest(
          r.retry_after,
          case when r.outcome = 'refused' then 3600 else least(900, 30 * 2 ^ least(n.attempts, 10)) end
        )),
        last_error = r.error,
        token = null,
        lease_until = null
    from jsonb_to_recordset(p_results) as r(
      id uuid, token uuid, outcome text, error text, retry_after double precision
    )
    where n.id = r.id
      and n.token = r.token
      and n.sent_at is null
    returning n.id
  )
  select count(*)::integer from settled;
$$;

-- Whether a processor would find notices to send. Checks the incidents itself, at most once a minute, so that no function
-- is called for that while all is well. Whatever goes wrong in here, the processor must be called for its other work.
create or replace function clerk_sync.alerts_due(p_now timestamptz default clock_timestamp())
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if clerk_sync.update_incidents(55, p_now) then
    perform clerk_sync.make_notices(p_now);
  end if;
  return exists (
    select 1
    from clerk_sync.due_notices(array(select t.name from clerk_sync.alert_targets as t), p_now)
  );
exception
  when others then
    raise warning 'clerk_sync.alerts_due: %', sqlerrm;
    return false;
end
$$;

-- Makes a test notice for every target that is configured, or named within ten minutes; answers its incident's id.
create or replace function public.clerk_sync_test_alert(p_now timestamptz default clock_timestamp())
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
begin
  insert into clerk_sync.incidents (
    code, status, what, remedy, since, first_seen_at, last_seen_at, opened_at, closed_at
  )
  values (
    'test', 'degraded', 'Somebody tries out whether alerts arrive. Nothing is wrong.', 'Nothing is to be done.',
    p_now, p_now, p_now, p_now, p_now
  )
  returning id into v_id;
  perform clerk_sync.make_notices(p_now);
  return v_id;
end
$$;

-- What alerts do: {checked_at, targets: [{name, seen_at, last_sent_at, unsent, last_error}], open: the incidents,
-- notices: [{target, kind, sent_at, attempts, last_error}] of p_incident}.
create or replace function public.clerk_sync_alert_state(p_incident uuid default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'checked_at', (select c.checked_at from clerk_sync.incident_check as c),
    'targets', (
      select coalesce(jsonb_agg(to_jsonb(s) order by s.name), '[]')
      from (
        select
          t.name,
          t.seen_at,
          max(n.sent_at) as last_sent_at,
          count(n.id) filter (where n.sent_at is null and n.kind <> 'test') as unsent,
          max(n.last_error) filter (where n.sent_at is null and n.kind <> 'test') as last_error
        from clerk_sync.alert_targets as t
        left join clerk_sync.notices as n on n.target = t.name
        group by t.name
      ) as s
    ),
    'open', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.opened_at), '[]')
      from clerk_sync.incidents as i
      where i.opened_at is not null
        and i.closed_at is null
    ),
    'notices', (
      select coalesce(jsonb_agg(to_jsonb(s) order by s.target, s.kind), '[]')
      from (
        select n.target, n.kind, n.sent_at, n.attempts, n.last_error
        from clerk_sync.notices as n
        where n.incident_id = p_incident
      ) as s
    )
  );
$$;

-- ---- 19_metrics.sql ----

-- What charts and Prometheus read, and views for the SQL editor. docs/metrics.md explains them.

-- The jobs that are open or wait as dead letters, of each kind the first p_most; of the dead letters the newest.
create or replace function clerk_sync.open_jobs(p_most integer)
returns table (status text, job_type text, waits_for text, created_at timestamptz)
language sql
stable
set search_path = ''
as $$
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.waits_for is not null
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where j.status = 'PROCESSING'
    limit p_most
  )
  union all
  (
    select j.status, j.job_type, j.waits_for, j.created_at
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
    order by j.updated_at desc
    limit p_most
  );
$$;

-- The value below which this share of a histogram is, in seconds, as Prometheus' histogram_quantile estimates it; null
-- when it is empty. p_counts: {bucket: count}.
create or replace function clerk_sync.quantile(p_share double precision, p_counts jsonb)
returns double precision
language sql
immutable
strict
set search_path = ''
as $$
  with bounds as (select clerk_sync.latency_bounds() as upper),
  buckets as (
    select
      c.key::integer as bucket,
      c.value::double precision as count,
      sum(c.value::double precision) over (order by c.key::integer) as up_to,
      sum(c.value::double precision) over () as total
    from jsonb_each_text(p_counts) as c
  )
  select coalesce(b.upper[k.bucket], 0)
    + (coalesce(b.upper[k.bucket + 1], b.upper[k.bucket]) - coalesce(b.upper[k.bucket], 0))
    * (p_share * k.total - (k.up_to - k.count)) / k.count
  from buckets as k
  cross join bounds as b
  where k.up_to >= p_share * k.total
    and k.count > 0
  order by k.bucket
  limit 1;
$$;

-- {window, interval_seconds, points: [{at, received, completed, failed_attempts, dead, latency_p50, latency_p95}]} of the
-- last hour by minutes, day by quarters of an hour, or week by two hours: every interval, the oldest first; the last one
-- is under way. Counts are what was rolled up, what finished since, and as received 10,000 of each kind of open jobs.
-- Latencies are those of Clerk's events, in ms: a backfill waits by intention.
create or replace function public.clerk_sync_series(p_window text default '1h', p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_interval interval := make_interval(mins => case p_window when '1h' then 1 when '24h' then 15 when '7d' then 120 end);
  v_points   integer  := case p_window when '1h' then 60 when '24h' then 96 else 84 end;
  v_last     timestamptz;
  v_from     timestamptz;
begin
  if v_interval is null then
    raise exception 'p_window is %, it must be 1h, 24h or 7d', p_window using errcode = 'SY002';
  end if;
  perform clerk_sync.roll_up(p_now, 5000);
  v_last := date_bin(v_interval, p_now, 'epoch');
  v_from := v_last - (v_points - 1) * v_interval;
  return jsonb_build_object(
    'window', p_window,
    'interval_seconds', extract(epoch from v_interval)::integer,
    'points', (
      select jsonb_agg(
        jsonb_build_object('at', i.at)
          || '{"received": 0, "completed": 0, "failed_attempts": 0, "dead": 0}'
          || coalesce(s.sums, '{}')
          || jsonb_build_object(
            'latency_p50', 1000 * clerk_sync.quantile(0.5, s.latencies),
            'latency_p95', 1000 * clerk_sync.quantile(0.95, s.latencies)
          )
        order by i.at
      )
      from generate_series(v_from, v_last, v_interval) as i(at)
      left join (
        select
          g.at,
          jsonb_object_agg(g.name, g.count) filter (where g.name <> 'latency') as sums,
          jsonb_object_agg(g.bucket, g.count) filter (where g.name = 'latency') as latencies
        from (
          select
            date_bin(v_interval, c.at, 'epoch') as at,
            case c.name when 'finished' then 'completed' else c.name end as name,
            c.bucket,
            sum(c.count) as count
          from (
            select m.at, m.name, m.labels, m.bucket, m.count
            from clerk_sync.metric_counts as m
            where m.grain = case p_window when '7d' then 'hour' else 'minute' end
              and m.name in ('received', 'finished', 'latency', 'failed_attempts', 'dead')
              and m.at >= v_from
            union all
            select f.at, f.name, f.labels, f.bucket, f.count
            from clerk_sync.finished_counts(
              (select s.rolled_until from clerk_sync.metric_state as s), p_now + interval '1 minute', 20000
            ) as f
            where f.name in ('received', 'finished', 'latency')
            union all
            select o.created_at, 'received', '{}', 0, 1
            from clerk_sync.open_jobs(10000) as o
          ) as c
          where c.at >= v_from
            and (c.name <> 'finished' or c.labels ->> 'status' = 'COMPLETED')
            and (c.name <> 'latency' or c.labels ->> 'source' = 'webhook')
          group by 1, 2, 3
        ) as g
        group by g.at
      ) as s on s.at = i.at
    )
  );
end
$$;

-- {bounds, rolled_until, counts: [{name, labels, count, sum, buckets: {bucket: count}}], jobs: [{status, type, service,
-- count}], health, drift, runs: {kind: {completed_at, failed}}, active}: everything that a scrape reads. counts are totals
-- since the installation; jobs are those that are open or dead, of each kind 10,000 at most; health is clerk_sync_health;
-- drift is what the newest compare counted, without zeros, null before the first. metrics/families.ts makes metrics of it.
create or replace function public.clerk_sync_metrics(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  perform clerk_sync.roll_up(p_now, 5000);
  return jsonb_build_object(
    'bounds', clerk_sync.latency_bounds(),
    'rolled_until', (select s.rolled_until from clerk_sync.metric_state as s),
    'counts', (
      select coalesce(jsonb_agg(to_jsonb(t)), '[]')
      from (
        select
          m.name, m.labels, sum(m.count) as count, sum(m.sum) as sum,
          jsonb_object_agg(m.bucket, m.count order by m.bucket) as buckets
        from clerk_sync.metric_counts as m
        where m.grain = 'total'
        group by m.name, m.labels
      ) as t
    ),
    'jobs', (
      select coalesce(jsonb_agg(to_jsonb(t)), '[]')
      from (
        select o.status, o.job_type as type, o.waits_for as service, count(*) as count
        from clerk_sync.open_jobs(10000) as o
        group by 1, 2, 3
      ) as t
    ),
    'health', public.clerk_sync_health(p_now),
    'drift', (
      select s.counts
      from clerk_sync.sync_runs as s
      where s.kind = 'compare'
        and s.status = 'COMPLETED'
      order by s.started_at desc
      limit 1
    ),
    'runs', (
      select jsonb_object_agg(t.kind, to_jsonb(t) - 'kind')
      from (
        select
          k.kind,
          max(s.finished_at) filter (where s.status = 'COMPLETED') as completed_at,
          coalesce((array_agg(s.status order by s.started_at desc))[1] = 'FAILED', false) as failed
        from (values ('backfill'), ('sweep'), ('compare')) as k(kind)
        left join clerk_sync.sync_runs as s on s.kind = k.kind
          and s.applies
          and s.status in ('COMPLETED', 'FAILED')
        group by k.kind
      ) as t
    ),
    'active', exists (select 1 from clerk_sync.sync_runs as s where s.status = 'RUNNING')
  );
end
$$;

-- How many jobs there are of each status and type, and since when the oldest of them waits. Reads the whole queue.
create or replace view clerk_sync.queue_status
with (security_invoker = true)
as
select
  j.status, j.job_type, j.waits_for,
  count(*) as jobs,
  min(j.created_at) as oldest_created_at,
  min(j.run_at) filter (where j.status in ('PENDING', 'FAILED')) as next_run_at
from public.job_queue as j
group by j.status, j.job_type, j.waits_for;

-- Dead letters by the code of their error: what went wrong, how often, since when, and one of them to look at.
create or replace view clerk_sync.dead_letter_groups
with (security_invoker = true)
as
select
  split_part(j.error, ':', 1) as code,
  count(*) as jobs,
  count(distinct j.clerk_id) as users,
  min(j.processed_at) as first_at,
  max(j.processed_at) as last_at,
  (array_agg(j.id order by j.processed_at desc))[1] as newest_job
from public.job_queue as j
where case when j.status = 'DEAD' then true end
group by 1;

-- Jobs that failed or gave up, with the error of their last attempt and when the next one is due.
create or replace view clerk_sync.recent_failures
with (security_invoker = true)
as
select
  j.updated_at as failed_at,
  j.id, j.clerk_id, j.event_id, j.job_type, j.status, j.attempts, j.max_attempts, j.error,
  case when j.status = 'FAILED' then j.run_at end as next_run_at
from public.job_queue as j
where j.status in ('FAILED', 'DEAD');

-- How long what Clerk sent took from receipt to completion, by hour: seconds, estimated from a histogram.
create or replace view clerk_sync.latency_by_hour
with (security_invoker = true)
as
select
  h.at as hour,
  h.jobs,
  h.sum / h.jobs as mean_seconds,
  clerk_sync.quantile(0.5, h.buckets) as p50_seconds,
  clerk_sync.quantile(0.95, h.buckets) as p95_seconds
from (
  select m.at, sum(m.count) as jobs, sum(m.sum) as sum, jsonb_object_agg(m.bucket, m.count) as buckets
  from clerk_sync.metric_counts as m
  where m.grain = 'hour'
    and m.name = 'latency'
    and m.labels = '{"source": "webhook"}'
  group by m.at
) as h;

-- How many users each compare found to differ, by kind.
create or replace view clerk_sync.drift_history
with (security_invoker = true)
as
select s.finished_at, s.id as run_id, s.applies as repaired, c.*
from clerk_sync.sync_runs as s
cross join lateral jsonb_to_record(
  '{"read": 0, "missing": 0, "stale": 0, "differs": 0, "extra": 0, "unmirrored": 0, "ahead": 0}' || s.counts
) as c(read bigint, missing bigint, stale bigint, differs bigint, extra bigint, unmirrored bigint, ahead bigint)
where s.kind = 'compare'
  and s.status = 'COMPLETED';

-- ---- 20_operate.sql ----

-- What a person does with jobs: change them, which is written into their history and the audit, and find them.

-- The one way in which a person changes jobs. Returns how many changed.
--   retry    queues failed, dead and cancelled jobs from the start: attempts are zero again, the history stays
--   cancel   takes jobs that are not finished out of the queue. A job that a worker has in flight is cancelled when its
--            attempt ends, unless that completes it: freeing it sooner would let a second mirror call of the user start (law 5)
--   apply    lets deletions pass that the delete brake holds
-- The history of each job names p_by, the operator of the admin API. Without p_by it names the database user, and the
-- change is an entry of the audit; the admin API writes its own (clerk_sync_note_action).
create or replace function clerk_sync.change_jobs(p_action text, p_ids uuid[], p_now timestamptz, p_by text)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[] := array(
    select j.id
    from public.job_queue as j
    where j.id = any (p_ids)
      and case p_action
        when 'retry' then j.status in ('FAILED', 'DEAD', 'CANCELLED')
        when 'cancel' then j.status in ('PENDING', 'PROCESSING', 'FAILED', 'DEAD')
        when 'apply' then j.is_held
      end
    for update
  );
begin
  if p_by is null then
    perform clerk_sync.audit_edit(p_action, cardinality(v_ids), v_ids::text[]);
  end if;
  return clerk_sync.move_jobs(
    v_ids, case p_action when 'cancel' then 'CANCELLED' else 'PENDING' end, p_now,
    p_run_at => case when p_action <> 'cancel' then p_now end,
    p_is_confirmed => case when p_action = 'apply' then true end,
    p_starts_over => p_action = 'retry',
    p_by => coalesce(p_by, clerk_sync.database_user())
  );
end
$$;

create or replace function public.clerk_sync_retry_jobs(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('retry', p_ids, p_now, null);
$$;

create or replace function public.clerk_sync_cancel_jobs(p_ids uuid[], p_now timestamptz default clock_timestamp())
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('cancel', p_ids, p_now, null);
$$;

-- What an operator decides about the deletions that wait: 'apply' lets these pass, and only these; 'cancel'
-- takes them out of the queue. The brake is off again when none waits. Answers {changed, left}; call it
-- until nothing is left, each call takes at most p_limit.
create or replace function public.clerk_sync_release_delete_brake(
  p_decision text,
  p_limit    integer default 1000,
  p_now      timestamptz default clock_timestamp(),
  p_by       text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_changed integer;
  v_left    integer;
begin
  if p_decision is null or p_decision not in ('apply', 'cancel') then
    raise exception 'p_decision is %, it must be apply or cancel', p_decision using errcode = 'SY002';
  end if;
  perform 1 from clerk_sync.delete_brake as b order by b.kind for update;
  v_changed := clerk_sync.change_jobs(
    p_decision,
    array(select j.id from public.job_queue as j where j.is_held limit p_limit for update skip locked),
    p_now, p_by
  );
  v_left := (public.clerk_sync_delete_brake() ->> 'waiting')::integer;
  update clerk_sync.delete_brake as b
  set engaged_at = null,
      reason = null,
      released_at = p_now
  where v_left = 0;
  return jsonb_build_object('changed', v_changed, 'left', v_left);
end
$$;

-- The entries of the audit for all this.

-- Adds that p_actor did p_code to p_subject (a job, a user, a run, an operation …). p_detail holds ids and conditions,
-- never a payload, email or name.
create or replace function public.clerk_sync_note_action(
  p_actor   text,
  p_code    text,
  p_subject text,
  p_count   integer default 1,
  p_detail  jsonb default '{}',
  p_now     timestamptz default clock_timestamp()
)
returns void
language sql
set search_path = ''
as $$
  select clerk_sync.add_audit('operator_action', p_actor, p_subject, p_code, p_count, p_detail, p_now);
$$;

-- Adds an entry for what a person does to jobs in SQL: how many, and the first ten ids.
create or replace function clerk_sync.audit_edit(p_operation text, p_count integer, p_ids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_count > 0 then
    perform clerk_sync.add_audit(
      'job_edited', clerk_sync.database_user(), '', p_operation, p_count,
      jsonb_build_object('jobs', p_ids[1:10]), clock_timestamp()
    );
  end if;
end
$$;

create or replace function clerk_sync.record_edit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    perform clerk_sync.audit_edit('delete', count(*)::integer, array_agg(g.id::text))
    from gone as g
    where current_setting('clerk_sync.actor', true) is distinct from 'sync';
  else
    perform clerk_sync.audit_edit(
      lower(tg_op),
      current_setting('clerk_sync.edited_count')::integer,
      string_to_array(current_setting('clerk_sync.edited_ids'), ',')
    );
    perform set_config('clerk_sync.edited_count', '', true), set_config('clerk_sync.edited_ids', '', true);
  end if;
  return null;
end
$$;

drop trigger if exists record_edit on public.job_queue;
create trigger record_edit
  after insert or update on public.job_queue
  for each statement
  when (current_setting('clerk_sync.edited_count', true) <> '')
  execute function clerk_sync.record_edit();

drop trigger if exists record_deletion on public.job_queue;
create trigger record_deletion
  after delete on public.job_queue
  referencing old table as gone
  for each statement
  execute function clerk_sync.record_edit();

-- Looking for jobs: what lists, counts and bulk actions find them by. A look is bounded, however long the queue and its
-- history are: it goes through an index, newest first, and says where it stopped.

-- Every job by status and age. In this form, which no other condition implies: no query of the hot path is to be planned
-- with it, it would read all jobs of a status for one user's.
create index if not exists job_queue_list_idx
  on public.job_queue (status, created_at, id)
  where case when id is not null then true end;

-- A sign-up that never became a row is found by its address. Addresses end at 320: a longer value must not stop the job.
create index if not exists job_queue_stopped_email_idx
  on public.job_queue (lower(left(payload ->> 'email', 320)))
  where status in ('FAILED', 'DEAD', 'CANCELLED');

-- What a free text stands for: a job, event or Clerk id, or an address. ids are jobs; all jobs of clerk_ids are meant as
-- well. The address of a row is found as it is written or in lower case, by the unique index of the owner's table; that of
-- a job in any case: of at most 1,000 stopped jobs, and of the newest 1,000 open ones. What a completed job brought is in
-- users.
create or replace function clerk_sync.search_jobs(p_q text, out ids uuid[], out clerk_ids text[])
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_email text := lower(left(p_q, 320));
begin
  ids := array(select j.id from public.job_queue as j where j.event_id = p_q);
  clerk_ids := array[p_q];
  if p_q ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    ids := ids || p_q::uuid;
  end if;
  if position('@' in p_q) > 0 then
    ids := ids || array(
      select j.id
      from public.job_queue as j
      where lower(left(j.payload ->> 'email', 320)) = v_email
        and j.status in ('FAILED', 'DEAD', 'CANCELLED')
      limit 1000
    ) || array(
      select j.id
      from clerk_sync.find_jobs('{"status": ["PENDING", "PROCESSING"]}', 'find', null, 1000, 0) as f
      cross join unnest(f.ids) as i(id)
      join public.job_queue as j on j.id = i.id
      where lower(left(j.payload ->> 'email', 320)) = v_email
    );
    clerk_ids := clerk_ids
      || array(select h.clerk_id from clerk_sync.email_holders(array[p_q, lower(p_q)]) as h where h.clerk_id is not null)
      || array(select j.clerk_id from public.job_queue as j where j.id = any (search_jobs.ids) and j.clerk_id is not null);
  end if;
end
$$;

-- The statuses of the jobs that match a filter (its status is one or several) and that p_action is for. Cancelled jobs are
-- retried, and jobs that a worker has in flight cancelled, only when the filter names that status.
create or replace function clerk_sync.filter_statuses(p_filter jsonb, p_action text default 'find')
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_status jsonb := nullif(p_filter -> 'status', 'null');
begin
  if p_action is null or p_action not in ('find', 'retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  return array(
    select s.status
    from unnest(case
      when p_action = 'find' then '{PENDING,PROCESSING,COMPLETED,FAILED,DEAD,CANCELLED}'::text[]
      when p_action = 'retry' and v_status is null then '{FAILED,DEAD}'
      when p_action = 'retry' then '{FAILED,DEAD,CANCELLED}'
      when v_status is null then '{PENDING,FAILED,DEAD}'
      else '{PENDING,PROCESSING,FAILED,DEAD}'
    end) as s(status)
    where coalesce(v_status ? s.status, true)
  );
end
$$;

-- The newest p_limit jobs for p_action (find, retry or cancel) that come after p_place and match every condition of
-- p_filter: {status, job_type, source, clerk_id, event_id, code, created_after, created_before, updated_before, q}; code is
-- what stands before the colon of the error, q as clerk_sync.search_jobs. For what no index knows (job_type, source, code,
-- updated_before) the newest p_look of them are looked at. next is where the look ended, null when nothing comes after.
create or replace function clerk_sync.find_jobs(
  p_filter   jsonb,
  p_action   text,
  p_place    jsonb,
  p_limit    integer,
  p_look     integer,
  out ids    uuid[],
  out next   jsonb
)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off'
set enable_sort = 'off' -- an index has them in order; what would be sorted is all there is
as $$
declare
  v_q         text        := p_filter ->> 'q';
  v_event_id  text        := p_filter ->> 'event_id';
  v_clerk_id  text        := p_filter ->> 'clerk_id';
  v_updated   timestamptz := (p_filter ->> 'updated_before')::timestamptz;
  v_since     timestamptz := coalesce(p_filter ->> 'created_after', '-infinity')::timestamptz;
  v_before    timestamptz := coalesce(p_filter ->> 'created_before', 'infinity')::timestamptz;
  v_at        timestamptz := coalesce(p_place ->> 'at', 'infinity')::timestamptz;
  v_id        uuid        := coalesce(p_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid;
  v_checks    boolean     := p_filter ?| '{job_type,source,code,updated_before}' or num_nonnulls(v_q, v_event_id, v_clerk_id) > 1;
  v_most      integer     := case when v_checks then greatest(p_look, p_limit + 1) else p_limit + 1 end;
  v_statuses  text[]      := clerk_sync.filter_statuses(p_filter, p_action);
  v_ids       uuid[];
  v_clerk_ids text[];
  v_seen      uuid[];
begin
  perform clerk_sync.check_filter_keys(
    p_filter, '{status,job_type,source,clerk_id,event_id,code,created_after,created_before,updated_before,q}'
  );
  if v_q is not null then
    select s.ids, s.clerk_ids into v_ids, v_clerk_ids from clerk_sync.search_jobs(v_q) as s;
  elsif v_event_id is not null then
    v_ids := array(select j.id from public.job_queue as j where j.event_id = v_event_id);
  elsif v_clerk_id is not null then
    v_clerk_ids := array[v_clerk_id];
  end if;

  v_seen := array(
    select l.id
    from (
      select n.id, n.created_at
      from unnest(v_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where v_ids is null
          and v_clerk_ids is null
          and case when j.id is not null then true end -- job_queue_list_idx
          and j.status = s.status
          and j.created_at > v_since
          and j.created_at < v_before
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit v_most
      ) as n
      union
      select n.id, n.created_at
      from unnest(v_clerk_ids) as u(clerk_id)
      cross join unnest(v_statuses) as s(status)
      cross join lateral (
        select j.id, j.created_at
        from public.job_queue as j
        where j.clerk_id = u.clerk_id
          and j.status = s.status
          and j.created_at > v_since
          and j.created_at < v_before
          and (j.created_at, j.id) < (v_at, v_id)
        order by j.created_at desc, j.id desc
        limit v_most
      ) as n
      union
      select j.id, j.created_at
      from unnest(v_ids) as i(id)
      cross join lateral (select k.* from public.job_queue as k where k.id = i.id offset 0) as j
      where j.status = any (v_statuses)
        and j.created_at > v_since
        and j.created_at < v_before
        and (j.created_at, j.id) < (v_at, v_id)
    ) as l
    order by l.created_at desc, l.id desc
    limit v_most
  );
  ids := v_seen;
  if v_checks then
    ids := array(
      select i.id
      from unnest(v_seen) with ordinality as i(id, place)
      cross join lateral (select k.* from public.job_queue as k where k.id = i.id offset 0) as j
      where (p_filter ->> 'job_type' is null or j.job_type = p_filter ->> 'job_type')
        and (p_filter ->> 'source' is null or j.source = p_filter ->> 'source')
        and (p_filter ->> 'code' is null or split_part(j.error, ':', 1) = p_filter ->> 'code')
        and (v_clerk_id is null or j.clerk_id = v_clerk_id)
        and (v_event_id is null or j.event_id = v_event_id)
        and (v_updated is null or j.updated_at < v_updated)
      order by i.place
    );
  end if;
  next := (
    select jsonb_build_object('at', j.created_at, 'id', j.id)
    from public.job_queue as j
    where j.id = case when cardinality(ids) > p_limit then ids[p_limit] else v_seen[v_most] end
  );
  ids := ids[1:p_limit];
end
$$;

-- What is done to all jobs that match.

-- The newest jobs, at most p_limit, that clerk_sync.find_jobs finds. It looks until it has them, or has seen all.
create or replace function clerk_sync.matching_jobs(p_filter jsonb, p_action text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_ids   uuid[] := array[]::uuid[];
  v_found record;
  v_next  jsonb;
begin
  loop
    select f.ids, f.next
    into v_found
    from clerk_sync.find_jobs(p_filter, p_action, v_next, p_limit - cardinality(v_ids), 10000) as f;
    v_ids := v_ids || v_found.ids;
    v_next := v_found.next;
    exit when v_next is null or cardinality(v_ids) >= p_limit;
  end loop;
  return v_ids;
end
$$;

-- How many jobs match a filter, counted as far as p_most.
create or replace function public.clerk_sync_count_jobs(p_filter jsonb, p_most integer default 100000)
returns integer
language sql
stable
set search_path = ''
as $$
  select cardinality(clerk_sync.matching_jobs(p_filter, 'find', p_most));
$$;

-- Retries failed and dead jobs that match (cancelled ones only when the filter asks for that status). Call it
-- until it answers 0, with updated_before set to when you began: a job that fails again does not match then.
create or replace function public.clerk_sync_retry_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('retry', clerk_sync.matching_jobs(p_filter, 'retry', p_limit), p_now, null);
$$;

-- Cancels unfinished jobs that match. Call it until it answers 0; jobs that a worker has in flight are asked for only
-- when the filter names the status PROCESSING.
create or replace function public.clerk_sync_cancel_matching_jobs(
  p_filter jsonb,
  p_limit  integer default 500,
  p_now    timestamptz default clock_timestamp()
)
returns integer
language sql
set search_path = ''
as $$
  select clerk_sync.change_jobs('cancel', clerk_sync.matching_jobs(p_filter, 'cancel', p_limit), p_now, null);
$$;

-- {count, is_exact}: how many jobs p_action (retry or cancel) would change. is_exact is false when more than p_most jobs
-- would have to be looked at.
create or replace function public.clerk_sync_admin_count(p_filter jsonb, p_action text, p_most integer default 10000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('count', cardinality(f.ids), 'is_exact', f.next is null)
  from clerk_sync.find_jobs(p_filter, p_action, null, p_most, p_most) as f;
$$;

-- {changed}: retries or cancels (p_action) what p_target says, a JobAction of admin/contract/jobs.ts, and adds what
-- p_actor did to the audit, in one transaction. Call it with the same operation and before until changed is 0: before
-- leaves out what changed since, as a job that fails again after its retry. The entry's subject is the job when there is
-- one, else the operation (several ids make one of their own); its detail holds the ids, or the filter without q, which
-- may be an email. When nothing changed, there is no entry.
create or replace function public.clerk_sync_admin_change_jobs(
  p_action text,
  p_target jsonb,
  p_actor  text,
  p_now    timestamptz default clock_timestamp()
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_by_id   boolean := p_target ? 'ids';
  v_ids     uuid[];
  v_changed integer;
begin
  if p_action is null or p_action not in ('retry', 'cancel') then
    raise exception 'p_action is %, it must be retry or cancel', p_action using errcode = 'SY002';
  end if;
  v_ids := case
    when v_by_id then array(select i::uuid from jsonb_array_elements_text(p_target -> 'ids') as i)
    else clerk_sync.matching_jobs(
      (p_target -> 'filter') || jsonb_build_object('updated_before', p_target ->> 'before'),
      p_action, coalesce((p_target ->> 'limit')::integer, 500)
    )
  end;
  v_changed := clerk_sync.change_jobs(p_action, v_ids, p_now, p_actor);
  if v_changed > 0 then
    perform public.clerk_sync_note_action(
      p_actor, p_action || '_jobs',
      case
        when cardinality(v_ids) = 1 and v_by_id then v_ids[1]::text
        else coalesce(p_target ->> 'operation', gen_random_uuid()::text)
      end,
      v_changed,
      case
        when v_by_id then jsonb_build_object('jobs', v_ids)
        else jsonb_build_object('filter', (p_target -> 'filter') - 'q', 'before', p_target -> 'before')
      end,
      p_now
    );
  end if;
  return jsonb_build_object('changed', v_changed);
end
$$;

-- ---- 21_admin.sql ----

-- What the admin API answers of users, jobs, runs and the audit, in the shapes of admin/contract/; values are unmasked, the
-- handler masks.

-- A cursor is the place of the last line of a page, as a text that only the database can read; null after the last
-- page. p_list is the list that it belongs to.
create or replace function clerk_sync.write_cursor(p_list text, p_place jsonb)
returns text
language sql
stable
set search_path = ''
as $$
  select encode(convert_to((p_place || jsonb_build_object('list', p_list))::text, 'UTF8'), 'hex');
$$;

-- The place a cursor stands for, null for none. Raises SY002 for anything that this list has not written.
create or replace function clerk_sync.read_cursor(p_list text, p_cursor text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_place jsonb;
begin
  if p_cursor is null then
    return null;
  end if;
  begin
    v_place := convert_from(decode(p_cursor, 'hex'), 'UTF8')::jsonb;
    perform (v_place ->> 'at')::timestamptz, (v_place ->> 'id')::uuid;
  exception
    when data_exception then
      v_place := null;
  end;
  if v_place ->> 'list' is distinct from p_list then
    raise exception 'this is no cursor of the list of %', p_list
      using errcode = 'SY002', hint = 'Pass what the page before answered as next, unchanged, or none for the first page.';
  end if;
  return v_place;
end
$$;

-- The columns that the sync writes in the table of users, in the order of the table: each with what Clerk says that goes there,
-- and why it may hold something else (null: it may not).
create or replace function clerk_sync.mapped_columns()
returns table (name text, source text, rule jsonb)
language sql
stable
set search_path = ''
as $$
  select a.attname::text, m.columns ->> a.attname::text, m.rules -> a.attname::text
  from clerk_sync.mappings as m
  join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(m.table_name)
  where m.kind = 'user'
    and a.attnum > 0
    and not a.attisdropped
    and m.columns ? a.attname::text
  order by a.attnum;
$$;

-- Users as JSON, one for each id, in their order: one shape for the page and the command line, parsed by
-- admin/contract/users.ts. table is the mapped table, columns what the sync writes there ([{name, source, value, rule}]), row what the
-- verdicts need of it, state what the sync remembers of the user, values what Supabase Auth is given beside the row. row, state
-- and values are null where there is none. What is personal stands in row, columns and values. Jobs are counted as far as
-- 1,000. Times of a column without time zone are UTC, as the sync writes them. A placeholder is no address.
create or replace function public.clerk_sync_users(p_clerk_ids text[])
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_table   text := (select m.table_name from clerk_sync.mappings as m where m.kind = 'user');
  v_names   text[];
  v_sources text[];
  v_rules   jsonb[];
begin
  select array_agg(c.name), array_agg(c.source), array_agg(c.rule)
  into v_names, v_sources, v_rules
  from clerk_sync.mapped_columns() as c;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'clerk_id', i.clerk_id,
      'table', v_table,
      'columns', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'name', c.name,
          'source', c.source,
          'value', case when c.source = 'email' then to_jsonb(u.email) else u.mapped -> c.name end,
          'rule', c.rule
        ) order by c.place), '[]')
        from unnest(v_names, v_sources, v_rules) with ordinality as c(name, source, rule, place)
      ),
      'row', case when u.clerk_id is not null then jsonb_build_object(
        'id', u.row_id,
        'email', u.email,
        'name', u.name,
        'role', u.role,
        'deleted_at', u.deleted_at
      ) end,
      'state', case when s.clerk_id is not null then jsonb_build_object(
        'version', nullif(s.version, 0),
        'deleted_at', s.deleted_at,
        'synced_at', s.last_synced_at,
        'mirrored_version', s.mirrored_version,
        'auth_user_id', s.auth_user_id,
        'auth_finding', s.auth_finding,
        'refresh_due_at', s.refresh_due_at,
        'refresh_reason', s.refresh_reason,
        'ignored', s.ignored,
        'unlinked_row', s.unlinked_row
      ) end,
      'values', case when s.clerk_id is not null then jsonb_build_object(
        'email', s.email, 'name', s.name, 'role', s.role, 'phone', s.phone, 'banned', s.banned
      ) end,
      'open_jobs', (
        select count(*)
        from (
          select 1
          from public.job_queue as j
          where j.clerk_id = i.clerk_id
            and j.status in ('PENDING', 'PROCESSING', 'FAILED')
          limit 1000
        ) as counted
      ),
      'dead_jobs', (
        select count(*)
        from (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id and j.status = 'DEAD' limit 1000) as counted
      )
    ) order by i.place), '[]')
    from unnest(p_clerk_ids) with ordinality as i(clerk_id, place)
    -- offset 0: a lookup each, whatever the statistics say
    left join lateral (select * from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0) as u on true
    left join lateral (select * from clerk_sync.known_users as r where r.clerk_id = i.clerk_id offset 0) as s on true
  );
end
$$;

-- The role by which a user may call sync-admin: what Clerk has in public_metadata.role and nothing else. Null for a user who is
-- deleted, and where a signed-in user may write a column that holds the role, for then it may not be Clerk's.
create or replace function public.clerk_sync_role(p_clerk_id text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_table   regclass := (select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user');
  v_columns text[]   := array(select c.name from clerk_sync.mapped_columns() as c where c.source = 'public_metadata.role');
begin
  if exists (
    select 1
    from unnest(v_columns) as c(name)
    cross join unnest(array['anon', 'authenticated']) as r(role)
    cross join unnest(array['insert', 'update']) as g(privilege)
    where has_column_privilege(r.role, v_table, c.name, g.privilege)
  ) then
    return null;
  end if;
  return (
    select case when v_columns = '{}' then s.role else u.role end
    from clerk_sync.known_users as s
    -- offset 0: a lookup, whatever the statistics say
    cross join lateral (select r.role, r.deleted_at from clerk_sync.user_rows as r where r.clerk_id = s.clerk_id offset 0) as u
    where s.clerk_id = p_clerk_id
      and s.deleted_at is null
      and u.deleted_at is null
  );
end
$$;

-- Two lists of all users that were ever seen, those that are there and those that are deleted, by id: a beginning of an id
-- is a range in C, and Clerk's ids begin with the time when they were made. The condition is that of job_queue_list_idx: no
-- record is to be looked up through this index.
create index if not exists records_list_idx
  on clerk_sync.records (kind, (case when deleted_at is null then 'present' else 'deleted' end), id collate "C")
  where case when id is not null then true end;

-- {users, next, search}: the newest users that are p_show, present or deleted. With p_q the first page begins with the users
-- whom it names (as clerk_sync.search_jobs), present or deleted; they need no row, there may be no more than their jobs, or the
-- tombstone. Then come those whose rows hold it (as clerk_sync.find_by_text), then those whose ids begin with it. search:
-- {searched, not_searched, is_cut} of find_by_text; null without p_q.
create or replace function public.clerk_sync_admin_users(
  p_q      text default null,
  p_show   text default 'present',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_before text   := clerk_sync.read_cursor('users', p_cursor) ->> 'clerk_id';
  v_texts  record;
  v_named  text[];
  v_found  text[] := array(
    select r.id
    from clerk_sync.records as r
    where case when r.id is not null then true end -- records_list_idx
      and r.kind = 'user'
      and case when r.deleted_at is null then 'present' else 'deleted' end = p_show
      and r.id collate "C" >= coalesce(p_q, '')
      and r.id collate "C" < coalesce(v_before, coalesce(p_q, '') || chr(1114111)) -- the last character there is
    order by r.id collate "C" desc
    limit p_limit + 1
  );
begin
  select t.* into v_texts from (values (p_q)) as q left join clerk_sync.find_by_text(p_q) as t on p_q is not null;
  v_named := array(
    select n.clerk_id
    from (
      select i.clerk_id, 1 as place
      from clerk_sync.search_jobs(p_q) as f
      cross join unnest(f.clerk_ids) as i(clerk_id)
      where exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = i.clerk_id offset 0)
         or exists (select 1 from clerk_sync.known_users as s where s.clerk_id = i.clerk_id offset 0)
         or exists (select 1 from public.job_queue as j where j.clerk_id = i.clerk_id offset 0)
      union all
      select i.clerk_id, 2
      from unnest(v_texts.clerk_ids) as i(clerk_id)
    ) as n
    group by n.clerk_id
    order by min(n.place), n.clerk_id
    limit 100
  );
  return jsonb_build_object(
    'users', public.clerk_sync_users(case when v_before is null then v_named else '{}' end || array(
      select f.clerk_id
      from unnest(v_found[1:p_limit]) with ordinality as f(clerk_id, place)
      where f.clerk_id <> all (v_named)
      order by f.place
    )),
    'next', clerk_sync.write_cursor(
      'users', case when cardinality(v_found) > p_limit then jsonb_build_object('clerk_id', v_found[p_limit]) end
    ),
    'search', case when p_q is not null then jsonb_build_object(
      'searched', v_texts.searched, 'not_searched', v_texts.not_searched, 'is_cut', v_texts.is_cut
    ) end
  );
end
$$;

-- What the rows of users hold, for doctor: {table, looked_at, unlinked, refused}. No table is read as a whole: the rows of the
-- newest p_most users are looked at, and p_most of what an index finds. is_all: there are no more.
--   looked_at  {rows, is_all, empty}; empty has the mapped columns that hold nothing in any of these rows, each as
--              {name, source, is_written}; a placeholder is nothing
--   unlinked   {rows, is_all, examples}: rows without a Clerk id
--   refused    {is_all, values}: values that columns did not take, each as {name, kind, users, example}
create or replace function public.clerk_sync_table_content(p_most integer default 10000)
returns jsonb
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
as $$
declare
  v_ids      text[] := array(
    select r.id
    from clerk_sync.records as r
    where case when r.id is not null then true end -- records_list_idx
      and r.kind = 'user'
      and case when r.deleted_at is null then 'present' else 'deleted' end = 'present'
    order by r.id collate "C" desc
    limit p_most + 1
  );
  v_unlinked text[] := array(select u.row_id from clerk_sync.rows_without_id(p_most + 1) as u);
  v_refusing text[] := array(
    select s.clerk_id
    from clerk_sync.user_state as s
    where s.ignored is not null
    order by s.clerk_id
    limit p_most + 1
  );
begin
  return (
    with looked as materialized (
      select u.email, u.mapped
      from unnest(v_ids[1:p_most]) as i(clerk_id)
      -- offset 0: a lookup each, whatever the statistics say
      cross join lateral (select r.email, r.mapped from clerk_sync.user_rows as r where r.clerk_id = i.clerk_id offset 0) as u
    ),
    held as materialized (
      select distinct v.key as name
      from looked as l
      cross join lateral jsonb_each(l.mapped) as v
      where v.value not in ('null', '""')
    ),
    refused as (
      select v.key as name, v.value as kind, count(*) as users, min(s.clerk_id) as example
      from unnest(v_refusing[1:p_most]) as i(clerk_id)
      cross join lateral (select o.* from clerk_sync.user_state as o where o.clerk_id = i.clerk_id offset 0) as s
      cross join lateral jsonb_each_text(s.ignored) as v
      group by v.key, v.value
    )
    select jsonb_build_object(
      'table', m.table_name,
      'looked_at', jsonb_build_object(
        'rows', (select count(*) from looked),
        'is_all', cardinality(v_ids) <= p_most,
        'empty', (
          select coalesce(jsonb_agg(jsonb_build_object(
            'name', c.name, 'source', c.source, 'is_written', c.name = any (m.written)
          ) order by c.place), '[]')
          from clerk_sync.mapped_columns() with ordinality as c(name, source, rule, place)
          where exists (select 1 from looked)
            and case
              when c.source = 'email' then not exists (select 1 from looked as l where l.email is not null)
              else c.name not in (select h.name from held as h)
            end
        )
      ),
      'unlinked', jsonb_build_object(
        'rows', cardinality(v_unlinked[1:p_most]), 'is_all', cardinality(v_unlinked) <= p_most, 'examples', v_unlinked[1:3]
      ),
      'refused', jsonb_build_object(
        'is_all', cardinality(v_refusing) <= p_most,
        'values', (
          select coalesce(jsonb_agg(to_jsonb(r) order by r.name, r.kind), '[]')
          from refused as r
          where m.columns ? r.name -- an earlier mapping may have had others
        )
      )
    )
    from clerk_sync.mappings as m
    where m.kind = 'user'
  );
end
$$;

-- {jobs, next}: the newest jobs that match p_filter (clerk_sync.find_jobs) after p_cursor. A page may be shorter than
-- p_limit, or empty, and have a next one all the same: 5,000 jobs are looked at for it where no index helps.
create or replace function public.clerk_sync_admin_jobs(
  p_filter jsonb default '{}',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'jobs', (
      select coalesce(jsonb_agg(clerk_sync.describe_job(j) order by j.created_at desc, j.id desc), '[]')
      from public.job_queue as j
      where j.id = any (f.ids)
    ),
    'next', clerk_sync.write_cursor('jobs', f.next)
  )
  from clerk_sync.find_jobs(p_filter, 'find', clerk_sync.read_cursor('jobs', p_cursor), p_limit, 5000) as f;
$$;

-- One user as clerk_sync_users, with jobs: the newest hundred.
create or replace function public.clerk_sync_admin_user(p_clerk_id text)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select public.clerk_sync_users(array[p_clerk_id]) -> 0
    || jsonb_build_object(
      'jobs', public.clerk_sync_admin_jobs(jsonb_build_object('clerk_id', p_clerk_id), null, 100) -> 'jobs'
    );
$$;

-- How many jobs match p_filter in each status: {most, statuses, at_least}. Each status is looked at as far as its newest
-- p_most jobs, or 3,000 where no index helps; at_least names those that have more to look at.
create or replace function public.clerk_sync_admin_job_counts(p_filter jsonb default '{}', p_most integer default 10000)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_most integer := case when p_filter ?| '{job_type,source,code}' then least(p_most, 3000) else p_most end;
begin
  return (
    select jsonb_build_object(
      'most', v_most,
      'statuses', '{"PENDING": 0, "PROCESSING": 0, "COMPLETED": 0, "FAILED": 0, "DEAD": 0, "CANCELLED": 0}'
        || coalesce(jsonb_object_agg(s.status, cardinality(f.ids)), '{}'),
      'at_least', coalesce(jsonb_agg(s.status) filter (where f.next is not null), '[]')
    )
    from unnest(clerk_sync.filter_statuses(p_filter)) as s(status)
    cross join lateral clerk_sync.find_jobs(
      p_filter || jsonb_build_object('status', s.status), 'find', null, v_most, v_most
    ) as f
  );
end
$$;

-- {groups, is_complete}: the dead letters by error code, most first; of more than p_most the newest are looked at.
create or replace function public.clerk_sync_admin_dead_letters(p_most integer default 10000)
returns jsonb
language sql
stable
set search_path = ''
as $$
  with newest as materialized (
    select
      j.job_type, coalesce(j.error, '') as error, split_part(coalesce(j.error, ''), ':', 1) as code, j.updated_at, j.id,
      row_number() over (order by j.updated_at desc, j.id) as line
    from public.job_queue as j
    where case when j.status = 'DEAD' then true end
    order by j.updated_at desc, j.id
    limit p_most + 1
  ),
  kinds as (
    select n.code, n.job_type, count(*) as jobs, min(n.updated_at) as oldest_at, min(n.line) as first
    from newest as n
    where n.line <= p_most
    group by n.code, n.job_type
  ),
  groups as (
    select
      k.code, sum(k.jobs) as count, min(k.oldest_at) as oldest_at, jsonb_object_agg(k.job_type, k.jobs) as job_types,
      min(k.first) as first
    from kinds as k
    group by k.code
  )
  select jsonb_build_object(
    'groups', coalesce(jsonb_agg(jsonb_build_object(
      'code', g.code,
      'count', g.count,
      'oldest_at', g.oldest_at,
      'newest_at', n.updated_at,
      'job_types', g.job_types,
      'sample_job_id', n.id,
      'sample_error', n.error
    ) order by g.count desc, g.code), '[]'),
    'is_complete', (select count(*) <= p_most from newest)
  )
  from groups as g
  join newest as n on n.line = g.first;
$$;

-- A run as the admin API shows it: without what only its runner needs.
create or replace function public.clerk_sync_admin_run(p_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select clerk_sync.describe_run(p_id) - 'cursor' - 'lease_until';
$$;

-- {runs, next}: the newest first. They are kept for 90 days, some thousand.
create or replace function public.clerk_sync_admin_runs(p_cursor text default null, p_limit integer default 50)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_place jsonb  := clerk_sync.read_cursor('runs', p_cursor);
  v_ids   uuid[] := array(
    select r.id
    from clerk_sync.sync_runs as r
    where (r.started_at, r.id) < (
      coalesce(v_place ->> 'at', 'infinity')::timestamptz,
      coalesce(v_place ->> 'id', '00000000-0000-0000-0000-000000000000')::uuid
    )
    order by r.started_at desc, r.id desc
    limit p_limit + 1
  );
begin
  return jsonb_build_object(
    'runs', (
      select coalesce(jsonb_agg(public.clerk_sync_admin_run(i.id) order by i.place), '[]')
      from unnest(v_ids[1:p_limit]) with ordinality as i(id, place)
    ),
    'next', clerk_sync.write_cursor('runs', (
      select jsonb_build_object('at', r.started_at, 'id', r.id)
      from clerk_sync.sync_runs as r
      where r.id = v_ids[p_limit]
        and cardinality(v_ids) > p_limit
    ))
  );
end
$$;

-- What the first page needs, but for the version of the code. jobs is as clerk_sync_admin_job_counts, mostly from what
-- health has counted.
create or replace function public.clerk_sync_admin_overview(p_now timestamptz default clock_timestamp())
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_health  jsonb := public.clerk_sync_health(p_now);
  v_facts   jsonb := v_health -> 'facts';
  v_compare jsonb := nullif(v_facts #> '{runs,compare}', 'null');
  v_jobs    jsonb := '{"PENDING": 0, "PROCESSING": 0, "FAILED": 0}' || (v_facts -> 'open') || jsonb_build_object(
    'COMPLETED', clerk_sync.count_jobs_in('COMPLETED', 10000),
    'DEAD', v_facts #> '{dead,count}',
    'CANCELLED', clerk_sync.count_jobs_in('CANCELLED', 10000)
  );
begin
  return jsonb_build_object(
    'now', v_facts -> 'now',
    'health', v_health - 'facts',
    'jobs', jsonb_build_object(
      'most', 10000,
      'statuses', v_jobs,
      'at_least', (
        select coalesce(jsonb_agg(s.key), '[]')
        from jsonb_each(v_jobs) as s
        where s.value >= '10000'
      )
    ),
    'oldest_due_at', v_facts -> 'oldest_due_at',
    'users', v_facts -> 'users',
    'last_event_at', v_facts #> '{heartbeats,webhook}',
    'last_applied_at', v_facts -> 'last_applied_at',
    'drift', case when v_compare is not null then jsonb_build_object(
      'users', v_compare -> 'drift', 'read', v_compare -> 'read', 'at', v_compare -> 'finished_at'
    ) end,
    'circuits', public.clerk_sync_circuits(),
    'brake', public.clerk_sync_delete_brake(),
    'open_run', (
      select public.clerk_sync_admin_run(r.id) from clerk_sync.sync_runs as r where r.status = 'RUNNING'
    )
  );
end
$$;

-- {entries, next}: the newest entries of the audit that match p_filter ({kind, since, source, subject}) after p_cursor, by
-- the minute they began in. A page may be shorter than p_limit, or empty, and have a next one all the same: 10,000 entries
-- are looked at for it.
create or replace function public.clerk_sync_admin_audit(
  p_filter jsonb default '{}',
  p_cursor text default null,
  p_limit  integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_sort = 'off' -- as clerk_sync.find_jobs
as $$
declare
  v_place jsonb       := clerk_sync.read_cursor('audit', p_cursor);
  v_look  integer     := case when p_filter = '{}' then p_limit + 1 else greatest(10000, p_limit + 1) end;
  v_since timestamptz := coalesce(p_filter ->> 'since', '-infinity')::timestamptz;
begin
  perform clerk_sync.check_filter_keys(p_filter, '{kind,since,source,subject}');
  return (
    with seen as materialized (
      select a.*, row_number() over (order by a.at desc, a.kind desc, a.source desc, a.subject desc, a.code desc) as line
      from clerk_sync.audit as a
      where (a.at, a.kind, a.source, a.subject, a.code) < (
        coalesce(v_place ->> 'at', 'infinity')::timestamptz, coalesce(v_place ->> 'kind', ''),
        coalesce(v_place ->> 'source', ''), coalesce(v_place ->> 'subject', ''), coalesce(v_place ->> 'code', '')
      )
        and a.at >= v_since - interval '1 hour'
      order by a.at desc, a.kind desc, a.source desc, a.subject desc, a.code desc
      limit v_look
    ),
    found as materialized (
      select s.*, row_number() over (order by s.line) as rank
      from seen as s
      where s.kind = coalesce(p_filter ->> 'kind', s.kind)
        and s.source = coalesce(p_filter ->> 'source', s.source)
        and s.subject = coalesce(p_filter ->> 'subject', s.subject)
        and s.last_at >= v_since
      order by rank
      limit p_limit + 1
    )
    select jsonb_build_object(
      'entries', (
        select coalesce(jsonb_agg(to_jsonb(f) - '{line,rank}'::text[] order by f.rank), '[]')
        from found as f
        where f.rank <= p_limit
      ),
      'next', clerk_sync.write_cursor('audit', (
        select jsonb_build_object('at', s.at, 'kind', s.kind, 'source', s.source, 'subject', s.subject, 'code', s.code)
        from seen as s
        where s.line = coalesce((select f.line - 1 from found as f where f.rank = p_limit + 1), v_look)
      ))
    )
  );
end
$$;

-- ---- 22_policy_helpers.sql ----

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

-- ---- 22_schedule_and_retention.sql ----

-- The schedule of pg_cron, the calls it makes, and how long data is kept.

-- True when a processor would find something to do; jobs that wait for a service count when it may be called again. A
-- refresh or a run that no processor has taken for ten minutes is waiting for a CLERK_SECRET_KEY, and does not count.
create or replace function clerk_sync.has_work(p_now timestamptz default clock_timestamp())
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select 1
    from public.job_queue as j
    where j.status in ('PENDING', 'FAILED')
      and j.waits_for is null
      and j.run_at <= p_now
      and (j.source <> 'refresh' or j.run_at > p_now - interval '10 minutes')
  ) or exists (
    select 1 from public.job_queue as j where j.status = 'PROCESSING' and j.lease_until <= p_now
  ) or exists (
    select 1
    from clerk_sync.circuits as c
    where (c.state = 'closed' or c.probe_at <= p_now)
      and exists (select 1 from public.job_queue as j where j.waits_for = c.name)
  ) or exists (
    select 1 from clerk_sync.known_users as s where s.refresh_due_at between p_now - interval '10 minutes' and p_now
  ) or exists (
    select 1
    from clerk_sync.sync_runs as r
    where r.status = 'RUNNING'
      and r.applies
      and r.lease_until between p_now - interval '10 minutes' and p_now
  );
$$;

-- Calls the processor when there is work, when an incident is to be told, or to start a run (p_work: sweep, compare); not
-- for a run once it has said that it has no CLERK_SECRET_KEY. A quiet project costs no function calls. Each call looks at
-- the incidents. Answers the id of pg_net's request, whose answer net._http_response keeps for six hours; null without a
-- call, also when the Vault lacks one of the secrets.
create or replace function clerk_sync.call_processor(p_work text default null)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_alerts  boolean := clerk_sync.alerts_due();
  v_url     text;
  v_secret  text;
  v_request bigint;
begin
  if not (case
    when p_work is null then v_alerts or clerk_sync.has_work()
    else coalesce((select h.can_read from clerk_sync.heartbeats as h where h.name = 'processor'), true)
  end) then
    return null;
  end if;
  select max(s.decrypted_secret) filter (where s.name = 'clerk_sync_project_url'),
         max(s.decrypted_secret) filter (where s.name = 'clerk_sync_processor_secret')
  into v_url, v_secret
  from vault.decrypted_secrets as s;
  if v_url is null or v_secret is null then
    return null;
  end if;
  select net.http_post(
    url := rtrim(v_url, '/') || '/functions/v1/user-job-processor',
    body := jsonb_strip_nulls(jsonb_build_object('source', 'schedule', 'work', p_work)),
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_secret),
    timeout_milliseconds := 60000
  )
  into v_request;
  insert into clerk_sync.processor_call (request_id, called_at)
  values (v_request, now())
  on conflict (request_id) do update -- pg_net counts from 1 again after a crash
    set called_at = excluded.called_at;
  delete from clerk_sync.processor_call as c where c.called_at < now() - interval '1 hour';
  return v_request;
end
$$;

-- On Supabase pg_cron calls the processor through pg_net, once the Vault has its address and key:
--   select vault.create_secret('https://<project>.supabase.co', 'clerk_sync_project_url');
--   select vault.create_secret('<PROCESSOR_SECRET>', 'clerk_sync_processor_secret');
-- Elsewhere pg_cron must be preloaded first. A database without these extensions is left alone: there a worker of ours does
-- the same, or any scheduler that calls the processor.
do $$
begin
  if exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron')
    and exists (select 1 from pg_catalog.pg_available_extensions as e where e.name = 'pg_net') then
    create schema if not exists extensions;
    create extension if not exists pg_cron with schema pg_catalog;
    create extension if not exists pg_net with schema extensions;
  end if;
exception
  when insufficient_privilege or feature_not_supported or object_not_in_prerequisite_state or internal_error
    or raise_exception then -- pg_cron is configured for another database
    raise notice 'pg_cron and pg_net are not enabled here: %', sqlerrm;
end
$$;

-- Sets up the schedule, or replaces it: process every p_seconds while something is due, free expired leases,
-- purge old jobs and the history of pg_cron, look through the queue; where the functions have CLERK_SECRET_KEY, ask Clerk
-- every quarter of an hour for changes that brought no event, and nightly compare all users. Answers whether there is a
-- pg_cron to do it with. Before version 1.5 pg_cron knows no seconds: every minute then.
create or replace function public.clerk_sync_schedule(p_seconds integer default 10, p_retention_days integer default 30)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_has_seconds boolean := exists (
    select 1
    from pg_catalog.pg_extension as e
    where e.extname = 'pg_cron'
      and e.extversion !~ '^1[.][0-4]([^0-9]|$)'
  );
begin
  if to_regclass('cron.job') is null then
    return false;
  end if;
  perform cron.schedule(
    e.name, case when v_has_seconds or e.schedule !~ 'seconds' then e.schedule else '* * * * *' end, e.command
  )
  from (
    values
      ('clerk-sync-process', format('%s seconds', p_seconds), 'select clerk_sync.call_processor()'),
      ('clerk-sync-rescue', '30 seconds', 'select public.clerk_sync_rescue_jobs()'),
      ('clerk-sync-sweep', '7-59/15 * * * *', 'select clerk_sync.call_processor(''sweep'')'),
      ('clerk-sync-compare', '23 3 * * *', 'select clerk_sync.call_processor(''compare'')'),
      ('clerk-sync-purge', '*/5 * * * *', format('select public.clerk_sync_purge_jobs(%s, 50000)', p_retention_days)),
      ('clerk-sync-audit', '*/5 * * * *', 'select public.clerk_sync_audit_jobs()'),
      (
        'clerk-sync-purge-cron-history', '17 3 * * *',
        'delete from cron.job_run_details as d using cron.job as j where j.jobid = d.jobid'
          || ' and j.jobname like ''clerk-sync-%'' and d.end_time < now() - interval ''2 days'''
      )
  ) as e(name, schedule, command);
  return true;
end
$$;

-- Takes the schedule away; answers how many entries it had.
create or replace function public.clerk_sync_unschedule()
returns integer
language plpgsql
set search_path = ''
as $$
begin
  if to_regclass('cron.job') is null then
    return 0;
  end if;
  return (select count(cron.unschedule(j.jobname::text)) from cron.job as j where j.jobname like 'clerk-sync-%');
end
$$;

-- An existing schedule is left as it is: a person may have chosen its seconds and days.
do $$
begin
  if to_regclass('cron.job') is not null
    and not (public.clerk_sync_schedule_state() ->> 'scheduled')::boolean then
    perform public.clerk_sync_schedule();
  end if;
end
$$;

-- What is kept, and how long: a job keeps what is applied, and of its event kind, ids and times; of a deleted user nothing
-- is kept but ids and times; in the end the job goes.

-- Deletes finished jobs older than p_days, at most p_limit of them; answers how many. Dead letters stay until a person has
-- seen them. No job goes that is not counted. With them go entries of the audit that are as old, or not among its newest
-- 100,000; minutes of the metrics that the chart of a day does not read, and hours as old as the jobs, after eight days at
-- the earliest; days of skipped events that are as old as these hours; and programs that differing_programs looks at no more.
-- Totals stay, so that no counter goes back.
create or replace function public.clerk_sync_purge_jobs(
  p_days  integer,
  p_limit integer default 5000,
  p_now   timestamptz default clock_timestamp()
)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_deadline timestamptz := clock_timestamp() + interval '500 milliseconds';
  v_count    integer;
begin
  while clerk_sync.roll_up(p_now) and clock_timestamp() < v_deadline loop
  end loop;
  perform set_config('clerk_sync.actor', 'sync', true);
  delete from public.job_queue as j
  where j.id = any (array(
    select d.id
    from public.job_queue as d
    where d.status in ('COMPLETED', 'CANCELLED')
      and d.processed_at < p_now - make_interval(days => p_days)
      and d.processed_at < (select s.rolled_until from clerk_sync.metric_state as s)
    order by d.processed_at
    limit p_limit
    for update skip locked
  ));
  get diagnostics v_count = row_count;
  perform set_config('clerk_sync.actor', '', true);
  delete from clerk_sync.audit as a
  where a.at < greatest(
    p_now - make_interval(days => p_days),
    (select o.at from clerk_sync.audit as o order by o.at desc offset 100000 limit 1)
  );
  delete from clerk_sync.skipped_events as s
  where s.day < (p_now - make_interval(days => greatest(p_days, 8)))::date;
  delete from clerk_sync.programs as p
  where p.seen_at < p_now - interval '1 day';
  delete from clerk_sync.metric_counts as m
  using (
    values
      ('minute', interval '25 hours'),
      ('hour', make_interval(days => greatest(p_days, 8)))
  ) as k(grain, kept)
  where m.grain = k.grain
    and m.name = any (array(select t.name from clerk_sync.metric_counts as t where t.grain = 'total'))
    and m.at < p_now - k.kept;
  return v_count;
end
$$;

-- ---- 23_rights.sql ----

-- Who may use our objects, and a search for rights that are wrong.

-- What is wrong with the rights of our objects: they are closed to the API roles but for the own row in users, open
-- to the service role, under row level security, and pin their search_path. The helpers for policies are open to signed-in
-- users, too. `clerk-sync doctor` and supabase/tests ask. Answers [{object, what}]. Ours are schema clerk_sync,
-- public.job_queue, clerk_sync_* in public, the helpers, and a mapped table whose access the configuration hands over.
create or replace function public.clerk_sync_privilege_findings()
returns jsonb
language sql
stable
security definer -- to answer also when the service role reaches nothing
set search_path = ''
as $$
  with mapped as (
    select
      to_regclass(m.table_name)::oid as oid, m.kind, m.key, m.access, m.editable,
      case -- a key that is not text is cast in an expression
        when a.atttypid = 'text'::regtype then format('%I', m.key)
        else format('(%I)::text', m.key)
      end as key_expression
    from clerk_sync.mappings as m
    join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(m.table_name) and a.attname = m.key
    where m.editable is not null
  ),
  relations as (
    select
      c.oid, c.relkind = 'S' as is_sequence, c.relkind in ('r', 'p') as is_table, c.relrowsecurity,
      m.oid is not null as is_mapped, coalesce(m.access in ('own_row', 'members'), false) as is_readable, m.editable
    from pg_catalog.pg_class as c
    left join mapped as m on m.oid = c.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and (c.relnamespace = 'clerk_sync'::regnamespace or c.oid = 'public.job_queue'::regclass or m.oid is not null)
  ),
  helpers as (
    select d.objoid as oid
    from pg_catalog.pg_description as d
    where d.classoid = 'pg_catalog.pg_proc'::regclass
      and starts_with(d.description, 'Made by clerk-sync.')
  ),
  functions as (
    select
      p.oid, p.pronamespace, coalesce(p.proconfig @> array['search_path=""'], false) as is_pinned,
      p.oid in (select h.oid from helpers as h) as is_helper
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'clerk_sync'::regnamespace
       or (p.pronamespace = 'public'::regnamespace and starts_with(p.proname, 'clerk_sync_'))
       or p.oid in (select h.oid from helpers as h)
  ),
  roles (role, is_service) as (
    values ('anon', false), ('authenticated', false), ('service_role', true)
  ),
  -- Which role has which right, and whether it should. A right of public is one of every role.
  rights (object, role, right_to, is_given, should_be) as (
    select
      c.oid::regclass::text, r.role, g.privilege,
      case
        when c.is_sequence then has_sequence_privilege(r.role, c.oid, g.privilege)
        else has_table_privilege(r.role, c.oid, g.privilege)
      end,
      r.is_service
    from relations as c
    cross join roles as r
    cross join unnest(
      case
        when c.is_sequence then array['usage', 'select', 'update']
        else array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
      end
    ) as g(privilege)
    where case
      when not r.is_service then (c.is_readable, r.role, g.privilege) <> (true, 'authenticated', 'select')
      when c.is_table then g.privilege in ('select', 'insert', 'update', 'delete')
      else g.privilege = 'select' and not c.is_sequence
    end
    -- single columns, of which a signed-in user edits some in the own row
    union all
    select
      format('%s.%s', a.attrelid::regclass, a.attname), r.role, g.privilege,
      has_column_privilege(r.role, a.attrelid, a.attnum, g.privilege), r.is_service
    from relations as c
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    cross join roles as r
    cross join unnest(array['select', 'insert', 'update', 'references']) as g(privilege)
    where a.attnum > 0
      and not a.attisdropped
      and not r.is_service
      and not has_table_privilege(r.role, c.oid, g.privilege)
      and not (
        c.is_mapped
        and a.attname = any (c.editable)
        and (r.role, g.privilege) = ('authenticated', 'update')
      )
    union all
    select 'schema clerk_sync', r.role, g.privilege, has_schema_privilege(r.role, 'clerk_sync', g.privilege), r.is_service
    from roles as r
    cross join unnest(array['usage', 'create']) as g(privilege)
    where g.privilege = 'usage'
       or not r.is_service
    union all
    -- who else may use the schema of the helpers is the business of its owner
    select distinct format('schema %s', p.pronamespace::regnamespace), r.role, 'usage', has_schema_privilege(r.role, p.pronamespace, 'usage'), true
    from functions as p
    cross join roles as r
    where p.is_helper
      and r.role <> 'anon'
    union all
    select
      p.oid::regprocedure::text, r.role, 'call it', has_function_privilege(r.role, p.oid, 'execute'),
      r.is_service or (p.is_helper and r.role = 'authenticated')
    from functions as p
    cross join (table roles union all select 'public', false) as r
  ),
  findings (object, what) as (
    select r.object, format('%s may %s%s', r.role, case when r.should_be then 'not ' end, replace(r.right_to, 'usage', 'use'))
    from rights as r
    where r.is_given <> r.should_be
    union all
    select 'schema clerk_sync', format('the API serves it (%s)', s.setting)
    from pg_catalog.pg_roles as o
    cross join unnest(o.rolconfig) as s(setting)
    where o.rolname = 'authenticator'
      and s.setting ~ '^pgrst[.]db_schemas=.*\mclerk_sync\M'
    union all
    select p.oid::regprocedure::text, 'its search_path is not pinned'
    from functions as p
    where not p.is_pinned
    union all
    select c.oid::regclass::text, 'row level security is off'
    from relations as c
    where c.is_table
      and not c.relrowsecurity
    -- The two policies of the table of users that must be there in exactly this form (04_users.sql says why).
    union all
    select
      m.oid::regclass::text,
      format('policy %s is missing or not %I = ((select auth.jwt()) ->> ''sub'')', w.name, m.key)
    from mapped as m
    cross join (values ('users_select_own', 'r'), ('users_update_own', 'w')) as w(name, command)
    where m.kind = 'user'
      and (w.command = 'r' or m.editable <> '{}')
      and not exists (
        select 1
        from pg_catalog.pg_policy as p
        cross join lateral (
          select pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as with_check
        ) as e
        where p.polrelid = m.oid
          and p.polname = w.name
          and p.polcmd = w.command
          and p.polpermissive
          and p.polroles = array['authenticated'::regrole::oid]
          -- as PostgreSQL writes it
          and e.qual = format('(%s = (( SELECT auth.jwt() AS jwt) ->> ''sub''::text))', m.key_expression)
          and e.with_check is not distinct from case when w.command = 'w' then e.qual end
      )
    -- Policies that let an API role see everything: any on a table of ours, and on a mapped table one that is simply true.
    -- What else the owner allows there is the owner's.
    union all
    select format('%I.%I', p.schemaname, p.tablename), format('policy %s lets API roles pass', p.policyname)
    from pg_catalog.pg_policies as p
    where p.permissive = 'PERMISSIVE'
      and p.roles && array['anon', 'authenticated', 'public']::name[]
      and case
        when format('%I.%I', p.schemaname, p.tablename)::regclass in (select m.oid from mapped as m) then 'true' in (p.qual, p.with_check)
        else p.schemaname = 'clerk_sync' or (p.schemaname, p.tablename) = ('public', 'job_queue')
      end
  )
  select coalesce(jsonb_agg(jsonb_build_object('object', f.object, 'what', f.what)), '[]')
  from findings as f;
$$;

-- The foreign keys on the table of users that stop the deletion of a user who has rows there: [{table, constraint}].
create or replace function public.clerk_sync_blocking_references()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('table', c.conrelid::regclass, 'constraint', c.conname) order by c.conname), '[]')
  from pg_catalog.pg_constraint as c
  where c.contype = 'f'
    and c.confrelid = (select to_regclass(m.table_name) from clerk_sync.mappings as m where m.kind = 'user')
    and c.confdeltype in ('a', 'r') -- no action, restrict
    and c.conparentid = 0;
$$;

-- The rights themselves, after everything they are about. Supabase grants nothing on new objects since 2026-10-30 and
-- granted everything before; PostgreSQL lets everybody call a new function. Nothing here relies on either. An object that is
-- made later brings its own rights, as the version does in the next file.
revoke all on schema clerk_sync from public, anon, authenticated;
grant usage on schema clerk_sync to service_role;

revoke all on all tables in schema clerk_sync from public, anon, authenticated;
revoke all on all sequences in schema clerk_sync from public, anon, authenticated;
grant select, insert, update, delete on all tables in schema clerk_sync to service_role;
grant truncate on clerk_sync.run_marks, clerk_sync.write_test to service_role;
revoke insert, update, delete -- from views, which "all tables" includes
  on clerk_sync.queue_status, clerk_sync.dead_letter_groups, clerk_sync.recent_failures, clerk_sync.latency_by_hour,
    clerk_sync.drift_history, clerk_sync.events, clerk_sync.known_users, clerk_sync.user_rows, clerk_sync.organization_rows,
    clerk_sync.membership_rows, clerk_sync.role_rows, clerk_sync.invitation_rows, clerk_sync.health_thresholds,
    clerk_sync.incident_thresholds
  from service_role;

revoke all on public.job_queue from public, anon, authenticated;
grant select, insert, update, delete on public.job_queue to service_role;

revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;

-- Each table of schema clerk_sync under row level security, open to the service role; and our functions in public.
do $$
declare
  v_statements text;
begin
  for v_statements in
    select format(
      'alter table clerk_sync.%1$I enable row level security; drop policy if exists %2$I on clerk_sync.%1$I; '
        || 'create policy %2$I on clerk_sync.%1$I to service_role using (true) with check (true)',
      c.relname, c.relname || '_service_role'
    )
    from pg_catalog.pg_class as c
    where c.relnamespace = 'clerk_sync'::regnamespace
      and c.relkind = 'r'
    union all
    select format(
      'revoke execute on function %1$s from public, anon, authenticated; grant execute on function %1$s to service_role',
      p.oid::regprocedure
    )
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and starts_with(p.proname, 'clerk_sync_')
  loop
    execute v_statements;
  end loop;
end
$$;

-- ---- 24_version.sql ----

-- The version of the schema: the number of the migration. It comes last, so a database that answers it has all of the
-- schema. migrate, doctor and the server compare it with the version that the code is written for.
create or replace function public.clerk_sync_schema_version()
returns text
language sql
immutable
set search_path = ''
as $$
  select '20261130000000';
$$;

revoke execute on function public.clerk_sync_schema_version from public, anon, authenticated;
grant execute on function public.clerk_sync_schema_version to service_role;

-- Everything is there now: what health compares with.
do $$
begin
  perform clerk_sync.note_objects();
end
$$;
