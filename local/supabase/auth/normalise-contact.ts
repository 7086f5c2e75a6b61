import { validationFailed } from "./auth-error.ts";

const emailFormat =
  /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;
const phoneFormat = /^[1-9][0-9]{1,14}$/;

/** The address as it is stored: lower-cased, not trimmed. Throws 400. Source: GoTrue mail.go and badoux/checkmail. */
export function normaliseEmail(email: string): string {
  if (Buffer.byteLength(email) > 255) throw validationFailed("An email address is too long");
  if (!emailFormat.test(email)) throw validationFailed("Unable to validate email address: invalid format");
  return email.toLowerCase();
}

/** The number as it is stored: E.164 without its plus. Throws 400. Source: GoTrue phone.go. */
export function normalisePhone(phone: string): string {
  const digits = phone.replace(/^\+/, "").replaceAll(" ", "");
  if (!phoneFormat.test(digits)) throw validationFailed("Invalid phone number format (E.164 required)");
  return digits;
}
