import { SyncError } from "../errors.ts";
import { createJudgement } from "../http/ask-service.ts";
import type { Retry } from "../http/retry-requests.ts";
import type { AuthAdmin, AuthUser } from "./auth-admin.ts";

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

/**
 * A row that Auth cannot read, such as one with a NULL token: it shows no id. `place` counts from the oldest; before and
 * after it stand these users.
 */
export type UnreadableRow = { place: number; after: string | null; before: string | null };

type AuthPage = { users: AuthUser[]; unreadable: UnreadableRow[] };

/** The door to Supabase Auth for who only looks. */
export type AuthReader = {
  /** A page of its users, the oldest first; empty after the end. */
  listUsers: (page: number) => Promise<AuthPage>;
  /**
   * One of them; null when Supabase Auth says that it has none of that id. Throws SyncError `auth_user_failed` as well, when
   * Auth works and cannot read this user.
   */
  readUser: (id: string) => Promise<AuthUser | null>;
  isEmailTaken: (email: string) => Promise<boolean>;
};

/** A power of two, to be halved. Each of them may have to be looked up alone, all in one step of a run. */
const usersPerPage = 128;
/** A page that no project has: the list works when this one is answered. */
const farPage = 1_000_000_000;
const noUserId = "00000000-0000-4000-8000-000000000000";

/** Makes the door. It throws SyncError `auth_unavailable`, `auth_rate_limited`, `auth_unauthorized`, after repeats. */
export function createAuthReader(
  auth: Pick<AuthAdmin, "listUsers" | "getUser" | "isEmailTaken">,
  retry: Retry,
): AuthReader {
  const errors = { unavailable: "auth_unavailable", userFailed: "auth_user_failed" } as const;
  const judgePage = createJudgement({ ...errors, ask: () => auth.listUsers(farPage, 1), remedy: "" });
  const judgeUser = createJudgement({ ...errors, ask: () => askForNobody(auth), remedy: "See docs/errors.md." });
  return {
    listUsers: async (page) => {
      try {
        return { users: await retry(() => auth.listUsers(page, usersPerPage)), unreadable: [] };
      } catch (error) {
        const judged = await judgePage(error);
        if (!isOfUser(judged)) throw judged;
        return toPage(await listHalves(auth, page, usersPerPage), (page - 1) * usersPerPage);
      }
    },
    readUser: async (id) => {
      try {
        return await retry(() => readExisting(auth, id));
      } catch (error) {
        throw await judgeUser(error);
      }
    },
    isEmailTaken: async (email) => {
      try {
        return await retry(() => auth.isEmailTaken(email));
      } catch (error) {
        if (isOfUser(await judgeUser(error))) return true; // Auth fails over the row that holds it
        throw error;
      }
    },
  };
}

/** True for an error that says that Auth works, and not for this user. */
export function isOfUser(error: unknown): error is SyncError {
  return error instanceof SyncError && error.code === "auth_user_failed";
}

/**
 * The rows of a page that Auth answers 500 for: halved until the row at fault is alone, which is null then. It is not
 * repeated, for there may be a whole page of such rows; what failed by chance is found right by the next compare.
 */
async function listHalves(
  auth: Pick<AuthAdmin, "listUsers">,
  page: number,
  size: number,
): Promise<(AuthUser | null)[]> {
  if (size === 1) return [null];
  const rows: (AuthUser | null)[] = [];
  for (const half of [page * 2 - 1, page * 2]) rows.push(...(await listPart(auth, half, size / 2)));
  return rows;
}

async function listPart(auth: Pick<AuthAdmin, "listUsers">, page: number, size: number): Promise<(AuthUser | null)[]> {
  try {
    return await auth.listUsers(page, size);
  } catch (error) {
    if (error instanceof SyncError && error.code === "auth_unavailable") return await listHalves(auth, page, size);
    throw error;
  }
}

function toPage(rows: readonly (AuthUser | null)[], offset: number): AuthPage {
  const unreadable = rows.flatMap((row, place): UnreadableRow[] =>
    row === null
      ? [{ place: offset + place + 1, after: rows[place - 1]?.id ?? null, before: rows[place + 1]?.id ?? null }]
      : [],
  );
  return { users: rows.filter((row) => row !== null), unreadable };
}

/** Resolves when Auth works: it says itself that it has no such user. Throws what any other answer means. */
export async function askForNobody(auth: Pick<AuthAdmin, "getUser">): Promise<void> {
  await readExisting(auth, noUserId);
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
