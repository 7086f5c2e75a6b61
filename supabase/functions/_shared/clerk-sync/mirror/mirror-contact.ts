import type { MirrorOrder } from "../database/database.ts";
import type { AuthUserInput } from "./auth-admin.ts";

/** The address and number of a mirror: always confirmed, see createMirrorUser. */
export type Contact = Pick<AuthUserInput, "email" | "email_confirm" | "phone" | "phone_confirm">;

/**
 * What a mirror should have. Only what Clerk has verified, which map-user.ts sees to for the phone; the phone only where
 * there is no email, because a number cannot be removed through the admin routes.
 */
export function contactOf({ email, email_verified, phone }: MirrorOrder, id: string): Contact {
  if (email !== null) return email_verified ? { email, email_confirm: true } : placeholder(id);
  if (phone !== null) return { phone, phone_confirm: true };
  return {};
}

/**
 * An address that reaches nobody (.invalid, RFC 2606), in the place of one that is not the user's any more: the admin
 * routes cannot remove an email. Confirmed, because a sign-up with an address that is not confirmed gets a session of
 * its holder where Auth confirms by itself (supabase/auth, internal/api/signup.go).
 */
export function placeholder(name: string): Contact {
  return { email: `${name}@removed.invalid`, email_confirm: true };
}

export function isPlaceholder(email: string): boolean {
  return email.endsWith("@removed.invalid");
}

/** The same for a number: 14 digits, while those of clerk-sync simulate have 15. Country code 999 is reserved and assigned to nobody (ITU-T E.164, list of country codes). */
export function placeholderPhone(): Contact {
  const digits = Array.from(crypto.getRandomValues(new Uint8Array(11)), (byte) => byte % 10);
  return { phone: `+999${digits.join("")}`, phone_confirm: true };
}

export function isPlaceholderPhone(phone: string): boolean {
  return /^\+?999\d{11}$/.test(phone);
}
