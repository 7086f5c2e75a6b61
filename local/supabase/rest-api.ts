import { type Context, Hono } from "hono";
import type pg from "pg";
import { createCheckCaller } from "#core/http/check-caller.ts";
import { buildStatement } from "../../server/call-function.ts";
import { bodyNotParsed, databaseFailure, functionNotFound, type PostgrestFailure } from "./postgrest-failure.ts";

/**
 * Stands in for PostgREST where there is none: `POST /rpc/<function>` with a JSON object of arguments, one
 * transaction as service_role. Mounted at /rest/v1. Only functions named clerk_sync_* are served.
 */
export function createRestStandIn(options: { pool: pg.Pool; secretKey: string }): Hono {
  const checkCaller = createCheckCaller([options.secretKey]);
  const app = new Hono();
  app.use(async (context, next) => {
    const isKnown = await checkCaller(context.req.raw).then(
      () => true,
      () => false,
    );
    if (!isKnown) return context.json({ message: "Invalid API key" }, 401);
    return next();
  });
  app.post("/rpc/:name", async (context) => {
    const args = await readArguments(context);
    if (args === null) return Response.json(bodyNotParsed.body, { status: bodyNotParsed.status });
    const result = await callAsServiceRole(options.pool, context.req.param("name"), args);
    if ("status" in result) return Response.json(result.body, { status: result.status });
    return Response.json(result.value ?? null);
  });
  return app;
}

/**
 * The settings of a function that PostgREST sets for the transaction before it calls the function (docs.postgrest.org,
 * "Configuration", db-hoisted-tx-settings): a limit of time that is set inside a statement does not bind this statement.
 */
export const hoistSettings = `
  select set_config(split_part(c.setting, '=', 1), substr(c.setting, strpos(c.setting, '=') + 1), true)
  from pg_catalog.pg_proc as p
  cross join unnest(p.proconfig) as c(setting)
  where p.pronamespace = 'public'::regnamespace
    and p.proname = $1
    and split_part(c.setting, '=', 1) in
      ('statement_timeout', 'plan_filter.statement_cost_limit', 'default_transaction_isolation')`;

async function readArguments(context: Context): Promise<Record<string, unknown> | null> {
  const body: unknown = await context.req.json().catch(() => null);
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : null;
}

async function callAsServiceRole(
  pool: pg.Pool,
  name: string,
  args: Record<string, unknown>,
): Promise<{ value: unknown } | PostgrestFailure> {
  const client = await pool.connect();
  try {
    const statement = await buildStatement(client, name, Object.keys(args));
    if (statement === null) return functionNotFound(name, Object.keys(args));
    await client.query("begin; set local role service_role; set local statement_timeout = 8000");
    await client.query(hoistSettings, [name]);
    const values = Object.keys(args).length === 0 ? [] : [JSON.stringify(args)];
    const { rows } = await client.query<{ value: unknown }>(statement, values);
    await client.query("commit");
    return { value: rows[0]?.value };
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    return databaseFailure(error);
  } finally {
    client.release();
  }
}
