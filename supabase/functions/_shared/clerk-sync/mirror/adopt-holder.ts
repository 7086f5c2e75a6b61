import type { Config } from "../config/config.ts";
import type { Database, MirrorOrder } from "../database/database.ts";
import type { AuthAdmin, AuthUser, AuthUserInput } from "./auth-admin.ts";
import { conflict, rejected } from "./auth-refusals.ts";
import { isPlaceholderPhone, placeholderPhone } from "./mirror-contact.ts";

/** AUTH_ADOPT=on: how an Auth user from before the mirror, who holds a verified address, becomes the mirror. */
export type Adoption = {
  /** AUTH_JWT_SECONDS: how long an access token of Supabase Auth is valid. */
  tokenSeconds: number;
  /** Unix milliseconds. */
  now: () => number;
  /** Whether is_super_admin is set; Auth's own routes do not show it. */
  isSuperAdmin: (authUserId: string) => Promise<boolean>;
};

/** Null: an Auth user from before the mirror is left alone. */
export function adoptionOf(
  { adoptsWithTokenSeconds: tokenSeconds }: Pick<Config, "adoptsWithTokenSeconds">,
  { isSuperAdmin }: Pick<Database, "isSuperAdmin">,
  now: () => number,
): Adoption | null {
  return tokenSeconds === null ? null : { tokenSeconds, now, isSuperAdmin };
}

/** The holder is locked; the job waits until the access tokens that were issued before have run out. */
export type HolderLock = { outcome: "locked"; holderId: string; lockedAt: number; waitSeconds: number };

type Holding = { order: MirrorOrder; holderId: string; adoption: Adoption };

/** 100 years: the Auth server knows no ban without an end. */
export const banWithoutEnd = "876000h";

/**
 * Who knew the password, had a session, a link that was mailed or another way in, has none any more. The password on an
 * update ends all sessions and empties all links, also those of a pending change of address; the ban is asked at every
 * sign-in, for identities that others linked cannot be removed (supabase/auth, internal/models/user.go, UpdatePassword).
 */
export function lockInput(): AuthUserInput {
  return { password: randomPassword(), ban_duration: banWithoutEnd, role: "authenticated", email_confirm: true };
}

/**
 * Deletes a holder whose address Auth has not confirmed: whoever signed up with it never proved it. What refers to the
 * row with `on delete cascade` goes with it. True when it is gone.
 */
export async function removeUnconfirmed(auth: AuthAdmin, holding: Holding): Promise<boolean> {
  const holder = await readAdoptable(auth, holding);
  if (holder === null || holder.email_confirmed_at) return false;
  const deleted = await auth.deleteUser(holder.id);
  return deleted.ok || deleted.status === 404;
}

/** What Auth exchanges for a session after a ban: a code, for 300 s (GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION). */
const codeSeconds = 600;
/** A token is taken a little longer than it is valid, and clocks differ. */
const slackSeconds = 60;

/**
 * Makes the holder the mirror: `input` is what a mirror is given. First it is locked. The Clerk id and the role are
 * written only when no code is left that Auth would exchange without asking for the ban, and when the last access token
 * has run out: one that was issued before would belong to the mirror. Null: not to be adopted.
 */
export async function adoptHolder(
  auth: AuthAdmin,
  holding: Holding,
  input: AuthUserInput,
): Promise<HolderLock | "adopted" | null> {
  const { order, adoption } = holding;
  const holder = await readAdoptable(auth, holding);
  if (holder === null || !holder.email_confirmed_at) return null;
  const now = adoption.now();
  const lockedAt = order.auth_holder_id === holder.id ? timeOf(order.auth_locked_at) : 0;
  if (lockedAt === 0 || timeOf(holder.banned_until) < now) return lock(auth, holder, adoption);
  const waitSeconds = adoption.tokenSeconds + codeSeconds - (now - lockedAt) / 1000;
  if (waitSeconds > 0) return { outcome: "locked", holderId: holder.id, lockedAt, waitSeconds };
  const lastToken = timeOf(holder.last_sign_in_at) + (adoption.tokenSeconds + slackSeconds) * 1000;
  if (lastToken > now) return lock(auth, holder, adoption);
  await auth.removeFactors(holder.id);
  const updated = await auth.updateUser(holder.id, { ...input, ...withoutPhone(holder) });
  if (updated.ok) return "adopted";
  throw updated.status === 404 ? conflict() : rejected(updated);
}

async function lock(auth: AuthAdmin, holder: AuthUser, adoption: Adoption): Promise<HolderLock> {
  const locked = await auth.updateUser(holder.id, { ...lockInput(), ...withoutPhone(holder) });
  if (!locked.ok) throw locked.status === 404 ? conflict() : rejected(locked);
  await auth.removeFactors(holder.id);
  const waitSeconds = adoption.tokenSeconds + codeSeconds;
  return { outcome: "locked", holderId: holder.id, lockedAt: adoption.now(), waitSeconds };
}

/** A sign-up by a number that is not confirmed is handed a session in spite of the ban. */
function withoutPhone({ phone }: AuthUser): AuthUserInput {
  return phone && !isPlaceholderPhone(phone) ? placeholderPhone() : {};
}

/**
 * The holder as it is now, or null for one that is never taken over: without a proof of Clerk's, of single sign-on,
 * anonymous, a super admin, with a pending change of address or number, which outlives every lock (internal/api/resend.go).
 * One that is gone by now is worth another attempt.
 */
async function readAdoptable(auth: AuthAdmin, { order, holderId, adoption }: Holding): Promise<AuthUser | null> {
  if (!order.email_verified) return null;
  const found = await auth.getUser(holderId);
  if (!found.ok) throw conflict();
  const { user } = found;
  if (user.email?.toLowerCase() !== order.email?.toLowerCase()) throw conflict();
  const providers = [user.app_metadata["provider"], ...(user.identities ?? []).map(({ provider }) => provider)];
  const isSso = providers.some((provider) => typeof provider === "string" && provider.startsWith("sso:"));
  const isChanging = user.new_email || user.new_phone;
  if (isSso || isChanging || user.is_anonymous || user.deleted_at || user.app_metadata["clerk_id"]) return null;
  return (await adoption.isSuperAdmin(user.id)) ? null : user;
}

/** Long enough for every rule of Supabase Auth about characters, and short enough for bcrypt's 72 bytes. */
function randomPassword(): string {
  return `aA1!${crypto.randomUUID()}${crypto.randomUUID().slice(0, 23)}`;
}

function timeOf(time: string | null | undefined): number {
  return time ? Date.parse(time) : 0;
}
