import type { RecordFields } from "../config/mapping.ts";
import type { RecordKind } from "../config/sources.ts";
import type { NewJob } from "../database/database.ts";
import type { JobType } from "../database/job.ts";
import type { Json } from "../sanitise.ts";
import type { RecordEvent } from "./parse-event.ts";
import type { ClerkRecord, DeletedRecord } from "./parse-record.ts";
import { collectFields, readPath, type Said } from "./read-field.ts";
import { summariseEvent } from "./summarise-event.ts";

/**
 * What of a record goes into the payload of its job; `given` and `absent` are as in MappedUser. A membership's has
 * `organization`: the version and the payload of its organization as it was then.
 */
export type MappedRecord = { clerk_id: string; [field: string]: Json };

/** What a payload holds besides the mapped fields: what the sync decides by. */
const decisive: { readonly [Kind in RecordKind]: readonly string[] } = {
  organization: [],
  membership: ["organization_id", "user_id", "created_at"],
  role: [],
  permission: [],
  invitation: [],
};

/**
 * What is empty where Clerk does not say it. Everything else is required by Clerk's OpenAPI description
 * (webhooks/2025-04-15.yml), as in user-fields.ts, with two exceptions: it requires the slug of an organization, which apps
 * without slugs do not have, and it does not require the organization and the status of an invitation, which all have.
 */
const optional: { readonly [Kind in RecordKind]: readonly string[] } = {
  organization: ["slug", "image_url", "created_by"],
  membership: [],
  role: [],
  permission: [],
  invitation: ["user_id"],
};

const kindNames = {
  organization: "ORGANIZATION",
  membership: "MEMBERSHIP",
  role: "ROLE",
  permission: "PERMISSION",
  invitation: "INVITATION",
} as const;
const actionNames = { created: "CREATED", updated: "UPDATED", deleted: "DELETED" } as const;

/** Maps an event of a record to the job that applies it. `eventId` is the delivery's svix-id; `fields`: see mapRecord. */
export function mapRecordEvent(event: RecordEvent, eventId: string, fields: RecordFields): NewJob {
  const { kind, action, version, type } = event;
  const mapped = event.action === "deleted" ? mapDeletion(event.record, kind) : mapRecord(event.record, fields);
  const missing = event.action === "deleted" ? nameless(event.record) : incomplete(event.record);
  return {
    event_id: eventId,
    kind,
    job_type: recordJobType(kind, action),
    clerk_id: event.record.id,
    version,
    payload: { ...mapped, original_event: summariseEvent(event.original), retry_count: 0 },
    ...(missing === null ? {} : { dead_reason: `record_unknown: ${type} came without ${missing}` }),
  };
}

/**
 * Maps a record, of an event, a list or a single read, to what is stored: the fields asked for and no others (law 10), and
 * beside them what the sync decides by. What is absent: see collectFields.
 */
export function mapRecord(record: ClerkRecord, fields: RecordFields): MappedRecord {
  const { kind, organization } = record;
  const mapped = fields.get(kind) ?? new Set();
  const payload = collectFields(
    [...mapped, ...decisive[kind]],
    (field) => readField(record, field),
    (field) => mapped.has(field),
  );
  const isEmbedded = organization !== null && organization.version > 0 && fields.has("organization");
  const embedded = isEmbedded && { version: organization.version, payload: mapRecord(organization, fields) };
  return { ...payload, ...(embedded ? { organization: embedded } : {}), clerk_id: record.id };
}

function readField({ kind, fields, metadata }: ClerkRecord, field: string): Said {
  if (!field.startsWith("public_metadata.")) {
    return { value: fields[field], empty: optional[kind].includes(field) ? null : undefined };
  }
  const said = readPath(metadata, field, null);
  return said.value === undefined ? { ...said, empty: undefined } : said;
}

/** A permission is taken out of its roles by its key. */
function mapDeletion({ id, fields }: DeletedRecord, kind: RecordKind): { [field: string]: Json } {
  const kept = kind === "permission" ? ["key"] : decisive[kind];
  return {
    clerk_id: id,
    ...collectFields(
      kept,
      (field) => ({ value: fields[field], empty: undefined }),
      () => false,
    ),
  };
}

function nameless({ id }: DeletedRecord): string | null {
  return id === null ? "an id" : null;
}

export function recordJobType(kind: RecordKind, action: keyof typeof actionNames): JobType {
  return `${kindNames[kind]}_${actionNames[action]}`;
}

/** Whether a record says what the sync must know of it. */
export function isComplete(record: ClerkRecord): boolean {
  return incomplete(record) === null;
}

/** A membership must say who is a member of what; there is no way to read one by its id. */
function incomplete({ kind, fields }: ClerkRecord): string | null {
  if (kind !== "membership") return null;
  if (fields["organization_id"] === undefined) return "organization.id, so it names no organization";
  return fields["user_id"] === undefined ? "public_user_data.user_id, so it names no user" : null;
}
