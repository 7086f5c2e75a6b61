import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { mapEvent } from "#core/clerk/map-user.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import type { NewJob } from "#core/database/database.ts";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { findFreePort } from "../../local/postgres/embedded-postgres.ts";
import { createNodeHmac } from "../../server/node-hmac.ts";
import { webhookPath, webhookSecret } from "../load/payload.ts";

/** The HTTP server that every peer stands behind: our own router, signature check and mapping, and nothing else. */
export async function servePeer(take: (job: NewJob) => Promise<unknown>): Promise<{ port: number }> {
  const verifySignature = createVerifySignature([webhookSecret], Date.now, createNodeHmac);
  const app = new Hono().post(webhookPath, async (context) => {
    const body = new Uint8Array(await context.req.raw.arrayBuffer());
    const eventId = await verifySignature(context.req.raw.headers, body);
    const event = parseEvent(body);
    if (event.type === "unhandled") return context.json({ success: true }, 200);
    await take(mapEvent(event, eventId));
    return context.json({ success: true }, 202);
  });
  const port = await findFreePort();
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  return { port };
}
