import { applyRules, createAcceptEvents } from "./accept-events.ts";
import { createBackgroundDrain } from "./background-drain.ts";
import type { EdgeSetup } from "./edge-setup.ts";
import { createEdgeWork } from "./edge-work.ts";
import type { WebhookDependencies } from "./handle-webhook.ts";
import { createLoadLimit } from "./limit-load.ts";
import { createRateLimit } from "./limit-rate.ts";
import { createDeliveryRecorder } from "./record-deliveries.ts";
import { runAlone, runJobs } from "./run-jobs.ts";
import { createSupervision } from "./supervise-sync.ts";
import { createVerifySignature } from "./verify-signature.ts";

/** What the webhook needs as an Edge Function; keepAlive lets work go on after the answer (EdgeRuntime.waitUntil). */
export function createEdgeWebhook(setup: EdgeSetup, keepAlive: (work: Promise<void>) => unknown): WebhookDependencies {
  const { config, call } = setup;
  const work = createEdgeWork(setup);
  const { beat } = createSupervision(config, call, "processor");
  const options = { budgetMilliseconds: 20_000 };
  // Beside the drain: a job that hangs must not hold up the next one.
  const runSuspects = createBackgroundDrain({ drain: () => runAlone(work, options), keepAlive });
  const drain = async () => {
    const { alone } = await runJobs(work, options);
    if (alone) runSuspects();
    await beat();
  };
  return {
    database: { enqueue: createAcceptEvents({ call, apply: applyRules(config, config.authMirror) }) },
    verifySignature: config.webhookSecrets.length === 0 ? null : createVerifySignature(config.webhookSecrets, Date.now),
    loadLimit: createLoadLimit({ events: 256, bytes: 64 * 1024 * 1024, now: Date.now }),
    rateLimit: createRateLimit({ ...config.webhookRate, now: Date.now }),
    maxAttempts: config.maxAttempts,
    instanceIds: config.instanceIds,
    onQueued: createBackgroundDrain({ drain, keepAlive }),
    ...createDeliveryRecorder({ call, keepAlive, now: Date.now }).hooks,
  };
}
