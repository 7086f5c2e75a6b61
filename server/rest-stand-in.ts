import { type Context, Hono } from "hono";
import type pg from "pg";
import { createCheckCaller } from "#core/check-caller.ts";
import { buildStatement } from "./call-function.ts";
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
