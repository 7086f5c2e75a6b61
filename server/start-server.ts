import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import type { Server } from "node:http";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import type { Config } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { compose } from "./compose.ts";
import { openDatabase } from "./database.ts";
import { claimFolder } from "./folder-lock.ts";
import { type LocalSettings, readLocalSecrets, writeLocalSettings } from "./local-settings.ts";

export type ServerOptions = {
  config: Config;
  /** Where the local settings and the embedded database live, usually .clerk-sync. */
  folder: string;
  /** Unix milliseconds. */
  now?: () => number;
};

export type RunningServer = {
  settings: LocalSettings;
  /** Resolves when the embedded PostgreSQL ends without being asked; never for a database of the user's. */
  databaseGone: Promise<void>;
  /** Finishes what is in flight, stops the worker and the database, frees the port. */
  stop: () => Promise<void>;
};

const drainMilliseconds = 10_000;
/** Who has not sent a whole request by then is answered 408: slow senders must not take the places of others. */
const requestTimeout = 10_000;

/**
 * Starts the whole system in this process: database, migrations, routes, worker, and stand-ins of what a
 * Supabase project would serve. Whatever fails, nothing is left running.
 * Throws SyncError with the way out: `port_in_use`, `data_folder_*`, `database_unavailable`, `config_invalid` …
 */
export async function startServer({ config, folder, now = Date.now }: ServerOptions): Promise<RunningServer> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await checkPort(config);
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw new SyncError("data_folder_unusable", `Cannot make ${folder}: ${errorMessage(cause)}.`, { cause });
    });
    undo.push(await claimFolder(folder));
    const database = await openDatabase(config.databaseUrl, folder);
    undo.push(database.close);
    const settings = await makeSettings(config, folder, database.url);
    const { app, worker } = compose(config, settings, database, now);
    undo.push(await listen(app, config));
    worker.start(); // after listening: the mirror of a local server calls the server itself
    undo.push(worker.stop);
    await writeLocalSettings(folder, settings);
    return { settings, databaseGone: database.gone, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeSettings(config: Config, folder: string, databaseUrl: string): Promise<LocalSettings> {
  const secrets = await readLocalSecrets(folder);
  const url = `http://${reachableHost(config.host)}:${config.port}`;
  return {
    url,
    databaseUrl,
    webhookSecret: config.webhookSecrets[0] ?? secrets.webhookSecret,
    secretKey: config.secretKeys[0] ?? secrets.secretKey,
    adminUrl: `${url}/admin`,
  };
}

/** The address to call a server that listens on `host`: a wildcard is no address, IPv6 goes into brackets. */
function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** Asks before anything else is started: the usual mistake is a second server on the same port. */
async function checkPort(config: Config): Promise<void> {
  const close = await listen(undefined, config);
  await close();
}

async function listen(app: Hono | undefined, config: Config): Promise<() => Promise<void>> {
  const server: ServerType = serve({
    fetch: app?.fetch ?? (() => new Response(null, { status: 503 })),
    port: config.port,
    hostname: config.host,
    serverOptions: { requestTimeout, headersTimeout: requestTimeout, connectionsCheckingInterval: 1000 },
  });
  try {
    if (!server.listening) await once(server, "listening");
  } catch (cause) {
    throw listenError(cause, config);
  }
  return () => close(server as Server);
}

function listenError(cause: unknown, { host, port }: Config): SyncError {
  if ((cause as { code?: string }).code === "EADDRINUSE") {
    const message = `Port ${port} of ${host} is in use. Stop what uses it, or choose another: PORT=${port + 1} npm start`;
    return new SyncError("port_in_use", message, { cause });
  }
  return new SyncError(
    "port_in_use",
    `Cannot listen on ${host}:${port}: ${errorMessage(cause)}. Choose another PORT or HOST.`,
    {
      cause,
    },
  );
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
