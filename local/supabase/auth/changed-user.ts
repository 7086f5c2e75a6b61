import { bannedUntil, contactsOf } from "./new-user.ts";
import type { UserRequest } from "./parse-request.ts";
import { mergeMetadata, type User, type UserChanges } from "./user.ts";

type Change = {
  request: UserRequest;
  encryptedPassword: string | undefined;
  banSeconds: number | undefined;
  now: Date;
};

/**
 * What an update changes in a user that was read before, as GoTrue does it: metadata is merged into what was read,
 * "" changes nothing, a confirmation is never taken back. Empty when the request changes nothing.
 * Source: adminUserUpdate of GoTrue's admin.go.
 */
export function userChanges(user: User, change: Change): UserChanges {
  const changes: UserChanges = {
    ...contactChanges(user, change),
    ...metadataChanges(user, change.request),
    ...(change.request.role === "" ? {} : { role: change.request.role.trim() }),
    ...(change.encryptedPassword === undefined ? {} : { encrypted_password: change.encryptedPassword }),
    ...(change.banSeconds === undefined ? {} : { banned_until: bannedUntil(change.banSeconds, change.now) }),
  };
  return Object.keys(changes).length === 0 ? {} : { ...changes, updated_at: change.now };
}

function contactChanges(user: User, { request, now }: Change): UserChanges {
  const isNoLongerAnonymous = user.is_anonymous && contactsOf(request).some((contact) => contact.isVerified);
  return {
    ...(request.email === "" ? {} : { email: request.email }),
    ...(request.phone === "" ? {} : { phone: request.phone }),
    ...(request.email_confirm ? { email_confirmed_at: now } : {}),
    ...(request.phone_confirm ? { phone_confirmed_at: now } : {}),
    ...(isNoLongerAnonymous ? { is_anonymous: false } : {}),
  };
}

function metadataChanges(user: User, request: UserRequest): UserChanges {
  const confirmed = request.email_confirm
    ? mergeMetadata(user.raw_user_meta_data, { email_verified: true })
    : user.raw_user_meta_data;
  const changes: UserChanges = request.email_confirm ? { raw_user_meta_data: confirmed } : {};
  if (request.user_metadata) changes.raw_user_meta_data = mergeMetadata(confirmed, request.user_metadata);
  if (request.app_metadata) changes.raw_app_meta_data = mergeMetadata(user.raw_app_meta_data, request.app_metadata);
  return changes;
}
