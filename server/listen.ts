import { once } from "node:events";
import type { Server } from "node:http";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import type { Config } from "#core/config/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";

type Address = Pick<Config, "host" | "port">;

const drainMilliseconds = 10_000;
/** Who has not sent a whole request by then is answered 408: slow senders must not take the places of others. */
const requestTimeout = 10_000;

/**
 * Serves the app; the returned function lets what is in flight end, and frees the port.
 * Throws SyncError `port_in_use`.
 */
export async function listen(app: Pick<Hono, "fetch">, { host, port }: Address): Promise<() => Promise<void>> {
  const server: ServerType = serve({
    fetch: app.fetch,
    port,
    hostname: host,
    serverOptions: { requestTimeout, headersTimeout: requestTimeout, connectionsCheckingInterval: 1000 },
  });
  try {
    if (!server.listening) await once(server, "listening");
  } catch (cause) {
    throw listenError(cause, { host, port });
  }
  return () => close(server as Server);
}

/** Asks before anything else is started: the usual mistake is a second server on the same port. */
export async function checkPort(address: Address): Promise<void> {
  const close = await listen({ fetch: () => new Response(null, { status: 503 }) }, address);
  await close();
}

/** The URL of a server that listens on `host`: a wildcard is no address, IPv6 goes into brackets. */
export function urlOf({ host, port }: Address): string {
  return `http://${reachableHost(host)}:${port}`;
}

function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function listenError(cause: unknown, { host, port }: Address): SyncError {
  const message =
    (cause as { code?: string }).code === "EADDRINUSE"
      ? `Port ${port} of ${host} is in use. Stop what uses it, or choose another, for instance PORT=${port + 1}.`
      : `Cannot listen on ${host}:${port}: ${errorMessage(cause)}. Choose another PORT or HOST.`;
  return new SyncError("port_in_use", message, { cause });
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  // A client that keeps its connection open would go on sending on it: each answer now ends its connection.
  server.prependListener("request", (_, response) => {
    response.shouldKeepAlive = false;
  });
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainMilliseconds);
  await closed;
  clearTimeout(timer);
}
