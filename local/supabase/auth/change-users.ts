import type pg from "pg";
import { AuthError, databaseStep, validationFailed } from "./auth-error.ts";
import { userChanges } from "./changed-user.ts";
import { contactsOf, newIdentity, newUser } from "./new-user.ts";
import { normaliseEmail, normalisePhone } from "./normalise-contact.ts";
import { parseBanDuration } from "./parse-ban-duration.ts";
import type { UserRequest } from "./parse-request.ts";
import { changedPasswordHash, newPasswordHash, requireOnePassword } from "./password.ts";
import { softDeletion } from "./soft-deleted-user.ts";
import type { UserChanges, UserWithIdentities } from "./user.ts";
import {
  deleteUser,
  type IdentityChanges,
  insertUser,
  isEmailTaken,
  isPhoneTaken,
  softDeleteUser,
  updateUser,
} from "./users-sql.ts";

/**
 * Creates a user and returns it as GoTrue's answer shows it, not read back. `defaultAudience` holds unless the request
 * names one. The order of the checks is GoTrue's: it decides which error a request with several faults gets.
 */
export async function createUser(
  pool: pg.Pool,
  request: UserRequest,
  defaultAudience: string,
): Promise<UserWithIdentities> {
  const audience = request.aud || defaultAudience;
  if (request.email === "" && request.phone === "") {
    throw validationFailed("Cannot create a user without either an email or phone");
  }
  const email = await freeEmail(pool, request.email, audience);
  const phone = await freePhone(pool, request.phone, audience);
  requireOnePassword(request.password, request.password_hash);
  const created = newUser({
    request: { ...request, email, phone },
    audience,
    encryptedPassword: newPasswordHash(request.password, request.password_hash),
    now: new Date(),
  });
  await databaseStep("Database error creating new user", () => insertUser(pool, created));
  return created;
}

/** Applies an update to a user that was read before, and returns it as GoTrue's answer shows it, not read back. */
export async function changeUser(
  pool: pg.Pool,
  { user, identities }: UserWithIdentities,
  sent: UserRequest,
): Promise<UserWithIdentities> {
  const email = sent.email && normaliseEmail(sent.email);
  const phone = sent.phone && normalisePhone(sent.phone);
  const banSeconds = parseBanDuration(sent.ban_duration);
  const encryptedPassword = changedPasswordHash(sent.password);
  const request = { ...sent, email, phone };
  const now = new Date();
  const changes: UserChanges = userChanges(user, { request, encryptedPassword, banSeconds, now });
  const identityChanges = changesOfIdentities({ user, identities }, request, now);
  if (Object.keys(changes).length > 0) {
    await databaseStep("Error updating user", () => updateUser(pool, user.id, changes, identityChanges));
  }
  return { user: { ...user, ...changes }, identities: [...identities, ...identityChanges.created] };
}

/** Removes a user, or keeps its row without anything personal; a second soft delete does nothing. */
export async function removeUser(pool: pg.Pool, found: UserWithIdentities, isSoft: boolean): Promise<void> {
  const { user, identities } = found;
  if (!isSoft) return databaseStep("Database error deleting user", () => deleteUser(pool, user.id));
  if (user.deleted_at !== null) return;
  await databaseStep("Error soft deleting user", () => softDeleteUser(pool, softDeletion(user), identities));
}

/** A contact without identity gets one; else the identity's data follow. Its new data show only when read again. */
function changesOfIdentities(
  { user, identities }: UserWithIdentities,
  request: UserRequest,
  now: Date,
): IdentityChanges {
  const changes: IdentityChanges = { created: [], updated: [] };
  for (const contact of contactsOf(request)) {
    const { provider, value, isVerified } = contact;
    const existing = identities.find((one) => one.provider === provider && one.provider_id === user.id);
    if (existing === undefined) {
      changes.created.push(newIdentity(user.id, contact, now));
      continue;
    }
    const identity_data = { ...existing.identity_data, [provider]: value, [`${provider}_verified`]: isVerified };
    changes.updated.push({ id: existing.id, identity_data });
  }
  return changes;
}

async function freeEmail(pool: pg.Pool, sent: string, audience: string): Promise<string> {
  if (sent === "") return "";
  const email = normaliseEmail(sent);
  if (await databaseStep("Database error checking email", () => isEmailTaken(pool, email, audience))) {
    throw new AuthError(422, "email_exists", "A user with this email address has already been registered");
  }
  return email;
}

async function freePhone(pool: pg.Pool, sent: string, audience: string): Promise<string> {
  if (sent === "") return "";
  const phone = normalisePhone(sent);
  if (await databaseStep("Database error checking phone", () => isPhoneTaken(pool, phone, audience))) {
    throw new AuthError(422, "phone_exists", "Phone number already registered by another user");
  }
  return phone;
}
