import { type ErrorCode, errorMessage } from "../errors.ts";
import { logger } from "../logger.ts";

/** Something about a delivery that is to be seen later; see clerk_sync.audit. `subject` is what it is about. */
export type DeliveryNote = {
  kind: "delivery_refused" | "instance_unknown" | "sample_event" | "event_trimmed";
  source: string;
  subject?: string;
  code?: string;
};

/** eventId only when the signature was right: anybody can write a svix-id. */
export type Refusal = { code: ErrorCode; source: string; eventId?: string };

/** What the webhook tells of its deliveries, for an audit such as record-deliveries.ts; all may be left out. */
export type DeliveryHooks = {
  /** Called for each delivery of Clerk's that was taken, whatever came of it. */
  onAccepted?: () => void;
  /** Called with the status of each answer. */
  onAnswered?: (status: number) => void;
  /** Called for each delivery refused for its signature or by a rate limit. */
  onRefused?: (refusal: Refusal) => void;
  /** Called for each event that is signed and yet not applied. */
  onIgnored?: (note: DeliveryNote) => void;
  /** Called for each event of a kind that is not stored, with the first word of its type: organizationMembership, say. */
  onSkipped?: (kind: string) => void;
  /** Called for each event that was taken and lacks fields which Clerk's events have. */
  onTrimmed?: (note: DeliveryNote) => void;
};

/** The answer is decided: whatever happens in a hook must not change it, nor make Clerk deliver the event again. */
export function notify(failure: "worker.not_woken" | "delivery.not_noted", hook: () => void): void {
  try {
    hook();
  } catch (error) {
    logger.warn(failure, { reason: errorMessage(error) });
  }
}
