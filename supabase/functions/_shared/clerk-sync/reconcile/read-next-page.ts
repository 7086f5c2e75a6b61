import { type ClerkApi, pageSize } from "../clerk/clerk-api.ts";
import type { UserPage } from "../clerk/parse-page.ts";
import { SyncError } from "../errors.ts";
import type { Run } from "./runs-database.ts";

/** The list may have grown since it was counted. */
const sparePages = 10;

/**
 * Reads the users who signed up after those that were read, null at the end. The cursor names the last of them, and
 * when that user is deleted meanwhile it leads nowhere: whether Clerk then refuses it or answers an empty page is not
 * documented. In both cases the time of that sign-up leads on.
 * Users of one sign-up time (an import) may be listed in another order each time, and a cursor among them may then lead
 * back. After more pages of one time than the instance can have, that time is over.
 */
export async function readNextPage(
  clerk: ClerkApi,
  { cursor, users_at_clerk: users }: Pick<Run, "cursor" | "users_at_clerk">,
): Promise<UserPage | null> {
  const { after, created_at: createdAt, still = 0 } = cursor;
  if (typeof after !== "string") return orNull(await clerk.listUsers());
  if (Number(still) > (users ?? 0) / pageSize + sparePages) return await readLater(clerk, Number(createdAt));
  const page = await clerk.listUsers({ id: after }).catch((error: unknown) => {
    if (error instanceof SyncError && error.code === "clerk_rejected") return null;
    throw error;
  });
  if (page !== null && page.last !== null) return page;
  const byTime = await clerk.listUsers({ createdAfter: Number(createdAt) - 1 }); // Clerk does not say whether "after" includes it
  return byTime.last?.id === after ? null : orNull(byTime);
}

/** Where the next page starts; `still` counts the pages that came no later in time. */
export function cursorAfter({ last }: UserPage, { cursor }: Pick<Run, "cursor">): Run["cursor"] {
  if (last === null) return {};
  const [latest, still] = [Number(cursor["created_at"] ?? -1), Number(cursor["still"] ?? 0)];
  if (last.createdAt > latest) return { after: last.id, created_at: last.createdAt };
  return { after: last.id, created_at: latest, still: still + 1 };
}

/** Those of a later time only; null when there are none, or Clerk does not tell the times. */
async function readLater(clerk: ClerkApi, createdAt: number): Promise<UserPage | null> {
  for (const createdAfter of [createdAt, createdAt + 1]) {
    const page = await clerk.listUsers({ createdAfter });
    if (page.last === null || page.last.createdAt > createdAt) return orNull(page);
  }
  return null;
}

function orNull(page: UserPage): UserPage | null {
  return page.last === null ? null : page;
}
