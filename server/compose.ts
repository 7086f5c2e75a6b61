import { setTimeout as delay } from "node:timers/promises";
import type { Hono } from "hono";
import type pg from "pg";
import { createHandleAdmin } from "#core/admin/handle-admin.ts";
import { listTargets } from "#core/alerts/post-notice.ts";
import { createConfiguredAlerts } from "#core/alerts/send-alerts.ts";
import { composeEnsureUser } from "#core/compose/ensure-user.ts";
import { composeProcessor, composeSlices } from "#core/compose/processor.ts";
import { composeWebhook } from "#core/compose/webhook.ts";
import { composeWork, type System } from "#core/compose/work.ts";
import type { Config } from "#core/config/config.ts";
import type { RuntimeMapping } from "#core/config/mapping.ts";
import { createReadHealth } from "#core/health/read-health.ts";
import { createSupervision, type Supervision } from "#core/health/supervise-sync.ts";
import { createCheckCaller } from "#core/http/check-caller.ts";
import { createDeliveryRecorder, type DeliveryRecorder } from "#core/webhook/record-deliveries.ts";
import { readAdminPage } from "./admin-page.ts";
import { createApp } from "./app.ts";
import { createCallFunction } from "./call-function.ts";
import { createHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { createNodeHmac } from "./node-hmac.ts";
import { watchDatabase } from "./watch-database.ts";
import { createWorker, type Worker } from "./worker.ts";

/** Half of the work, where several instances share it: `webhook` takes events, `worker` works through the queue. */
export type Half = "webhook" | "worker";

/** What differs between a server that everything is given to and a local one that makes for itself what it needs. */
export type Composition = {
  pool: pg.Pool;
  mapping: RuntimeMapping;
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

type Parts = {
  app: Hono;
  /** Null on an instance that only takes events. */
  worker: Worker | null;
  /** Null on an instance that takes none. */
  recorder: DeliveryRecorder | null;
};

/** Builds the routes and the worker from what was configured and opened. Neither is started. */
export function compose(config: Config, composition: Composition): Parts {
  const { only, now, secretKeys, webhookSecrets } = composition;
  const call = createCallFunction(composition.pool);
  const program = { name: "server", mapping_hash: composition.mapping.hash };
  const system: System = { ...composition, program, config, call };
  const queue = composeWork(system);
  const work = { ...queue, slices: composeSlices(system, queue) };
  const processor =
    only === "webhook"
      ? null
      : composeProcessor(system, work, { supervision: supervise(system), budgetMilliseconds: 20_000 });
  const worker = processor && createWorker(processor);
  const onQueued = () => worker?.wake(); // another instance's worker sees the job within a second
  const recorder = only === "worker" ? null : makeRecorder(system);
  const taking = recorder && composeWebhook(system, { webhookSecrets, recorder, onQueued, createHmac: createNodeHmac });
  const refusal = taking?.refusal ?? (() => null);
  const app = createApp({
    webhook: taking?.webhook ?? null,
    trustedProxies: config.trustedProxies,
    processor,
    ensureUser: only === "worker" ? null : composeEnsureUser(system, work, onQueued),
    health: createHealth({ database: work.database, refusal, now }),
    syncHealth: {
      readHealth: createReadHealth({ call, program, refusal, now }),
      checkCaller: createCheckCaller(secretKeys),
    },
    admin: createHandleAdmin({ ...system, ...work, onQueued }),
    metrics: createMetrics(call, config.metricsToken === null ? secretKeys : [...secretKeys, config.metricsToken]),
    adminPage: readAdminPage(),
    standIns: composition.standIns,
  });
  return { app, worker, recorder };
}

/** The supervision by an instance that goes through the queue; it also sends alerts while the database is away. */
function supervise({ config, call, program, now }: System): Supervision {
  const sendAlerts = watchDatabase({
    sendAlerts: createConfiguredAlerts(config.alerts, call),
    targets: listTargets(config.alerts),
    adminUrl: config.alerts.adminUrl,
    fetch: globalThis.fetch,
    now,
  });
  return { ...createSupervision(config, call, "worker", program), sendAlerts };
}

function makeRecorder({ call, program, now }: System): DeliveryRecorder {
  const sleep = (milliseconds: number) => delay(milliseconds, undefined, { ref: false });
  return createDeliveryRecorder({ call, program, keepAlive: () => undefined, now, sleep });
}
