import { once } from "node:events";
import { Agent, request } from "node:http";
import { json } from "node:stream/consumers";
import { signWebhook } from "#core/sign-webhook.ts";
import type { Target } from "./post-event.ts";

export type Answer = { status: number; retryAfter: string | undefined; milliseconds: number; body: unknown };

/** Posts signed events over at most `connections` connections that are kept open, as a busy sender has them. */
export function createPoster({ url, webhookSecret }: Target, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    post: async (event: unknown, eventId: string): Promise<Answer> => {
      const body = new TextEncoder().encode(JSON.stringify(event));
      const timestamp = Math.floor(Date.now() / 1000);
      const signed = await signWebhook({ secret: webhookSecret, id: eventId, timestamp, body });
      const headers = { "content-type": "application/json", "content-length": String(body.length), ...signed };
      const start = performance.now();
      const sent = request(`${url}/functions/v1/clerk-webhook`, { method: "POST", agent, headers });
      sent.end(body);
      const [response] = await once(sent, "response");
      const answer = await json(response);
      return {
        status: response.statusCode,
        retryAfter: response.headers["retry-after"],
        milliseconds: performance.now() - start,
        body: answer,
      };
    },
    close: () => agent.destroy(),
  };
}
