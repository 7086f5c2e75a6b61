// Clerk's webhook: checks the signature, stores the job, answers, and works through the queue afterwards.
import { createBackgroundDrain } from "../_shared/clerk-sync/background-drain.ts";
import { setUp } from "../_shared/clerk-sync/edge-setup.ts";
import { createEdgeWork } from "../_shared/clerk-sync/edge-work.ts";
import { handleWebhook, type WebhookDependencies } from "../_shared/clerk-sync/handle-webhook.ts";
import { createLoadLimit } from "../_shared/clerk-sync/limit-load.ts";
import { createRateLimit } from "../_shared/clerk-sync/limit-rate.ts";
import { readGatewaySource } from "../_shared/clerk-sync/read-source.ts";
import { runJobs } from "../_shared/clerk-sync/run-jobs.ts";
import { createVerifySignature } from "../_shared/clerk-sync/verify-signature.ts";

declare const EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void } | undefined;

const setup = await setUp(Deno.env.toObject());
const { webhookSecrets, webhookRate, maxAttempts } = setup.config;
const work = createEdgeWork(setup);

const dependencies: WebhookDependencies = {
  database: setup.database,
  verifySignature: webhookSecrets.length === 0 ? null : createVerifySignature(webhookSecrets, Date.now),
  loadLimit: createLoadLimit({ events: 256, bytes: 64 * 1024 * 1024, now: Date.now }),
  rateLimit: createRateLimit({ ...webhookRate, now: Date.now }),
  maxAttempts,
  onQueued: createBackgroundDrain({
    drain: () => runJobs(work, { budgetMilliseconds: 20_000 }),
    keepAlive: (drain) => (typeof EdgeRuntime === "undefined" ? undefined : EdgeRuntime.waitUntil(drain)),
  }),
};

Deno.serve((request) => handleWebhook(request, dependencies, readGatewaySource(request.headers)));
