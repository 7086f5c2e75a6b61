import { setTimeout as delay } from "node:timers/promises";
import type { Hono } from "hono";
import type pg from "pg";
import { createHandleAdmin } from "#core/admin/handle-admin.ts";
import { listTargets } from "#core/alerts/post-notice.ts";
import { createConfiguredAlerts } from "#core/alerts/send-alerts.ts";
import { createReadUser } from "#core/clerk/read-user.ts";
import { createConfiguredVerify } from "#core/clerk/verify-session-token.ts";
import type { Config } from "#core/config/config.ts";
import { type CallFunction, createDatabase } from "#core/database/database.ts";
import { createEnsureUser } from "#core/ensure-user/ensure-user.ts";
import type { EnsureUserDependencies } from "#core/ensure-user/handle-ensure-user.ts";
import { createReadHealth } from "#core/health/read-health.ts";
import { createSupervision } from "#core/health/supervise-sync.ts";
import { watchStores } from "#core/health/watch-stores.ts";
import { createAllowOrigin } from "#core/http/allow-origin.ts";
import { createCheckCaller } from "#core/http/check-caller.ts";
import { adoptionOf } from "#core/mirror/adopt-holder.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { createSlices } from "#core/reconcile/create-slices.ts";
import { applyRules, createAcceptEvents } from "#core/webhook/accept-events.ts";
import type { WebhookDependencies } from "#core/webhook/handle-webhook.ts";
import { createLoadLimit } from "#core/webhook/limit-load.ts";
import { createRateLimit } from "#core/webhook/limit-rate.ts";
import { createDeliveryRecorder, type DeliveryRecorder } from "#core/webhook/record-deliveries.ts";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { readAdminPage } from "./admin-page.ts";
import { createApp } from "./app.ts";
import { createCallFunction } from "./call-function.ts";
import { createHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { createNodeHmac } from "./node-hmac.ts";
import { watchDatabase } from "./watch-database.ts";
import { createWorker, type Worker, type WorkerDependencies } from "./worker.ts";

/** Ten connections serve so many events in a fraction of a second; beyond that waiting is no use. */
const mostInHand = { events: 256, bytes: 64 * 1024 * 1024 };

/** Half of the work, where several instances share it: `webhook` takes events, `worker` works through the queue. */
export type Half = "webhook" | "worker";

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

export type Parts = {
  app: Hono;
  /** Null on an instance that only takes events. */
  worker: Worker | null;
  /** Null on an instance that takes none. */
  recorder: DeliveryRecorder | null;
};

/** Builds the routes and the worker from what was configured and opened. Neither is started. */
export function compose(config: Config, composition: Composition): Parts {
  const { only, now, secretKeys } = composition;
  const call = createCallFunction(composition.pool);
  const work = makeWork(config, composition, call);
  const supervised = only === "webhook" ? null : makeSupervised(config, work, call);
  const worker = supervised === null ? null : createWorker(supervised);
  const onQueued = () => worker?.wake(); // another instance's worker sees the job within a second
  const recorder = only === "worker" ? null : makeRecorder(call, now);
  const accept = createAcceptEvents({ call, apply: applyRules(config) });
  const { acceptEvents, refusal } = watchStores(accept, now);
  const keys = [...secretKeys, ...(config.processorSecret ? [config.processorSecret] : [])];
  const app = createApp({
    webhook: recorder === null ? null : makeWebhook(config, composition, { acceptEvents, onQueued, recorder }),
    trustedProxies: config.trustedProxies,
    processor: supervised && { ...supervised, checkCaller: createCheckCaller(keys), budgetMilliseconds: 20_000 },
    ensureUser: only === "worker" ? null : makeEnsureUser(config, work, onQueued),
    health: createHealth({ database: work.database, refusal, now }),
    syncHealth: { readHealth: createReadHealth({ call, refusal, now }), checkCaller: createCheckCaller(secretKeys) },
    admin: createHandleAdmin({ ...work, config, secretKeys, call, onQueued }),
    metrics: createMetrics(call, config.metricsToken === null ? secretKeys : [...secretKeys, config.metricsToken]),
    adminPage: readAdminPage(),
    standIns: composition.standIns,
  });
  return { app, worker, recorder };
}

function makeWork(config: Config, { auth, now }: Composition, call: CallFunction) {
  const authAdmin = auth === null ? null : createAuthAdmin(auth);
  const database = createDatabase(call);
  return {
    database,
    auth: authAdmin,
    mirrorUser: authAdmin && createMirrorUser(authAdmin, adoptionOf(config, database, now)),
    readUser: createReadUser(config, call),
    slices: createSlices(config, call, authAdmin === null ? {} : { auth: authAdmin }),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    now,
  };
}

/** The work of an instance that goes through the queue: it purges, and looks after the sync itself. */
function makeSupervised(config: Config, work: ReturnType<typeof makeWork>, call: CallFunction): WorkerDependencies {
  const supervision = createSupervision(config, call, "worker");
  const sendAlerts = watchDatabase({
    sendAlerts: createConfiguredAlerts(config.alerts, call),
    targets: listTargets(config.alerts),
    adminUrl: config.alerts.adminUrl,
    fetch: globalThis.fetch,
    now: work.now,
  });
  return { ...work, retentionDays: config.retentionDays, supervision: { ...supervision, sendAlerts } };
}

function makeWebhook(
  config: Config,
  { webhookSecrets, now }: Composition,
  { recorder, ...parts }: Pick<WebhookDependencies, "acceptEvents" | "onQueued"> & { recorder: DeliveryRecorder },
): WebhookDependencies {
  return {
    ...parts,
    ...recorder.hooks,
    verifySignature: webhookSecrets.length === 0 ? null : createVerifySignature(webhookSecrets, now, createNodeHmac),
    loadLimit: createLoadLimit({ ...mostInHand, now }),
    rateLimit: createRateLimit({ ...config.webhookRate, now }),
    maxAttempts: config.maxAttempts,
    instanceIds: config.instanceIds,
  };
}

function makeRecorder(call: CallFunction, now: () => number): DeliveryRecorder {
  const sleep = (milliseconds: number) => delay(milliseconds, undefined, { ref: false });
  return createDeliveryRecorder({ call, keepAlive: () => undefined, now, sleep });
}

function makeEnsureUser(
  config: Config,
  work: ReturnType<typeof makeWork>,
  onQueued: () => void,
): EnsureUserDependencies {
  return {
    verifySessionToken: createConfiguredVerify(config, work.now),
    ensureUser: createEnsureUser({ ...work, maxAttempts: config.maxAttempts, onQueued }),
    allowOrigin: createAllowOrigin(config.authorizedParties),
  };
}
