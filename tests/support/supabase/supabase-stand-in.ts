import { Hono } from "hono";
import { createAuthStandIn } from "../../../local/supabase/auth/routes.ts";
import { createQueue, type Queue } from "../database/queue.ts";
import { serveApp } from "../processes/serve-app.ts";
import { type ApiKeys, createApiKeys } from "./rest-api/pass-gateway.ts";
import { createReadToken } from "./rest-api/read-token.ts";
import { createRestApi } from "./rest-api/routes.ts";
import { createAuthenticator } from "./rest-api/run-as.ts";

export type SupabaseStandIn = Queue & { url: string; keys: ApiKeys; stop: () => Promise<void> };

/**
 * What a Supabase project serves to its functions (the Data API and Auth admin), over HTTP, without any worker. It
 * takes the secret key and the legacy service_role key, and trusts no third party.
 */
export async function startSupabaseStandIn(): Promise<SupabaseStandIn> {
  const queue = await createQueue();
  const { pool } = queue;
  const keys = await createApiKeys();
  await createAuthenticator(pool);
  const readToken = createReadToken({ jwtSecret: keys.jwtSecret, jwksUrl: "http://127.0.0.1:1/no-third-party" });
  const authFor = (secretKey: string) => new Hono().route("/auth/v1", createAuthStandIn({ pool, secretKey }));
  const [auth, legacyAuth] = [authFor(keys.secret), authFor(keys.serviceRoleJwt)];
  const app = new Hono().route("/rest/v1", createRestApi({ pool, keys, readToken }));
  app.all("/auth/v1/*", ({ req }) => (req.header("apikey") === keys.serviceRoleJwt ? legacyAuth : auth).fetch(req.raw));
  const { url, stop } = await serveApp(app);
  return {
    ...queue,
    url,
    keys,
    stop: async () => {
      await stop();
      await queue.drop();
    },
  };
}
