import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createAuthStandIn } from "../../server/auth-stand-in/routes.ts";
import { findFreePort } from "../../server/postgres/embedded-postgres.ts";
import { createRestStandIn } from "../../server/rest-stand-in.ts";
import { createQueue, type Queue } from "./queue.ts";

export type SupabaseStandIn = Queue & { url: string; secretKey: string; stop: () => Promise<void> };

/** What a Supabase project serves to its functions (rpc and Auth admin), over HTTP, without any worker. */
export async function startSupabaseStandIn(secretKey = "sb_secret_test_0123456789"): Promise<SupabaseStandIn> {
  const queue = await createQueue();
  const port = await findFreePort();
  const app = new Hono()
    .route("/rest/v1", createRestStandIn({ pool: queue.pool, secretKey }))
    .route("/auth/v1", createAuthStandIn({ pool: queue.pool, secretKey }));
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  await once(server, "listening");
  return {
    ...queue,
    url: `http://127.0.0.1:${port}`,
    secretKey,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await queue.drop();
    },
  };
}
