import { Hono } from "hono";
import type pg from "pg";
import { type Served, serveApp } from "../../processes/serve-app.ts";
import { type ApiKeys, createApiKeys } from "./pass-gateway.ts";
import { createReadToken } from "./read-token.ts";
import { createRestApi } from "./routes.ts";
import { createAuthenticator } from "./run-as.ts";

export type RestApi = Served & { keys: ApiKeys };

/** Starts a stand-in of a project's Data API that trusts the session tokens of one Clerk instance. */
export async function startRestApi({ pool, jwksUrl }: { pool: pg.Pool; jwksUrl: string }): Promise<RestApi> {
  const keys = await createApiKeys();
  await createAuthenticator(pool);
  const readToken = createReadToken({ jwtSecret: keys.jwtSecret, jwksUrl });
  const served = await serveApp(new Hono().route("/rest/v1", createRestApi({ pool, keys, readToken })));
  return { ...served, keys };
}
