import pg from "pg";
import { type CallFunction, databaseError } from "#core/database/database.ts";
import { errorMessage } from "#core/errors.ts";
import { logger } from "#core/logger.ts";

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

/** The limit of PostgREST's roles on Supabase, so that both homes behave alike. */
const usualLimitMilliseconds = 8000;

/** Calls SQL functions over a pool of connections; the Node half of the door in #core/database/database.ts. */
export function createCallFunction(pool: pg.Pool, usualLimit = usualLimitMilliseconds): CallFunction {
  const statements = createStatements(pool);
  return async (name, args, { limitMilliseconds = usualLimit } = {}) => {
    const names = Object.keys(args);
    try {
      const statement = await statements.find(name, names);
      const values = names.length === 0 ? [] : [JSON.stringify(args)];
      const { rows } = await queryWithin<{ value: unknown }>(pool, limitMilliseconds, statement, values);
      return rows[0]?.value;
    } catch (error) {
      const state = sqlState(error);
      if (state === undefinedFunction) statements.forget(name, names);
      const failure = databaseError(name, state, error);
      // The message of such an error names no data. It is the only place that says why the database is not available.
      if (failure.retryable) logger.warn("database.call_failed", { function: name, reason: errorMessage(error) });
      throw failure;
    }
  };
}

/**
 * Runs one statement in a transaction that carries its own limit of time. PostgreSQL cancels the statement after the
 * limit; a second later the connection is given up. Nothing is left to the session and nothing to the start of the
 * connection, because a pooler in transaction mode keeps the one and refuses the other. On a pool with `pipeline` the
 * three queries are one round trip. The values stay parameters: PostgreSQL logs the text of a statement that fails.
 */
async function queryWithin<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  limitMilliseconds: number,
  statement: string,
  values: readonly unknown[] = [],
): Promise<pg.QueryResult<Row>> {
  const limit = Math.ceil(limitMilliseconds);
  const client = await pool.connect();
  const send = (text: string, parameters: readonly unknown[] = [], name?: string) => {
    const query = {
      text,
      values: [...parameters],
      query_timeout: limit + 1000,
      ...(name === undefined ? {} : { name }),
    };
    return client.query<Row>(query);
  };
  const isDirect = directConnections.get(client);
  const [begun, answered, committed, asked] = await Promise.allSettled([
    send(`begin; set local statement_timeout = ${limit}`),
    send(statement, values, isDirect ? nameOf(statement) : undefined),
    send("commit"), // after a failure it rolls back
    isDirect === undefined ? askIsDirect(client) : isDirect,
  ]);
  if (asked.status === "fulfilled") directConnections.set(client, asked.value);
  const isStale = answered.status === "rejected" && sqlState(answered.reason) === changedResult;
  client.release(isStale || committed.status === "rejected");
  // The first failure is the cause of those after it.
  if (begun.status === "rejected") throw begun.reason;
  if (answered.status === "rejected") throw answered.reason;
  if (committed.status === "rejected") throw committed.reason;
  return answered.value;
}

/** What is known of connections: true, PostgreSQL itself is at the other end; false, a pooler. */
const directConnections = new WeakMap<pg.PoolClient, boolean>();

/**
 * Tells whether PostgreSQL itself is at the other end: a pooler makes up the process id that a client is told at the start.
 * PostgreSQL parses and plans a statement once for each connection when the statement has a name. Behind a pooler in
 * transaction mode the name is unknown to the next connection, so a statement gets none there.
 */
async function askIsDirect(client: pg.PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ id: number }>("select pg_catalog.pg_backend_pid() as id");
  return rows[0]?.id === (client as { processID?: unknown }).processID;
}

const statementNames = new Map<string, string>();

/** The name of a prepared statement, the same for the same text. */
function nameOf(statement: string): string {
  const name = statementNames.get(statement) ?? `clerk_sync_${statementNames.size + 1}`;
  statementNames.set(statement, name);
  return name;
}

/** A migration changed what a function returns. The statement with this name fails until its connection ends. */
const changedResult = "0A000";

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
