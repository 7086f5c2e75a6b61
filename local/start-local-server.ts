import { mkdir } from "node:fs/promises";
import type { Hono } from "hono";
import type { Config } from "#core/config/config.ts";
import { createDatabase } from "#core/database/database.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { createCallFunction } from "../server/call-function.ts";
import { type Composition, compose } from "../server/compose.ts";
import type { OpenDatabase } from "../server/database.ts";
import { checkPort, listen, urlOf } from "../server/listen.ts";
import { type AddUndo, startInSteps } from "../server/start-in-steps.ts";
import { claimFolder } from "./folder-lock.ts";
import { openLocalDatabase } from "./open-local-database.ts";
import { ignoreFolder, type LocalSettings, readLocalSecrets, writeLocalSettings } from "./settings.ts";
import { createAuthStandIn } from "./supabase/auth/routes.ts";
import { createRestStandIn } from "./supabase/rest-api.ts";

type LocalServerOptions = {
  config: Config;
  /** Where the local settings and the embedded database live, usually .clerk-sync. */
  folder: string;
  /** Unix milliseconds. */
  now?: () => number;
};

export type RunningLocalServer = {
  settings: LocalSettings;
  /** Resolves when the embedded PostgreSQL ends without being asked; never for a database of the user's. */
  databaseGone: Promise<void>;
  /** Finishes what is in flight, stops the worker and the database, frees the port. */
  stop: () => Promise<void>;
};

/**
 * Starts the whole system in this process: database, migrations, routes, worker, and stand-ins of what a
 * Supabase project would serve. Whatever fails, nothing is left running.
 * Throws SyncError with the way out: `port_in_use`, `data_folder_*`, `database_unavailable`, `config_invalid` …
 */
export async function startLocalServer({
  config,
  folder,
  now = Date.now,
}: LocalServerOptions): Promise<RunningLocalServer> {
  return startInSteps(async (addUndo) => {
    await checkPort(config);
    await takeFolder(folder, addUndo);
    const database = await openLocalDatabase(config.databaseUrl, folder, config.configurationFile);
    addUndo(database.close);
    const settings = await makeSettings(config, folder, database.url);
    const mapping = await createDatabase(createCallFunction(database.pool)).mapping();
    const { app, worker, recorder } = compose(config, {
      ...localComposition(config, settings, database, now),
      mapping,
    });
    addUndo(async () => recorder?.close());
    addUndo(await listen(app, config));
    worker?.start(); // after listening: the mirror of a local server calls the server itself
    addUndo(async () => worker?.stop());
    await writeLocalSettings(folder, settings);
    return { settings, databaseGone: database.gone };
  });
}

async function takeFolder(folder: string, addUndo: AddUndo): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new SyncError("data_folder_unusable", `Cannot make ${folder}: ${errorMessage(cause)}.`, { cause });
  });
  addUndo(await claimFolder(folder));
  await ignoreFolder(folder);
}

async function makeSettings(config: Config, folder: string, databaseUrl: string): Promise<LocalSettings> {
  const secrets = await readLocalSecrets(folder);
  const url = urlOf(config);
  return {
    url,
    databaseUrl,
    webhookSecret: config.webhookSecrets[0] ?? secrets.webhookSecret,
    secretKey: config.secretKeys[0] ?? secrets.secretKey,
    adminUrl: `${url}/admin`,
  };
}

function localComposition(
  config: Config,
  settings: LocalSettings,
  opened: OpenDatabase,
  now: () => number,
): Omit<Composition, "mapping"> {
  return {
    pool: opened.pool,
    webhookSecrets: [...new Set([settings.webhookSecret, ...config.webhookSecrets])],
    secretKeys: [settings.secretKey, ...config.secretKeys],
    auth: findAuth(config, settings, opened),
    standIns: config.supabaseUrl === null ? makeStandIns(opened, settings.secretKey) : {},
    only: null,
    now,
  };
}

function makeStandIns(opened: OpenDatabase, secretKey: string): Record<string, Hono> {
  const rest = createRestStandIn({ pool: opened.pool, secretKey });
  if (!opened.hasAuthStandIn) return { "/rest/v1": rest };
  return { "/rest/v1": rest, "/auth/v1": createAuthStandIn({ pool: opened.pool, secretKey }) };
}

function findAuth(config: Config, settings: LocalSettings, opened: OpenDatabase): Composition["auth"] {
  if (!config.authMirror) return null;
  if (config.supabaseUrl === null && !opened.hasAuthStandIn) {
    throw new SyncError(
      "config_invalid",
      "DATABASE_URL is a Supabase project: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY to mirror users into its Auth, or AUTH_MIRROR=off.",
    );
  }
  if (config.supabaseUrl !== null && config.secretKeys.length === 0) {
    throw new SyncError(
      "config_invalid",
      "SUPABASE_URL is set without SUPABASE_SECRET_KEYS or SUPABASE_SERVICE_ROLE_KEY.",
    );
  }
  return { supabaseUrl: config.supabaseUrl ?? settings.url, secretKey: settings.secretKey };
}
