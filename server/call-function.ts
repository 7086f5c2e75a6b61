import pg from "pg";
import { type CallFunction, databaseError } from "#core/database.ts";

type Signature = Map<string, string>;

const signatureQuery = `
  select a.name, pg_catalog.format_type(a.type, null) as type
  from pg_catalog.pg_proc as p
  left join lateral unnest(p.proargnames, p.proargtypes::oid[]) as a(name, type)
    on a.name is not null
   and a.type is not null
  where p.pronamespace = 'public'::regnamespace
    and p.proname = $1
    and p.proname like $2
    and p.prokind = 'f'
    and p.prorettype <> 'trigger'::regtype`;

/**
 * Makes the SQL that calls public.<name> with named arguments taken from one JSON object ($1), as PostgREST
 * does; null when there is no such function or it has no such argument. Only names `like` the pattern are looked up.
 */
export async function buildStatement(
  client: Pick<pg.ClientBase, "query">,
  name: string,
  argumentNames: readonly string[],
  namePattern = "clerk\\_sync\\_%",
): Promise<string | null> {
  const { rows } = await client.query<{ name: string | null; type: string }>(signatureQuery, [name, namePattern]);
  const signature: Signature = new Map(rows.map((row) => [row.name ?? "", row.type])); // no name: no arguments
  if (rows.length === 0 || argumentNames.some((argument) => !signature.has(argument))) return null;
  const quote = pg.escapeIdentifier;
  const passed = argumentNames.map((argument) => `${quote(argument)} => a.${quote(argument)}`).join(", ");
  const columns = argumentNames.map((argument) => `${quote(argument)} ${signature.get(argument)}`).join(", ");
  const source = argumentNames.length === 0 ? "" : ` from jsonb_to_record($1::jsonb) as a(${columns})`;
  return `select public.${quote(name)}(${passed}) as value${source}`;
}

/** Calls SQL functions over a pool of connections; the Node half of the door in #core/database.ts. */
export function createCallFunction(pool: pg.Pool): CallFunction {
  const statements = createStatements(pool);
  return async (name, args) => {
    const names = Object.keys(args);
    try {
      const statement = await statements.find(name, names);
      const values = names.length === 0 ? [] : [JSON.stringify(args)];
      const { rows } = await pool.query<{ value: unknown }>(statement, values);
      return rows[0]?.value;
    } catch (error) {
      if (sqlState(error) === undefinedFunction) statements.forget(name, names);
      throw databaseError(name, sqlState(error), error);
    }
  };
}

const undefinedFunction = "42883";

/** Remembers the SQL of every call: looking it up each time would double the time under load. */
function createStatements(pool: pg.Pool) {
  const known = new Map<string, Promise<string>>();
  const keyOf = (name: string, names: readonly string[]) => [name, ...names].join();
  const lookUp = async (name: string, names: readonly string[]) => {
    const statement = await buildStatement(pool, name, names);
    if (statement !== null) return statement;
    throw Object.assign(new Error(`no function ${name}(${names})`), { code: undefinedFunction });
  };
  return {
    find: (name: string, names: readonly string[]): Promise<string> => {
      const key = keyOf(name, names);
      const statement = known.get(key) ?? lookUp(name, names);
      known.set(key, statement);
      statement.catch(() => known.delete(key));
      return statement;
    },
    forget: (name: string, names: readonly string[]) => known.delete(keyOf(name, names)),
  };
}

/** The SQLSTATE of an error of pg; undefined when the database was not reached. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
