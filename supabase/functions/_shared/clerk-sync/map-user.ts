import type { NewJob } from "./database.ts";
import { type ClerkEvent, type ClerkUser, toMilliseconds } from "./parse-event.ts";
import { summariseEvent } from "./summarise-event.ts";

export type HandledEvent = Exclude<ClerkEvent, { type: "unhandled" }>;

/** What of a Clerk user goes into the payload of its job, named as the columns it ends in. */
export type MappedUser = {
  clerk_id: string;
  email: string | null;
  email_verified: boolean;
  phone: string | null;
  name: string | null;
  user_role: string;
  external_id: string | null;
  banned: boolean;
  locked: boolean;
  deprovisioned: boolean;
  /** ISO 8601, when the user signed up at Clerk; null when the event does not say. */
  created_at: string | null;
};

/** Maps a handled event to the job that applies it. `eventId` is the delivery's svix-id. */
export function mapEvent(event: HandledEvent, eventId: string): NewJob {
  if (event.type === "user.deleted") return mapDeletion(event, eventId);
  return {
    event_id: eventId,
    job_type: event.type === "user.created" ? "USER_CREATED" : "USER_UPDATED",
    clerk_id: event.user.id,
    version: event.version,
    payload: { ...mapUser(event.user), original_event: summariseEvent(event.original), retry_count: 0 },
  };
}

function mapDeletion(event: Extract<ClerkEvent, { type: "user.deleted" }>, eventId: string): NewJob {
  const names = event.clerkId !== null || event.externalId !== null;
  return {
    event_id: eventId,
    job_type: "USER_DELETED",
    clerk_id: event.clerkId,
    version: event.version,
    payload: {
      clerk_id: event.clerkId,
      external_id: event.externalId,
      original_event: summariseEvent(event.original),
      retry_count: 0,
    },
    ...(names ? {} : { dead_reason: "user_unknown: user.deleted came with neither id nor external_id" }),
  };
}

/**
 * Maps a Clerk user to what is stored. The primary email and phone are those the primary ids point at,
 * never the first in the list (Clerk does not sort it); without a primary there is none.
 */
export function mapUser(user: ClerkUser): MappedUser {
  const email = user.email_addresses.find((address) => address.id === user.primary_email_address_id);
  const phone = user.phone_numbers.find((number) => number.id === user.primary_phone_number_id);
  const createdAt = toMilliseconds(user.created_at);
  return {
    clerk_id: user.id,
    email: email?.email_address.trim() || null,
    email_verified: email?.verification?.status === "verified",
    phone: phone?.phone_number.trim() || null,
    name: fullName(user),
    user_role: requestedRole(user),
    external_id: user.external_id || null,
    banned: user.banned,
    locked: user.locked,
    deprovisioned: user.deprovisioned,
    created_at: createdAt > 0 && createdAt < endOfCalendar ? new Date(createdAt).toISOString() : null,
  };
}

/** The year 10000 in ms: later times have an ISO form that PostgreSQL does not read. */
const endOfCalendar = 253_402_300_800_000;

function fullName(user: ClerkUser): string | null {
  const parts = [user.first_name, user.last_name].map((part) => part?.trim()).filter(Boolean);
  return parts.join(" ") || null;
}

/**
 * Roles come from public_metadata.role only (Clerk, "Basic RBAC"): unsafe_metadata is written by the user.
 * The database lets it pass only when it is a label of "UserRole".
 */
function requestedRole(user: ClerkUser): string {
  const role = user.public_metadata["role"];
  return typeof role === "string" && role !== "" ? role : "user";
}
