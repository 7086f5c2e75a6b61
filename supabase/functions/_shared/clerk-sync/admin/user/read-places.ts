import type { FreshUser } from "../../clerk/clerk-api.ts";
import { mapUser } from "../../clerk/map-user.ts";
import type { ReadUser } from "../../clerk/read-user.ts";
import type { UserFields } from "../../config/mapping.ts";
import { errorCode, errorMessage, SyncError } from "../../errors.ts";
import { inTime } from "../../http/async.ts";
import { logger } from "../../logger.ts";
import type { AuthAdmin, AuthUser } from "../../mirror/auth-admin.ts";
import { isPlaceholder, isPlaceholderPhone } from "../../mirror/mirror-contact.ts";
import { authUserIdOf } from "../../mirror/mirror-user.ts";
import type { Place } from "../contract/users.ts";
import type { StoredUser } from "../database.ts";
import { nameService } from "../job-words.ts";
import { findColumn } from "./compare-places.ts";
import { describeVersion } from "./describe-version.ts";
import { placeWords } from "./user-words.ts";

/** What is asked live; null: not configured. */
export type PlaceReaders = { clerk: ReadUser | null; auth: AuthAdmin | null };

/** A person waits for the answer; who has not answered by then is unknown. */
const placeMilliseconds = 4000;

/** What Clerk's API says of a user; `fresh` is null unless it answered. */
type ClerkLook = { place: Place; fresh: FreshUser | null };

/** What of a user is compared between the places, whatever the mapping has. */
const comparedAtClerk: UserFields = new Set(["email", "name", "user_role", "phone", "banned"]);

const nothing: Pick<Place, "id" | "values"> = { id: null, values: {} };

/** Asks Clerk's API for a user. Never throws: what goes wrong is the reason why the place is unknown. */
export async function readClerkPlace(clerkId: string, readUser: ReadUser | null): Promise<ClerkLook> {
  if (readUser === null) return { place: { state: "off", reason: placeWords.clerkOff, ...nothing }, fresh: null };
  try {
    const fresh = await askInTime("Clerk's API", () => readUser(clerkId));
    return { place: fresh.deleted ? absentPlace(placeWords.clerkAbsent) : toClerkPlace(fresh), fresh };
  } catch (error) {
    return { place: unknownPlace("clerk", error), fresh: null };
  }
}

/** Asks Supabase Auth for the mirror of a user. Never throws, as readClerkPlace. */
export async function readAuthPlace(
  clerkId: string,
  stored: Promise<StoredUser>,
  auth: AuthAdmin | null,
): Promise<Place> {
  if (auth === null) return { state: "off", reason: placeWords.authOff, ...nothing };
  const { state } = await stored;
  try {
    const id = state?.auth_user_id ?? authUserIdOf(clerkId);
    const answer = await askInTime("Supabase Auth", () => auth.getUser(id));
    if (answer.ok) return toAuthPlace(answer.user, state);
    if (answer.status === 404) return absentPlace(placeWords.authAbsent);
    return unknownPlace(
      "auth",
      new SyncError("auth_rejected", `Supabase Auth answered ${answer.status} ${answer.code}.`),
    );
  } catch (error) {
    return unknownPlace("auth", error);
  }
}

/**
 * The row with what the sync keeps beside it: a field that no column has is kept for the mirror, or not at all. updated_at is
 * Clerk's time of what was applied.
 */
export function toUsersPlace({ row, columns, state, values }: StoredUser): Place {
  if (row === null) return absentPlace(placeWords.rowAbsent);
  return {
    state: "present",
    reason: row.deleted_at ? placeWords.rowKept : null,
    id: row.id,
    values: {
      ...Object.fromEntries(
        (["email", "name", "role"] as const).flatMap((field) => {
          if (findColumn(columns, field) !== undefined) return [[field, textOf(row[field])]];
          return values?.[field] ? [[field, values[field]]] : [];
        }),
      ),
      ...(values === null ? {} : { phone: values.phone, banned: values.banned }),
      updated_at: timeOf(state?.version),
    },
  };
}

function toClerkPlace({ user, version }: Extract<FreshUser, { deleted: false }>): Place {
  const { email, name, user_role: role, phone, phone_verified: isVerified, banned } = mapUser(user, comparedAtClerk);
  const values: Place["values"] = {
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role: textOf(role) }),
    ...(phone === undefined ? {} : { phone: isVerified ? phone : null }), // the mirror has verified ones only
    ...(banned === undefined ? {} : { banned }),
    updated_at: timeOf(version),
  };
  return { state: "present", reason: null, id: user.id, values };
}

/** updated_at is Clerk's time of what was mirrored: Auth's own says when somebody signed in, too. */
function toAuthPlace(user: AuthUser, state: StoredUser["state"]): Place {
  return {
    state: "present",
    reason: null,
    id: user.id,
    values: {
      email: user.email && !isPlaceholder(user.email) ? user.email : null,
      name: textOf(user.user_metadata?.["full_name"]),
      role: textOf(user.app_metadata["role"]),
      phone: user.phone && !isPlaceholderPhone(user.phone) ? user.phone : null,
      banned: user.app_metadata["banned"] === true,
      updated_at: timeOf(state?.mirrored_version),
    },
  };
}

/** A call that hangs ends by the place's own timeout, unheard. */
function askInTime<Output>(who: string, ask: () => Promise<Output>): Promise<Output> {
  return inTime(ask(), placeMilliseconds, () => {
    throw new SyncError("endpoint_unreachable", `${who} did not answer within ${placeMilliseconds / 1000} s.`);
  });
}

function absentPlace(reason: string): Place {
  return { state: "absent", reason, ...nothing };
}

function unknownPlace(place: "clerk" | "auth", error: unknown): Place {
  logger.warn("admin.place_unknown", { place, code: errorCode(error) });
  if (!(error instanceof SyncError)) logger.error("admin.failed", { error: errorMessage(error) });
  const cause = error instanceof SyncError ? `${error.code}: ${error.message}` : "internal: see the log";
  return { state: "unknown", reason: `${nameService(place)} gave no answer: ${cause}`, ...nothing };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function timeOf(version: number | null | undefined): string | null {
  return version ? describeVersion(version) : null;
}
