import { invitationSources, membershipSources, organizationSources, roleSources, userSources } from "./sources.ts";
import { suggestName } from "./suggest-name.ts";

/** The kinds of record that the configuration knows, by its words. */
export const kinds = ["users", "organizations", "memberships", "roles", "invitations"] as const;

export type Kind = (typeof kinds)[number];

export const sourcesOf = {
  users: userSources,
  organizations: organizationSources,
  memberships: membershipSources,
  roles: roleSources,
  invitations: invitationSources,
} as const;

/** A part of metadata by its path; no part of the path is empty. */
export const pathPattern = /[^.]+(?:\.[^.]+)*/;

const isPath = new RegExp(`^(?:${pathPattern.source})$`);

/** What Clerk's API and other tools call a source. */
const otherNames: Readonly<Record<string, string>> = {
  avatar: "image_url",
  avatar_url: "image_url",
  picture: "image_url",
  profile_image_url: "image_url",
  profile_picture: "image_url",
  full_name: "name",
  display_name: "name",
  given_name: "first_name",
  family_name: "last_name",
  surname: "last_name",
  email_address: "email",
  email_addresses: "email",
  primary_email: "email",
  primary_email_address: "email",
  phone_number: "phone",
  phone_numbers: "phone",
  primary_phone_number: "phone",
  clerk_id: "id",
  user_id: "id",
  uid: "id",
  metadata: "public_metadata",
  role: "public_metadata.role",
  permissions: "public_metadata.permissions",
  plan: "public_metadata.plan",
  timestamp: "now",
  "now()": "now",
  current_timestamp: "now",
  "gen_random_uuid()": "uuid",
  organization_id: "organization",
  org_id: "organization",
  email_verified_at: "email_verified",
};

/** What to write instead of something that is no source. */
export function adviseSource(kind: Kind, found: unknown): string {
  if (found === undefined) return "is missing: write a source, like `name`";
  if (typeof found !== "string") return "write a source in double quotes, like `id` or `created_at`";
  const [head, path] = splitPath(found.trim());
  const meant = suggestName(head, [...sourcesOf[kind], "public_metadata", "private_metadata", "unsafe_metadata"]);
  if (meant === "private_metadata") {
    return "private_metadata is never stored, because Clerk keeps it for your servers only. Move the value to public_metadata, or leave the column out";
  }
  if (meant === "unsafe_metadata") {
    if (kind === "users") return adviseUnsafe(head, path);
    return `only users have unsafe_metadata. The sources are ${listSources(kind)}`;
  }
  if (path !== null) return advisePath(kind, meant, path);
  const other = otherNames[head.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase()];
  const suggestion = other !== undefined && isSourceOf(kind, other) ? other : meant;
  if (suggestion !== null && isSourceOf(kind, suggestion)) return `did you mean \`${suggestion}\`?`;
  return `this is no source of ${kind}. The sources are ${listSources(kind)}`;
}

function adviseUnsafe(head: string, path: string | null): string {
  if (path === null || !isPath.test(path)) return "name one key of it, like `unsafe_metadata.theme`";
  if (head !== "unsafe_metadata") return `did you mean \`unsafe_metadata.${path}\`?`;
  return `every user can write unsafe_metadata. To take it all the same, write { "from": "unsafe_metadata.${path}", "allow_unsafe": true }`;
}

function advisePath(kind: Kind, meant: string | null, path: string): string {
  if (!hasMetadata(kind)) return `${kind} have no metadata. The sources are ${listSources(kind)}`;
  if (meant === "public_metadata" && !isPath.test(path)) {
    return "write a key behind each dot, like `public_metadata.plan`";
  }
  if (meant === "public_metadata") return `did you mean \`public_metadata.${path}\`?`;
  return `only metadata has keys: write public_metadata.<key>. The sources are ${listSources(kind)}`;
}

function listSources(kind: Kind): string {
  const paths = hasMetadata(kind) ? ["public_metadata.<key>"] : [];
  return [...sourcesOf[kind], ...paths].join(", ");
}

/** Whether a suggestion is a source of this kind: one of its names, or a key of its metadata. */
function isSourceOf(kind: Kind, suggestion: string): boolean {
  const known: readonly string[] = sourcesOf[kind];
  return known.includes(suggestion) || (hasMetadata(kind) && suggestion.startsWith("public_metadata."));
}

function hasMetadata(kind: Kind): boolean {
  const known: readonly string[] = sourcesOf[kind];
  return known.includes("public_metadata");
}

/** The name before the first dot, and what stands behind it; null without a dot. */
function splitPath(text: string): [string, string | null] {
  const dot = text.indexOf(".");
  return dot < 0 ? [text, null] : [text.slice(0, dot), text.slice(dot + 1)];
}
