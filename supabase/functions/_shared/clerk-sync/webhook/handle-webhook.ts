import { type HandledEvent, mapEvent } from "../clerk/map-event.ts";
import { parseEvent } from "../clerk/parse-event.ts";
import { noRecords, type RecordFields, type UserFields } from "../config/mapping.ts";
import type { AcceptedEvent, NewJob } from "../database/database.ts";
import { errorCode, errorMessage, SyncError } from "../errors.ts";
import { json } from "../http/json-response.ts";
import { readBody } from "../http/read-body.ts";
import { logger } from "../logger.ts";
import type { AcceptEvents } from "./accept-events.ts";
import { answerForeignEvent, checkOrigin, isFromClerk } from "./foreign-events.ts";
import type { LoadAccount, LoadLimit } from "./limit-load.ts";
import type { RateLimit } from "./limit-rate.ts";
import { type DeliveryHooks, notify, type Refusal } from "./notify-hook.ts";
import type { VerifySignature } from "./verify-signature.ts";

export type WebhookDependencies = DeliveryHooks & {
  /** Stores events and, if nothing stands in the way, applies them: createAcceptEvents. `enqueue` of a Database only stores them. */
  acceptEvents: AcceptEvents;
  /** Null when no secret is set: the webhook is off and answers 503, so that Clerk tries again. */
  verifySignature: VerifySignature | null;
  /** What is stored of a user: fieldsOf the mapping. */
  fields: UserFields;
  /** What is stored of organizations and what belongs to them: recordFieldsOf the mapping. Without it nothing is. */
  records?: RecordFields;
  loadLimit: LoadLimit;
  rateLimit: RateLimit;
  maxAttempts: number;
  /** Clerk instances whose events are applied; none given: of any. */
  instanceIds?: readonly string[];
  /** Called after a job was stored, so that a worker need not wait for its next poll. */
  onQueued: () => void;
};

/** One request in hand, and what is known of it so far. */
type Delivery = { request: Request; source: string; account: LoadAccount; eventId?: string };

const nouns = {
  user: "User",
  organization: "Organization",
  membership: "Membership",
  role: "Role",
  permission: "Permission",
  invitation: "Invitation",
} as const;

/** What the answers say of an event: in the words of the endpoint that this one replaces. */
function describe(event: HandledEvent): { queued: string; failed: string } {
  const noun = nouns["kind" in event ? event.kind : "user"];
  const work = { created: "creation", updated: "update", deleted: "deletion" }[actionOf(event)];
  return { queued: `${noun} ${work} job queued`, failed: `Failed to queue ${noun.toLowerCase()} ${work}` };
}

function actionOf(event: HandledEvent): "created" | "updated" | "deleted" {
  if ("kind" in event) return event.action;
  if (event.type === "user.created") return "created";
  return event.type === "user.updated" ? "updated" : "deleted";
}

/**
 * Answers one delivery of Clerk's webhook. 2xx is said only of an event that is durable in the queue, known
 * already, or of no interest; anything else makes Svix deliver it again (8 attempts over 28 hours).
 * `source` is where the request seems to come from, see read-source.ts.
 */
export async function handleWebhook(
  request: Request,
  dependencies: WebhookDependencies,
  source = "unknown",
): Promise<Response> {
  const response = await answerDelivery(
    { request, source, account: dependencies.loadLimit.open(source) },
    dependencies,
  );
  notify("delivery.not_noted", () => dependencies.onAnswered?.(response.status));
  return response;
}

async function answerDelivery(delivery: Delivery, dependencies: WebhookDependencies): Promise<Response> {
  try {
    return await acceptEvent(delivery, dependencies);
  } catch (error) {
    noteRefusal(dependencies.onRefused, error, delivery);
    return refuse(error);
  } finally {
    delivery.account.close();
  }
}

async function acceptEvent(delivery: Delivery, dependencies: WebhookDependencies): Promise<Response> {
  const { request, source, account } = delivery;
  const { rateLimit } = dependencies;
  if (request.method !== "POST") throw new SyncError("method_not_allowed", "Send events by POST.");
  if (dependencies.verifySignature === null) return webhookOff();
  rateLimit.checkSource(source, request.headers);
  const body = await readBody(request, account.addBytes);
  const eventId = await dependencies.verifySignature(request.headers, body).catch((error: unknown) => {
    if (isSignatureError(error)) rateLimit.addBadSignature(source);
    throw error;
  });
  delivery.eventId = eventId;
  const records = dependencies.records ?? noRecords;
  const event = parseEvent(body, records);
  if (event.type === "unhandled") return passOver(event.name, dependencies);
  const origin = checkOrigin(event, dependencies.instanceIds ?? []);
  if (origin !== "instance") return answerForeignEvent(event, origin, source, dependencies);
  rateLimit.addEvent();
  account.addEvent();
  const job = mapEvent(event, eventId, dependencies.fields, records);
  const response = await storeEvent(event, job, dependencies);
  if (response.ok) noteTrimmed(event.type, job, source, dependencies.onTrimmed);
  return response;
}

