import { z } from "zod";
import type { RecordKind } from "../config/sources.ts";
import { SyncError } from "../errors.ts";
import { type Json, sanitise } from "../sanitise.ts";
import {
  exact,
  externalId,
  flag,
  id,
  listOf,
  metadata,
  parseAs,
  text,
  time,
  toMilliseconds,
  verification,
} from "./clerk-values.ts";
import { type ClerkRecord, type DeletedRecord, parseDeletedRecord, parseRecord } from "./parse-record.ts";

/**
 * What the sync reads of a Clerk user. Strict on nothing but the id: Clerk adds and drops fields. A field that is not
 * there, or of an unexpected form, is undefined: nothing is known of it. A field that is null is empty.
 */
const userSchema = z.object({
  id: exact.min(1).max(255),
  external_id: externalId,
  first_name: text,
  last_name: text,
  username: text,
  image_url: text,
  has_image: flag,
  locale: text,
  primary_email_address_id: id,
  primary_phone_number_id: id,
  email_addresses: listOf(z.object({ id: exact, email_address: exact, verification })),
  phone_numbers: listOf(z.object({ id: exact, phone_number: exact, verification })),
  public_metadata: metadata,
  unsafe_metadata: metadata,
  banned: flag,
  locked: flag,
  deprovisioned: flag,
  created_at: time,
  updated_at: time,
  last_sign_in_at: z.number().nonnegative().nullish().catch(undefined),
});

const deletedUserSchema = z.object({ id: exact.min(1).max(255).nullish(), external_id: externalId });
const envelopeSchema = z.object({
  type: exact.min(1).max(255),
  timestamp: time,
  instance_id: externalId,
  data: z.unknown().optional(),
});

export type ClerkUser = z.infer<typeof userSchema>;

/** An event as the sync knows it. Times are Unix milliseconds; version 0 means that no time was given. */
export type ClerkEvent =
  | (Envelope & { type: "user.created" | "user.updated"; user: ClerkUser })
  | (Envelope & { type: "user.deleted"; clerkId: string | null; externalId: string | null })
  | RecordEvent
  | { type: "unhandled"; name: string };

/** An event of an organization, or of what belongs to organizations. Of a deletion the version is the event's time. */
export type RecordEvent = Envelope & { type: RecordEventType; kind: RecordKind } & (
    | { action: "created" | "updated"; record: ClerkRecord }
    | { action: "deleted"; record: DeletedRecord }
  );
type RecordEventType = keyof typeof recordEvents;

/** instanceId is the Clerk instance that sent it, null when the event does not say. */
type Envelope = { version: number; instanceId: string | null; original: Json };

/** Clerk sends no other events of these kinds. An invitation that is accepted or revoked changes its status. */
const recordEvents = {
  "organization.created": ["organization", "created"],
  "organization.updated": ["organization", "updated"],
  "organization.deleted": ["organization", "deleted"],
  "organizationMembership.created": ["membership", "created"],
  "organizationMembership.updated": ["membership", "updated"],
  "organizationMembership.deleted": ["membership", "deleted"],
  "role.created": ["role", "created"],
  "role.updated": ["role", "updated"],
  "role.deleted": ["role", "deleted"],
  "permission.created": ["permission", "created"],
  "permission.updated": ["permission", "updated"],
  "permission.deleted": ["permission", "deleted"],
  "organizationInvitation.created": ["invitation", "created"],
  "organizationInvitation.accepted": ["invitation", "updated"],
  "organizationInvitation.revoked": ["invitation", "updated"],
} as const satisfies { [type: string]: readonly [RecordKind, "created" | "updated" | "deleted"] };

const noKinds: Kinds = new Set();

/** The kinds besides users whose events are handled. */
type Kinds = Pick<ReadonlySet<RecordKind>, "has">;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses the raw body of a webhook whose signature was checked. Events of `kinds` are handled besides those of users; of any
 * other event the content is not looked at.
 * Throws SyncError `event_malformed` with the reason when it is not UTF-8, not JSON, or not a Clerk event.
 */
export function parseEvent(body: Uint8Array, kinds: Kinds = noKinds): ClerkEvent {
  const sent = parseJson(body);
  const original = sanitise(sent);
  const envelope = parseAs(envelopeSchema, sent, "The event");
  const timestamp = toMilliseconds(envelope.timestamp);
  const instanceId = envelope.instance_id || null;
  const { type, data } = envelope;
  if (isRecordEvent(type) && kinds.has(recordEvents[type][0])) {
    return parseRecordEvent(type, data, { version: timestamp, instanceId, original });
  }
  if (type === "user.deleted") return parseDeleted(data, { version: timestamp, instanceId, original });
  if (type !== "user.created" && type !== "user.updated") return { type: "unhandled", name: type };
  const user = parseAs(userSchema, data, "data");
  return { type, version: toMilliseconds(user.updated_at) || timestamp, instanceId, user, original };
}

/** Parses a Clerk user as it stands in an event or in an answer of Clerk's API. Throws as parseEvent does. */
export function parseUser(value: unknown): ClerkUser {
  sanitise(value); // refuses what is nested too deep
  return parseAs(userSchema, value, "data");
}

function parseDeleted(data: unknown, envelope: Envelope): ClerkEvent {
  const { id, external_id } = parseAs(deletedUserSchema, data, "data");
  return { ...envelope, type: "user.deleted", clerkId: id ?? null, externalId: external_id || null };
}

function isRecordEvent(type: string): type is RecordEventType {
  return Object.hasOwn(recordEvents, type);
}

function parseRecordEvent(type: RecordEventType, data: unknown, envelope: Envelope): RecordEvent {
  const [kind, action] = recordEvents[type];
  if (action === "deleted") return { ...envelope, type, kind, action, record: parseDeletedRecord(data) };
  const record = parseRecord(kind, data);
  return { ...envelope, version: record.version || envelope.version, type, kind, action, record };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? "is not JSON" : "is not UTF-8";
    throw new SyncError("event_malformed", `The body ${reason}.`, { cause });
  }
}
