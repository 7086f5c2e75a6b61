import { recordFieldsOf } from "../config/mapping.ts";
import type { ErrorCode } from "../errors.ts";
import { watchStores } from "../health/watch-stores.ts";
import type { CreateHmac } from "../http/sign-webhook.ts";
import { applyRules, createAcceptEvents } from "../webhook/accept-events.ts";
import type { WebhookDependencies } from "../webhook/handle-webhook.ts";
import { createLoadLimit } from "../webhook/limit-load.ts";
import { createRateLimit } from "../webhook/limit-rate.ts";
import type { DeliveryRecorder } from "../webhook/record-deliveries.ts";
import { createVerifySignature } from "../webhook/verify-signature.ts";
import { composeFields, type System } from "./work.ts";

type WebhookHost = {
  /** Empty: the webhook is off. */
  webhookSecrets: readonly string[];
  recorder: DeliveryRecorder;
  onQueued: () => void;
  /** WebCrypto's when it is not given. */
  createHmac?: CreateHmac;
};

/** A request is counted as long as it is under way; beyond these waiting is no use. */
const mostUnderWay = { events: 256, bytes: 64 * 1024 * 1024 };

/** The webhook; `refusal` says why the last events were not stored, for the health of this process. */
export function composeWebhook(
  system: System,
  { webhookSecrets, recorder, onQueued, createHmac }: WebhookHost,
): { webhook: WebhookDependencies; refusal: () => ErrorCode | null } {
  const { config, mapping, call, now } = system;
  const { acceptEvents, refusal } = watchStores(createAcceptEvents({ call, apply: applyRules(config) }), now);
  const webhook: WebhookDependencies = {
    acceptEvents,
    onQueued,
    fields: composeFields(system),
    records: recordFieldsOf(mapping),
    verifySignature: webhookSecrets.length === 0 ? null : createVerifySignature(webhookSecrets, now, createHmac),
    loadLimit: createLoadLimit({ ...mostUnderWay, now }),
    rateLimit: createRateLimit({ ...config.webhookRate, now }),
    maxAttempts: config.maxAttempts,
    instanceIds: config.instanceIds,
    ...recorder.hooks,
  };
  return { webhook, refusal };
}
