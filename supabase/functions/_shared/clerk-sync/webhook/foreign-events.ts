import type { HandledEvent } from "../clerk/map-event.ts";
import { json } from "../http/json-response.ts";
import { logger } from "../logger.ts";
import { type DeliveryHooks, notify } from "./notify-hook.ts";

/**
 * What Clerk's dashboard sends by "Send Example": events signed with the real secret about users and records there are not.
 * The ids are those of Clerk's event catalog, where user.deleted has another user than user.created and user.updated; those
 * of Clerk's OpenAPI description (webhooks/2025-04-15.yml) have one ending.
 */
const sampleIds = new Set([
  "user_29w83sxmDNGwOuEthce5gg56FcC",
  "user_29wBMCtzATuFJut8jO2VNTVekS4",
  "org_29w9IfBrPmcpi0IeBVaKtA7R94W",
  "orgmem_29w9IptNja3mP8GDXpquBwN2qR9",
  "orgmem_29wAbjiJs6aZuPq7AzmkW9dwmyl",
  "orginv_29wBIniWYy0slasTNQlmHD9HeN1",
  "role_2Ym4Iu9JcfMpa4wsTmsRgnY83MX",
  "perm_2Ym16qDMKg37umUxkqDlizY7dfi",
]);
const sampleEnding = "_2g7np7Hrk0SN6kj5EDMLDaKNL0S";
/** Of Clerk's docs ("Webhooks overview") and of the same description. */
const sampleInstances = new Set(["ins_123", "ins_2g7np7Hrk0SN6kj5EDMLDaKNL0S"]);

/** Users of `clerk-sync verify`, whose events come from the command; clerk_sync.is_canary knows them alike. */
export const canaryPrefix = "user_clerksync_canary_";

/** Whether Clerk sent the event, as far as it can be told: who verifies an installation proves nothing about Clerk. */
export function isFromClerk(event: HandledEvent): boolean {
  return !clerkIdOf(event)?.startsWith(canaryPrefix);
}

/** Where a handled event comes from: the instance itself, another one, or the button "Send Example". */
type Origin = "instance" | "other_instance" | "sample";

/** Without instance ids (CLERK_INSTANCE_ID) every instance is ours; with them, an event that names none is not. */
export function checkOrigin(event: HandledEvent, instanceIds: readonly string[]): Origin {
  const clerkId = clerkIdOf(event) ?? "";
  const { instanceId } = event;
  if (sampleIds.has(clerkId) || clerkId.endsWith(sampleEnding) || sampleInstances.has(instanceId ?? ""))
    return "sample";
  if (instanceIds.length === 0 || instanceIds.includes(instanceId ?? "")) return "instance";
  return "other_instance";
}

function clerkIdOf(event: HandledEvent): string | null {
  if ("kind" in event) return event.record.id;
  return event.type === "user.deleted" ? event.clerkId : event.user.id;
}

/**
 * Answers an event that is signed and must not be applied. 200: it would be no better the next time, and an endpoint
 * that keeps refusing is disabled by Svix. No dead letter either: that would keep another instance's people here.
 */
export function answerForeignEvent(
  event: HandledEvent,
  origin: Exclude<Origin, "instance">,
  source: string,
  { onAccepted, onIgnored }: DeliveryHooks,
): Response {
  if (origin === "sample") {
    notify("delivery.not_noted", () => onAccepted?.());
    notify("delivery.not_noted", () => onIgnored?.({ kind: "sample_event", source, code: event.type }));
    return json(200, { success: true, message: "Sample event: signature is right, nothing is stored" });
  }
  const subject = event.instanceId ?? "";
  logger.error("webhook.instance_unknown", { instance_id: subject });
  notify("delivery.not_noted", () => onIgnored?.({ kind: "instance_unknown", source, subject, code: event.type }));
  return json(200, { success: true, message: "Event of another Clerk instance: not applied" });
}
