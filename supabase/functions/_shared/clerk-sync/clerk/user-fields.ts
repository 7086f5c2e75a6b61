import { isMetadataPath, type MetadataPath, type UserField } from "../config/sources.ts";
import { type Json, sanitise } from "../sanitise.ts";
import type { ClerkUser } from "./parse-event.ts";
import { flagOf, optional, type Reading, readPath, required, type Said, textOf, timeOf } from "./read-field.ts";
import { userUuid } from "./user-uuid.ts";

/** What a payload holds of a user, metadata paths and the role aside. */
export type FieldValues = {
  email: string | null;
  email_verified: boolean;
  phone: string | null;
  phone_verified: boolean;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  name: string | null;
  image_url: string | null;
  has_image: boolean;
  locale: string | null;
  external_id: string | null;
  banned: boolean;
  locked: boolean;
  deprovisioned: boolean;
  /** Times are ISO 8601; null: there is none. */
  created_at: string | null;
  updated_at: string | null;
  last_sign_in_at: string | null;
  public_metadata: Json;
  uuid: string;
};

/**
 * How each field is read of a Clerk user. Required is what Clerk's OpenAPI description (webhooks/2025-04-15.yml, User and
 * EmailAddress, `required`) has in every event and answer: where it is not, it was taken out on its way (law 11). What is
 * optional there is empty when it is absent.
 */
const readings: { readonly [Name in keyof FieldValues]: Reading<ClerkUser, FieldValues[Name]> } = {
  email: required((user) => emailOf(user)?.email),
  email_verified: required((user) => emailOf(user)?.isVerified),
  phone: required((user) => phoneOf(user)?.number),
  phone_verified: required((user) => phoneOf(user)?.isVerified),
  name: required(nameOf),
  external_id: required((user) => (user.external_id === undefined ? undefined : user.external_id || null)),
  banned: required(({ banned }) => flagOf(banned)),
  locked: required(({ locked }) => flagOf(locked)),
  created_at: required((user) => timeOf(user.created_at)),
  username: required(({ username }) => textOf(username)),
  first_name: required((user) => textOf(user.first_name)),
  last_name: required((user) => textOf(user.last_name)),
  image_url: optional((user) => textOf(user.image_url), null),
  has_image: required((user) => flagOf(user.has_image)),
  locale: optional(({ locale }) => textOf(locale), null),
  deprovisioned: optional(({ deprovisioned }) => flagOf(deprovisioned), false),
  updated_at: required((user) => timeOf(user.updated_at)),
  last_sign_in_at: required((user) => timeOf(user.last_sign_in_at)),
  public_metadata: required(({ public_metadata: all }) => (all === undefined ? undefined : sanitise(all))),
  uuid: required(({ id }) => userUuid(id)),
};

/** Reads a field of a Clerk user. */
export function readField(user: ClerkUser, field: UserField): Said {
  if (field === "user_role") return readMetadata(user, "public_metadata.role", "user");
  if (isMetadataPath(field)) return readMetadata(user, field, null);
  const { read, empty } = readings[field];
  return { value: read(user), empty };
}

/** Clerk's description requires public_metadata, and not unsafe_metadata. */
function readMetadata(user: ClerkUser, path: MetadataPath, missing: Json): Said {
  const isPublic = path.startsWith("public_metadata.");
  const said = readPath(isPublic ? user.public_metadata : user.unsafe_metadata, path, missing);
  return said.value === undefined && isPublic ? { ...said, empty: undefined } : said;
}

/** 64 of the local part, the @, 255 of the domain (RFC 5321, 4.5.3.1). PostgreSQL's index takes no more than 2,704 bytes. */
const longestAddress = 320;

type Email = { email: string | null; isVerified: boolean; isTooLong: boolean };

const noEmail: Email = { email: null, isVerified: false, isTooLong: false };

/**
 * The primary address: the one that the primary id points at, never the first in the list (Clerk does not sort it).
 * Without its verification an address is not known: it may be the one that is verified here, or not.
 */
export function emailOf(user: ClerkUser): Email | undefined {
  const address = findPrimary(user.email_addresses, user.primary_email_address_id);
  if (address === null) return noEmail;
  if (address?.verification === undefined) return undefined;
  const email = address.email_address.trim() || null;
  if (email !== null && email.length > longestAddress) return { ...noEmail, isTooLong: true };
  return { email, isVerified: address.verification?.status === "verified", isTooLong: false };
}

/** The primary number, as the primary address. */
function phoneOf(user: ClerkUser): { number: string | null; isVerified: boolean } | undefined {
  const phone = findPrimary(user.phone_numbers, user.primary_phone_number_id);
  if (phone === null) return { number: null, isVerified: false };
  if (phone?.verification === undefined) return undefined;
  return { number: phone.phone_number.trim() || null, isVerified: phone.verification?.status === "verified" };
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

/** Known only when both parts are. */
function nameOf({ first_name, last_name }: ClerkUser): string | null | undefined {
  const [first, last] = [textOf(first_name), textOf(last_name)];
  if (first === undefined || last === undefined) return undefined;
  return [first, last].filter((part) => part !== null).join(" ") || null;
}
