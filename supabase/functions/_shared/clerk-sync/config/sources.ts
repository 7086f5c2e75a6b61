/** What Clerk says of a user, by the names of the configuration. */
export const userSources = [
  "id",
  "email",
  "email_verified",
  "phone",
  "phone_verified",
  "username",
  "first_name",
  "last_name",
  "name",
  "image_url",
  "has_image",
  "external_id",
  "locale",
  "banned",
  "locked",
  "deprovisioned",
  "created_at",
  "updated_at",
  "last_sign_in_at",
  "public_metadata",
  "now",
  "uuid",
] as const;

/** `public_metadata.plan` and `unsafe_metadata.theme`; deeper paths have more dots. */
export type MetadataPath = `public_metadata.${string}` | `unsafe_metadata.${string}`;

export type UserSource = (typeof userSources)[number] | MetadataPath;

/** Whether a text is a source of a user. */
export function isUserSource(text: string): text is UserSource {
  return isMetadataPath(text) || userSources.some((source) => source === text);
}

/** What Clerk says of an organization. */
export const organizationSources = [
  "id",
  "name",
  "slug",
  "image_url",
  "has_image",
  "created_by",
  "max_allowed_memberships",
  "created_at",
  "updated_at",
  "public_metadata",
  "now",
] as const;

/** Of a membership; `organization` and `user` are ids. */
export const membershipSources = [
  "id",
  "organization",
  "user",
  "role",
  "created_at",
  "updated_at",
  "public_metadata",
  "now",
] as const;

/** Of a role of organizations. */
export const roleSources = [
  "id",
  "key",
  "name",
  "description",
  "permissions",
  "created_at",
  "updated_at",
  "now",
] as const;

/** Of an invitation into an organization; its url holds a token and is no source. */
export const invitationSources = [
  "id",
  "organization",
  "email",
  "role",
  "status",
  "inviter",
  "user",
  "expires_at",
  "created_at",
  "updated_at",
  "public_metadata",
  "now",
] as const;

type PublicPath = `public_metadata.${string}`;

export type OrganizationSource = (typeof organizationSources)[number] | PublicPath;
export type MembershipSource = (typeof membershipSources)[number] | PublicPath;
export type RoleSource = (typeof roleSources)[number];
export type InvitationSource = (typeof invitationSources)[number] | PublicPath;

export function isMetadataPath(source: string): source is MetadataPath {
  return source.startsWith("public_metadata.") || source.startsWith("unsafe_metadata.");
}

/** The keys under which payloads of jobs have what Clerk says of a user: see payloadKey. */
export type UserField = Exclude<(typeof userSources)[number], "id" | "now"> | "user_role" | MetadataPath;

/**
 * The key under which the payload of a job has a source. A role is called user_role there: job_queue had that name before
 * the mapping. Null for a source that no event brings.
 */
export function payloadKey(source: UserSource): UserField | null {
  if (source === "now" || source === "id") return null;
  return source === "public_metadata.role" ? "user_role" : source;
}

/**
 * The key under which the payload of a job about an organization, a membership, a role or an invitation has a source. Null
 * for a source that no event brings.
 */
export function kindPayloadKey(
  source: OrganizationSource | MembershipSource | RoleSource | InvitationSource,
): string | null {
  if (source === "now" || source === "id") return null;
  if (source === "organization" || source === "user" || source === "inviter") return `${source}_id`;
  return source;
}

/** Whether a text is a key of payloads: what payloadKey gives for some source. private_metadata is part of no source. */
export function isUserField(text: string): text is UserField {
  if (text === "user_role") return true;
  if (!text.includes(".")) return userSources.some((source) => source === text && payloadKey(source) !== null);
  const [root = "", ...path] = text.split(".");
  const isReadable = path.every((key) => key !== "" && key !== "private_metadata");
  return ["public_metadata", "unsafe_metadata"].includes(root) && isReadable && text !== "public_metadata.role";
}

/** What Clerk has events of besides users, in the words of job_queue.kind. A permission has no table: roles have permissions. */
export type RecordKind = "organization" | "membership" | "role" | "permission" | "invitation";

const recordSources = {
  organization: organizationSources,
  membership: membershipSources,
  role: roleSources,
  permission: ["key"],
  invitation: invitationSources,
} as const;

/** Whether a text is a key of payloads of this kind: what kindPayloadKey gives for one of its sources. */
export function isRecordField(kind: RecordKind, text: string): boolean {
  const sources = recordSources[kind];
  if (!text.includes(".")) return sources.some((source) => kindPayloadKey(source) === text);
  const [root = "", ...path] = text.split(".");
  const isReadable = path.every((key) => key !== "" && key !== "private_metadata");
  return root === "public_metadata" && sources.some((source) => source === root) && isReadable;
}
