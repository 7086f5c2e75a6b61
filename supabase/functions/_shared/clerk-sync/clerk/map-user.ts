import type { UserFields } from "../config/mapping.ts";
import type { MetadataPath, UserField } from "../config/sources.ts";
import type { Json } from "../sanitise.ts";
import type { ClerkUser } from "./parse-event.ts";
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
 * whether Clerk has verified it.
 * Where a field is absent that Clerk's description requires, an optional one that is absent may have been taken out, too:
 * both are named in `absent`. Else what is optional and absent is empty.
 */
export function mapUser(user: ClerkUser, fields: UserFields): MappedUser {
  const mapped: { [field: string]: Json } = { clerk_id: user.id };
  const given: string[] = [];
  const absent: UserField[] = [];
  const empty: { [field: string]: Json } = {};
  for (const field of new Set<UserField>([...fields, ...besides(fields), "external_id", "created_at"])) {
    const said = readField(user, field);
    if (said.value !== undefined) mapped[field] = said.value;
    else if (said.empty !== undefined) empty[field] = said.empty;
    else if (field === "external_id" || fields.has(field)) absent.push(field);
    if (said.given !== undefined) given.push(said.given);
  }
  if (fields.has("email") && emailOf(user)?.isTooLong) mapped["ignored_email"] = "too_long";
  const rest = absent.length > 0 ? { absent: [...absent, ...Object.keys(empty)] } : empty;
  return { ...mapped, ...rest, clerk_id: user.id, ...(given.length > 0 ? { given } : {}) };
}

/** An address or a number is worth what its verification is. */
function besides(fields: UserFields): UserField[] {
  return (["email", "phone"] as const)
    .filter((field) => fields.has(field))
    .map((field) => `${field}_verified` as const);
}
