import { createHash } from "node:crypto";
import type { Identity, User } from "./user.ts";

export type SoftDeletion = { id: string; email: string; phone: string; email_change: string; phone_change: string };

/** What a soft delete leaves of a user's contacts: hashes that nobody can use. Source: SoftDeleteUser of GoTrue's user.go. */
export function softDeletion(user: User): SoftDeletion {
  return {
    id: user.id,
    email: obscured(user.id, user.email ?? ""),
    phone: obscured(user.id, user.phone ?? "").slice(0, 15),
    email_change: obscured(user.id, user.email_change ?? ""),
    phone_change: obscured(user.id, user.phone_change ?? "").slice(0, 15),
  };
}

/** The provider_id that frees the real one for another user. */
export function obscuredProviderId({ user_id, provider, provider_id }: Identity): string {
  return obscured(user_id, `${provider}:${provider_id}`);
}

function obscured(id: string, value: string): string {
  return createHash("sha256")
    .update(id + value)
    .digest("base64url");
}
