import type { AuthAdmin, AuthUser } from "./auth-admin.ts";
import type { Retry } from "./clerk-api.ts";
import { SyncError } from "./errors.ts";

/** An Auth user as it is compared with the user of ours that `owner` names; see clerk_sync_compare_auth_users. */
export type AuthRow = {
  id: string;
  owner: string;
  /** True: Supabase Auth says that it has no such user. */
  missing?: true;
  clerk_id?: string | null;
  email?: string;
  role?: string | null;
  /** Clerk's ban, as the mirror was given it. */
  banned?: boolean;
  /** The ban in Auth that every mirror carries. */
  banned_until?: string | null;
  deleted?: boolean;
};

/** The door to Supabase Auth for who only looks. */
export type AuthReader = {
  /** A page of its users, the oldest first; empty after the end. */
  listUsers: (page: number) => Promise<AuthUser[]>;
  /** One of them; null when Supabase Auth says that it has none of that id. */
  readUser: (id: string) => Promise<AuthUser | null>;
  isEmailTaken: (email: string) => Promise<boolean>;
};

/** Each of them may have to be looked up alone, all in one step of a run. */
const usersPerPage = 200;

/** Makes the door. It throws SyncError `auth_unavailable`, `auth_rate_limited`, `auth_unauthorized`, after repeats. */
export function createAuthReader(
  auth: Pick<AuthAdmin, "listUsers" | "getUser" | "isEmailTaken">,
  retry: Retry,
): AuthReader {
  return {
    listUsers: (page) => retry(() => auth.listUsers(page, usersPerPage)),
    isEmailTaken: (email) => retry(() => auth.isEmailTaken(email)),
    readUser: (id) => retry(() => readExisting(auth, id)),
  };
}

/** Only Auth's own code says that a user is missing; a 404 of anybody else says nothing. */
async function readExisting(auth: Pick<AuthAdmin, "getUser">, id: string): Promise<AuthUser | null> {
  const answer = await auth.getUser(id);
  if (answer.ok) return answer.user;
  if (answer.status === 404 && answer.code === "user_not_found") return null;
  throw new SyncError("auth_unavailable", `Supabase Auth answered ${answer.status} ${answer.code}.`, {
    retryable: true,
  });
}

/** The Clerk id in the metadata that only the service role writes; null for a user who is not ours. */
export function clerkIdOf({ app_metadata: metadata }: AuthUser): string | null {
  return textOf(metadata["clerk_id"]);
}

export function toAuthRow(user: AuthUser, owner: string): AuthRow {
  return {
    id: user.id,
    owner,
    clerk_id: clerkIdOf(user),
    email: user.email ?? "",
    role: textOf(user.app_metadata["role"]),
    banned_until: timeOf(user.banned_until),
    banned: user.app_metadata["banned"] === true,
    deleted: Boolean(user.deleted_at),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function timeOf(value: string | null | undefined): string | null {
  return value && !Number.isNaN(Date.parse(value)) ? value : null;
}
