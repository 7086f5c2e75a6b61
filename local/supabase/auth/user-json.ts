import type { Identity, User } from "./user.ts";

/**
 * The user as GoTrue shows it: email and phone always there, "" when null; other empty fields left out.
 * Identities are null in lists. Source: the JSON tags of models.User.
 */
export function userJson(
  user: User,
  identities: Identity[] | null,
  exactTime: typeof timeJson = timeJson,
): Record<string, unknown> {
  return {
    id: user.id,
    aud: user.aud,
    role: user.role,
    email: user.email ?? "",
    email_confirmed_at: exactTime(user.email_confirmed_at),
    invited_at: timeJson(user.invited_at),
    phone: user.phone ?? "",
    phone_confirmed_at: exactTime(user.phone_confirmed_at),
    confirmation_sent_at: timeJson(user.confirmation_sent_at),
    confirmed_at: timeJson(user.confirmed_at),
    recovery_sent_at: timeJson(user.recovery_sent_at),
    new_email: user.email_change || undefined,
    email_change_sent_at: timeJson(user.email_change_sent_at),
    new_phone: user.phone_change || undefined,
    phone_change_sent_at: timeJson(user.phone_change_sent_at),
    reauthentication_sent_at: timeJson(user.reauthentication_sent_at),
    last_sign_in_at: timeJson(user.last_sign_in_at),
    app_metadata: user.raw_app_meta_data,
    user_metadata: user.raw_user_meta_data,
    identities: identities === null ? null : identities.map((one) => identityJson(one, exactTime)),
    created_at: timeJson(user.created_at),
    updated_at: timeJson(user.updated_at),
    banned_until: exactTime(user.banned_until),
    deleted_at: timeJson(user.deleted_at),
    is_anonymous: user.is_anonymous,
  };
}

/** GoTrue calls the provider's id `id` and the row's own id `identity_id`. */
function identityJson(identity: Identity, exactTime: typeof timeJson): Record<string, unknown> {
  return {
    identity_id: identity.id,
    id: identity.provider_id,
    user_id: identity.user_id,
    identity_data: Object.keys(identity.identity_data).length === 0 ? undefined : identity.identity_data,
    provider: identity.provider,
    last_sign_in_at: exactTime(identity.last_sign_in_at),
    created_at: timeJson(identity.created_at),
    updated_at: timeJson(identity.updated_at),
    email: identity.email || undefined,
  };
}

/** The answer of a create holds times of Go's clock, which a row cuts to microseconds. */
export function nanosecondsJson(time: Date | null): string | undefined {
  return time === null ? undefined : time.toISOString().replace("Z", "123456Z");
}

function timeJson(time: Date | null): string | undefined {
  return time === null ? undefined : time.toISOString();
}
