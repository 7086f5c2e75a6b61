import { randomUUID } from "node:crypto";
import { signWebhook } from "#core/http/sign-webhook.ts";

export type Target = { url: string; webhookSecret: string };

const webhookPath = "/functions/v1/clerk-webhook";

/** Posts raw bytes to the webhook, signed now. */
export async function postBody(target: Target, body: Uint8Array, eventId = `msg_${randomUUID()}`) {
  const headers = await signWebhook({
    secret: target.webhookSecret,
    id: eventId,
    timestamp: Math.floor(Date.now() / 1000),
    body,
  });
  return postUnsigned(target, body, headers);
}

/** Posts an event as Clerk does; answers the status and the parsed body. */
export function postEvent(target: Target, event: unknown, eventId?: string) {
  return postBody(target, new TextEncoder().encode(JSON.stringify(event)), eventId);
}

/** Posts bytes with the headers given and no others. */
export async function postUnsigned(target: Target, body: Uint8Array | string, headers: Record<string, string> = {}) {
  const response = await fetch(target.url + webhookPath, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: body as BodyInit,
  });
  const answer = (await response.json()) as { message?: string; error?: string; jobId?: string; user?: unknown };
  return { status: response.status, body: answer };
}
