import { SyncError } from "../errors.ts";
import type { AuthAnswer } from "./auth-admin.ts";
import { type Contact, isPlaceholder } from "./mirror-contact.ts";

// Why Supabase Auth did not write a user, and what that means for the job.

/** The unique constraints of Auth itself. Any other is the owner's, broken by a trigger on auth.users. */
const authConstraints = ["users_pkey", "users_email_partial_key", "users_phone_key"];

/** email_exists and phone_exists on create, 23505 for a taken id on create and a taken email on update. */
export function isTaken(answer: AuthAnswer): boolean {
  if (answer.ok) return false;
  if (answer.code !== "23505") return ["email_exists", "phone_exists"].includes(answer.code);
  return answer.constraint === undefined || authConstraints.includes(answer.constraint);
}

/** The only 400 that a create or update of ours is answered with for what it contains. */
export function isRefusedContact(answer: AuthAnswer, { email, phone }: Contact): boolean {
  if (answer.ok || answer.status !== 400 || answer.code !== "validation_failed") return false;
  return phone !== undefined || (email !== undefined && !isPlaceholder(email));
}

export function conflict(): SyncError {
  return new SyncError("auth_email_conflict", "Another Auth user holds this email or phone.", { retryable: true });
}

export function addressRefused(): SyncError {
  return new SyncError(
    "auth_address_refused",
    "Supabase Auth does not accept this email or phone. Everything else was written, with a placeholder in its place.",
  );
}

export function rejected(answer: Extract<AuthAnswer, { ok: false }>): SyncError {
  const { status, code, constraint } = answer;
  const reason =
    constraint === undefined
      ? "."
      : `: a trigger on auth.users broke the constraint ${constraint}, which is not Auth's. Correct the trigger, then retry the job.`;
  return new SyncError("auth_rejected", `Supabase Auth refused the user: ${status} ${code}${reason}`);
}
