import type { SimulatedEmail, UserState } from "./user-state.ts";

const minute = 60_000;
/** Everybody's picture. */
export const imageUrl = "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9";

/** `data` of user.created and user.updated: the whole user, field by field as Clerk's webhook schema has it. */
export function userSnapshot(user: UserState, at: number) {
  return {
    backup_code_enabled: false,
    banned: user.banned,
    bypass_client_trust: false,
    create_organization_enabled: true,
    create_organizations_limit: null,
    created_at: user.createdAt,
    delete_self_enabled: true,
    deprovisioned: false,
    email_addresses: user.emails.map((email) => emailSnapshot(email, user)),
    enterprise_accounts: [],
    external_accounts: user.google === null ? [] : [googleSnapshot(user, user.google)],
    external_id: user.externalId,
    first_name: user.firstName,
    has_image: user.google !== null,
    id: user.id,
    image_url: imageUrl,
    last_active_at: at,
    last_name: user.lastName,
    last_sign_in_at: user.google === null ? null : user.createdAt,
    legal_accepted_at: null,
    locale: null,
    locked: user.locked,
    lockout_expires_in_seconds: user.locked ? 3600 : null,
    mfa_disabled_at: null,
    mfa_enabled_at: null,
    object: "user",
    passkeys: [],
    password_enabled: user.hasPassword,
    password_last_updated_at: user.hasPassword ? user.createdAt : null,
    phone_numbers: user.phone === null ? [] : [phoneSnapshot(user.phone, user.createdAt)],
    primary_email_address_id: user.primaryEmailId,
    primary_phone_number_id: user.phone?.id ?? null,
    primary_web3_wallet_id: null,
    // What a receiver must never store; a search for `sk_simulated` finds it if one does.
    private_metadata: { billing_token: `sk_simulated_${user.id.slice(-12)}`, note: "private, never to be stored" },
    profile_image_url: "https://www.gravatar.com/avatar?d=mp",
    public_metadata: user.role === null ? {} : { role: user.role },
    saml_accounts: [],
    totp_enabled: false,
    two_factor_enabled: false,
    unsafe_metadata: user.claimedRole === null ? {} : { role: user.claimedRole, theme: "dark" },
    updated_at: at,
    username: user.username,
    verification_attempts_remaining: user.locked ? 0 : 100,
    web3_wallets: [],
  };
}

function emailSnapshot(email: SimulatedEmail, user: UserState) {
  const google = email.address === user.google?.address ? user.google : null;
  return {
    created_at: email.createdAt - minute,
    email_address: email.address,
    id: email.id,
    linked_to: google === null ? [] : [{ id: google.id, type: "oauth_google" }],
    matches_sso_connection: false,
    object: "email_address",
    reserved: false,
    updated_at: email.createdAt,
    verification: google === null ? codeVerification(email.createdAt) : googleVerification,
  };
}

const googleVerification = {
  attempts: null,
  expire_at: null,
  object: "verification_from_oauth",
  status: "verified",
  strategy: "from_oauth_google",
};

function codeVerification(at: number) {
  return {
    attempts: 1,
    channel: null,
    expire_at: at + 10 * minute,
    object: "verification_otp",
    status: "verified",
    strategy: "email_code",
  };
}

function phoneSnapshot(phone: NonNullable<UserState["phone"]>, at: number) {
  return {
    backup_codes: null,
    created_at: at - minute,
    default_second_factor: false,
    id: phone.id,
    linked_to: [],
    object: "phone_number",
    phone_number: phone.number,
    reserved: false,
    reserved_for_second_factor: false,
    updated_at: at,
    verification: { ...codeVerification(at), channel: "sms", strategy: "phone_code" },
  };
}

function googleSnapshot(user: UserState, google: NonNullable<UserState["google"]>) {
  const googleId = String(user.createdAt).padStart(21, "1");
  return {
    approved_scopes: "email https://www.googleapis.com/auth/userinfo.email openid profile",
    avatar_url: imageUrl,
    created_at: user.createdAt,
    email_address: google.address,
    email_address_verified: true,
    external_account_id: google.id.replace("idn_", "eac_"),
    family_name: user.lastName ?? "",
    first_name: user.firstName ?? "",
    given_name: user.firstName ?? "",
    google_id: googleId,
    id: google.id,
    identification_id: google.id,
    image_url: imageUrl,
    label: null,
    last_name: user.lastName ?? "",
    object: "google_account",
    phone_number: null,
    picture: imageUrl,
    provider: "oauth_google",
    provider_user_id: googleId,
    public_metadata: {},
    updated_at: user.createdAt,
    username: null,
    verification: {
      attempts: null,
      expire_at: user.createdAt + 10 * minute,
      object: "verification_oauth",
      status: "verified",
      strategy: "oauth_google",
    },
  };
}
