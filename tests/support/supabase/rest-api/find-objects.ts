import type pg from "pg";
import { functionNotFound, postgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";
import { refuse } from "./refuse.ts";

/** The one schema the API exposes; Supabase's default without graphql_public. */
const exposedSchema = "public";

export type Table = { name: string; columns: ReadonlyMap<string, string>; primaryKey: readonly string[] };

/**
 * Refuses any other schema than the exposed one. Reads name it in Accept-Profile, all else in Content-Profile
 * (docs.postgrest.org, "Schemas").
 */
export function requireExposedSchema(request: Request): void {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const schema = request.headers.get(isRead ? "accept-profile" : "content-profile") ?? exposedSchema;
  if (schema === exposedSchema) return;
  const hint = `Only the following schemas are exposed: ${exposedSchema}`;
  refuse(postgrestFailure(406, "PGRST106", `Invalid schema: ${schema}`, { hint }));
}

const tableQuery = `
  select
    a.attname as name,
    format_type(a.atttypid, a.atttypmod) as type,
    coalesce(a.attnum = any(i.indkey), false) as is_key
  from pg_catalog.pg_class as c
  join pg_catalog.pg_attribute as a
    on a.attrelid = c.oid
   and a.attnum > 0
   and not a.attisdropped
  left join pg_catalog.pg_index as i
    on i.indrelid = c.oid
   and i.indisprimary
  where c.relnamespace = 'public'::regnamespace
    and c.relname = $1
    and c.relkind in ('r', 'v', 'm', 'f', 'p')
  order by a.attnum`;

/**
 * The table or view of this name, whoever asks: PostgREST's schema cache knows all of them, and the database refuses
 * later what the role may not see (docs.postgrest.org, "Schema Cache").
 */
export async function findTable(pool: pg.Pool, name: string): Promise<Table> {
  const { rows } = await pool.query<{ name: string; type: string; is_key: boolean }>(tableQuery, [name]);
  if (rows.length === 0) {
    refuse(postgrestFailure(404, "PGRST205", `Could not find the table 'public.${name}' in the schema cache`));
  }
  return {
    name,
    columns: new Map(rows.map((row) => [row.name, row.type])),
    primaryKey: rows.filter((row) => row.is_key).map((row) => row.name),
  };
}

/** Refuses a relation that no foreign key connects with the table; with one, embedding is not stood in for. */
export async function requireNoEmbedding(pool: pg.Pool, table: Table, embedded: readonly string[]): Promise<void> {
  for (const name of embedded) {
    const { rows } = await pool.query(
      `select 1 from pg_catalog.pg_constraint as c
       where c.contype = 'f'
         and array[c.conrelid, c.confrelid] @> array[to_regclass($1)::oid, to_regclass($2)::oid]`,
      [`public."${table.name}"`, `public."${name.replaceAll('"', '""')}"`],
    );
    if (rows.length > 0) refuse(postgrestFailure(400, "PGRST127", "Feature not implemented"));
    const message = `Could not find a relationship between '${table.name}' and '${name}' in the schema cache`;
    refuse(postgrestFailure(400, "PGRST200", message));
  }
}

/** How the function answers; refuses where there is none of this name. */
export async function findFunction(pool: pg.Pool, name: string, argumentNames: readonly string[]) {
  const { rows } = await pool.query<{ returns_set: boolean; returns_void: boolean }>(
    `select p.proretset as returns_set, p.prorettype = 'void'::regtype as returns_void
     from pg_catalog.pg_proc as p
     where p.pronamespace = 'public'::regnamespace
       and p.proname = $1`,
    [name],
  );
  return rows[0] ?? refuse(functionNotFound(name, argumentNames));
}
