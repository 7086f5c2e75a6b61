// Clerk's webhook: checks the signature, stores the job, answers. Everything else is in ../_shared.
import { setUp } from "../_shared/edge-setup.ts";
import { handleWebhook, type WebhookDependencies } from "../_shared/handle-webhook.ts";
import { createLoadLimit } from "../_shared/limit-load.ts";
import { createVerifySignature } from "../_shared/verify-signature.ts";

const { config, database } = await setUp(Deno.env.toObject());

const dependencies: WebhookDependencies = {
  database,
  verifySignature: config.webhookSecrets.length === 0 ? null : createVerifySignature(config.webhookSecrets, Date.now),
  loadLimit: createLoadLimit({ events: 256, bytes: 64 * 1024 * 1024, now: Date.now }),
  maxAttempts: config.maxAttempts,
  onQueued: () => undefined, // the scheduled user-job-processor finds it
};

Deno.serve((request) => handleWebhook(request, dependencies));
