import { auth } from "@clerk/nextjs/server";
import { SyncError, type UserRow, waitForUser } from "clerk-supabase-sync/wait-for-user";

export type OwnUser = { state: "here"; user: UserRow } | { state: "late" };

/**
 * The row of who is signed in, also right after the sign-up. `late` when it is not there after five seconds: Clerk or
 * Supabase has a bad day, and the page says so. A deleted user and a wrong set-up are errors, for error.tsx.
 */
export async function readOwnUser(): Promise<OwnUser> {
  const { getToken } = await auth();
  const url = `${process.env["NEXT_PUBLIC_SUPABASE_URL"]}/functions/v1/ensure-user`;
  try {
    return { state: "here", user: await waitForUser({ url, getToken, timeoutMilliseconds: 5000 }) };
  } catch (error) {
    if (error instanceof SyncError && error.code === "user_pending") return { state: "late" };
    throw error;
  }
}
