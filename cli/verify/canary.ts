import { randomUUID } from "node:crypto";
import { buildEvent, type Message } from "../simulate/build-event.ts";
import type { Happening } from "../simulate/draw-history.ts";
import type { ExpectedUser } from "../simulate/expect-user.ts";
import { drawId } from "../simulate/random.ts";
import type { UserState } from "../simulate/user-state.ts";

/** A user who lives for one run; `startedAt` in Unix milliseconds is what its versions count from. */
export type Canary = { clerkId: string; email: string; startedAt: number };

/** No instance of Clerk's: an event that is found later says where it came from. */
const instanceId = drawId("ins", "clerk-sync verify");
const encoder = new TextEncoder();

/** Makes a canary; the prefix is what clerk_sync_remove_canary knows it by. `.invalid` reaches nobody (RFC 2606). */
export function makeCanary(now: number): Canary {
  const clerkId = `user_clerksync_canary_${randomUUID().replaceAll("-", "")}`;
  return { clerkId, email: `${clerkId}@canary.invalid`, startedAt: now };
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
    body: encoder.encode(JSON.stringify({ ...event, instance_id: instanceId })),
  };
}

/** The deletion of any canary, also of one whose run died. */
export function deletionMessage(clerkId: string, now: number): Message {
  return canaryMessage({ clerkId, email: `${clerkId}@canary.invalid`, startedAt: now }, "user.deleted", {
    after: 0,
    name: "",
  });
}

/** What must be in the database after that. */
export function expectCanary(canary: Canary, name: string, deleted = false): ExpectedUser {
  return { clerkId: canary.clerkId, email: canary.email, name: `Canary ${name}`, role: "user", deleted };
}

function stateOf(canary: Canary, name: string): UserState {
  const email = { id: drawId("idn", canary.clerkId), address: canary.email, createdAt: canary.startedAt };
  return {
    id: canary.clerkId,
    createdAt: canary.startedAt,
    firstName: "Canary",
    lastName: name,
    username: null,
    externalId: null,
    emails: [email],
    primaryEmailId: email.id,
    emailsEver: 1,
    phone: null,
    google: null,
    hasPassword: false,
    banned: false,
    locked: false,
    role: null,
    claimedRole: null,
  };
}
