import { type Context, Hono } from "hono";
import type pg from "pg";
import { bodyNotParsed, functionNotFound, postgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";
import { hoistSettings } from "../../../../local/supabase/rest-api.ts";
import { buildStatement } from "../../../../server/call-function.ts";
import {
  type Answer,
  buildCount,
  buildDelete,
  buildInsert,
  buildRead,
  buildUpdate,
  parseBody,
  type Statement,
} from "./build-statements.ts";
import { findFunction, findTable, requireExposedSchema, requireNoEmbedding, type Table } from "./find-objects.ts";
import { parseQuery, type Query } from "./parse-query.ts";
import { type ApiKeys, passGateway } from "./pass-gateway.ts";
import type { Caller, ReadToken } from "./read-token.ts";
import { refuse } from "./refuse.ts";
import { ask, runAs } from "./run-as.ts";

export type RestApiOptions = { pool: pg.Pool; keys: ApiKeys; readToken: ReadToken };

type Call = { pool: pg.Pool; request: Request; caller: Caller; prefer: string };

/**
 * Supabase's Data API as supabase-js uses it, to be mounted at /rest/v1: its gateway, then PostgREST 14 on the schema
 * public, each request as the role of its caller. What is not stood in for is refused, never let through.
 */
export function createRestApi({ pool, keys, readToken }: RestApiOptions): Hono {
  const app = new Hono();
  const open = async ({ req }: Context): Promise<Call> => {
    const caller = await readToken(passGateway(req.raw.headers, keys));
    requireExposedSchema(req.raw);
    return { pool, request: req.raw, caller, prefer: req.header("prefer") ?? "" };
  };
  app.all("/rpc/:name", async (context) => callFunction(await open(context), context.req.param("name")));
  app.all("/:table", async (context) => accessTable(await open(context), context.req.param("table")));
  app.notFound(() => refuse(postgrestFailure(404, "PGRST125", "Invalid path specified in request URL")));
  return app;
}

const methods: Readonly<Record<string, typeof readRows>> = {
  GET: readRows,
  HEAD: readRows,
  POST: insertRows,
  PATCH: (call, table, query) => changeRows(call, table, query),
  DELETE: (call, table, query) => answerChange(call, buildDelete(table, query, isReturned(call)), 200),
};

async function accessTable(call: Call, name: string): Promise<Response> {
  const { method, url } = call.request;
  const access = methods[method];
  if (access === undefined) return refuse(postgrestFailure(405, "PGRST117", `Unsupported HTTP method: ${method}`));
  const table = await findTable(call.pool, name);
  const query = parseQuery(new URL(url).searchParams);
  await requireNoEmbedding(call.pool, table, query.embedded);
  return access(call, table, query);
}

async function readRows(call: Call, table: Table, query: Query): Promise<Response> {
  const { pool, caller, request, prefer } = call;
  return runAs(pool, { caller, request, readOnly: true }, async (client) => {
    const [answer] = await ask<Answer>(client, { ...buildRead(table, query), caller });
    const isCounted = prefer.includes("count=exact");
    const [counted] = isCounted ? await ask<{ total: string }>(client, { ...buildCount(table, query), caller }) : [];
    return answerRows(request, answer, { status: 200, offset: query.offset, total: counted?.total ?? "*" });
  });
}

async function insertRows(call: Call, table: Table, query: Query): Promise<Response> {
  const resolution = call.prefer.match(/resolution=(ignore|merge)-duplicates/)?.[1] as "ignore" | "merge" | undefined;
  const body = parseBody(table, await readJson(call.request));
  const options = { resolution: resolution ?? ("none" as const), isReturned: isReturned(call) };
  return answerChange(call, buildInsert(table, query, body, options), 201);
}

/** A change of no columns changes no row (PostgREST.Query.QueryBuilder). */
async function changeRows(call: Call, table: Table, query: Query): Promise<Response> {
  const body = parseBody(table, await readJson(call.request));
  const nothing = { sql: "select '[]' as body, 0 as rows", values: [] };
  const statement = body.columns.length === 0 ? nothing : buildUpdate(table, query, body, isReturned(call));
  return answerChange(call, statement, 200);
}

async function answerChange(call: Call, statement: Statement, status: 200 | 201): Promise<Response> {
  const { pool, caller, request, prefer } = call;
  return runAs(pool, { caller, request, readOnly: false }, async (client) => {
    const [answer] = await ask<Answer>(client, { ...statement, caller });
    const total = prefer.includes("count=exact") ? String(answer?.rows) : "*";
    const full = answerRows(request, answer, { status, offset: 0, total });
    if (isReturned(call)) return full;
    return new Response(null, { status: status === 200 ? 204 : status, headers: { "content-range": `*/${total}` } });
  });
}

type AnswerOptions = { status: number; offset: number; total: string };

/** One object where the Accept header asks for one (docs.postgrest.org, "Singular or Plural"), else the list. */
function answerRows(request: Request, answer: Answer | undefined, { status, offset, total }: AnswerOptions): Response {
  const [body, rows] = [answer?.body ?? "[]", Number(answer?.rows ?? 0)];
  const type = request.headers.get("accept")?.match(/application\/vnd\.pgrst\.object\+json/)?.[0];
  if (type !== undefined && rows !== 1) {
    const message = "Cannot coerce the result to a single JSON object";
    refuse(postgrestFailure(406, "PGRST116", message, { details: `The result contains ${rows} rows` }));
  }
  const range = rows === 0 ? "*" : `${offset}-${offset + rows - 1}`;
  return new Response(type === undefined ? body : JSON.stringify(JSON.parse(body)[0]), {
    status: status === 200 && total !== "*" && rows < Number(total) ? 206 : status,
    headers: { "content-type": type ?? "application/json", "content-range": `${range}/${total}` },
  });
}

/** Arguments come as a JSON object, or by GET in the query string; GET runs read-only (docs.postgrest.org, "Functions"). */
async function callFunction({ pool, request, caller }: Call, name: string): Promise<Response> {
  if (!["GET", "HEAD", "POST"].includes(request.method)) {
    refuse(postgrestFailure(405, "PGRST101", `Cannot use the ${request.method} method on RPC`));
  }
  const isRead = request.method !== "POST";
  const args = isRead ? Object.fromEntries(new URL(request.url).searchParams) : await readJson(request);
  const names = Object.keys(args as object);
  const found = await findFunction(pool, name, names);
  const sql = (await buildStatement(pool, name, names, "%")) ?? refuse(functionNotFound(name, names));
  const values = names.length === 0 ? [] : [JSON.stringify(args)];
  return runAs(pool, { caller, request, readOnly: isRead }, async (client) => {
    await client.query(hoistSettings, [name]);
    const collected = `select coalesce(json_agg(c.value), '[]') as values from (${sql}) as c`;
    const [row] = await ask<{ values: unknown[] }>(client, { sql: collected, values, caller });
    if (found.returns_void) return new Response(null, { status: 204 });
    return Response.json(found.returns_set ? row?.values : (row?.values[0] ?? null));
  });
}

async function readJson(request: Request): Promise<unknown> {
  const json: unknown = await request.json().catch(() => null);
  return typeof json === "object" && json !== null ? json : refuse(bodyNotParsed);
}

function isReturned({ prefer }: Call): boolean {
  return prefer.includes("return=representation");
}
