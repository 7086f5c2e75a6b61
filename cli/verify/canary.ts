import { randomUUID } from "node:crypto";
import { buildEvent, type Message } from "../simulate/build-event.ts";
import type { Happening } from "../simulate/draw-history.ts";
import type { ExpectedUser } from "../simulate/expect-user.ts";
import { drawId } from "../simulate/random.ts";
import { emptyUser, type UserState } from "../simulate/user-state.ts";

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

function stateOf({ clerkId, email, startedAt }: Canary, name: string): UserState {
  const address = { id: drawId("idn", clerkId), address: email, createdAt: startedAt };
  const names = { firstName: "Canary", lastName: name };
  const contact = { emails: [address], emailsEver: 1, primaryEmailId: address.id };
  return { ...emptyUser(clerkId, startedAt), ...names, ...contact };
}
