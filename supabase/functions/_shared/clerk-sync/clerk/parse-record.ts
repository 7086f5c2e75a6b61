import { z } from "zod";
import type { RecordKind } from "../config/sources.ts";
import { type Json, sanitise } from "../sanitise.ts";
import { exact, flag, id, metadata, parseAs, text, toMilliseconds } from "./clerk-values.ts";
import { flagOf, textOf, timeOf } from "./read-field.ts";

/**
 * An organization, or what belongs to organizations, as the sync reads it. `fields` has what Clerk says of each, by the keys
 * of payloads; undefined: nothing. Version (updated_at) and createdAt are Unix milliseconds, 0 when Clerk does not say.
 */
export type ClerkRecord = {
  kind: RecordKind;
  id: string;
  version: number;
  createdAt: number;
  fields: RecordValues;
  /** Undefined: nothing is said of it. */
  metadata: unknown;
  /** Of a membership: the organization as it was then; null when it cannot be read. */
  organization: ClerkRecord | null;
};

/** What an event says of a deleted record: often nothing but the id. */
export type DeletedRecord = { id: string | null; fields: RecordValues };

type RecordValues = { readonly [field: string]: Json | undefined };

const recordId = exact.min(1).max(255);
const time = z.number().nonnegative().nullish().catch(undefined);
/** Some of Clerk's examples show keys without their prefix. Memberships and tokens name roles and permissions with it. */
const withPrefix = (text: string) => (text.startsWith("org:") ? text : `org:${text}`);
const key = exact.min(1).transform(withPrefix).nullish().catch(undefined);

const common = { id: recordId, created_at: time, updated_at: time };

/** Strict on nothing but the id, as with users: see parse-event.ts. */
const organizationSchema = z.object({
  ...common,
  name: text,
  slug: id,
  image_url: text,
  has_image: flag,
  created_by: id,
  max_allowed_memberships: z.number().int().nonnegative().nullish().catch(undefined),
  public_metadata: metadata,
});

/**
 * A membership's permissions are those of its role, and what it says of its user is partial and has no version: nothing is
 * taken of both but the user's id.
 */
const membershipSchema = z.object({
  ...common,
  role: id,
  public_metadata: metadata,
  organization: organizationSchema.optional().catch(undefined),
  public_user_data: z.object({ user_id: recordId }).optional().catch(undefined),
});

/** Clerk's description has objects where its SDK's types have keys. */
const permissionKey = z
  .union([exact.min(1), z.object({ key: exact.min(1) }).transform((permission) => permission.key)])
  .transform(withPrefix);

/** A list with a permission that cannot be read is not known: written without it, it would take a right away. */
const roleSchema = z.object({
  ...common,
  key,
  name: text,
  description: text,
  permissions: z.array(permissionKey).nullish().catch(undefined),
});

const permissionSchema = z.object({ ...common, key });

/** The url of an invitation holds the token that accepts it, and is not read. */
const invitationSchema = z.object({
  ...common,
  organization_id: id,
  email_address: text,
  role: id,
  status: id,
  inviter_id: id,
  user_id: id,
  expires_at: time,
  public_metadata: metadata,
});

const deletedSchema = membershipSchema
  .pick({ organization: true, public_user_data: true, created_at: true })
  .extend({ id: recordId.nullish(), key });

/** How a record of each kind is read, from an event or from an answer of Clerk's API. */
const readers: { readonly [Kind in RecordKind]: (value: unknown) => ClerkRecord } = {
  organization: (value) => readOrganization(parseAs(organizationSchema, value, "data")),
  membership: (value) => {
    const membership = parseAs(membershipSchema, value, "data");
    const { organization } = membership;
    return {
      ...toRecord("membership", membership, {
        ...placeOf(membership),
        role: exactOf(membership.role),
        updated_at: timeOf(membership.updated_at),
      }),
      organization: organization === undefined ? null : readOrganization(organization),
    };
  },
  role: (value) => {
    const role = parseAs(roleSchema, value, "data");
    return toRecord("role", role, {
      key: role.key,
      name: textOf(role.name),
      description: textOf(role.description),
      permissions: permissionsOf(role.permissions),
      ...timesOf(role),
    });
  },
  permission: (value) => {
    const permission = parseAs(permissionSchema, value, "data");
    return toRecord("permission", permission, { key: permission.key });
  },
  invitation: (value) => {
    const invitation = parseAs(invitationSchema, value, "data");
    return toRecord("invitation", invitation, {
      organization_id: exactOf(invitation.organization_id),
      email: textOf(invitation.email_address),
      role: exactOf(invitation.role),
      status: exactOf(invitation.status),
      inviter_id: exactOf(invitation.inviter_id),
      user_id: exactOf(invitation.user_id),
      expires_at: timeOf(invitation.expires_at),
      ...timesOf(invitation),
    });
  },
};

/** Parses a record as it stands in an event or in an answer of Clerk's API. Throws as parseEvent does. */
export function parseRecord(kind: RecordKind, value: unknown): ClerkRecord {
  sanitise(value); // refuses what is nested too deep
  return readers[kind](value);
}

/**
 * Parses what an event says of a deleted record: the full record, or a DeletedObject, which has neither times nor what the
 * record belongs to. Throws as parseEvent does.
 */
export function parseDeletedRecord(value: unknown): DeletedRecord {
  const deleted = parseAs(deletedSchema, value, "data");
  return { id: deleted.id ?? null, fields: { ...placeOf(deleted), key: deleted.key } };
}

function readOrganization(organization: z.infer<typeof organizationSchema>): ClerkRecord {
  return toRecord("organization", organization, {
    name: textOf(organization.name),
    slug: exactOf(organization.slug),
    image_url: textOf(organization.image_url),
    has_image: flagOf(organization.has_image),
    created_by: exactOf(organization.created_by),
    max_allowed_memberships: organization.max_allowed_memberships,
    ...timesOf(organization),
  });
}

type Parsed = {
  id: string;
  created_at?: number | null | undefined;
  updated_at?: number | null | undefined;
  public_metadata?: { [key: string]: unknown } | null | undefined;
};

function toRecord(kind: RecordKind, parsed: Parsed, fields: RecordValues): ClerkRecord {
  const { public_metadata: all } = parsed;
  return {
    kind,
    id: parsed.id,
    version: toMilliseconds(parsed.updated_at),
    createdAt: toMilliseconds(parsed.created_at),
    fields:
      "public_metadata" in parsed ? { ...fields, public_metadata: all === undefined ? all : sanitise(all) } : fields,
    metadata: all,
    organization: null,
  };
}

function timesOf(parsed: Parsed): RecordValues {
  return { created_at: timeOf(parsed.created_at), updated_at: timeOf(parsed.updated_at) };
}

/** Whose membership in what it is, and since when. */
function placeOf(membership: Omit<z.infer<typeof membershipSchema>, "id">): RecordValues {
  return {
    organization_id: membership.organization?.id,
    user_id: membership.public_user_data?.user_id,
    created_at: timeOf(membership.created_at),
  };
}

/** An id, a role or a status: it decides by equality, and is not trimmed. */
function exactOf(text: string | null | undefined): string | null | undefined {
  return text === undefined ? undefined : text || null;
}

/** In one order and each once: Clerk promises none, and the same rights are the same list. */
function permissionsOf(keys: readonly string[] | null | undefined): Json | undefined {
  return keys === undefined ? undefined : [...new Set(keys)].sort();
}
