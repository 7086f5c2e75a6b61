import type pg from "pg";
import type { TableName } from "./mapping.ts";

export type AppTable = TableName & { hasClerkId: boolean };

/** The tables of the app, those of the schema public first: none of Supabase's, of extensions, or of the sync. */
export async function listAppTables(client: pg.ClientBase): Promise<AppTable[]> {
  const { rows } = await client.query<AppTable>(statement);
  return rows;
}

const statement = `
select
  n.nspname as schema,
  c.relname as name,
  exists (
    select 1
    from pg_catalog.pg_attribute as a
    where a.attrelid = c.oid
      and a.attnum > 0
      and a.attname ~* '^clerk.*id$'
  ) as "hasClerkId"
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
  and not c.relispartition
  and n.nspname !~ '^pg_'
  and n.nspname not in (
    'information_schema', 'auth', 'storage', 'realtime', 'vault', 'cron', 'net', 'graphql', 'extensions',
    'supabase_functions', 'supabase_migrations', 'clerk_sync'
  )
  and not (n.nspname = 'public' and c.relname = 'job_queue')
order by n.nspname <> 'public', n.nspname, c.relname;
`;
