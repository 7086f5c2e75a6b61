import { createSupervision } from "../health/supervise-sync.ts";
import { applyRules, createAcceptEvents } from "../webhook/accept-events.ts";
import type { WebhookDependencies } from "../webhook/handle-webhook.ts";
import { createLoadLimit } from "../webhook/limit-load.ts";
import { createRateLimit } from "../webhook/limit-rate.ts";
import { createDeliveryRecorder } from "../webhook/record-deliveries.ts";
import { createVerifySignature } from "../webhook/verify-signature.ts";
import { createBackgroundDrain } from "../worker/background-drain.ts";
import { processAlone, processQueue } from "../worker/process-queue.ts";
import type { EdgeSetup } from "./setup.ts";
import { createEdgeWork } from "./work.ts";

/** What the webhook needs as an Edge Function; keepAlive lets work go on after the answer (EdgeRuntime.waitUntil). */
export function createEdgeWebhook(setup: EdgeSetup, keepAlive: (work: Promise<void>) => unknown): WebhookDependencies {
  const { config, call } = setup;
  const work = createEdgeWork(setup);
  const { beat } = createSupervision(config, call, "processor");
  const options = { budgetMilliseconds: 20_000 };
  // Beside the drain: a job that hangs must not hold up the next one.
  const runSuspects = createBackgroundDrain({ drain: () => processAlone(work, options), keepAlive });
  const drain = async () => {
    const { alone } = await processQueue(work, options);
    if (alone) runSuspects();
    await beat();
  };
  return {
    acceptEvents: createAcceptEvents({ call, apply: applyRules(config) }),
    verifySignature: config.webhookSecrets.length === 0 ? null : createVerifySignature(config.webhookSecrets, Date.now),
    loadLimit: createLoadLimit({ events: 256, bytes: 64 * 1024 * 1024, now: Date.now }),
    rateLimit: createRateLimit({ ...config.webhookRate, now: Date.now }),
    maxAttempts: config.maxAttempts,
    instanceIds: config.instanceIds,
    onQueued: createBackgroundDrain({ drain, keepAlive }),
    ...createDeliveryRecorder({ call, keepAlive, now: Date.now }).hooks,
  };
}
