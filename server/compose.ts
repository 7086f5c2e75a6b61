import type { Hono } from "hono";
import { createAllowOrigin } from "#core/allow-origin.ts";
import { createAuthAdmin } from "#core/auth-admin.ts";
import { createCheckCaller } from "#core/check-caller.ts";
import type { Config } from "#core/config.ts";
import { createDatabase } from "#core/database.ts";
import { createEnsureUser } from "#core/ensure-user.ts";
import { SyncError } from "#core/errors.ts";
import { createLoadLimit } from "#core/limit-load.ts";
import { createMirrorUser, type MirrorUser } from "#core/mirror-user.ts";
import { createReadUser } from "#core/read-user.ts";
import { createConfiguredVerify } from "#core/verify-session-token.ts";
import { createVerifySignature } from "#core/verify-signature.ts";
import { createApp } from "./app.ts";
import { createAuthStandIn } from "./auth-stand-in/routes.ts";
import { createCallFunction } from "./call-function.ts";
import type { OpenDatabase } from "./database.ts";
import type { LocalSettings } from "./local-settings.ts";
import { createRestStandIn } from "./rest-stand-in.ts";
import { createWorker, type Worker } from "./worker.ts";

/** Ten connections serve so many events in a fraction of a second; beyond that waiting is no use. */
const mostInHand = { events: 256, bytes: 64 * 1024 * 1024 };

export type Parts = { app: Hono; worker: Worker };

/** Builds the routes and the worker from what was configured and opened. Neither is started. */
export function compose(config: Config, settings: LocalSettings, opened: OpenDatabase, now: () => number): Parts {
  const database = createDatabase(createCallFunction(opened.pool));
  const work = {
    database,
    mirrorUser: makeMirror(config, settings, opened),
    readUser: createReadUser(config),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    now,
  };
  const worker = createWorker({ ...work, retentionDays: config.retentionDays });
  const secrets = [...new Set([settings.webhookSecret, ...config.webhookSecrets])];
  const keys = [settings.secretKey, ...config.secretKeys, ...(config.processorSecret ? [config.processorSecret] : [])];
  const standIns = config.supabaseUrl === null ? makeStandIns(opened, settings.secretKey) : {};
  const app = createApp({
    webhook: {
      database,
      verifySignature: createVerifySignature(secrets, now),
      loadLimit: createLoadLimit({ ...mostInHand, now }),
      maxAttempts: config.maxAttempts,
      onQueued: worker.wake,
    },
    processor: {
      ...work,
      checkCaller: createCheckCaller(keys),
      budgetMilliseconds: 20_000,
      retentionDays: config.retentionDays,
    },
    ensureUser: {
      verifySessionToken: createConfiguredVerify(config, now),
      ensureUser: createEnsureUser({ ...work, maxAttempts: config.maxAttempts, onQueued: worker.wake }),
      allowOrigin: createAllowOrigin(config.authorizedParties),
    },
    standIns,
  });
  return { app, worker };
}

function makeStandIns(opened: OpenDatabase, secretKey: string): Record<string, Hono> {
  const rest = createRestStandIn({ pool: opened.pool, secretKey });
  if (!opened.hasAuthStandIn) return { "/rest/v1": rest };
  return { "/rest/v1": rest, "/auth/v1": createAuthStandIn({ pool: opened.pool, secretKey }) };
}

function makeMirror(config: Config, settings: LocalSettings, opened: OpenDatabase): MirrorUser | null {
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
  return createMirrorUser(
    createAuthAdmin({ supabaseUrl: config.supabaseUrl ?? settings.url, secretKey: settings.secretKey }),
  );
}
