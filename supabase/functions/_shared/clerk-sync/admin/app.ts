import { createRoute, OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import { SyncError } from "../errors.ts";
import { json } from "../http/json-response.ts";
import { readBody } from "../http/read-body.ts";
import { type AdminCaller, hasCredential, type IdentifyCaller } from "./caller.ts";
import { refusalSchema } from "./contract/overview.ts";
import type { RefuseSignIn } from "./limit-sign-in.ts";
import { refuse, requestInvalid } from "./refusal.ts";
import type { AdminRoute } from "./route.ts";

type AdminAppOptions = {
  routes: readonly AdminRoute[];
  identifyCaller: IdentifyCaller;
  refuseSignIn: RefuseSignIn;
};

/** source: where the request came from, as the adapter knows it. */
type AdminEnv = { Bindings: { source: string }; Variables: { caller: AdminCaller } };

type AdminApp = OpenAPIHono<AdminEnv>;

/** The largest body there is names 500 jobs. */
const maxBodyBytes = 64 * 1024;
const prefix = /^(\/functions\/v1)?\/sync-admin(?=\/|$)/;

/** The routes under one roof: who asks is found out before anything else, then whether they may, then what they sent. */
export function createAdminApp({ routes, identifyCaller, refuseSignIn }: AdminAppOptions): AdminApp {
  const app: AdminApp = new OpenAPIHono<AdminEnv>({
    getPath: pathOf,
    defaultHook: (result) => {
      if (!result.success) throw requestInvalid(result.error);
    },
  });
  app.use("*", async (context, next) => {
    context.set("caller", await identify(context.req.raw, context.env.source, { identifyCaller, refuseSignIn }));
    await next();
  });
  for (const route of routes) addRoute(app, route);
  app.notFound((context) => refuseUnknown(context.req.raw, routes));
  app.onError(refuse);
  return app;
}

/** The document of all routes (OpenAPI 3.1). */
export function describeAdmin(app: AdminApp): Record<string, unknown> {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "sync-admin",
      version: "1",
      description:
        "Jobs, users and the state of clerk-supabase-sync. x-right says who may: an operator may all that a viewer may.",
    },
    servers: [{ url: "/functions/v1/sync-admin" }],
    security: [{ secretKey: [] }, { bearer: [] }],
  });
  const securitySchemes = {
    secretKey: { type: "apiKey", in: "header", name: "apikey" },
    bearer: {
      type: "http",
      scheme: "bearer",
      description: "An admin token, a Clerk session token, or the secret key.",
    },
  };
  return { ...document, components: { ...document.components, securitySchemes } };
}

function pathOf(request: Request): string {
  const path = new URL(request.url).pathname.replace(prefix, "").replace(/\/+$/, "");
  return path === "" ? "/" : path;
}

async function identify(
  request: Request,
  source: string,
  { identifyCaller, refuseSignIn }: Pick<AdminAppOptions, "identifyCaller" | "refuseSignIn">,
): Promise<AdminCaller> {
  try {
    return await identifyCaller(request);
  } catch (error) {
    if (isFailedProof(error) && hasCredential(request)) await refuseSignIn(source, error.code);
    throw error;
  }
}

const failedProofs: readonly string[] = ["caller_unauthorized", "admin_token_invalid", "session_token_invalid"];

function isFailedProof(error: unknown): error is SyncError {
  return error instanceof SyncError && failedProofs.includes(error.code);
}

function addRoute(app: AdminApp, route: AdminRoute): void {
  const definition = defineOpenApi(route);
  const path = definition.getRoutingPath();
  app.on([route.method], path, async (context, next) => {
    checkRight(route, context.get("caller"));
    refuseUnstorable(context.req.param(), "");
    refuseUnstorable(context.req.queries(), "");
    if (route.body !== undefined) context.req.raw = await readJson(context.req.raw);
    await next();
  });
  app.openapi(definition, async (context) => {
    const valid = (target: string): unknown => context.req.valid(target as never);
    const input = {
      params: route.params && valid("param"),
      query: route.query && valid("query"),
      body: route.body && valid("json"),
    };
    const answer = await route.handle(input, context.get("caller"));
    return (answer instanceof Response ? answer : json(200, answer)) as never;
  });
}

/** No route has this path, or none of those that have it has this method. */
function refuseUnknown(request: Request, routes: readonly AdminRoute[]): Response {
  const path = pathOf(request);
  const fits = routes.filter((route) => new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+")}$`).test(path));
  if (fits.length === 0) {
    return json(404, { error: "sync-admin has no such route. GET /openapi.json lists all.", code: "not_found" });
  }
  const methods = new Set(fits.flatMap(({ method }) => (method === "get" ? ["GET", "HEAD"] : ["POST"])));
  const allow = [...methods].join(", ");
  return json(405, { error: `Ask by ${allow}.`, code: "method_not_allowed" }, { allow });
}

function defineOpenApi({ method, path, summary, right, params, query, body, answer, media }: AdminRoute) {
  return createRoute({
    method,
    path,
    summary,
    "x-right": right,
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(body && { body: { required: true, content: contentOf(body) } }),
    },
    responses: {
      200: { description: summary, content: contentOf(answer, media) },
      "4XX": { description: "Refused", content: contentOf(refusalSchema) },
      "5XX": { description: "Cannot be answered now", content: contentOf(refusalSchema) },
    },
  });
}

function contentOf(schema: z.ZodType, media = "application/json") {
  return { [media]: { schema } };
}

function checkRight({ right }: AdminRoute, caller: AdminCaller): void {
  if (right === "viewer" || caller.right === "operator") return;
  throw new SyncError("right_missing", "A viewer only reads. Ask an operator, or sign in as one.");
}

/**
 * Throws SyncError `request_invalid` with the parameter's name when a text holds NUL or a lone surrogate, which no text
 * of PostgreSQL can hold: https://www.postgresql.org/docs/current/datatype-json.html#JSON-TYPE-MAPPING-TABLE
 */
function refuseUnstorable(value: unknown, name: string): void {
  if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) {
    throw new SyncError(
      "request_invalid",
      `${name}: holds a character that PostgreSQL cannot store (NUL or a lone surrogate).`,
    );
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    refuseUnstorable(item, Array.isArray(value) ? name : [name, key].filter((part) => part !== "").join("."));
  }
}

/** The request with its body read, within bounds, and taken for JSON whatever its header says. */
async function readJson(request: Request): Promise<Request> {
  const body = await readBody(request, undefined, maxBodyBytes);
  const text = new TextDecoder().decode(body);
  try {
    refuseUnstorable(JSON.parse(text), "");
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw new SyncError("request_invalid", "The body is not JSON.", { cause });
  }
  return new Request(request.url, {
    method: request.method,
    headers: { "content-type": "application/json" },
    body: text,
  });
}
