import { type Context, Hono } from "hono";
import type pg from "pg";
import { createCheckCaller } from "#core/check-caller.ts";
import { buildStatement, sqlState } from "./call-function.ts";

type Failure = { status: number; body: { code: string; message: string; details: null; hint: string | null } };

/** PostgREST's mapping of SQLSTATE to HTTP status (docs.postgrest.org, "Errors"), first match wins. */
const statusOfState: readonly (readonly [RegExp, number])[] = [
  [/^(08|53)/, 503],
  [/^(23503|23505)$/, 409],
  [/^42501$/, 403],
  [/^(42883|42P01)$/, 404],
  [/^(40|55|57)/, 500],
];

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
    if (args === null) return context.json(notParsed, 400);
    const result = await callAsServiceRole(options.pool, context.req.param("name"), args);
    if ("status" in result) return Response.json(result.body, { status: result.status });
    return Response.json(result.value ?? null);
  });
  return app;
}

const notParsed = { code: "PGRST102", message: "Empty or invalid json", details: null, hint: null };

async function readArguments(context: Context): Promise<Record<string, unknown> | null> {
  const body: unknown = await context.req.json().catch(() => null);
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : null;
}

async function callAsServiceRole(
  pool: pg.Pool,
  name: string,
  args: Record<string, unknown>,
): Promise<{ value: unknown } | Failure> {
  const client = await pool.connect();
  try {
    const statement = await buildStatement(client, name, Object.keys(args));
    if (statement === null) return notFound(name);
    await client.query("begin; set local role service_role");
    const values = Object.keys(args).length === 0 ? [] : [JSON.stringify(args)];
    const { rows } = await client.query<{ value: unknown }>(statement, values);
    await client.query("commit");
    return { value: rows[0]?.value };
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    return toFailure(error);
  } finally {
    client.release();
  }
}

function notFound(name: string): Failure {
  const message = `Could not find the function public.${name} with these arguments in the schema cache`;
  return { status: 404, body: { code: "PGRST202", message, details: null, hint: null } };
}

function toFailure(error: unknown): Failure {
  const state = sqlState(error);
  const { message, hint } = error as { message?: string; hint?: string };
  const status = state === undefined ? 503 : (statusOfState.find(([pattern]) => pattern.test(state))?.[1] ?? 400);
  return { status, body: { code: state ?? "PGRST000", message: message ?? "", details: null, hint: hint ?? null } };
}
