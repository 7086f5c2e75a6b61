import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { openLocalDatabase } from "../../../local/open-local-database.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createAuthStandIn } from "../../../local/supabase/auth/routes.ts";
import { createRestStandIn } from "../../../local/supabase/rest-api.ts";
import { type DenoFunction, startDenoFunction } from "../processes/deno-function.ts";
import type { LocalSettings } from "../processes/server-process.ts";
import { createTestFolder } from "../processes/test-folder.ts";

const secretKey = "sb_secret_test_0123456789";
const webhookSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";

/**
 * The system as it is on hosted Supabase: the Edge Functions under Deno, reached through a gateway that also
 * stands in for the API and for Auth, on a PostgreSQL of its own. clerkEnvironment: the instance it belongs to.
 */
export async function startEdgeSystem(
  clerkEnvironment: Record<string, string> = {},
): Promise<{ settings: LocalSettings; stop: () => Promise<void> }> {
  const folder = await createTestFolder();
  const database = await openLocalDatabase(null, folder.path);
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const functions: Record<string, DenoFunction> = {};
  const app = new Hono()
    .route("/rest/v1", createRestStandIn({ pool: database.pool, secretKey }))
    .route("/auth/v1", createAuthStandIn({ pool: database.pool, secretKey }))
    .all("/functions/v1/:name/*", (context) => forward(context.req.raw, functions[context.req.param("name")]));
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  await once(server, "listening");
  const keys = { SUPABASE_URL: url, SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }) };
  const env = { ...keys, ...clerkEnvironment };
  functions["clerk-webhook"] = await startDenoFunction("clerk-webhook", {
    ...env,
    CLERK_WEBHOOK_SECRET: webhookSecret,
  });
  functions["user-job-processor"] = await startDenoFunction("user-job-processor", env);
  functions["ensure-user"] = await startDenoFunction("ensure-user", env);
  functions["sync-health"] = await startDenoFunction("sync-health", env);
  functions["sync-admin"] = await startDenoFunction("sync-admin", env);
  return {
    settings: { url, databaseUrl: database.url, webhookSecret, secretKey },
    stop: async () => {
      await Promise.all(Object.values(functions).map((running) => running.stop()));
      server.close();
      server.closeAllConnections();
      await database.close();
      await folder.remove();
    },
  };
}

/**
 * Passes a request on as Supabase's gateway does: the same bytes, the same headers but those of the connection, and of the
 * path what begins with the function's name.
 */
async function forward(request: Request, to: DenoFunction | undefined): Promise<Response> {
  if (to === undefined) return Response.json({ code: "NOT_FOUND" }, { status: 404 });
  const headers = new Headers(request.headers);
  for (const name of ["host", "connection", "content-length", "transfer-encoding"]) headers.delete(name);
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const body = hasBody ? await request.arrayBuffer() : null;
  const { pathname, search } = new URL(request.url);
  const url = `${to.url}${pathname.replace("/functions/v1", "")}${search}`;
  return fetch(url, { method: request.method, headers, body });
}
