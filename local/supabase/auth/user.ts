export type Metadata = Record<string, unknown>;

export type Identity = {
  id: string;
  provider_id: string;
  user_id: string;
  identity_data: Metadata;
  provider: string;
  last_sign_in_at: Date | null;
  created_at: Date;
  updated_at: Date;
  email: string | null;
};

/** A row of auth.users without its tokens, by column name. */
export type User = {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  encrypted_password: string | null;
  email_confirmed_at: Date | null;
  invited_at: Date | null;
  phone: string | null;
  phone_confirmed_at: Date | null;
  confirmation_sent_at: Date | null;
  confirmed_at: Date | null;
  recovery_sent_at: Date | null;
  email_change: string | null;
  email_change_sent_at: Date | null;
  phone_change: string | null;
  phone_change_sent_at: Date | null;
  reauthentication_sent_at: Date | null;
  last_sign_in_at: Date | null;
  raw_app_meta_data: Metadata;
  raw_user_meta_data: Metadata | null;
  created_at: Date;
  updated_at: Date;
  banned_until: Date | null;
  deleted_at: Date | null;
  is_anonymous: boolean;
};

export type UserWithIdentities = { user: User; identities: Identity[] };

/** The columns an update sets, and those only: an absent one keeps whatever the row holds by then. */
export type UserChanges = Partial<
  Pick<
    User,
    | "role"
    | "email"
    | "encrypted_password"
    | "email_confirmed_at"
    | "phone"
    | "phone_confirmed_at"
    | "raw_app_meta_data"
    | "raw_user_meta_data"
    | "updated_at"
    | "banned_until"
    | "is_anonymous"
  >
>;

/** `updates` laid over `current` at the top level: null deletes its key, objects are replaced whole. */
export function mergeMetadata(current: Metadata | null, updates: Metadata): Metadata {
  if (current === null) return updates;
  const merged = { ...current, ...updates };
  return Object.fromEntries(
    Object.entries(merged).filter(([key, value]) => !Object.hasOwn(updates, key) || value !== null),
  );
}
