import type { AcceptedEvent, NewJob } from "../../../supabase/functions/_shared/clerk-sync/database/database.ts";
import {
  handleWebhook,
  type WebhookDependencies,
} from "../../../supabase/functions/_shared/clerk-sync/webhook/handle-webhook.ts";
import { createLoadLimit } from "../../../supabase/functions/_shared/clerk-sync/webhook/limit-load.ts";
import { createRateLimit } from "../../../supabase/functions/_shared/clerk-sync/webhook/limit-rate.ts";
import { createVerifySignature } from "../../../supabase/functions/_shared/clerk-sync/webhook/verify-signature.ts";
import { rootFields } from "../clerk/root-fields.ts";
import { signedHeaders, testNow, testSecret } from "../clerk/sign.ts";

export type WebhookCalls = { accepted: { jobs: readonly NewJob[]; maxAttempts: number }[]; wakes: number };

/** A webhook over a database that gives every job this answer, what it was asked, and what it noted. */
export function webhookWith(answer: Partial<AcceptedEvent>) {
  const calls: WebhookCalls = { accepted: [], wakes: 0 };
  const notes: unknown[] = [];
  const dependencies: WebhookDependencies = {
    acceptEvents: async (jobs, maxAttempts) => {
      calls.accepted.push({ jobs, maxAttempts });
      return jobs.map((job) => ({ event_id: job.event_id, outcome: "queued", job_id: null, user: null, ...answer }));
    },
    fields: rootFields,
    loadLimit: createLoadLimit({ events: 10, bytes: 1024 * 1024, now: () => testNow }),
    rateLimit: createRateLimit({ maxPerSecond: 1000, badSignaturesPerMinute: 1000, now: () => testNow }),
    verifySignature: createVerifySignature([testSecret], () => testNow),
    maxAttempts: 15,
    instanceIds: [],
    onAccepted: () => void notes.push("accepted"),
    onRefused: (refusal) => void notes.push(refusal),
    onIgnored: (note) => void notes.push(note),
    onSkipped: (skipped) => void notes.push({ skipped }),
    onQueued: () => {
      calls.wakes += 1;
    },
  };
  return { dependencies, calls, notes };
}

/** Delivers a body as Svix does: signed, by POST. */
export function deliver(
  body: Uint8Array<ArrayBuffer>,
  dependencies: WebhookDependencies,
  options: { id?: string; prefix?: string } = {},
): Promise<Response> {
  const headers = signedHeaders({ body, ...(options.id === undefined ? {} : { id: options.id }) }, options.prefix);
  const url = "http://localhost/functions/v1/clerk-webhook";
  return handleWebhook(new Request(url, { method: "POST", headers, body }), dependencies);
}
