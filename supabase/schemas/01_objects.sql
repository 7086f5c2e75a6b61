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
