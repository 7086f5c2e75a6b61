// Clerk's webhook: checks the signature, stores the job, answers, and works through the queue afterwards.
import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { createEdgeWebhook } from "../_shared/clerk-sync/edge/webhook.ts";
import { readGatewaySource } from "../_shared/clerk-sync/http/read-source.ts";
import mapping from "../_shared/clerk-sync/mapping.json" with { type: "json" };
import { handleWebhook } from "../_shared/clerk-sync/webhook/handle-webhook.ts";

declare const EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void } | undefined;

const dependencies = createEdgeWebhook(await setUp("clerk-webhook", Deno.env.toObject(), mapping), (work) =>
  typeof EdgeRuntime === "undefined" ? undefined : EdgeRuntime.waitUntil(work),
);

Deno.serve((request) => handleWebhook(request, dependencies, readGatewaySource(request.headers)));
