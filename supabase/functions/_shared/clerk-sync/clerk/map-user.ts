import type { NewJob } from "../database/database.ts";
import { isStorable } from "../sanitise.ts";
import { type ClerkEvent, type ClerkUser, toMilliseconds } from "./parse-event.ts";
import { summariseEvent } from "./summarise-event.ts";

export type HandledEvent = Exclude<ClerkEvent, { type: "unhandled" }>;

/**
 * What of a Clerk user goes into the payload of its job, named as the columns it ends in. What Clerk did not say is not
 * there (law 11, absent is not null): its column stays as it is.
 */
export type MappedUser = { clerk_id: string; deprovisioned: boolean } & Partial<RequiredFields>;

/** Of fields that Clerk's OpenAPI description (webhooks/2025-04-15.yml, User) requires in every event and answer. */
type RequiredFields = {
  email: string | null;
  /** There when the email is. */
  email_verified: boolean;
  phone: string | null;
  name: string | null;
  user_role: string;
  /** Why the address of the user is not taken. */
  ignored_email: "too_long";
  /** Of what kind public_metadata.role was, when it is no text and can be no role. */
  ignored_role: IgnoredRole;
  /** The mapped keys of metadata that Clerk gave: what Clerk never gave is not taken away. */
  given: string[];
  external_id: string | null;
  banned: boolean;
  locked: boolean;
  /** ISO 8601, when the user signed up at Clerk; null when the event does not say. */
  created_at: string | null;
};

type IgnoredRole = "array" | "object" | "number" | "boolean" | "text";

/** Named by the column that shows it; clerk_sync.absent_fields knows them alike. */
const requiredFields = [
  "email",
  "phone",
  "name",
  "user_role",
  "external_id",
  "banned",
  "locked",
  "created_at",
] as const satisfies readonly (keyof RequiredFields)[];

/** What an event or an answer should have said of a user and did not: it was trimmed on its way. */
export function absentFields(user: MappedUser): string[] {
  return requiredFields.filter((field) => user[field] === undefined);
}

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
 * never the first in the list (Clerk does not sort it); without a primary there is none. An email, a phone or a name is
 * known only when all its parts are.
 */
export function mapUser(user: ClerkUser): MappedUser {
  return {
    clerk_id: user.id,
    ...emailOf(user),
    ...phoneOf(user),
    ...nameOf(user),
    ...roleOf(user),
    ...(user.external_id === undefined ? {} : { external_id: user.external_id || null }),
    ...(user.banned === undefined ? {} : { banned: user.banned ?? false }),
    ...(user.locked === undefined ? {} : { locked: user.locked ?? false }),
    deprovisioned: user.deprovisioned ?? false, // optional at Clerk: not there means false
    ...(user.created_at === undefined ? {} : { created_at: timeOf(user.created_at) }),
  };
}

/** The year 10000 in ms: later times have an ISO form that PostgreSQL does not read. */
const endOfCalendar = 253_402_300_800_000;

function timeOf(createdAt: number | null): string | null {
  const milliseconds = toMilliseconds(createdAt);
  return milliseconds > 0 && milliseconds < endOfCalendar ? new Date(milliseconds).toISOString() : null;
}

/** 64 of the local part, the @, 255 of the domain (RFC 5321, 4.5.3.1). PostgreSQL's index takes no more than 2,704 bytes. */
const longestAddress = 320;

/** Without its verification an address is not known: it may be the one that is verified here, or not. */
function emailOf(user: ClerkUser): Pick<MappedUser, "email" | "email_verified" | "ignored_email"> {
  const address = findPrimary(user.email_addresses, user.primary_email_address_id);
  if (address === null) return { email: null, email_verified: false };
  if (address?.verification === undefined) return {};
  const email = address.email_address.trim() || null;
  if (email !== null && email.length > longestAddress) {
    return { email: null, email_verified: false, ignored_email: "too_long" };
  }
  return { email, email_verified: address.verification?.status === "verified" };
}

/**
 * Only the mirror uses the number, which is confirmed there. One that Clerk has not verified would let its owner in, so
 * it counts as none. Without its verification a number is not known.
 */
function phoneOf(user: ClerkUser): Pick<MappedUser, "phone"> {
  const phone = findPrimary(user.phone_numbers, user.primary_phone_number_id);
  if (phone === null) return { phone: null };
  if (phone?.verification === undefined) return {};
  return { phone: phone.verification?.status === "verified" ? phone.phone_number.trim() || null : null };
}

/** Null: there is no primary one; undefined: that is not known, it may be an item that could not be read. */
function findPrimary<Item extends { id: string }>(
  items: readonly (Item | null)[] | null | undefined,
  primaryId: string | null | undefined,
): Item | null | undefined {
  if (items === undefined || primaryId === undefined) return undefined;
  if (items === null || !primaryId) return null;
  const found = items.find((item) => item?.id === primaryId);
  return found ?? (items.includes(null) ? undefined : null);
}

function nameOf({ first_name, last_name }: ClerkUser): Pick<MappedUser, "name"> {
  if (first_name === undefined || last_name === undefined) return {};
  const parts = [first_name, last_name].map((part) => part?.trim()).filter(Boolean);
  return { name: parts.join(" ") || null };
}

/**
 * Roles come from public_metadata.role only (Clerk, "Basic RBAC"): unsafe_metadata is written by the user.
 * The database lets it pass only when it is a label of "UserRole", and says which others it ignored.
 */
function roleOf({ public_metadata: metadata }: ClerkUser): Pick<MappedUser, "user_role" | "ignored_role" | "given"> {
  if (metadata === undefined) return {};
  const role = metadata?.["role"];
  if (role === undefined) return { user_role: "user" };
  const given = ["public_metadata.role"];
  if (role === null) return { user_role: "user", given };
  if (typeof role === "string" && role !== "" && isStorable(role)) return { user_role: role, given };
  return { user_role: "user", ignored_role: kindOf(role), given };
}

function kindOf(value: unknown): IgnoredRole {
  if (Array.isArray(value)) return "array";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  return typeof value === "boolean" ? "boolean" : "object";
}
