import { randomUUID } from "node:crypto";
import { canaryPrefix } from "#core/webhook/foreign-events.ts";
import { buildEvent, type Message } from "../../local/simulate/build-event.ts";
import type { Happening } from "../../local/simulate/draw-history.ts";
import { type ExpectedUser, expectUser } from "../../local/simulate/expect-user.ts";
import { drawId } from "../../local/simulate/random.ts";
import { emptyUser, type UserState } from "../../local/simulate/user-state.ts";

/** A user who lives for one run; `startedAt` in Unix milliseconds is what its versions count from. */
export type Canary = { clerkId: string; email: string; startedAt: number; instanceId: string };

/** No instance of Clerk's: an event that is found later says where it came from. */
const ownInstanceId = drawId("ins", "clerk-sync verify");
const encoder = new TextEncoder();

/**
 * Makes a canary; the prefix is what clerk_sync_remove_canary knows it by. It passes for a user of instanceId, for an
 * endpoint that applies no others; null: of none.
 */
export function makeCanary(now: number, instanceId: string | null): Canary {
  return canaryOf(`${canaryPrefix}${randomUUID().replaceAll("-", "")}`, now, instanceId);
}

/** `.invalid` reaches nobody (RFC 2606). */
function canaryOf(clerkId: string, startedAt: number, instanceId: string | null): Canary {
  return { clerkId, email: `${clerkId}@canary.invalid`, startedAt, instanceId: instanceId ?? ownInstanceId };
}

/** The message of something that happens to the canary, so many milliseconds after it started. */
export function canaryMessage(
  canary: Canary,
  type: Happening["type"],
  change: { after: number; name: string },
): Message {
  const at = canary.startedAt + change.after;
  const event = buildEvent({ type, at, user: stateOf(canary, change.name) });
  return {
    id: `msg_verify_${randomUUID()}`,
    body: encoder.encode(JSON.stringify({ ...event, instance_id: canary.instanceId })),
  };
}

/** The deletion of any canary, also of one whose run died. */
export function deletionMessage(clerkId: string, now: number, instanceId: string | null): Message {
  return canaryMessage(canaryOf(clerkId, now, instanceId), "user.deleted", { after: 0, name: "" });
}

/** What must be in the database after that. */
export function expectCanary(canary: Canary, name: string, deleted = false): ExpectedUser {
  const type = deleted ? "user.deleted" : "user.updated";
  return expectUser([{ type, at: canary.startedAt, user: stateOf(canary, name) }]);
}

function stateOf({ clerkId, email, startedAt }: Canary, name: string): UserState {
  const address = { id: drawId("idn", clerkId), address: email, createdAt: startedAt };
  const names = { firstName: "Canary", lastName: name };
  const contact = { emails: [address], emailsEver: 1, primaryEmailId: address.id };
  return { ...emptyUser(clerkId, startedAt), ...names, ...contact };
}
