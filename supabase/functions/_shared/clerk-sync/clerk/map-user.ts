import type { UserFields } from "../config/mapping.ts";
import { isMetadataPath, type MetadataPath, type UserField } from "../config/sources.ts";
import type { NewJob } from "../database/database.ts";
import { isStorable, type Json, sanitise } from "../sanitise.ts";
import type { ClerkEvent, ClerkUser } from "./parse-event.ts";
import { summariseEvent } from "./summarise-event.ts";
import { emailOf, type FieldValues, isRequiredMetadata, readings, readMetadata } from "./user-fields.ts";

export type HandledEvent = Exclude<ClerkEvent, { type: "unhandled" }>;

/**
 * What of a Clerk user goes into the payload of its job, by the keys of config/sources.ts. What Clerk did not say is not
 * there (law 11, absent is not null): its column stays as it is.
 */
export type MappedUser = {
  clerk_id: string;
  user_role?: Json;
  /** Why the address of the user is not taken. */
  ignored_email?: "too_long";
  /** The mapped keys of metadata that Clerk gave: what Clerk never gave is not taken away. */
  given?: string[];
} & Partial<FieldValues> & { [path: MetadataPath]: Json };

/** Maps a handled event to the job that applies it. `eventId` is the delivery's svix-id; `fields`: see mapUser. */
export function mapEvent(event: HandledEvent, eventId: string, fields: UserFields): NewJob {
  if (event.type === "user.deleted") return mapDeletion(event, eventId);
  return {
    event_id: eventId,
    job_type: event.type === "user.created" ? "USER_CREATED" : "USER_UPDATED",
    clerk_id: event.user.id,
    version: event.version,
    payload: { ...mapUser(event.user, fields), original_event: summariseEvent(event.original), retry_count: 0 },
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
 * Maps a Clerk user, of an event, a list or a single read, to what is stored: the fields asked for and no others (law 10),
 * and beside them `external_id`, by which a deletion may name the user, and `created_at`. With an address comes whether
 * Clerk has verified it.
 */
export function mapUser(user: ClerkUser, fields: UserFields): MappedUser {
  const mapped: { [field: string]: Json } = { clerk_id: user.id };
  const given: string[] = [];
  for (const field of new Set<UserField>(["external_id", "created_at", ...fields])) {
    if (isOfMetadata(field)) {
      const path = field === "user_role" ? "public_metadata.role" : field;
      const said = readMetadata(user, path);
      if (said?.isGiven) given.push(path);
      if (said === undefined && isRequiredMetadata(path)) continue;
      mapped[field] = field === "user_role" && !said?.isGiven ? "user" : toStorable(said?.value);
    } else {
      const { read, empty } = readings[field];
      const said = read(user);
      const value = said === undefined ? empty : said;
      if (value !== undefined) mapped[field] = value;
    }
  }
  if (fields.has("email")) Object.assign(mapped, besideEmail(user));
  return { ...mapped, clerk_id: user.id, ...(given.length > 0 ? { given } : {}) };
}

/** What an event or an answer should have said of a user and did not: it was trimmed on its way. */
export function absentFields(user: MappedUser, fields: UserFields): UserField[] {
  return [...new Set<UserField>([...fields, "external_id"])].filter((field) => !(field in user));
}

function isOfMetadata(field: UserField): field is "user_role" | MetadataPath {
  return field === "user_role" || isMetadataPath(field);
}

/** Whether the address is verified, and why one was not taken. */
function besideEmail(user: ClerkUser): Pick<MappedUser, "email_verified" | "ignored_email"> {
  const email = emailOf(user);
  if (email === undefined) return {};
  return { email_verified: email.isVerified, ...(email.isTooLong ? { ignored_email: "too_long" } : {}) };
}

/**
 * A value of metadata as jsonb can store it. A text that would have to be changed for that becomes no other text that may
 * decide anything, like a role. Which values a column takes is decided by the database, which notes those it ignores.
 */
function toStorable(value: unknown): Json {
  return typeof value === "string" && !isStorable(value) ? "\uFFFD" : sanitise(value);
}
