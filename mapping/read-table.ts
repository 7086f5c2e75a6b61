import type pg from "pg";
import { type CatalogType, nameOfType, typeOf } from "./column-type.ts";
import type { ColumnFacts, TableFacts, TableName } from "./mapping.ts";

/** The comment of a table that the migration made begins so. An owner who takes the table over removes it. */
export const commentOfOurs = "Made by clerk-sync.";

type CatalogColumn = Omit<ColumnFacts, "type" | "sqlType"> & { type: CatalogType };

type CatalogTable = Pick<
  TableFacts,
  | "isTable"
  | "primaryKey"
  | "uniques"
  | "partlyUnique"
  | "deferrables"
  | "pointsTo"
  | "references"
  | "hasRowLevelSecurity"
> & { comment: string | null; columns: CatalogColumn[] };

/** What the catalog says of a table; null when there is none of this name. Views are read too (isTable: false). */
export async function readTable(client: Pick<pg.ClientBase, "query">, table: TableName): Promise<TableFacts | null> {
  const { rows } = await client.query<{ facts: CatalogTable; path: string }>(statement, [table.schema, table.name]);
  const [{ facts, path } = {}] = rows;
  if (path !== undefined) await client.query("select set_config('search_path', $1, true)", [path]);
  if (facts === undefined) return null;
  const { comment, columns, ...rest } = facts;
  return {
    table,
    ...rest,
    isOurs: comment?.startsWith(commentOfOurs) ?? false,
    columns: columns.map((column) => ({ ...column, type: typeOf(column.type), sqlType: nameOfType(column.type) })),
  };
}

const action = (code: string) => `
          case ${code} when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade'
            when 'n' then 'set null' when 'd' then 'set default' end`;

// Nothing is on the search path while the defaults are read, as in the generated functions: so each name has its schema.
const statement = `
with path as materialized (
  select p.path, set_config('search_path', '', true) as none
  from (select current_setting('search_path') as path offset 0) as p
),
found as (
  select c.*, p.path
  from path as p
  cross join pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = $1
    and c.relname = $2
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
),
-- the names of the columns of a constraint or an index, in its order
constraints as (
  select
    k.*,
    (
      select jsonb_agg(a.attname order by p.place)
      from unnest(k.conkey) with ordinality as p (number, place)
      join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = p.number
    ) as columns,
    (
      select jsonb_agg(a.attname order by p.place)
      from unnest(k.confkey) with ordinality as p (number, place)
      join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = p.number
    ) as references_columns
  from pg_catalog.pg_constraint as k
  join found as t on t.oid in (k.conrelid, k.confrelid)
  -- a partition repeats the constraints of its table
  where k.conparentid = 0
),
unique_indexes as (
  select
    i.*,
    c.relname,
    i.indpred is null and i.indexprs is null and i.indisvalid as is_whole,
    (
      select jsonb_agg(a.attname order by p.place)
      from unnest(i.indkey[0 : i.indnkeyatts - 1]) with ordinality as p (number, place)
      join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = p.number
    ) as columns
  from found as t
  join pg_catalog.pg_index as i on i.indrelid = t.oid
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  where i.indisunique
)
select jsonb_build_object(
  'isTable', t.relkind in ('r', 'p'),
  'comment', obj_description(t.oid, 'pg_class'),
  'hasRowLevelSecurity', t.relrowsecurity,
  'columns', (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'name', a.attname,
        'type', jsonb_build_object(
          'schema', n.nspname,
          'name', y.typname,
          'quoted', format('%I.%I', n.nspname, y.typname),
          'formatted', format_type(a.atttypid, a.atttypmod),
          'modifier', a.atttypmod,
          'labels', (
            select jsonb_agg(e.enumlabel order by e.enumsortorder)
            from pg_catalog.pg_enum as e
            where e.enumtypid = y.oid
          )
        ),
        'isNotNull', a.attnotnull or y.typnotnull,
        'hasDefault', a.attidentity <> ''
          or a.attgenerated <> ''
          or y.typdefault is not null
          or coalesce(pg_get_expr(d.adbin, d.adrelid) not like '%auth.uid()%', false),
        'defaultExpression', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
        'isGenerated', a.attidentity = 'a' or a.attgenerated <> ''
      )
      order by a.attnum
    ), '[]')
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_type as y on y.oid = a.atttypid
    join pg_catalog.pg_namespace as n on n.oid = y.typnamespace
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = t.oid
      and a.attnum > 0
      and not a.attisdropped
  ),
  'primaryKey', coalesce(
    (select k.columns from constraints as k where k.conrelid = t.oid and k.contype = 'p'),
    '[]'
  ),
  'uniques', (
    select coalesce(jsonb_agg(i.columns order by i.relname), '[]')
    from unique_indexes as i
    where i.is_whole
      and i.indimmediate
  ),
  'partlyUnique', (
    select coalesce(jsonb_agg(distinct a.attname), '[]')
    from unique_indexes as i
    join pg_catalog.pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = t.oid
    join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum = d.refobjsubid
    where not i.is_whole
      and i.indnkeyatts = 1
      -- the condition of a partial index depends on columns, too
      and (i.indkey[0] = a.attnum or position(quote_ident(a.attname) in pg_get_indexdef(i.indexrelid, 1, false)) > 0)
  ),
  'deferrables', (
    select coalesce(jsonb_agg(
      jsonb_build_object('constraint', k.conname, 'column', k.columns -> 0)
      order by k.conname
    ), '[]')
    from constraints as k
    where k.conrelid = t.oid
      and k.contype in ('p', 'u')
      and k.condeferrable
      and cardinality(k.conkey) = 1
  ),
  'pointsTo', (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'constraint', k.conname,
        'columns', k.columns,
        'table', jsonb_build_object('schema', n.nspname, 'name', c.relname)
      )
      order by k.conname
    ), '[]')
    from constraints as k
    join pg_catalog.pg_class as c on c.oid = k.confrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where k.conrelid = t.oid
      and k.contype = 'f'
  ),
  'references', (
    select coalesce(jsonb_agg(
      jsonb_build_object(
        'constraint', k.conname,
        'table', jsonb_build_object('schema', n.nspname, 'name', c.relname),
        'columns', k.columns,
        'references', k.references_columns,
        'onUpdate', ${action("k.confupdtype")},
        'onDelete', ${action("k.confdeltype")}
      )
      order by n.nspname, c.relname, k.conname
    ), '[]')
    from constraints as k
    join pg_catalog.pg_class as c on c.oid = k.conrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where k.confrelid = t.oid
      and k.contype = 'f'
  )
) as facts, t.path
from found as t;
`;
