import type { FreshUser } from "../clerk/clerk-api.ts";
import { mapUser } from "../clerk/map-user.ts";
import type { ReadUser } from "../clerk/read-user.ts";
import type { UserFields } from "../config/mapping.ts";
import type { Database, OwnRow } from "../database/database.ts";
import { SyncError } from "../errors.ts";

/**
 * Returns the row of a user, made from Clerk's API when there is none yet. Throws SyncError `user_pending` (the row is not
 * there yet), `user_deleted`, or what Clerk's API and the database throw.
 */
export type EnsureUser = (clerkId: string) => Promise<Record<string, unknown>>;

export type EnsureUserOptions = {
  database: Pick<Database, "ownRow" | "ensureUser" | "requestRefresh">;
  /** Reads a user from Clerk's API; null without CLERK_SECRET_KEY, a missing row is then left to the webhook. */
  readUser: ReadUser | null;
  /** What is stored of a user: fieldsOf the mapping. */
  fields: UserFields;
  maxAttempts: number;
  /** Called after work for a worker was stored. */
  onQueued: () => void;
};

/** Calls for one missing user share one read: an app that asks from ten places costs Clerk one request. */
export function createEnsureUser(options: EnsureUserOptions): EnsureUser {
  const inHand = new Map<string, Promise<OwnRow>>();
  return async (clerkId) => {
    const known = await options.database.ownRow(clerkId);
    if (known.state === "present") return known.row;
    const making = inHand.get(clerkId) ?? makeRow(clerkId, known, options).finally(() => inHand.delete(clerkId));
    inHand.set(clerkId, making);
    return rowOf(await making);
  };
}

/** A deleted user is read, too: only a fresh read can tell that the deletion is not true any more. */
async function makeRow(clerkId: string, known: OwnRow, options: EnsureUserOptions): Promise<OwnRow> {
  if (options.readUser === null) return known;
  const fresh = await options.readUser(clerkId);
  const own = fresh.deleted ? await leaveDeletion(clerkId, options) : await applyRead(fresh, known.at, options);
  return own;
}

async function applyRead(
  fresh: Extract<FreshUser, { deleted: false }>,
  readAt: string,
  { database, fields, maxAttempts, onQueued }: EnsureUserOptions,
): Promise<OwnRow> {
  const { user, version } = fresh;
  const own = await database.ensureUser({
    clerkId: user.id,
    version,
    payload: { ...mapUser(user, fields) },
    readAt,
    maxAttempts,
  });
  onQueued();
  return own;
}

/** Clerk has deleted the user. A request deletes nobody: what we know of the user goes the way of every deletion. */
async function leaveDeletion(clerkId: string, { database, onQueued }: EnsureUserOptions): Promise<OwnRow> {
  const own = await database.ownRow(clerkId);
  if (own.state !== "deleted" && own.version !== null) {
    await database.requestRefresh([clerkId], "ensure");
    onQueued();
  }
  return { state: "deleted", version: own.version, at: own.at };
}

function rowOf(own: OwnRow): Record<string, unknown> {
  if (own.state === "present") return own.row;
  if (own.state === "deleted") throw new SyncError("user_deleted", "This user was deleted.");
  throw new SyncError("user_pending", "The user's row is not there yet. Ask again.", {
    retryable: true,
    retryAfterSeconds: 1,
  });
}
