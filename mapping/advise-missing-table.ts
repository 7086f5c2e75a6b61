import type pg from "pg";
import type { TableProblem } from "./check-table.ts";
import type { UsersConfiguration } from "./configuration.ts";
import type { TableName } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { suggestName } from "./suggest-name.ts";
import { formatTableName } from "./table-name.ts";

type Candidate = TableName & { hasClerkId: boolean };

/**
 * For a table of the file that is not there: the migration makes it, and an app whose users stand elsewhere would see
 * none of them there. Names the table that was probably meant: one with a similar name, or with a column for Clerk's id.
 */
export async function adviseMissingTable(
  client: pg.ClientBase,
  { table }: Pick<UsersConfiguration, "table">,
): Promise<TableProblem[]> {
  const { rows } = await client.query<Candidate>(statement);
  const meant =
    rows.find(({ name }) => name === table.name) ??
    findSimilar(table, rows) ??
    rows.find(({ hasClerkId }) => hasClerkId);
  if (meant === undefined) return [];
  const problem = `there is no table ${quoteTable(table)}, so that the migration makes it; is ${quoteTable(meant)} meant?`;
  return [{ problem, remedy: `-- In clerk-sync.config.json: "table": ${JSON.stringify(formatTableName(meant))}` }];
}

function findSimilar({ name }: TableName, candidates: readonly Candidate[]): Candidate | undefined {
  const names = candidates.map((candidate) => candidate.name);
  const meant = suggestName(name, names);
  return candidates.find((candidate) => candidate.name === meant);
}

/** Tables of the app: none of Supabase's, of extensions, or of the sync. */
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
