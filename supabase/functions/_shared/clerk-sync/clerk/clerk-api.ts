import { z } from "zod";
import { SyncError } from "../errors.ts";
import { clerkUnavailable } from "./clerk-failure.ts";
import { type ClerkApiOptions, get, notAnId, readInParts } from "./clerk-requests.ts";
import { toMilliseconds } from "./clerk-values.ts";
import { type ClerkUser, parseUser } from "./parse-event.ts";
import { parsePage, type UserPage } from "./parse-page.ts";

/** Most ids of one `user_id=` filter (OpenAPI, GetUserList). */
const idsPerRequest = 100;

/** What Clerk's API says of a user now. `version` is its updated_at in Unix milliseconds. */
export type FreshUser = { deleted: true } | { deleted: false; version: number; user: ClerkUser };

/** The door to Clerk's Backend API. */
export type ClerkApi = {
  /** One user as it is now. */
  readUser: (clerkId: string) => Promise<FreshUser>;
  /**
   * The next users in the order they signed up, at most 500: those after the user of a cursor, or those created
   * after a time (Unix milliseconds), or the first. An empty page is the end. Throws `clerk_rejected` when Clerk does
   * not take the cursor, because its user is gone, say.
   */
  listUsers: (after?: { id: string } | { createdAfter: number }) => Promise<UserPage>;
  /** Users in the order of their last change, the newest first. Pages shift while users change. */
  listRecentlyUpdated: (range: { offset: number; limit: number }) => Promise<UserPage>;
  /** Those of at most 100 users that exist. An id that Clerk refuses is among the unreadable, and costs the others nothing. */
  readUsers: (clerkIds: readonly string[]) => Promise<UserPage>;
  /** How many users the instance has. */
  countUsers: () => Promise<number>;
};

/** Clerk's largest page (OpenAPI, LimitParameter). A larger limit is answered with ten users and no error. */
export const pageSize = 500;

const countSchema = z.object({ total_count: z.number().int().nonnegative() });

/**
 * Makes the door over plain HTTP: the SDK drops fields, retries nothing, asks for the count with every page, and
 * takes any 404 for an answer. Its methods throw SyncError: `clerk_unavailable`, `clerk_rate_limited` with
 * retryAfterSeconds, `clerk_unauthorized` (all worth another attempt) or `clerk_rejected` (never will be answered).
 */
export function createClerkApi(options: ClerkApiOptions): ClerkApi {
  const listPage = (parameters: Iterable<[string, string]>) =>
    getExisting(options, `/users?${new URLSearchParams([...parameters])}`, parsePage);
  return {
    readUser: async (clerkId) => {
      if (clerkId === "." || clerkId === "..") throw notAnId(); // a path of that name would be another route
      const fresh = await get(options, `/users/${encodeURIComponent(clerkId)}`, (body) => readFresh(clerkId, body));
      return fresh ?? { deleted: true };
    },
    listUsers: (after) => listPage([["limit", `${pageSize}`], ["order_by", "+created_at"], ...cursorOf(after)]),
    listRecentlyUpdated: ({ offset, limit }) =>
      listPage([
        ["limit", `${limit}`],
        ["offset", `${offset}`],
        ["order_by", "-updated_at"],
      ]),
    readUsers: (clerkIds) =>
      readInParts(
        clerkIds,
        (ids) => listPage([["limit", `${idsPerRequest}`], ...ids.map((id): [string, string] => ["user_id", id])]),
        unreadablePage,
        joinPages,
      ),
    countUsers: () => getExisting(options, "/users/count", (body) => countSchema.parse(body).total_count),
  };
}

function unreadablePage(clerkIds: readonly string[]): UserPage {
  return { users: [], unreadable: [...clerkIds], last: null };
}

function joinPages(first: UserPage, second: UserPage): UserPage {
  return {
    users: [...first.users, ...second.users],
    unreadable: [...first.unreadable, ...second.unreadable],
    last: second.last ?? first.last,
  };
}

/** `starting_after` costs the same wherever it stands, an offset ever more (OpenAPI, GetUserList). */
function cursorOf(after?: { id: string } | { createdAfter: number }): [string, string][] {
  if (after === undefined) return [];
  return "id" in after ? [["starting_after", after.id]] : [["created_at_after", `${after.createdAfter}`]];
}

async function getExisting<Output>(options: ClerkApiOptions, path: string, read: (body: unknown) => Output) {
  const output = await get(options, path, read);
  if (output !== null) return output;
  if (path.includes("starting_after=")) throw new SyncError("clerk_rejected", "Clerk's API does not know the cursor.");
  throw clerkUnavailable("does not know the list of users. Is CLERK_API_URL right?");
}

function readFresh(clerkId: string, body: unknown): FreshUser {
  const user = parseUser(body);
  if (user.id !== clerkId) throw new Error("another user than was asked for");
  return { deleted: false, version: toMilliseconds(user.updated_at), user };
}
