import type { FreshUser } from "#core/clerk/clerk-api.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { deletedEvent, userEvent } from "../clerk/build-event.ts";
import type { Step } from "./schedule.ts";

/** A user as Clerk has it. */
export type ModelUser = {
  clerkId: string;
  version: number;
  deleted: boolean;
  firstName: string;
  email: string | null;
  emailVerified: boolean;
  username: string | null;
  /** In the public metadata; null: the key is not there. */
  role: string | null;
  banned: boolean;
};

/** One change at Clerk: the user after it, and the event that tells of it. */
export type Change = { user: ModelUser; event: unknown };

/** What became of all users in the end, and the changes on the way there in Clerk's order. */
export type Model = { users: ModelUser[]; changes: Change[] };

/**
 * Plays a history on a model of Clerk: a verified address belongs to one user at a time, a deleted user stays deleted,
 * every change makes an event with a full snapshot. Steps that Clerk would refuse change nothing. canRead false: every
 * address is verified. A withheld claim needs a read from Clerk's API when the holder gives the address up.
 */
export function playHistory(history: readonly Step[], prefix: string, canRead: boolean): Model {
  const steps = canRead ? history : history.map((step) => ({ ...step, verified: true }));
  const users = new Map<number, ModelUser>();
  const changes: Change[] = [];
  for (const [place, step] of steps.entries()) {
    const user = users.get(step.user) ?? newUser(`user_${prefix}_${step.user}`);
    const isNew = !users.has(step.user);
    if (user.deleted || !isAllowed(step, user, users, prefix)) continue;
    const changed = { ...applyStep(step, user, prefix), version: place + 1 };
    users.set(step.user, changed);
    changes.push({ user: changed, event: changed.deleted ? deletion(changed) : snapshot(changed, isNew) });
  }
  return { users: [...users.values()], changes };
}

/** What Clerk's API says of a user after the first `count` changes; null when it has never heard of the user. */
export function readAt({ changes }: Model, count: number, clerkId: string): FreshUser | null {
  const user = changes.slice(0, count).findLast((change) => change.user.clerkId === clerkId)?.user;
  if (user === undefined) return null;
  if (user.deleted) return { deleted: true };
  const { data } = snapshot(user, false);
  return { deleted: false, version: data.updated_at, user: parseUser(data) };
}

/** What somebody sends who knows the webhook's secret. */
export function forgedEvent(id: string, version: number) {
  return userEvent("user.updated", { id, version, firstName: "Forged", role: "admin" });
}

function newUser(clerkId: string): ModelUser {
  return {
    clerkId,
    version: 0,
    deleted: false,
    firstName: "Ada",
    email: null,
    emailVerified: true,
    username: null,
    role: null,
    banned: false,
  };
}

function isAllowed(step: Step, user: ModelUser, users: ReadonlyMap<number, ModelUser>, prefix: string): boolean {
  if (step.kind === "delete") return user.version > 0;
  if (step.kind !== "email" || step.email === null || !step.verified) return true;
  const email = addressOf(step.email, prefix);
  return ![...users.values()].some(
    (other) => !other.deleted && other.clerkId !== user.clerkId && other.email === email && other.emailVerified,
  );
}

function applyStep(step: Step, user: ModelUser, prefix: string): ModelUser {
  if (step.kind === "rename") return { ...user, firstName: `${user.firstName}a` };
  if (step.kind === "ban") return { ...user, banned: !user.banned };
  if (step.kind === "role") return { ...user, role: step.role };
  if (step.kind === "username") return { ...user, username: user.username === null ? "ada" : null };
  if (step.kind === "delete") return { ...user, deleted: true };
  if (step.kind === "email") {
    return { ...user, email: step.email === null ? null : addressOf(step.email, prefix), emailVerified: step.verified };
  }
  return user;
}

/** The time of a deletion is that of another clock than updated_at: it may be behind the last change. */
function deletion({ clerkId, version }: ModelUser): unknown {
  return deletedEvent({ id: clerkId, version: version - 4 });
}

function snapshot(user: ModelUser, isNew: boolean) {
  const { clerkId: id, version, email, emailVerified: verified, firstName, username, banned } = user;
  const facts = { id, version, email, verified, firstName, banned, ...(user.role === null ? {} : { role: user.role }) };
  const event = userEvent(isNew ? "user.created" : "user.updated", facts);
  return { ...event, data: { ...event.data, username } };
}

/** The address of this number in a schedule. */
export function addressOf(email: number, prefix: string): string {
  return `${prefix}.${email}@example.com`;
}
