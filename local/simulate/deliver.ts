import { networkReason } from "#core/http/network-reason.ts";
import { signWebhook } from "#core/http/sign-webhook.ts";
import type { Message } from "./build-event.ts";
import type { SimulationIo } from "./io.ts";

/** How one delivery ended: its last status, or "network" or "timeout" when nothing answered. */
export type Outcome = { accepted: boolean; status: string; text: string };

export type Endpoint = { url: string; secret: string };

type DeliverOptions = Endpoint & {
  /** How often to try in all. */
  attempts: number;
};

type Attempt = Outcome & { retryAfterMs: number };

export const usualAttempts = 5;
const attemptTimeoutMs = 15_000; // as Svix
const firstPauseMs = 200;
const longestRetryAfterMs = 5_000;
const shownCharacters = 300;

/**
 * Sends one message as Svix does: signed anew for every attempt, and again after anything but 2xx, though
 * within seconds and not hours. Never throws for what the endpoint does.
 */
export async function deliver(message: Message, options: DeliverOptions, io: SimulationIo): Promise<Outcome> {
  for (let attempt = 1; ; attempt += 1) {
    const { retryAfterMs, ...outcome } = await send(message, options, io);
    if (outcome.accepted || attempt >= options.attempts) return outcome;
    await io.clock.sleep(Math.max(firstPauseMs * 2 ** (attempt - 1), retryAfterMs));
  }
}

async function send(message: Message, endpoint: Endpoint, io: SimulationIo): Promise<Attempt> {
  const timestamp = Math.floor(io.clock.now() / 1000);
  const signature = await signWebhook({ ...message, secret: endpoint.secret, timestamp });
  try {
    const response = await io.fetch(endpoint.url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "clerk-sync-simulate", ...signature },
      body: new Uint8Array(message.body),
      redirect: "manual", // a redirect is a failure for Svix
      signal: AbortSignal.timeout(attemptTimeoutMs),
    });
    return await readOutcome(response);
  } catch (error) {
    return { accepted: false, ...describeFailure(error), retryAfterMs: 0 };
  }
}

async function readOutcome(response: Response): Promise<Attempt> {
  const text = await response.text(); // read to the end, or the connection is not used again
  const retryAfterMs = Number(response.headers.get("retry-after") ?? 0) * 1000;
  return {
    accepted: response.ok,
    status: String(response.status),
    text: text.slice(0, shownCharacters),
    retryAfterMs: retryAfterMs > 0 ? Math.min(retryAfterMs, longestRetryAfterMs) : 0,
  };
}

function describeFailure(error: unknown): Pick<Outcome, "status" | "text"> {
  if (error instanceof Error && error.name === "TimeoutError") {
    return { status: "timeout", text: `No answer within ${attemptTimeoutMs / 1000} seconds` };
  }
  return { status: "network", text: networkReason(error) };
}
