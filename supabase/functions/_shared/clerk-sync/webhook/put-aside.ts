import type { HandledEvent } from "../clerk/map-user.ts";
import { json } from "../http/json-response.ts";
import { logger } from "../logger.ts";
import type { Origin } from "./check-origin.ts";
import { type DeliveryHooks, notify } from "./notify-hook.ts";

/**
 * Answers an event that is signed and must not be applied. 200: it would be no better the next time, and an endpoint
 * that keeps refusing is disabled by Svix. No dead letter either: that would keep another instance's people here.
 */
export function putAside(
  event: HandledEvent,
  origin: Exclude<Origin, "instance">,
  source: string,
  { onAccepted, onPutAside }: DeliveryHooks,
): Response {
  if (origin === "sample") {
    notify("delivery.not_noted", () => onAccepted?.());
    notify("delivery.not_noted", () => onPutAside?.({ kind: "sample_event", source, code: event.type }));
    return json(200, { success: true, message: "Sample event: signature is right, nothing is stored" });
  }
  const subject = event.instanceId ?? "";
  logger.error("webhook.instance_unknown", { instance_id: subject });
  notify("delivery.not_noted", () => onPutAside?.({ kind: "instance_unknown", source, subject, code: event.type }));
  return json(200, { success: true, message: "Event of another Clerk instance: not applied" });
}
