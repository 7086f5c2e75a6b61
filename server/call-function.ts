import type pg from "pg";
import { type CallFunction, databaseError } from "#core/database.ts";

type Signature = Map<string, string>;

const signatureQuery = `
  select a.name, pg_catalog.format_type(a.type, null) as type
  from pg_catalog.pg_proc as p
  cross join lateral unnest(p.proargnames, p.proargtypes::oid[]) as a(name, type)
  where p.pronamespace = 'public'::regnamespace
    and p.proname = $1
    and p.proname like 'clerk\\_sync\\_%'
    and a.name is not null`;

/**
 * Makes the SQL that calls public.<name> with named arguments taken from one JSON object ($1), as PostgREST
 * does; null when there is no such function or it has no such argument.
 */
export async function buildStatement(
  client: Pick<pg.ClientBase, "query">,
  name: string,
  argumentNames: readonly string[],
): Promise<string | null> {
  const { rows } = await client.query<{ name: string; type: string }>(signatureQuery, [name]);
  const signature: Signature = new Map(rows.map((row) => [row.name, row.type]));
  if (rows.length === 0 || argumentNames.some((argument) => !signature.has(argument))) return null;
  const passed = argumentNames.map((argument) => `${argument} => a.${argument}`).join(", ");
  const columns = argumentNames.map((argument) => `${argument} ${signature.get(argument)}`).join(", ");
  const source = argumentNames.length === 0 ? "" : ` from jsonb_to_record($1::jsonb) as a(${columns})`;
  return `select public.${name}(${passed}) as value${source}`;
}

/** Calls SQL functions over a pool of connections; the Node half of the door in #core/database.ts. */
export function createCallFunction(pool: pg.Pool): CallFunction {
  const statements = new Map<string, Promise<string | null>>();
  return async (name, args) => {
    const names = Object.keys(args);
    const key = [name, ...names].join();
    try {
      const statement = await (statements.get(key) ?? remember(statements, key, buildStatement(pool, name, names)));
      if (statement === null) throw Object.assign(new Error(`no function ${name}(${names})`), { code: "42883" });
      const values = names.length === 0 ? [] : [JSON.stringify(args)];
      const { rows } = await pool.query<{ value: unknown }>(statement, values);
      return rows[0]?.value;
    } catch (error) {
      statements.delete(key);
      throw databaseError(name, sqlState(error), error);
    }
  };
}

function remember<Value>(cache: Map<string, Promise<Value>>, key: string, value: Promise<Value>): Promise<Value> {
  cache.set(key, value);
  return value;
}

/** The SQLSTATE of an error of pg; undefined when the database was not reached. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
