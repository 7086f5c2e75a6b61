import type { Hono } from "hono";
import type pg from "pg";
import { createAllowOrigin } from "#core/allow-origin.ts";
import { createAuthAdmin } from "#core/auth-admin.ts";
import { createCheckCaller } from "#core/check-caller.ts";
import type { Config } from "#core/config.ts";
import { createSlices } from "#core/create-slices.ts";
import { createDatabase } from "#core/database.ts";
import { createEnsureUser } from "#core/ensure-user.ts";
import { createLoadLimit } from "#core/limit-load.ts";
import { createRateLimit } from "#core/limit-rate.ts";
import { createMirrorUser } from "#core/mirror-user.ts";
import { createReadUser } from "#core/read-user.ts";
import { createConfiguredVerify } from "#core/verify-session-token.ts";
import { createVerifySignature } from "#core/verify-signature.ts";
import { createApp } from "./app.ts";
import { createCallFunction } from "./call-function.ts";
import type { Half } from "./half.ts";
import { createHealth } from "./health.ts";
import { createWorker, type Worker } from "./worker.ts";

/** Ten connections serve so many events in a fraction of a second; beyond that waiting is no use. */
const mostInHand = { events: 256, bytes: 64 * 1024 * 1024 };

/** What differs between a server that everything is given to and a local one that makes for itself what it needs. */
export type Composition = {
  pool: pg.Pool;
  /** Empty: the webhook is off. */
  webhookSecrets: readonly string[];
  secretKeys: readonly string[];
  /** Where users are mirrored to; null: nowhere. */
  auth: { supabaseUrl: string; secretKey: string } | null;
  standIns: Readonly<Record<string, Hono>>;
  /** Null: both halves. */
  only: Half | null;
  /** Unix milliseconds. */
  now: () => number;
};

export type Parts = { app: Hono; worker: Worker | null };

/** Builds the routes and the worker from what was configured and opened. Neither is started. */
export function compose(config: Config, composition: Composition): Parts {
  const { only, now, auth } = composition;
  const call = createCallFunction(composition.pool);
  const database = createDatabase(call);
  const work = {
    database,
    mirrorUser: auth === null ? null : createMirrorUser(createAuthAdmin(auth)),
    readUser: createReadUser(config, call),
    slices: createSlices(config, call),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    retentionDays: config.retentionDays,
    now,
  };
  const worker = only === "webhook" ? null : createWorker(work);
  const keys = [...composition.secretKeys, ...(config.processorSecret ? [config.processorSecret] : [])];
  const { webhookSecrets } = composition;
  const webhook = {
    database,
    verifySignature: webhookSecrets.length === 0 ? null : createVerifySignature(webhookSecrets, now),
    loadLimit: createLoadLimit({ ...mostInHand, now }),
    rateLimit: createRateLimit({ ...config.webhookRate, now }),
    maxAttempts: config.maxAttempts,
    onQueued: () => worker?.wake(), // another instance's worker sees the job within a second
  };
  const ensureUser = {
    verifySessionToken: createConfiguredVerify(config, now),
    ensureUser: createEnsureUser({ ...work, maxAttempts: config.maxAttempts, onQueued: webhook.onQueued }),
    allowOrigin: createAllowOrigin(config.authorizedParties),
  };
  const app = createApp({
    webhook: only === "worker" ? null : webhook,
    trustedProxies: config.trustedProxies,
    processor:
      only === "webhook" ? null : { ...work, checkCaller: createCheckCaller(keys), budgetMilliseconds: 20_000 },
    ensureUser: only === "worker" ? null : ensureUser,
    health: createHealth({ database, now }),
    standIns: composition.standIns,
  });
  return { app, worker };
}
