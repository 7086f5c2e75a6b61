import { randomUUID } from "node:crypto";
import { validationFailed } from "./auth-error.ts";
import { parseBanDuration } from "./parse-ban-duration.ts";
import type { UserRequest } from "./parse-request.ts";
import { nilUuid, parseUuid } from "./parse-uuid.ts";
import { type Identity, type Metadata, mergeMetadata, type User, type UserWithIdentities } from "./user.ts";

type NewUser = {
  request: UserRequest;
  audience: string;
  encryptedPassword: string;
  now: Date;
};

type Contact = { provider: "email" | "phone"; value: string; isVerified: boolean };

/**
 * The row of a new user with its identities, from a request whose email and phone are in stored form.
 * Throws 400 for a malformed id, then for a malformed ban. Source: adminUserCreate of GoTrue's admin.go.
 */
export function newUser(input: NewUser): UserWithIdentities {
  const { request, now } = input;
  const contacts = contactsOf(request);
  const id = newUserId(request.id);
  const banSeconds = parseBanDuration(request.ban_duration) ?? 0;
  const providers = contacts.map((contact) => contact.provider);
  const user: User = {
    ...emptyUser,
    id,
    aud: input.audience,
    role: request.role === "" ? "authenticated" : request.role.trim(),
    email: request.email || null,
    encrypted_password: input.encryptedPassword,
    email_confirmed_at: request.email_confirm ? now : null,
    phone: request.phone || null,
    phone_confirmed_at: request.phone_confirm ? now : null,
    raw_app_meta_data: mergeMetadata({ provider: providers[0], providers }, request.app_metadata ?? {}),
    raw_user_meta_data: newUserMetadata(request),
    created_at: now,
    updated_at: now,
    banned_until: bannedUntil(banSeconds, new Date(now.valueOf() + banStepMilliseconds)),
  };
  return { user, identities: contacts.map((contact) => newIdentity(id, { ...contact, isVerified: false }, now)) };
}

/** An identity of provider "email" or "phone"; its provider_id is the user's own id. */
export function newIdentity(userId: string, contact: Contact, now: Date): Identity {
  const { provider, value, isVerified } = contact;
  return {
    id: randomUUID(),
    provider_id: userId,
    user_id: userId,
    identity_data: {
      [provider]: value,
      email_verified: provider === "email" && isVerified,
      phone_verified: provider === "phone" && isVerified,
      sub: userId,
    },
    provider,
    last_sign_in_at: now,
    created_at: now,
    updated_at: now,
    email: provider === "email" ? value : null,
  };
}

/** The email and phone of a request, in the order GoTrue handles them. */
export function contactsOf(request: UserRequest): Contact[] {
  const contacts: Contact[] = [
    { provider: "email", value: request.email, isVerified: request.email_confirm },
    { provider: "phone", value: request.phone, isVerified: request.phone_confirm },
  ];
  return contacts.filter((contact) => contact.value !== "");
}

/** When a ban of so many seconds ends; 0 seconds is no ban. */
export function bannedUntil(seconds: number, now: Date): Date | null {
  return seconds === 0 ? null : new Date(now.valueOf() + seconds * 1000);
}

function newUserId(requested: string): string {
  if (requested === "") return randomUUID();
  const id = parseUuid(requested);
  if (id === undefined) throw validationFailed("ID must conform to the uuid v4 format");
  if (id === nilUuid) throw validationFailed("ID cannot be a nil uuid");
  return id;
}

/** Without metadata GoTrue keeps {} beside a password of its own making, and null beside a hash that was sent. */
function newUserMetadata(request: UserRequest): Metadata | null {
  const sent = request.user_metadata ?? (request.password_hash === "" ? {} : null);
  return request.email_confirm ? mergeMetadata(sent, { email_verified: true }) : sent;
}

/** The ban is a later step than the row. */
const banStepMilliseconds = 4;

const emptyUser = {
  invited_at: null,
  confirmation_sent_at: null,
  confirmed_at: null,
  recovery_sent_at: null,
  email_change: null,
  email_change_sent_at: null,
  phone_change: null,
  phone_change_sent_at: null,
  reauthentication_sent_at: null,
  last_sign_in_at: null,
  deleted_at: null,
  is_anonymous: false,
};
