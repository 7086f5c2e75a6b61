import type { AlertSettings } from "../config/config.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import { readRetryAfter } from "../http/retry-after.ts";
import { signWebhook } from "../http/sign-webhook.ts";
import { formatForSlack, formatForWebhook, type Notice } from "./format-notice.ts";

/** Where notices go; the database knows targets by these names and never sees an address. */
export type AlertTarget = { name: "webhook"; url: string; secret: string | null } | { name: "slack"; url: string };

export type TargetName = AlertTarget["name"];

/** The targets that are configured; none: incidents are kept, nobody is told. */
export function listTargets({ webhookUrl, webhookSecret, slackUrl }: AlertSettings): AlertTarget[] {
  const webhook: AlertTarget[] =
    webhookUrl === null ? [] : [{ name: "webhook", url: webhookUrl, secret: webhookSecret }];
  return slackUrl === null ? webhook : [...webhook, { name: "slack", url: slackUrl }];
}

export type PostOptions = {
  adminUrl: string | null;
  fetch: typeof fetch;
  /** Unix milliseconds. */
  now: () => number;
  timeoutMilliseconds: number;
};

/**
 * Sends one notice to one target. A notice has the same id on every attempt (`webhook-id`), by which a receiver can tell
 * a repeated one. Throws SyncError `alert_unavailable` and `alert_rate_limited`, which are retryable, or `alert_rejected`.
 * The address is a secret where it is Slack's: no message and no cause holds it.
 */
export async function postNotice(target: AlertTarget, notice: Notice, options: PostOptions): Promise<void> {
  const request = await makeRequest(target, notice, options);
  const response = await send(target.url, request, options);
  await response.body?.cancel();
  if (!response.ok) throw failureOf(target, response);
}

async function makeRequest(target: AlertTarget, notice: Notice, { adminUrl, now }: PostOptions): Promise<RequestInit> {
  const headers = { "content-type": "application/json; charset=utf-8" };
  if (target.name === "slack") return { headers, body: formatForSlack(notice, { adminUrl }) };
  const at = new Date(now());
  const body = formatForWebhook(notice, { at, adminUrl });
  const signed = await sign(`msg_${notice.id}`, Math.floor(at.getTime() / 1000), body, target.secret);
  return { headers: { ...headers, ...signed }, body };
}

/** The headers of the Standard Webhooks specification; without a secret all but the signature. */
async function sign(id: string, timestamp: number, body: string, secret: string | null) {
  const named = { "webhook-id": id, "webhook-timestamp": String(timestamp) };
  if (secret === null) return named;
  const signed = await signWebhook({ secret, id, timestamp, body: new TextEncoder().encode(body) });
  return { ...named, "webhook-signature": signed["svix-signature"] ?? "" };
}

async function send(url: string, request: RequestInit, { fetch, timeoutMilliseconds }: PostOptions): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    return await fetch(url, { ...request, method: "POST", redirect: "manual", signal });
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const what = isLate ? `did not answer within ${timeoutMilliseconds} ms` : "could not be reached";
    throw new SyncError("alert_unavailable", `The target ${what}.`, { retryable: true });
  }
}

/** By status: what says that it would take the same notice later, and what says that it never will. */
function failureOf({ name }: AlertTarget, { status, headers }: Response): SyncError {
  const isLimited = status === 429;
  const isDown = status >= 500 || status === 408 || status === 425;
  const code: ErrorCode = isLimited ? "alert_rate_limited" : isDown ? "alert_unavailable" : "alert_rejected";
  const retryable = isLimited || isDown;
  return new SyncError(code, `The ${name} target answered ${status}.`, { retryable, ...readRetryAfter(headers) });
}
