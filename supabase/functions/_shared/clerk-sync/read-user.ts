import { type ClerkApi, createClerkApi, type FreshUser } from "./clerk-api.ts";
import type { Config } from "./config.ts";
import type { JobOutcome, Read, ReadOrder } from "./database.ts";
import { mapUser } from "./map-user.ts";
import { outcomeOfError } from "./mirror-user.ts";

export type ReadUser = ClerkApi["readUser"];

/** Makes the reading of single users from Clerk's API; null without CLERK_SECRET_KEY. */
export function createReadUser({ clerkSecretKey, clerkApiUrl }: Config): ReadUser | null {
  if (clerkSecretKey === null) return null;
  return createClerkApi({ secretKey: clerkSecretKey, apiUrl: clerkApiUrl }).readUser;
}

/** Reads one user from Clerk's API: what is to be applied, or how the attempt ends that could not read it. */
export async function outcomeOfRead(order: ReadOrder, readUser: ReadUser): Promise<Read | JobOutcome> {
  try {
    return toRead(order.job_id, await readUser(order.clerk_id));
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

function toRead(jobId: string, fresh: FreshUser): Read {
  if (fresh.deleted) return { job_id: jobId, deleted: true };
  return { job_id: jobId, deleted: false, version: fresh.version, payload: { ...mapUser(fresh.user) } };
}