/** Something between Clerk and here took fields out (a transformation at the sender, say): law 11, absent is not null. */
function noteTrimmed(
  code: HandledEvent["type"],
  { payload: { absent } }: NewJob,
  source: string,
  onTrimmed: DeliveryHooks["onTrimmed"],
): void {
  if (!Array.isArray(absent)) return;
  const note = { kind: "event_trimmed", source, subject: absent.join(", "), code } as const;
  notify("delivery.not_noted", () => onTrimmed?.(note));
}

/**
 * An event of a kind that is not stored. Whatever its type, it shows that Clerk delivers, and it is counted, so that somebody
 * learns of it; a probe of the doctor's does not, and is not.
 */
function passOver(type: string, { onAccepted, onSkipped }: DeliveryHooks): Response {
  if (!type.startsWith("clerk_sync.")) {
    notify("delivery.not_noted", () => onAccepted?.());
    notify("delivery.not_noted", () => onSkipped?.(type.split(".", 1)[0] ?? type));
  }
  return json(200, { success: true, message: "Event type not handled" });
}

async function storeEvent(event: HandledEvent, job: NewJob, dependencies: WebhookDependencies): Promise<Response> {
  const { event_id: eventId } = job;
  try {
    const [accepted] = await dependencies.acceptEvents([job], dependencies.maxAttempts);
    if (accepted === undefined)
      throw new SyncError("database_answer_invalid", "The database answered nothing for the event.");
    logger.debug("webhook.stored", { event_id: eventId, event_type: event.type, outcome: accepted.outcome });
    if (isFromClerk(event)) notify("delivery.not_noted", () => dependencies.onAccepted?.());
    return answer(accepted, job, describe(event).queued, dependencies.onQueued);
  } catch (error) {
    const code = error instanceof SyncError ? error.code : "database_unavailable";
    logger.error("webhook.not_stored", { event_id: eventId, event_type: event.type, code });
    return json(503, { error: describe(event).failed, code }, { "retry-after": "5" });
  }
}

function answer(accepted: AcceptedEvent, job: NewJob, message: string, onQueued: () => void): Response {
  if (accepted.outcome === "exists") return json(200, { message: "User already exists", user: accepted.user });
  if (accepted.outcome === "duplicate") {
    notify("worker.not_woken", onQueued); // while the repetition was looked up it held the job's lock, and a worker passes over locked jobs
    return json(200, { message: "Duplicate event" });
  }
  if (accepted.outcome === "dead") {
    const isRecord = job.kind !== undefined;
    logger.error("job.dead", { job_id: accepted.job_id, code: isRecord ? "record_unknown" : "user_unknown" });
    return json(202, {
      success: true,
      message: `Event names no ${isRecord ? "record" : "user"}; stored as a dead letter`,
      jobId: accepted.job_id,
    });
  }
  if (accepted.applied !== "all") notify("worker.not_woken", onQueued);
  return json(202, { success: true, message, jobId: accepted.job_id });
}

function isSignatureError(error: unknown): error is SyncError {
  return error instanceof SyncError && (error.code === "signature_missing" || error.code === "signature_invalid");
}

function noteRefusal(onRefused: DeliveryHooks["onRefused"], error: unknown, { source, eventId }: Delivery): void {
  if (!isSignatureError(error) && !(error instanceof SyncError && error.code === "rate_limited")) return;
  const refusal: Refusal = { code: error.code, source, ...(eventId === undefined ? {} : { eventId }) };
  notify("delivery.not_noted", () => onRefused?.(refusal));
}

const statusOfCode: Readonly<Record<string, number>> = {
  signature_missing: 401,
  signature_invalid: 401,
  body_too_large: 413,
  body_incomplete: 400,
  event_malformed: 400,
  method_not_allowed: 405,
};

function refuse(error: unknown): Response {
  if (error instanceof SyncError && (error.code === "overloaded" || error.code === "rate_limited")) {
    const headers = { "retry-after": String(error.retryAfterSeconds) };
    return json(error.code === "overloaded" ? 503 : 429, { error: error.message, code: error.code }, headers);
  }
  const code = errorCode(error);
  const status = statusOfCode[code] ?? 500;
  logger.warn("webhook.refused", { code, status });
  if (status === 401) return json(401, { error: "Invalid signature", code, reason: errorMessage(error) });
  if (status === 500) {
    logger.error("webhook.failed", { error: errorMessage(error) });
    return json(500, { error: "Internal server error" });
  }
  return json(status, { error: errorMessage(error), code }, status === 405 ? { allow: "POST" } : {});
}

function webhookOff(): Response {
  logger.error("webhook.off", { code: "config_invalid" });
  return json(503, { error: "The webhook is off: CLERK_WEBHOOK_SECRET is not set." });
}
