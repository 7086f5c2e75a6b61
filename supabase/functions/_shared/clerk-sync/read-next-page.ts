import type { ClerkApi } from "./clerk-api.ts";
import { SyncError } from "./errors.ts";
import type { UserPage } from "./parse-page.ts";
import type { Run } from "./sync-runs.ts";

/**
 * Reads the users who signed up after those that were read, null at the end. The cursor names the last of them, and
 * when that user is deleted meanwhile it leads nowhere: whether Clerk then refuses it or answers an empty page is not
 * documented. In both cases the time of that sign-up leads on.
 */
export async function readNextPage(clerk: ClerkApi, cursor: Run["cursor"]): Promise<UserPage | null> {
  const { after, created_at: createdAt } = cursor;
  if (typeof after !== "string") return orNull(await clerk.listUsers());
  const page = await clerk.listUsers({ id: after }).catch((error: unknown) => {
    if (error instanceof SyncError && error.code === "clerk_rejected") return null;
    throw error;
  });
  if (page !== null && page.last !== null) return page;
  const byTime = await clerk.listUsers({ createdAfter: Number(createdAt) - 1 }); // Clerk does not say whether "after" includes it
  return byTime.last?.id === after ? null : orNull(byTime);
}

export function cursorAfter(page: UserPage): Run["cursor"] {
  return page.last === null ? {} : { after: page.last.id, created_at: page.last.createdAt };
}

function orNull(page: UserPage): UserPage | null {
  return page.last === null ? null : page;
}
