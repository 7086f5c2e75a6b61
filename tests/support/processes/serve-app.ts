import type { AddressInfo } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";

export type Served = { url: string; stop: () => Promise<void> };

/** Serves the routes on a free port of 127.0.0.1. */
export async function serveApp(app: Hono): Promise<Served> {
  let server: ServerType | undefined;
  const { port } = await new Promise<AddressInfo>((resolve) => {
    server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, resolve);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      if (server !== undefined && "closeAllConnections" in server) server.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
    },
  };
}
