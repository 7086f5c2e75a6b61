import { composeWebhook } from "../compose/webhook.ts";
import { composeWork, type System } from "../compose/work.ts";
import { createSupervision } from "../health/supervise-sync.ts";
import type { WebhookDependencies } from "../webhook/handle-webhook.ts";
import { createDeliveryRecorder } from "../webhook/record-deliveries.ts";
import { createBackgroundDrain } from "../worker/background-drain.ts";
import { processAlone, processQueue } from "../worker/process-queue.ts";
import { drainOptions, type KeepAlive } from "./drain.ts";

/** What the webhook needs as an Edge Function. */
export function createEdgeWebhook(system: System, keepAlive: KeepAlive): WebhookDependencies {
  const { config, call, program, now } = system;
  const work = composeWork(system);
  const { beat } = createSupervision(config, call, "processor", program);
  // Beside the drain: a job that hangs must not hold up the next one.
  const runSuspects = createBackgroundDrain({ drain: () => processAlone(work, drainOptions), keepAlive });
  const drain = async () => {
    const { alone } = await processQueue(work, drainOptions);
    if (alone) runSuspects();
    await beat();
  };
  const { webhook } = composeWebhook(system, {
    webhookSecrets: config.webhookSecrets,
    recorder: createDeliveryRecorder({ call, program, keepAlive, now }),
    onQueued: createBackgroundDrain({ drain, keepAlive }),
  });
  return webhook;
}
