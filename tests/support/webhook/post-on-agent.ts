import { once } from "node:events";
import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { json } from "node:stream/consumers";
import { signWebhook } from "#core/http/sign-webhook.ts";
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
      const response = await send(`${url}/functions/v1/clerk-webhook`, { method: "POST", agent, headers }, body);
      const answer = await json(response);
      return {
        status: response.statusCode ?? 0,
        retryAfter: response.headers["retry-after"],
        milliseconds: performance.now() - start,
        body: answer,
      };
    },
    close: () => agent.destroy(),
  };
}

/** A connection that was kept open may be closed by the server just as it is used again: then it is sent once more. */
async function send(url: string, options: RequestOptions, body: Uint8Array): Promise<IncomingMessage> {
  const sent = request(url, options);
  sent.end(body);
  try {
    const [response] = await once(sent, "response");
    return response;
  } catch (error) {
    const isClosed = error instanceof Error && "code" in error && error.code === "ECONNRESET";
    if (isClosed && sent.reusedSocket) return send(url, options, body);
    throw error;
  }
}
