import type { UserFields } from "../config/mapping.ts";
import type { MetadataPath, UserField } from "../config/sources.ts";
import type { Json } from "../sanitise.ts";
import type { ClerkUser } from "./parse-event.ts";
import { collectFields } from "./read-field.ts";
import { emailOf, type FieldValues, readField } from "./user-fields.ts";

/**
 * What of a Clerk user goes into the payload of its job, by the keys of config/sources.ts. What Clerk did not say is not
 * there (law 11, absent is not null): its column stays as it is.
 */
export type MappedUser = {
  clerk_id: string;
  /** public_metadata.role, whatever it is: the database knows which roles may be stored. */
  user_role?: Json;
  /** Why the address of the user is not taken. */
  ignored_email?: "too_long";
  /** The mapped keys of metadata that Clerk gave, as sources: what Clerk never gave is not taken away. */
  given?: string[];
  /** The fields of which nothing is known: the event, or the answer, was trimmed on its way. */
  absent?: string[];
} & Partial<FieldValues> & { [path: MetadataPath]: Json };

/**
 * Maps a Clerk user, of an event, a list or a single read, to what is stored: the fields asked for and no others (law 10),
 * and beside them `external_id`, by which a deletion may name the user, and `created_at`. With an address or a number comes
 * whether Clerk has verified it. What is absent: see collectFields.
 */
export function mapUser(user: ClerkUser, fields: UserFields): MappedUser {
  const mapped = collectFields<UserField>(
    [...fields, ...besides(fields), "external_id", "created_at"],
    (field) => readField(user, field),
    (field) => field === "external_id" || fields.has(field),
  );
  const isTooLong = fields.has("email") && emailOf(user)?.isTooLong === true;
  return { ...mapped, ...(isTooLong ? { ignored_email: "too_long" } : {}), clerk_id: user.id };
}

/** An address or a number is worth what its verification is. */
function besides(fields: UserFields): UserField[] {
  return (["email", "phone"] as const)
    .filter((field) => fields.has(field))
    .map((field) => `${field}_verified` as const);
}
